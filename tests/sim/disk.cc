#include "tests/sim/disk.h"

namespace vpp::sim {

void Disk::commit(const std::vector<node::Record>& batch) {
  for (const auto& record : batch) {
    std::visit([&](const auto& typed) { apply(typed); }, record);
  }
}

node::Recovered Disk::recover() const {
  return content_;
}

void Disk::apply(const mesh::UplinkRecord& record) {
  if (bug_ == PlantedBug::kSessionForgotten) return;
  content_.uplink = record;
}

void Disk::apply(const node::Fence& record) {
  if (bug_ == PlantedBug::kFenceForgotten) return;
  content_.fence = record;
}

void Disk::apply(const node::TermRecord& record) {
  if (bug_ == PlantedBug::kTermForgotten) return;
  content_.term = record;
}

void Disk::apply(const node::DrainRecord& record) {
  content_.drain = record;
}

void Disk::apply(const aggregation::Order& record) {
  if (bug_ == PlantedBug::kOrderForgotten) return;
  const auto [it, is_new] = order_at_.try_emplace(record.id, content_.orders.size());
  if (is_new) {
    content_.orders.push_back(record);
  } else {
    content_.orders[it->second] = record;
  }
}

void Disk::apply(const bidding::Fact& record) {
  if (bug_ == PlantedBug::kBidForgotten) return;
  content_.facts.push_back(record);
}

}  // namespace vpp::sim
