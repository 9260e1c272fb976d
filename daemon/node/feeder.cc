#include "daemon/node/feeder.h"

#include <variant>

namespace vpp::node {
namespace {

void add(aggregation::FeederReadings& out, const mesh::SiteSummary& site) {
  if (site.stale || !site.net) {
    ++out.unknown;
    return;
  }
  out.net += *site.net;
  if (site.order != kNoOrder) out.batteries += site.measured.value_or(Watts{0});
}

void add(aggregation::FeederReadings& out, const mesh::GroupSummary& group) {
  out.net += group.net;
  out.batteries += group.measured;
  for (const auto& scope : group.scopes) out.batteries += scope.measured;
  // Their batteries are in the sum of all, and may do as much as their connections carry: what is
  // taken off for them is put on again.
  out.unknown += std::size_t{2} * group.net_unknown;
}

}  // namespace

aggregation::FeederReadings feeder_readings(const std::vector<mesh::ChildView>& children) {
  aggregation::FeederReadings out;
  for (const auto& child : children) {
    if (child.moved) continue;
    const auto* group = child.summary ? std::get_if<mesh::GroupSummary>(&*child.summary) : nullptr;
    if (child.attached && child.summary) {
      std::visit([&](const auto& summary) { add(out, summary); }, *child.summary);
    } else {
      out.unknown += group != nullptr ? group->coverage.enrolled : 1;
    }
  }
  return out;
}

}  // namespace vpp::node
