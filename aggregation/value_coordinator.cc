#include "aggregation/value_coordinator.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "aggregation/wide.h"
#include "config/check.h"

namespace vpp::aggregation {

PlannedLoad& PlannedLoad::operator+=(const PlannedLoad& other) {
  homes += other.homes;
  net_load.resize(std::max(net_load.size(), other.net_load.size()));
  for (std::size_t t = 0; t < other.net_load.size(); ++t) net_load[t] += other.net_load[t];
  return *this;
}

PlannedLoad planned_load(const device::HomePlan& plan) {
  return {1, plan.net_load};
}

ValueCoordinator::ValueCoordinator(const Settings& settings) : settings_{settings} {
  VPP_CHECK(settings.price_max > Price{0});
  VPP_CHECK(settings.per_kw > Price{0});
}

Price ValueCoordinator::kept(MarketTime begins) const {
  if (slot_.count() <= 0) return {};
  for (const MarketTime at : {begins, begins - std::chrono::hours{24}}) {
    const auto after = at - from_;
    if (after.count() < 0 || after % slot_ != Duration{0}) continue;
    const auto index = static_cast<std::size_t>(after / slot_);
    if (index < prices_.size()) return prices_[index];
  }
  return {};
}

device::ValueSignal ValueCoordinator::begin(MarketTime from, std::chrono::seconds slot,
                                            std::vector<Watts> target, MarketTime now) {
  VPP_CHECK(slot.count() > 0);
  std::vector<Price> prices;
  for (std::size_t t = 0; t < target.size(); ++t) {
    prices.push_back(kept(from + slot * static_cast<std::int64_t>(t)));
  }
  from_ = from;
  slot_ = slot;
  target_ = std::move(target);
  prices_ = std::move(prices);
  return signal(prices_, now);
}

device::ValueSignal ValueCoordinator::step(const PlannedLoad& sum, MarketTime now) {
  constexpr std::int64_t kWattsPerKw = 1000;
  std::vector<Price> values = prices_;
  const std::size_t known = sum.homes > 0 ? std::min(sum.net_load.size(), prices_.size()) : 0;
  for (std::size_t t = 0; t < known; ++t) {
    const Int128 beyond = (sum.net_load[t] - target_[t]).count;
    const Int128 rise = beyond * settings_.per_kw.count / (Int128{sum.homes} * kWattsPerKw);
    const Int128 next =
        std::clamp(prices_[t].count + rise, Int128{0}, Int128{settings_.price_max.count});
    const Price price{static_cast<std::int64_t>(next)};
    values[t] = price * 2 - prices_[t];
    prices_[t] = price;
  }
  return signal(std::move(values), now);
}

device::ValueSignal ValueCoordinator::signal(std::vector<Price> values, MarketTime now) {
  return {.round = ++round_,
          .from = from_,
          .slot = slot_,
          .until = now + settings_.holds,
          .per_kw = settings_.per_kw,
          .values = std::move(values)};
}

}  // namespace vpp::aggregation
