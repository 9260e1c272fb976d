#include "daemon/node/owner_rates.h"

#include <algorithm>
#include <iterator>

#include "config/limits.h"

namespace vpp::node {

void OwnerRates::add(const std::vector<mesh::OwnerRate>& rates) {
  for (const mesh::OwnerRate& rate : rates) {
    const bool old =
        rates_.size() >= limits::kReceiptsOfPlant && rate.order < rates_.begin()->first;
    if (old || !rates_.emplace(rate.order, rate.per_mwh).second) continue;
    changed_ = true;
    if (rates_.size() > limits::kReceiptsOfPlant) rates_.erase(rates_.begin());
  }
}

void OwnerRates::collect(const Now& now, mesh::Children& children, mesh::ChildrenEffects& down) {
  if (rates_.empty() || (!changed_ && !down.membership_changed)) return;
  if (changed_) told_.clear();
  changed_ = false;
  mesh::OwnerRates message;
  for (const auto& [order, rate] : rates_) message.rates.push_back({order, rate});
  const auto attached = children.attached();
  for (const auto& [child, session] : attached) {
    const auto told = told_.find(child);
    if (told == told_.end() || told->second != session) children.tell(now, child, message);
  }
  told_ = attached;
  std::ranges::move(children.take_effects().send, std::back_inserter(down.send));
}

}  // namespace vpp::node
