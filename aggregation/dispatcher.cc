#include "aggregation/dispatcher.h"

#include <algorithm>
#include <cstdlib>
#include <span>
#include <utility>

#include "aggregation/mixed_split.h"
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

}  // namespace

/// What the parts of one tick pass on.
struct Dispatcher::Round {
  Direction direction;
  std::int64_t sign;
  const std::vector<ChildState>& children;
  const std::vector<Trust*>& trusts;
  std::vector<Watts> shares;  ///< magnitudes, without the trusts' extras
  Watts target;               ///< magnitude
  Watts left;                 ///< of the target
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
  keep_marks(now, direction, trusts);

  // First what the doubted do anyway, then the rest among those who respond.
  Round round{.direction = direction,
              .sign = sign,
              .children = children,
              .trusts = trusts,
              .shares = std::vector<Watts>(children.size(), Watts{0}),
              .target = magnitude(target),
              .left = magnitude(target)};
  hold_the_doubted(round);
  const Watts shortfall = divide_among_believed(round);
  ask_the_doubted(round, shortfall);

  DispatchPlan plan;
  plan.placed = (magnitude(target) - shortfall) * sign;
  plan.shortfall = shortfall * sign;
  for (std::size_t i = 0; i < children.size(); ++i) ask(round, i, new_round, plan);
  return plan;
}

void Dispatcher::ask(Round& round, std::size_t index, bool new_round, DispatchPlan& plan) {
  const ChildState& child = round.children[index];
  Trust& trust = *round.trusts[index];
  const Undelivered undelivered = undelivered_of(round, index);
  const Watts asked = (round.shares[index] + trust.extra) * round.sign;
  if (new_round) std::shift_right(trust.asked.begin(), trust.asked.end(), 1);
  trust.asked[0] = asked;
  trust.most_asked = std::max(trust.most_asked, magnitude(asked));
  plan.shares.push_back({child.id, asked, undelivered});
  plan.asked_for += asked;
  plan.measured += child.measured.value_or(Watts{0});
  if (!child.measured) ++plan.unmeasured;
}

/// Before this tick's share is remembered.
Undelivered Dispatcher::undelivered_of(const Round& round, std::size_t index) {
  const Trust& trust = *round.trusts[index];
  const auto missing = [&](UndeliveredReason reason, Watts asked, Watts held) {
    const Watts power = std::min(asked, round.target) - held;
    return power > Watts{0} ? Undelivered{reason, power * round.sign} : Undelivered{};
  };
  if (trust.doubted_at) {
    return missing(trust.reason, trust.failed_at, std::max(Watts{0}, trust.limit * round.sign));
  }
  if (trust.misses > 0) {
    return missing(UndeliveredReason::kMeasuredLess, trust.asked[0] * round.sign,
                   trust.measured.value_or(Watts{0}) * round.sign);
  }
  const Watts full = full_power(trust.held->flexibility(), round.direction);
  if (round.shares[index] < full) return {};
  return missing(UndeliveredReason::kCapability, trust.most_asked, full);
}

/// Forgets what is held when a mark has passed or the target has turned; else counts what was
/// asked.
void Dispatcher::keep_marks(const Now& now, Direction direction,
                            const std::vector<Trust*>& trusts) {
  const Mark mark{now.market.time_since_epoch() / Duration{kEqualisationStep}, direction};
  const bool passed = std::exchange(mark_, mark) != mark;
  const Duration lasted = now.market - std::exchange(tick_at_, now.market);
  for (Trust* trust : trusts) {
    if (passed || trust->doubted_at) {
      trust->held.reset();
      trust->most_asked = Watts{0};
    }
    if (trust->held) trust->held->asked(magnitude(trust->asked[0]), lasted);
  }
}

/// Returns what could not be placed.
Watts Dispatcher::divide_among_believed(Round& round) {
  MixedSplit split{round.direction};
  for (std::size_t i = 0; i < round.children.size(); ++i) {
    Trust& trust = *round.trusts[i];
    if (trust.doubted_at) continue;
    const Flexibility& newest = round.children[i].flexibility;
    if (!trust.held) trust.held.emplace(newest, round.direction);
    split.add(i, trust.held->update(newest));
  }
  const Watts shortfall = split.divide(round.left, round.shares);
  level_ = split.level();
  return shortfall;
}

std::vector<Watts> Dispatcher::divide_ahead(Watts target,
                                            const std::vector<ChildState>& children) const {
  const std::int64_t sign = target < Watts{0} ? -1 : 1;
  const Direction direction = sign > 0 ? Direction::kDischarge : Direction::kCharge;
  MixedSplit split{direction};
  for (std::size_t i = 0; i < children.size(); ++i) {
    if (!doubted(children[i].id)) split.add(i, children[i].flexibility);
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
  const Watts able = full_power(child.flexibility, round.direction);
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
    const Watts full = full_power(round.children[i].flexibility, round.direction);
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
    const Watts full = full_power(round.children[i].flexibility, round.direction);
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
  mark_.reset();
  level_.reset();
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

Standing Dispatcher::standing(NodeId child) const {
  const auto it = trust_.find(child);
  if (it == trust_.end() || !it->second.doubted_at) return {};
  const Trust& trust = it->second;
  return {trust.reason, trust.limit, *trust.doubted_at, trust.on_trial};
}

std::int32_t Dispatcher::does_permille(const ChildState& child, Direction direction) const {
  const auto it = trust_.find(child.id);
  const std::int64_t able = full_power(child.flexibility, direction).count;
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
    if (unseen_for_long && !trust.doubted_at)
      doubt(now, Watts{0}, UndeliveredReason::kUnseen, trust);
    return;
  }
  trust.unseen = 0;
  const Watts newest = trust.asked[0];
  const bool same_way = child.at_most && (*child.at_most < Watts{0}) == (newest < Watts{0});
  if (same_way && magnitude(*child.at_most) < magnitude(newest)) {
    if (!trust.doubted_at || trust.on_trial) {
      doubt(now, *child.at_most, UndeliveredReason::kTold, trust);
    }
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
  const bool at_full = magnitude(newest) + tolerance >= full_power(child.flexibility, direction);
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
    doubt(now, trust.limit, UndeliveredReason::kMeasuredLess, trust);
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
  if (!on_its_way && ++trust.misses >= misses_max(child))
    doubt(now, measured, UndeliveredReason::kMeasuredLess, trust);
}

void Dispatcher::doubt(Instant now, Watts limit, UndeliveredReason reason, Trust& trust) {
  if (!trust.doubted_at) trust.failed_at = magnitude(trust.asked[0]);
  trust.reason = reason;
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
    const bool able = full_power(children[i].flexibility, direction) > options_.tolerance;
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
