#include "aggregation/dispatcher.h"

#include <algorithm>
#include <cstdlib>
#include <span>
#include <utility>

#include "aggregation/split.h"
#include "aggregation/wide.h"
#include "config/check.h"
#include "config/limits.h"

namespace vpp::aggregation {
namespace {

constexpr int kDoublingsMax = 4;
/// Ticks closer together belong to one round.
constexpr Duration kRoundMin = limits::kControlTick / 2;
/// One child, and one in fifty of all, may be on trial at a time: their watts may fail to come.
constexpr std::size_t kTrialsPart = 50;
/// What a trial asks for: enough to be seen beyond the tolerance, little enough to be missed.
constexpr std::int64_t kTrialTolerances = 10;
constexpr std::int64_t kTrialPart = 10;  ///< of the child's full power, if that is more

Watts magnitude(Watts power) {
  return {std::abs(power.count)};
}

const device::Capability& capability_of(const SiteFlexibility& site, Direction direction) {
  return direction == Direction::kDischarge ? site.discharge : site.charge;
}

const DurationCurve& curve_of(const GroupFlexibility& group, Direction direction) {
  return direction == Direction::kDischarge ? group.discharge : group.charge;
}

/// What one child could deliver now: a site its power, a group what it can hold for a step.
Watts full_power(const ChildState& child, Direction direction) {
  if (const auto* site = std::get_if<SiteFlexibility>(&child.flexibility)) {
    const auto& able = capability_of(*site, direction);
    return able.energy > Joules{0} ? std::max(Watts{0}, able.power) : Watts{0};
  }
  const auto& curve = curve_of(std::get<GroupFlexibility>(child.flexibility), direction);
  return {curve.at(kEqualisationStep).count / std::chrono::seconds{kEqualisationStep}.count()};
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

/// What the parts of one tick pass on.
struct Dispatcher::Round {
  Direction direction;
  std::int64_t sign;
  const std::vector<ChildState>& children;
  const std::vector<Trust*>& trusts;
  std::vector<Watts> shares;  ///< magnitudes, without the trusts' extras
  Watts left;                 ///< magnitude, of the target
};

Dispatcher::Dispatcher(const DispatcherOptions& options) : options_{options} {
  VPP_CHECK(options_.ticks_to_doubt >= 1 && options_.ticks_unseen_to_doubt >= 1);
  for (const int lag : {options_.lag_ticks_site, options_.lag_ticks_group}) {
    VPP_CHECK(lag >= 1 && lag <= DispatcherOptions::kLagMax);
  }
}

DispatchPlan Dispatcher::tick(const Now& now, Watts target,
                              const std::vector<ChildState>& children) {
  ++ticks_;
  const bool new_round = !round_at_ || now.protocol - *round_at_ >= kRoundMin;
  if (new_round) round_at_ = now.protocol;
  const std::int64_t sign = target < Watts{0} ? -1 : 1;
  const Direction direction = sign > 0 ? Direction::kDischarge : Direction::kCharge;
  std::vector<Trust*> trusts;
  for (const auto& child : children) {
    const auto [it, is_new] = trust_.try_emplace(child.id);
    if (is_new) it->second.judged = now.protocol;
    it->second.tick = ticks_;
    judge(now.protocol, child, it->second, new_round);
    trusts.push_back(&it->second);
  }
  std::erase_if(trust_, [&](const auto& entry) { return entry.second.tick != ticks_; });
  try_again(now.protocol, direction, children, trusts);

  // First what the doubted do anyway, then the rest among those who respond.
  Round round{
      direction,        sign, children, trusts, std::vector<Watts>(children.size(), Watts{0}),
      magnitude(target)};
  hold_the_doubted(round);
  MixedSplit split;
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (!trusts[i]->doubted_at) split.add(i, children[i], direction);
  }
  const Watts shortfall = split.divide(round.left, round.shares);
  ask_the_doubted(round, shortfall);

  DispatchPlan plan;
  plan.placed = (magnitude(target) - shortfall) * sign;
  plan.shortfall = shortfall * sign;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const Watts asked = (round.shares[i] + trusts[i]->extra) * sign;
    if (new_round) std::shift_right(trusts[i]->asked.begin(), trusts[i]->asked.end(), 1);
    trusts[i]->asked[0] = asked;
    plan.shares.push_back({children[i].id, asked});
  }
  return plan;
}

std::vector<Watts> Dispatcher::divide_ahead(Watts target,
                                            const std::vector<ChildState>& children) const {
  const std::int64_t sign = target < Watts{0} ? -1 : 1;
  const Direction direction = sign > 0 ? Direction::kDischarge : Direction::kCharge;
  MixedSplit split;
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (!doubted(children[i].id)) split.add(i, children[i], direction);
  }
  std::vector<Watts> shares(children.size(), Watts{0});
  (void)split.divide(magnitude(target), shares);
  for (Watts& share : shares) share = share * sign;
  return shares;
}

/// What it was measured at; or less, once it says that it cannot go on so: a site near its reserve
/// tells that before it shows, and its guard keeps to it. One that says it can do nothing may be
/// out of control, and do something all the same: then its newest measurement counts.
Watts Dispatcher::held_at(const ChildState& child, const Trust& trust, const Round& round) {
  const Watts able = full_power(child, round.direction);
  const Watts most = able > Watts{0} ? able : trust.measured.value_or(trust.limit) * round.sign;
  return std::min(trust.limit * round.sign, most);
}

void Dispatcher::hold_the_doubted(Round& round) const {
  for (std::size_t i = 0; i < round.children.size(); ++i) {
    Trust& trust = *round.trusts[i];
    trust.extra = Watts{0};
    if (!trust.doubted_at) continue;
    round.shares[i] = std::clamp(held_at(round.children[i], trust, round), Watts{0}, round.left);
    round.left -= round.shares[i];
  }
  for (std::size_t i = 0; i < round.children.size(); ++i) {
    Trust& trust = *round.trusts[i];
    if (!trust.doubted_at || !trust.on_trial) continue;
    const Watts full = full_power(round.children[i], round.direction);
    const Watts little =
        std::max(options_.tolerance * kTrialTolerances, Watts{full.count / kTrialPart});
    const Watts room = std::max(Watts{0}, full - round.shares[i]);
    trust.extra = std::min({little, room, round.left});
    round.left -= trust.extra;
  }
}

void Dispatcher::ask_the_doubted(Round& round, Watts shortfall) {
  if (shortfall == Watts{0}) return;
  Watts room_left{0};
  std::vector<Watts> rooms(round.children.size(), Watts{0});
  for (std::size_t i = 0; i < rooms.size(); ++i) {
    const Trust& trust = *round.trusts[i];
    // On trial or not: where nobody else can, there is nothing to be careful about.
    if (!trust.doubted_at || trust.admitted) continue;
    const Watts full = full_power(round.children[i], round.direction);
    rooms[i] = std::max(Watts{0}, full - round.shares[i] - trust.extra);
    room_left += rooms[i];
  }
  // By room, not one after the other: the first may claim what it does not have.
  for (std::size_t i = 0; i < rooms.size() && room_left > Watts{0}; ++i) {
    const auto part = Int128{std::min(shortfall, room_left).count} * rooms[i].count;
    const Watts extra{static_cast<std::int64_t>(part / room_left.count)};
    round.trusts[i]->extra += extra;
    shortfall -= extra;
    room_left -= rooms[i];
  }
}

void Dispatcher::idle() {
  for (auto& [id, trust] : trust_) {
    trust.asked.fill(Watts{0});
    trust.misses = 0;
    trust.unseen = 0;
    trust.extra = Watts{0};
    trust.on_trial = false;
    if (std::exchange(trust.admitted, false)) trust.doubted_at.reset();
  }
}

bool Dispatcher::doubted(NodeId child) const {
  const auto it = trust_.find(child);
  return it != trust_.end() && it->second.doubted_at.has_value();
}

std::int32_t Dispatcher::does_permille(const ChildState& child, Direction direction) const {
  const auto it = trust_.find(child.id);
  const std::int64_t able = full_power(child, direction).count;
  if (it == trust_.end() || !it->second.doubted_at || able <= 0) return 1000;
  const std::int64_t sign = direction == Direction::kDischarge ? 1 : -1;
  const std::int64_t does = std::clamp(it->second.limit.count * sign, std::int64_t{0}, able);
  return static_cast<std::int32_t>(does * 1000 / able);
}

Watts Dispatcher::tolerance_of(Watts asked) const {
  const std::int64_t relative = std::abs(asked.count) / 1000 * options_.tolerance_permille;
  return std::max(options_.tolerance, Watts{relative});
}

void Dispatcher::judge(Instant now, const ChildState& child, Trust& trust, bool new_round) const {
  if (!child.measured || child.measured_since <= trust.judged) {
    // Nobody saw it miss; but watts nobody sees for long are not counted on.
    if (new_round) ++trust.unseen;
    const bool unseen_for_long = trust.unseen >= options_.ticks_unseen_to_doubt;
    if (unseen_for_long && !trust.doubted_at) doubt(now, Watts{0}, trust);
    return;
  }
  trust.unseen = 0;
  const Watts newest = trust.asked[0];
  const bool same_way = child.at_most && (*child.at_most < Watts{0}) == (newest < Watts{0});
  if (same_way && magnitude(*child.at_most) < magnitude(newest)) {
    if (!trust.doubted_at || trust.on_trial) doubt(now, *child.at_most, trust);
    trust.limit = *child.at_most;
    trust.admitted = true;
  } else if (trust.doubted_at) {
    compare_doubted(now, child, trust);
  } else {
    compare(now, child, trust);
  }
  trust.judged = child.measured_since;
  trust.measured = child.measured;
}

std::pair<Watts, Watts> Dispatcher::recently_asked(const ChildState& child,
                                                   const Trust& trust) const {
  const bool is_site = std::holds_alternative<SiteFlexibility>(child.flexibility);
  const int lag = is_site ? options_.lag_ticks_site : options_.lag_ticks_group;
  const auto [low, high] =
      std::ranges::minmax(std::span{trust.asked}.first(static_cast<std::size_t>(lag)));
  return {low, high};
}

int Dispatcher::misses_max(const ChildState& child) const {
  const bool is_site = std::holds_alternative<SiteFlexibility>(child.flexibility);
  return is_site ? options_.ticks_to_doubt : 2 * options_.ticks_to_doubt;
}

void Dispatcher::compare_doubted(Instant now, const ChildState& child, Trust& trust) const {
  const Watts measured = *child.measured;
  const Watts newest = trust.asked[0];
  const Watts tolerance = tolerance_of(newest);
  const auto [low, high] = recently_asked(child, trust);
  // Following each report would chase our own asks around the loop: look when they have settled.
  if (high - low > tolerance) return;
  // A small extra share hides in the tolerance: it came if half of it did.
  const bool follows = magnitude(measured - newest) <= tolerance;
  const bool did_more = follows && trust.extra > Watts{0} &&
                        magnitude(measured).count * 2 > (magnitude(newest) * 2 - trust.extra).count;
  if (did_more) trust.limit = newest;
  if (did_more || (follows && trust.extra == Watts{0})) {
    trust.misses = 0;
  } else if (++trust.misses < misses_max(child)) {
    return;
  }
  if (!follows) trust.limit = measured;
  const Direction direction = newest > Watts{0} ? Direction::kDischarge : Direction::kCharge;
  const bool at_full = magnitude(newest) + tolerance >= full_power(child, direction);
  if (trust.extra <= tolerance) {
    // It was held to all it can do and does that: there is no more to try it with. It has not shown
    // that it would do less, so if it fails the next wait is longer all the same.
    const bool does_all = follows && at_full && magnitude(newest) > tolerance;
    if (trust.on_trial && does_all) believe(trust);
    return;
  }
  if (did_more && (trust.on_trial || at_full)) {
    believe(trust);
    trust.failures = 0;
  } else if (trust.on_trial) {
    doubt(now, trust.limit, trust);
  }
}

void Dispatcher::compare(Instant now, const ChildState& child, Trust& trust) const {
  const Watts measured = *child.measured;
  const Watts newest = trust.asked[0];
  const Watts tolerance = tolerance_of(newest);
  const auto [low, high] = recently_asked(child, trust);
  if (low - tolerance_of(low) <= measured && measured <= high + tolerance_of(high)) {
    trust.misses = 0;
    const bool settled = high - low <= tolerance;  // no older ask explains what it does
    if (settled && magnitude(newest) > tolerance) trust.failures = 0;
    return;
  }
  const bool on_its_way = trust.measured && magnitude(newest - measured) + tolerance <=
                                                magnitude(newest - *trust.measured);
  if (!on_its_way && ++trust.misses >= misses_max(child)) doubt(now, measured, trust);
}

void Dispatcher::doubt(Instant now, Watts limit, Trust& trust) {
  trust.limit = limit;
  trust.admitted = false;
  trust.doubted_at = now;
  trust.on_trial = false;
  trust.misses = 0;
  trust.failures = std::min(trust.failures + 1, kDoublingsMax + 1);
}

void Dispatcher::believe(Trust& trust) {
  trust.doubted_at.reset();
  trust.on_trial = false;
  trust.misses = 0;
}

void Dispatcher::try_again(Instant now, Direction direction,
                           const std::vector<ChildState>& children,
                           const std::vector<Trust*>& trusts) const {
  std::ptrdiff_t trials = 0;
  std::vector<Trust*> waiting;
  for (std::size_t i = 0; i < trusts.size(); ++i) {
    Trust* const trust = trusts[i];
    if (!trust->doubted_at) continue;
    // Who has nothing to be tried with would stay on trial for ever, in the place of another.
    const bool able = full_power(children[i], direction) > options_.tolerance;
    trust->on_trial = trust->on_trial && able;
    const Duration wait = options_.retry_after * (1 << (trust->failures - 1));
    if (trust->on_trial) {
      ++trials;
    } else if (able && now - *trust->doubted_at >= wait) {
      waiting.push_back(trust);
    }
  }
  const auto trials_max = static_cast<std::ptrdiff_t>(1 + trusts.size() / kTrialsPart);
  for (Trust* trust : waiting) {
    if (trials >= trials_max) return;
    trust->on_trial = true;
    ++trials;
  }
}

}  // namespace vpp::aggregation
