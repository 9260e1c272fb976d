#include "aggregation/mixed_split.h"

#include <algorithm>
#include <chrono>
#include <variant>

#include "aggregation/split.h"

namespace vpp::aggregation {

Watts full_power(const Flexibility& child, Direction direction) {
  if (const auto* site = std::get_if<SiteFlexibility>(&child)) {
    const auto& able = capability_of(*site, direction);
    return able.energy > Joules{0} ? std::max(Watts{0}, able.power) : Watts{0};
  }
  const auto& curve = curve_of(std::get<GroupFlexibility>(child), direction);
  return {curve.at(kEqualisationStep).count / std::chrono::seconds{kEqualisationStep}.count()};
}

void MixedSplit::add(std::size_t index, const Flexibility& child) {
  if (const auto* site = std::get_if<SiteFlexibility>(&child)) {
    sites_.push_back(index);
    capabilities_.push_back(capability_of(*site, direction_));
  } else {
    groups_.push_back(index);
    curves_.push_back(curve_of(std::get<GroupFlexibility>(child), direction_));
  }
}

Watts MixedSplit::divide(Watts request, std::span<Watts> shares) {
  Watts for_sites = request;
  Watts shortfall{0};
  if (!groups_.empty()) {
    if (!sites_.empty()) curves_.push_back(DurationCurve::of_sites(capabilities_));
    const Split split = split_by_curves(request, curves_);
    for (std::size_t i = 0; i < groups_.size(); ++i) shares[groups_[i]] = split.shares[i];
    for_sites = sites_.empty() ? Watts{0} : split.shares.back();
    shortfall = split.shortfall;
    level_ = split.level;
  }
  const Split split = split_by_sites(for_sites, capabilities_);
  if (split.level) level_ = split.level;
  for (std::size_t i = 0; i < sites_.size(); ++i) shares[sites_[i]] = split.shares[i];
  return shortfall + split.shortfall;
}

}  // namespace vpp::aggregation
