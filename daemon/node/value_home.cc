#include "daemon/node/value_home.h"

#include <algorithm>
#include <utility>

#include "config/limits.h"

namespace vpp::node {
namespace {

/// Between two readings of one device, protocol time: two of the slowest polls.
constexpr Duration kVouched = limits::kPollMax * 2;
/// Of what was learned of the home's load: a memory card lives on it for decades.
constexpr Duration kKeep = std::chrono::hours{1};

MarketTime slot_begin(MarketTime at, Duration slot) {
  return MarketTime{at.time_since_epoch() / slot * slot};
}

}  // namespace

ValueHome::ValueHome(const std::optional<ValueHomeOptions>& options,
                     const device::LoadProfile::Slots& learned, const ValueAccount& recovered)
    : options_{options}, profile_{learned}, books_{recovered} {}

bool ValueHome::known() const {
  return site_ && site_->battery && site_->measured && site_->net;
}

void ValueHome::seen(const Now& now, const device::SiteStatus& status) {
  if (!options_) return;
  const bool order_over = site_ && site_->order != kNoOrder && status.order == kNoOrder;
  site_ = status;
  if (status.order != kNoOrder) books_.disturb();
  if (order_over) state_.reset();
  if (status.measured && status.net) {  // whatever is known of the charge
    const Watts load = *status.measured - *status.net;
    learned_ = profile_.add(now.market, load, kVouched * now.speed) || learned_;
    books_.watch(now.market, load, -*status.net, kVouched * now.speed);
  }
  advance(now);
}

/// Empty: the home takes part.
std::string ValueHome::objection(const Now& now, const mesh::ValueSignal& signal) const {
  const MarketTime end =
      signal.from + signal.slot * static_cast<std::int64_t>(signal.values.size());
  if (now.market < signal.from || now.market >= std::min(signal.until, end)) {
    return "the signal does not hold now";
  }
  const bool cut = signal.slot % device::LoadProfile::kSlot == Duration{0} &&
                   signal.from == slot_begin(signal.from, signal.slot);
  if (!cut) return "the signal cuts time otherwise than by quarters of an hour";
  if (!site_) return "its device has not reported yet";
  if (!site_->battery || !site_->measured) return "its battery is unknown or cannot be controlled";
  if (!site_->net) return "its meter is unknown";
  if (site_->order != kNoOrder) return "it serves an order";
  const Duration length = end - signal.from;
  if (!profile_.mean(signal.from, length)) {
    return "it has not watched its load for a day yet: " + std::to_string(profile_.learned()) +
           " of " + std::to_string(device::LoadProfile::kSlots) + " quarters of an hour are known";
  }
  return {};
}

void ValueHome::open_slot(const Now& now) {
  const MarketTime begin = slot_begin(now.market, signal_->slot);
  if (state_ && state_->begin == begin) return;
  if (state_ && begin == state_->begin + signal_->slot) {
    settled_ = books_.end(site_->battery->stored, slot_value_) || settled_;
  } else {
    books_.stop();
  }
  state_ = State{begin, *site_->battery};
  slot_value_ = value_at(begin);
  if (const auto home = home_from(begin)) books_.begin(*home);
}

Price ValueHome::value_at(MarketTime begin) const {
  const auto after = begin - signal_->from;
  if (after < Duration{0}) return {};
  const auto index = static_cast<std::size_t>(after / signal_->slot);
  return index < signal_->values.size() ? signal_->values[index] : Price{};
}

std::optional<device::Home> ValueHome::home_from(MarketTime from) const {
  device::Home home;
  home.limits = options_->limits;
  home.limits.discharge_max = std::min(home.limits.discharge_max, state_->battery.discharge_max);
  home.limits.charge_max = std::min(home.limits.charge_max, state_->battery.charge_max);
  home.capacity = state_->battery.capacity;
  home.stored = std::min(state_->battery.stored, home.capacity);
  home.stored_value = options_->tariff.stored_value;
  home.from = from;
  home.slot = std::chrono::duration_cast<std::chrono::seconds>(signal_->slot);
  for (std::size_t t = 0; t < signal_->values.size(); ++t) {
    const MarketTime begin = from + signal_->slot * static_cast<std::int64_t>(t);
    const auto load = profile_.mean(begin, signal_->slot);
    if (!load) return std::nullopt;
    const device::TariffPrices prices = device::prices_over(options_->tariff, begin, signal_->slot);
    home.slots.push_back({*load, prices.buy, prices.sell});
  }
  return home;
}

mesh::PlannedLoad ValueHome::answer(const Now& now, const mesh::ValueSignal& told) {
  mesh::PlannedLoad nobody{.head = told.head, .round = told.round};
  if (!options_) return nobody;
  why_not_ = objection(now, told);
  if (!why_not_.empty()) return nobody;
  const bool other_head = signal_ && signal_->head != told.head;
  const bool newest =
      !signal_ || other_head || told.round > signal_->round || now.market >= signal_->until;
  if (other_head) follower_.forget();
  if (newest) {
    const bool cut_otherwise = signal_ && signal_->slot != told.slot;
    signal_ = told;
    for (Price& value : signal_->values) value = std::clamp(value, -options_->most, options_->most);
    if (cut_otherwise) state_.reset();
    if (state_ && state_->begin >= signal_->from) slot_value_ = value_at(state_->begin);
  }
  open_slot(now);
  const auto home = home_from(signal_->from);
  if (!home) return nobody;
  const device::ValueSignal signal{.round = signal_->round,
                                   .from = signal_->from,
                                   .slot = home->slot,
                                   .until = signal_->until,
                                   .per_kw = std::min(signal_->per_kw, options_->most),
                                   .values = signal_->values};
  const device::HomePlan plan = follower_.answer(*home, signal, now.market);
  follow(*home, plan);
  mesh::PlannedLoad out{.head = told.head, .round = signal_->round, .homes = 1};
  out.net_load = plan.net_load;
  for (Watts& load : out.net_load) {
    load = std::clamp(load, -limits::kSitePowerMax, limits::kSitePowerMax);
  }
  out.paid = books_.account().paid();
  return out;
}

void ValueHome::follow(const device::Home& home, const device::HomePlan& plan) {
  const device::SitePlan made{home.from, home.slot, signal_->until, plan.net_load};
  plan_changed_ = plan_changed_ || made != plan_;
  plan_ = made;
}

void ValueHome::let_go() {
  signal_.reset();
  state_.reset();
  books_.stop();
  plan_changed_ = plan_changed_ || !plan_.net_load.empty();
  plan_ = {};
}

void ValueHome::advance(const Now& now) {
  if (!signal_) return;
  if (now.market >= signal_->until) return let_go();
  const bool due = !state_ || now.market >= state_->begin + signal_->slot;
  if (!due || !known() || site_->order != kNoOrder) return;
  open_slot(now);
  const auto home = home_from(state_->begin);
  if (home) follow(*home, follower_.plan(*home, now.market));
}

MarketTime ValueHome::next_change() const {
  if (!signal_) return kEndOfTime;
  if (!state_ || !known() || site_->order != kNoOrder) return signal_->until;  // news will come
  return std::min(signal_->until, state_->begin + signal_->slot);
}

std::optional<device::SitePlan> ValueHome::take_plan() {
  if (!std::exchange(plan_changed_, false)) return std::nullopt;
  return plan_;
}

std::optional<device::LoadProfile::Slots> ValueHome::take_learned(Instant now, bool leaving) {
  if (!learned_ || (now < keep_due_ && !leaving)) return std::nullopt;
  learned_ = false;
  keep_due_ = now + kKeep;
  return profile_.slots();
}

std::optional<ValueAccount> ValueHome::take_account() {
  if (!std::exchange(settled_, false)) return std::nullopt;
  return books_.account();
}

std::optional<ValueHomeStatus> ValueHome::status(const Now& now) const {
  if (!options_) return std::nullopt;
  ValueHomeStatus out;
  out.why_not = why_not_;
  out.quarters_known = profile_.learned();
  out.account = books_.account();
  if (!signal_ || now.market >= signal_->until) return out;
  out.head = signal_->head;
  out.round = signal_->round;
  out.from = signal_->from;
  out.slot = signal_->slot;
  out.until = signal_->until;
  out.values = signal_->values;
  out.net_load = plan_.net_load;
  out.plan_from = plan_.from;
  return out;
}

}  // namespace vpp::node
