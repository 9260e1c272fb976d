#include "aggregation/dispatcher.h"

#include <algorithm>
#include <cstdlib>
#include <span>

#include "aggregation/split.h"
#include "config/check.h"

namespace vpp::aggregation {
namespace {

constexpr int kDoublingsMax = 4;
/// One child, and one in fifty of all, may be on trial at a time: their watts may fail to come.
constexpr std::size_t kTrialsPart = 50;

Watts magnitude(Watts power) {
  return {std::abs(power.count)};
}

const device::Capability& capability_of(const SiteFlexibility& site, Direction direction) {
  return direction == Direction::kDischarge ? site.discharge : site.charge;
}

const DurationCurve& curve_of(const GroupFlexibility& group, Direction direction) {
  return direction == Direction::kDischarge ? group.discharge : group.charge;
}

/// What one child could deliver over the next equalisation step, whole watts.
Watts full_power(const ChildState& child, Direction direction) {
  const auto step_s = std::chrono::seconds{kEqualisationStep}.count();
  if (const auto* site = std::get_if<SiteFlexibility>(&child.flexibility)) {
    const auto& able = capability_of(*site, direction);
    return std::max(Watts{0}, std::min(able.power, Watts{able.energy.count / step_s}));
  }
  const auto& curve = curve_of(std::get<GroupFlexibility>(child.flexibility), direction);
  return {curve.at(kEqualisationStep).count / step_s};
}

/// Divides among sites and groups together: all sites are one more group, then exact within.
struct MixedSplit {
  std::vector<std::size_t> sites;
  std::vector<device::Capability> capabilities;
  std::vector<std::size_t> groups;
  std::vector<DurationCurve> curves;

  void add(std::size_t index, const ChildState& child, Direction direction) {
    if (const auto* site = std::get_if<SiteFlexibility>(&child.flexibility)) {
      sites.push_back(index);
      capabilities.push_back(capability_of(*site, direction));
    } else {
      groups.push_back(index);
      curves.push_back(curve_of(std::get<GroupFlexibility>(child.flexibility), direction));
    }
  }

  /// Writes the shares by index; returns what could not be placed.
  Watts divide(Watts request, std::span<Watts> shares) {
    Watts for_sites = request;
    Watts shortfall{0};
    if (!groups.empty()) {
      DurationCurve all_sites;
      for (const auto& capability : capabilities) all_sites += DurationCurve::of_site(capability);
      curves.push_back(all_sites);
      const Split split = split_by_curves(request, curves);
      for (std::size_t i = 0; i < groups.size(); ++i) shares[groups[i]] = split.shares[i];
      for_sites = split.shares.back();
      shortfall = split.shortfall;
    }
    const Split split = split_by_sites(for_sites, capabilities);
    for (std::size_t i = 0; i < sites.size(); ++i) shares[sites[i]] = split.shares[i];
    return shortfall + split.shortfall;
  }
};

}  // namespace

Dispatcher::Dispatcher(const DispatcherOptions& options) : options_{options} {
  VPP_CHECK(options_.ticks_to_doubt >= 1 && options_.ticks_unseen_to_doubt >= 1);
  for (const int lag : {options_.lag_ticks_site, options_.lag_ticks_group}) {
    VPP_CHECK(lag >= 1 && lag <= DispatcherOptions::kLagMax);
  }
}

DispatchPlan Dispatcher::tick(const Now& now, Watts target,
                              const std::vector<ChildState>& children) {
  ++ticks_;
  const std::int64_t sign = target < Watts{0} ? -1 : 1;
  const Direction direction = sign > 0 ? Direction::kDischarge : Direction::kCharge;
  std::vector<Trust*> trusts;
  for (const auto& child : children) {
    const auto [it, is_new] = trust_.try_emplace(child.id);
    if (is_new) it->second.judged = now.protocol;
    it->second.tick = ticks_;
    judge(now.protocol, child, it->second);
    trusts.push_back(&it->second);
  }
  std::erase_if(trust_, [&](const auto& entry) { return entry.second.tick != ticks_; });
  try_again(now.protocol, trusts);

  // First what the doubted do anyway, then the rest among those who respond.
  std::vector<Watts> shares(children.size(), Watts{0});
  Watts left = magnitude(target);
  MixedSplit split;
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (trusts[i]->doubted_at) {
      const Watts measured = children[i].measured.value_or(Watts{0}) * sign;
      shares[i] = std::clamp(measured, Watts{0}, left);
      left -= shares[i];
    } else {
      split.add(i, children[i], direction);
    }
  }
  left = split.divide(left, shares);

  DispatchPlan plan;
  plan.placed = (magnitude(target) - left) * sign;
  plan.shortfall = left * sign;
  for (std::size_t i = 0; i < children.size(); ++i) {
    trusts[i]->extra = Watts{0};
    if (trusts[i]->doubted_at && left > Watts{0}) {
      const Watts room = full_power(children[i], direction) - shares[i];
      trusts[i]->extra = std::clamp(room, Watts{0}, left);
      left -= trusts[i]->extra;
    }
    const Watts asked = (shares[i] + trusts[i]->extra) * sign;
    std::shift_right(trusts[i]->asked.begin(), trusts[i]->asked.end(), 1);
    trusts[i]->asked[0] = asked;
    plan.shares.push_back({children[i].id, asked});
  }
  return plan;
}

void Dispatcher::idle() {
  for (auto& [id, trust] : trust_) {
    trust.asked.fill(Watts{0});
    trust.misses = 0;
    trust.unseen = 0;
    trust.extra = Watts{0};
  }
}

bool Dispatcher::doubted(NodeId child) const {
  const auto it = trust_.find(child);
  return it != trust_.end() && it->second.doubted_at.has_value();
}

Watts Dispatcher::tolerance_of(Watts asked) const {
  const std::int64_t relative = std::abs(asked.count) / 1000 * options_.tolerance_permille;
  return std::max(options_.tolerance, Watts{relative});
}

void Dispatcher::judge(Instant now, const ChildState& child, Trust& trust) const {
  if (!child.measured || child.measured_since <= trust.judged) {
    // Nobody saw it miss; but watts nobody sees for long are not counted on.
    if (++trust.unseen >= options_.ticks_unseen_to_doubt && !trust.doubted_at) doubt(now, trust);
    return;
  }
  trust.unseen = 0;
  compare(now, child, trust);
  trust.judged = child.measured_since;
  trust.measured = child.measured;
}

void Dispatcher::compare(Instant now, const ChildState& child, Trust& trust) const {
  const Watts measured = *child.measured;
  const Watts newest = trust.asked[0];
  const Watts tolerance = tolerance_of(newest);
  if (trust.doubted_at) {
    const bool came_back = trust.extra > tolerance && magnitude(measured - newest) <= tolerance;
    if (!came_back) return;
    trust.doubted_at.reset();
    trust.failures = 0;
    trust.misses = 0;
    return;
  }
  const bool is_site = std::holds_alternative<SiteFlexibility>(child.flexibility);
  const int lag = is_site ? options_.lag_ticks_site : options_.lag_ticks_group;
  const auto [low, high] =
      std::ranges::minmax(std::span{trust.asked}.first(static_cast<std::size_t>(lag)));
  if (low - tolerance_of(low) <= measured && measured <= high + tolerance_of(high)) {
    trust.misses = 0;
    const bool settled = high - low <= tolerance;  // no older ask explains what it does
    if (settled) trust.on_trial = false;
    if (settled && magnitude(newest) > tolerance) trust.failures = 0;
    return;
  }
  const bool on_its_way = trust.measured && magnitude(newest - measured) + tolerance <=
                                                magnitude(newest - *trust.measured);
  if (!on_its_way && ++trust.misses >= options_.ticks_to_doubt) doubt(now, trust);
}

void Dispatcher::doubt(Instant now, Trust& trust) const {
  trust.doubted_at = now;
  trust.on_trial = false;
  trust.misses = 0;
  trust.failures = std::min(trust.failures + 1, kDoublingsMax + 1);
}

void Dispatcher::try_again(Instant now, const std::vector<Trust*>& trusts) const {
  auto trials = std::ranges::count_if(trusts, [](const Trust* t) { return t->on_trial; });
  const auto trials_max = static_cast<std::ptrdiff_t>(1 + trusts.size() / kTrialsPart);
  for (Trust* trust : trusts) {
    if (trials >= trials_max) return;
    if (!trust->doubted_at) continue;
    const Duration wait = options_.retry_after * (1 << (trust->failures - 1));
    if (now - *trust->doubted_at < wait) continue;
    trust->doubted_at.reset();
    trust->on_trial = true;
    trust->misses = std::max(0, options_.ticks_to_doubt - 2);  // it failed before: two misses do
    trust->unseen = std::max(0, options_.ticks_unseen_to_doubt - options_.ticks_to_doubt);
    ++trials;
  }
}

}  // namespace vpp::aggregation
