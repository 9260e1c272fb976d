#include "device/site_controller.h"

#include <algorithm>
#include <utility>

#include "config/check.h"
#include "device/whole_math.h"

namespace vpp::device {
namespace {

constexpr int kAstrayRounds = 3;
constexpr int kReleaseAttemptsQuiet = 3;

bool same_window(const SiteOrder& a, const SiteOrder& b) {
  return a.order == b.order && a.power == b.power && a.from == b.from && a.until == b.until &&
         a.service == b.service;
}

/// When a plan means something else than now; nothing: never again.
std::optional<MarketTime> next_slot(const SitePlan& plan, MarketTime now) {
  if (plan.net_load.empty() || plan.slot <= Duration{0} || now >= plan.until) return std::nullopt;
  if (now < plan.from) return plan.from;
  return std::min(plan.until, plan.from + plan.slot * ((now - plan.from) / plan.slot + 1));
}

const std::optional<SiteOrder>& only_if(bool condition, const std::optional<SiteOrder>& order) {
  static const std::optional<SiteOrder> kNone;
  return condition ? order : kNone;
}

}  // namespace

SiteController::SiteController(const SiteLimits& limits, const std::vector<OrderAccount>& recovered)
    : limits_{limits}, net_load_window_{limits.net_load_window}, ledger_{recovered} {
  VPP_CHECK(limits.reserve_permille >= 0 && limits.full_permille >= 0);
  VPP_CHECK(limits.discharge_max >= kNothing && limits.charge_max >= kNothing);
  VPP_CHECK(limits.ramp_w_per_s > 0);
  VPP_CHECK(limits.own_use >= Joules{0} && limits.power_min >= kNothing);
  VPP_CHECK(limits.reading_age_max > Duration{0});
}

void SiteController::connected(const Nameplate& nameplate) {
  nameplate_ = nameplate;
  storage_.reset();
  battery_ = {};
  net_load_.reset();
  frequency_ = {};
  discharge_limit_ = {};
  charge_limit_ = {};
  control_ = Idle{};
  first_reading_ = true;
}

void SiteController::disconnected(const Now& /*now*/) {
  nameplate_.reset();
  control_ = Idle{};  // its own revert timer takes the device home
  ledger_.lost_sight();
  frequency_ledger_.lost_sight();
  limited_by_ = {};
}

void SiteController::set_order(const Now& now, const std::optional<SiteOrder>& order,
                               std::vector<SiteOrder> ahead) {
  const std::optional<SiteOrder> before = order_;
  order_ = order;
  ahead_ = std::move(ahead);
  if (!order_) take_next();
  order_changed_ = order_.has_value() != before.has_value() ||
                   (order_ && !same_window(*order_, *before)) || order_changed_;
  order_until_ = now.protocol + limits::kSetPointTtlMax;
}

void SiteController::set_plan(SitePlan plan) {
  order_changed_ = order_changed_ || plan != plan_;
  plan_ = std::move(plan);
}

void SiteController::take_next() {
  order_.reset();
  if (ahead_.empty()) return;
  order_ = ahead_.front();
  ahead_.erase(ahead_.begin());
}

void SiteController::plant_heard(const Now& now) {
  heard_at_ = now.protocol;
}

SiteEffects SiteController::step(const Now& now, const Telemetry& telemetry) {
  VPP_CHECK(now.speed >= 1);
  gap_ = stepped_at_ ? std::max(Duration{0}, now.protocol - *stepped_at_) : Duration{0};
  stepped_at_ = now.protocol;
  order_changed_ = false;
  if (nameplate_) {
    take_in(now, telemetry);
    judge_read_back(now, telemetry);
  }
  change_state(now);
  SiteEffects effects;
  effects.write = act(now);
  const auto* driving = std::get_if<Driving>(&control_);
  if (nameplate_) {
    const bool executing = driving && driving->by == By::kOrder;
    ledger_.running(now, only_if(executing && !armed(), order_));
    frequency_ledger_.running(now, only_if(executing && armed(), order_));
  }
  effects.status = status(now);
  return effects;
}

void SiteController::take_in(const Now& now, const Telemetry& telemetry) {
  storage_.step(now, *nameplate_, telemetry);
  take_frequency(telemetry.frequency_mhz);
  take_limit(telemetry.discharge_limit, discharge_limit_);
  take_limit(telemetry.charge_limit, charge_limit_);
  ledger_.measure(now, telemetry, rating(), limits_.reading_age_max);
  frequency_ledger_.measure(now, telemetry, rating(), limits_.reading_age_max);
  const bool news =
      telemetry.battery.at > battery_.at || (!battery_.value && telemetry.battery.value);
  if (!news) return;
  look_ = battery_.value ? telemetry.battery.at - battery_.at : Duration{0};
  battery_ = telemetry.battery;
  // Half again and a bit: transients and the error of a cheap meter, not a wrong scale factor.
  const Watts most{rating().count * 3 / 2 + 500};
  if (battery_.value && size_of(*battery_.value) > most) {
    battery_ = {std::nullopt, Quality::kImplausible, battery_.at};
  }
  // What a home draws holds until it is too old: a meter that misses a reading is no doubt.
  if (measured(now.protocol) && telemetry.site.value && telemetry.site.quality == Quality::kGood) {
    net_load_ = *battery_.value - *telemetry.site.value;
    net_load_at_ = telemetry.site.at;
    net_load_window_.add(now.market, *net_load_, limits_.reading_age_max * now.speed);
  }
  const auto* driving = std::get_if<Driving>(&control_);
  if (!driving || !driving->written_at || !battery_.value) {
    astray_ = 0;
  } else if (battery_.at > *driving->written_at) {
    const Watts tolerance = std::max(Watts{100}, Watts{rating().count / 10});
    astray_ = size_of(*battery_.value - driving->set_point) > tolerance ? astray_ + 1 : 0;
  }
}

void SiteController::take_frequency(const Reading<std::int32_t>& told) {
  if (told.at < frequency_.at) return;
  frequency_ = told;
  if (told.value && !is_plausible(limits_.droop, *told.value)) {
    frequency_ = {std::nullopt, Quality::kImplausible, told.at};
  }
}

/// One that is not told this time holds until it is too old: an answer that got lost is no doubt.
void SiteController::take_limit(const Reading<Watts>& told, Reading<Watts>& kept) {
  if (!told.value || told.quality != Quality::kGood || told.at < kept.at) return;
  kept = told;
  nameplate_->tells_limits = true;
}

void SiteController::judge_read_back(const Now& now, const Telemetry& telemetry) {
  const auto& told = telemetry.set_point;
  const bool readable = told.value && told.quality == Quality::kGood;
  if (auto* driving = std::get_if<Driving>(&control_)) {
    const bool fresh =
        driving->written_at && told.at > *driving->written_at && told.at > driving->judged_at;
    if (!readable || !fresh) return;
    driving->judged_at = told.at;
    const Watts tolerance = std::max(Watts{10}, Watts{rating().count / 100});
    const bool agrees =
        telemetry.set_point_active && size_of(*told.value - driving->set_point) <= tolerance;
    driving->denials = agrees ? 0 : driving->denials + 1;
    revert_idle_ =
        agrees && driving->revert > Duration{0} && telemetry.revert_remaining_s == std::uint32_t{0};
    if (driving->denials >= kRoundsToLose) control_ = Lost{now.protocol + kLostFor};
  } else if (auto* releasing = std::get_if<Releasing>(&control_)) {
    const bool fresh = releasing->written_at && told.at > *releasing->written_at;
    if (releasing->written_at && (!readable || (fresh && !telemetry.set_point_active))) {
      control_ = Idle{};
    }
  } else if (std::holds_alternative<Idle>(control_) && first_reading_ && nameplate_->controllable &&
             telemetry.set_point_active) {
    control_ = Releasing{};  // left behind by a daemon that died, or by a stranger
  }
  if (told.value) first_reading_ = false;
}

bool SiteController::may_execute(const Now& now) const {
  return nameplate_ && nameplate_->controllable && order_ && now.market >= order_->from &&
         heard_at_ && now.protocol - *heard_at_ < limits::kBeaconLossMax;
}

/// What has ended never comes back, whatever the clocks do.
void SiteController::end_orders(const Now& now) {
  const bool silence = heard_at_ && now.protocol - *heard_at_ >= limits::kBeaconLossMax;
  while (order_ && now.market >= order_->until) take_next();
  if (!order_) return;
  if (silence || now.protocol >= order_->expires || now.protocol >= order_until_) {
    order_.reset();
    ahead_.clear();
  }
}

SiteController::By SiteController::who_drives(const Now& now) const {
  if (may_execute(now)) return By::kOrder;
  return planned(now) ? By::kPlan : By::kNobody;
}

void SiteController::change_state(const Now& now) {
  end_orders(now);
  if (const auto* lost = std::get_if<Lost>(&control_)) {
    if (now.protocol < lost->retry_at) return;
    control_ = Idle{};
  }
  const By by = who_drives(now);
  if (auto* driving = std::get_if<Driving>(&control_)) {
    driving->by = by;
  } else if (by != By::kNobody) {
    Driving begun;
    begun.set_point = measured(now.protocol).value_or(kNothing);
    begun.by = by;
    revert_idle_ = false;
    control_ = begun;
    astray_ = 0;
  }
}

std::optional<DeviceCommand> SiteController::act(const Now& now) {
  limited_by_ = {};
  if (!nameplate_) return std::nullopt;
  if (auto* driving = std::get_if<Driving>(&control_)) return drive(now, *driving);
  if (auto* releasing = std::get_if<Releasing>(&control_)) return release(now, *releasing);
  return std::nullopt;
}

std::optional<DeviceCommand> SiteController::drive(const Now& now, Driving& driving) {
  const bool by_frequency = driving.by == By::kOrder && armed();
  const bool by_plan = driving.by == By::kPlan;
  const GuardInput input{.asked = by_plan                    ? planned(now).value_or(kNothing)
                                  : driving.by == By::kOrder ? asked(now)
                                                             : kNothing,
                         .previous = driving.set_point,
                         .elapsed = gap_ * now.speed,
                         .horizon = horizon(now)};
  auto state = state_now(now);
  if (state && !by_frequency) state->pledged = pledged();
  const GuardVerdict verdict = guard(limits_of_order(), *nameplate_, state, input);
  limited_by_ = verdict.limited_by;
  if (by_frequency && !frequency(now.protocol)) limited_by_ = "frequency unknown";
  if (driving.by == By::kNobody && verdict.power == kNothing) {
    control_ = Releasing{};
    return release(now, std::get<Releasing>(control_));
  }
  const bool changed = !driving.written_at || verdict.power != driving.set_point;
  const bool due = driving.written_at && now.protocol >= *driving.written_at + driving.revert / 2 &&
                   driving.revert > Duration{0};
  if (!changed && !due && driving.denials == 0) return std::nullopt;
  const std::uint32_t revert = revert_s(now, verdict.power);
  driving.set_point = verdict.power;
  driving.written_at = now.protocol;
  driving.revert = Duration{std::chrono::seconds{revert}} / now.speed;
  return DeviceCommand{verdict.power, revert};
}

std::optional<DeviceCommand> SiteController::release(const Now& now, Releasing& releasing) {
  if (releasing.written_at && now.protocol < *releasing.written_at + kReleaseRetry) {
    return std::nullopt;
  }
  releasing.written_at = now.protocol;
  ++releasing.attempts;
  return DeviceCommand{};
}

bool SiteController::armed() const {
  return order_ && order_->service == Service::kFrequency;
}

std::optional<std::int32_t> SiteController::frequency(Instant now) const {
  const bool known = frequency_.value && frequency_.quality == Quality::kGood;
  return known && now - frequency_.at <= limits::kFrequencyAgeMax ? frequency_.value : std::nullopt;
}

/// By the order that runs.
Watts SiteController::asked(const Now& now) const {
  if (!armed()) return order_->power;
  const auto measured = frequency(now.protocol);
  const Watts full = std::min(size_of(order_->power), limits::kSitePowerMax);
  return measured ? droop_power(limits_.droop, full, *measured) : kNothing;
}

/// The battery's power that brings the net load to the planned one.
std::optional<Watts> SiteController::planned(const Now& now) const {
  const auto net_load = plan_.at(now.market);
  if (!net_load || !nameplate_ || !nameplate_->controllable) return std::nullopt;
  const auto state = state_now(now);
  if (!state || !state->net_load) return std::nullopt;
  return state->net_load->most - *net_load;
}

/// For the largest response that is or will be asked.
Capability SiteController::pledged() const {
  Watts most = armed() ? size_of(order_->power) : kNothing;
  for (const SiteOrder& order : ahead_) {
    if (order.service == Service::kFrequency) most = std::max(most, size_of(order.power));
  }
  most = std::min(most, limits::kSitePowerMax);
  return {most, Joules{most.count * (limits::kFrequencyHold / std::chrono::seconds{1})}};
}

/// With what the owner keeps from the order that runs.
SiteLimits SiteController::limits_of_order() const {
  SiteLimits limits = limits_;
  if (order_) limits.reserve_permille = std::max(limits.reserve_permille, order_->reserve_permille);
  return limits;
}

Watts SiteController::able_by_frequency(const Now& now) const {
  auto state = state_over_window(now);
  if (!state) return kNothing;
  state->pledged = {};
  const SiteLimits limits = limits_of_order();
  Watts able = limits::kSitePowerMax;
  for (const Capability& way : {discharge_capability(limits, *nameplate_, *state, horizon(now)),
                                charge_capability(limits, *nameplate_, *state, horizon(now))}) {
    const Watts held{way.energy.count / (limits::kFrequencyHold / std::chrono::seconds{1})};
    able = std::min({able, way.power, held});
  }
  return able < limits.power_min ? kNothing : able;
}

std::optional<Watts> SiteController::net(const Now& now) const {
  const auto battery = measured(now.protocol);
  const bool fresh = net_load_ && now.protocol - net_load_at_ <= limits_.reading_age_max;
  if (!battery || !fresh) return std::nullopt;
  return *battery - *net_load_;
}

std::uint32_t SiteController::revert_s(const Now& now, Watts set_point) const {
  if (!nameplate_->has_revert_timer) return 0;
  Duration market = kRevert * now.speed;
  if (set_point > kNothing) {
    const auto state = state_now(now);
    const Joules energy = state ? discharge_energy(limits_of_order(), *state) : Joules{0};
    const Duration to_reserve{mul_div_floor(energy.count, 1000, set_point.count)};
    market = std::min(market, std::max(to_reserve, horizon(now)));
  }
  return static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(market).count());
}

/// The next look takes as long as the last one did, or as this one already does.
Duration SiteController::horizon(const Now& now) const {
  const Duration look = std::max(look_, now.protocol - battery_.at);
  return std::clamp(look, kLookAhead, std::max(kLookAhead, limits_.reading_age_max)) * now.speed;
}

std::optional<SiteState> SiteController::state_now(const Now& now) const {
  const auto belief = storage_.belief(now.protocol, limits_.reading_age_max);
  if (!belief || !measured(now.protocol)) return std::nullopt;
  const Duration age = std::max(Duration{0}, now.protocol - belief->at);
  SiteState state = stored_range(*belief, limits_, *nameplate_, age * now.speed);
  state.device = {fresh(discharge_limit_, now.protocol), fresh(charge_limit_, now.protocol)};
  if (net_load_ && now.protocol - net_load_at_ <= limits_.reading_age_max) {
    state.net_load = NetLoad{*net_load_, *net_load_};
  }
  return state;
}

std::optional<SiteState> SiteController::state_over_window(const Now& now) const {
  auto state = state_now(now);
  if (state && state->net_load) state->net_load = net_load_window_.over_window();
  if (state) state->pledged = pledged();
  return state;
}

std::optional<Watts> SiteController::measured(Instant now) const {
  return fresh(battery_, now);
}

std::optional<Watts> SiteController::fresh(const Reading<Watts>& reading, Instant now) const {
  const bool known = reading.value && reading.quality == Quality::kGood;
  return known && now - reading.at <= limits_.reading_age_max ? reading.value : std::nullopt;
}

Watts SiteController::rating() const {
  if (!nameplate_) return limits::kSitePowerMax;
  const Watts rated = std::max(nameplate_->discharge_max.value_or(kNothing),
                               nameplate_->charge_max.value_or(kNothing));
  return rated > kNothing ? rated : limits::kSitePowerMax;
}

SiteStatus SiteController::status(const Now& now) const {
  SiteStatus status;
  status.mode = mode();
  status.limited_by = why_limited(now);
  status.accounts = ledger_.accounts();
  status.frequency = frequency_status(now);
  if (const auto* driving = std::get_if<Driving>(&control_)) {
    status.set_point = driving->set_point;
    if (driving->by == By::kOrder) status.order = order_->order;
  }
  if (!nameplate_) return status;
  status.measured = measured(now.protocol);
  status.net = net(now);
  const auto belief = storage_.belief(now.protocol, limits_.reading_age_max);
  if (belief) {
    status.stored = belief->least;
    status.soc_permille = belief->soc_permille;
  }
  status.battery = battery_status(now);
  status.stale = !status.measured || !belief;
  if (status.measured) {
    const Instant oldest = belief ? std::min(battery_.at, belief->at) : battery_.at;
    status.measured_at = now.market + (oldest - now.protocol) * now.speed;
  }
  const auto state = state_over_window(now);
  if (state && status.mode != Mode::kUncontrollable) {
    status.discharge = discharge_capability(limits_, *nameplate_, *state, horizon(now));
    status.charge = charge_capability(limits_, *nameplate_, *state, horizon(now));
    status.frequency.able = able_by_frequency(now);
  }
  for (const std::int32_t reserve : limits_.further_reserves_permille) {
    SiteLimits limits = limits_;
    limits.reserve_permille = std::max(limits.reserve_permille, reserve);
    const bool known = state && status.mode != Mode::kUncontrollable;
    status.discharge_above.push_back(
        known ? discharge_capability(limits, *nameplate_, *state, horizon(now)) : Capability{});
  }
  return status;
}

std::optional<BatteryStatus> SiteController::battery_status(const Now& now) const {
  const auto belief = storage_.belief(now.protocol, limits_.reading_age_max);
  if (!belief || belief->capacity <= Joules{0} || mode() == Mode::kUncontrollable) {
    return std::nullopt;
  }
  return BatteryStatus{.stored = belief->least,
                       .capacity = belief->capacity,
                       .discharge_max = nameplate_->discharge_max.value_or(limits::kSitePowerMax),
                       .charge_max = nameplate_->charge_max.value_or(limits::kSitePowerMax)};
}

FrequencyStatus SiteController::frequency_status(const Now& now) const {
  FrequencyStatus status;
  const auto* driving = std::get_if<Driving>(&control_);
  status.armed = driving && driving->by == By::kOrder && armed();
  if (nameplate_) status.measured_mhz = frequency(now.protocol);
  if (status.armed) status.asked = asked(now);
  status.accounts = frequency_ledger_.both_ways();
  return status;
}

Mode SiteController::mode() const {
  if (!nameplate_ || !nameplate_->controllable) return Mode::kUncontrollable;
  if (std::holds_alternative<Lost>(control_)) return Mode::kUncontrollable;
  if (const auto* driving = std::get_if<Driving>(&control_)) {
    if (driving->by == By::kPlan) return Mode::kPlanned;
    return driving->by == By::kOrder ? Mode::kDispatched : Mode::kRampingHome;
  }
  return std::holds_alternative<Releasing>(control_) ? Mode::kRampingHome : Mode::kLocalDefault;
}

std::string SiteController::why_limited(const Now& now) const {
  if (!nameplate_) return "device not connected";
  if (!nameplate_->controllable) return "not controllable: " + nameplate_->why_not;
  if (std::holds_alternative<Lost>(control_))
    return "control lost: the device denies our set point";
  if (const auto doubt = storage_.doubt(now.protocol, limits_.reading_age_max); !doubt.empty())
    return std::string{doubt};
  if (!measured(now.protocol)) return "battery power unknown";
  if (const auto* releasing = std::get_if<Releasing>(&control_)) {
    return releasing->attempts > kReleaseAttemptsQuiet ? "the device does not take its release"
                                                       : "";
  }
  if (astray_ >= kAstrayRounds) return "the device does not follow its set point";
  if (limited_by_.empty() && revert_idle_ && std::holds_alternative<Driving>(control_)) {
    return "the device's revert timer does not run";
  }
  return std::string{limited_by_};
}

Instant SiteController::next_deadline(const Now& now) const {
  if (order_changed_ || !stepped_at_) return now.protocol;
  Instant due = kNever;
  const auto consider = [&](Instant at) {
    if (at > *stepped_at_) due = std::min(due, at);
  };
  if (order_) {
    consider(protocol_at(now, order_->from));
    consider(protocol_at(now, order_->until));
    consider(order_->expires);
    consider(order_until_);
    if (heard_at_) consider(*heard_at_ + limits::kBeaconLossMax);
    if (armed()) consider(frequency_.at + limits::kFrequencyAgeMax + Duration{1});
  }
  if (const auto next = next_slot(plan_, now.market)) consider(protocol_at(now, *next));
  if (const auto* driving = std::get_if<Driving>(&control_)) {
    if (limited_by_ == "ramp" || driving->by == By::kNobody) consider(*stepped_at_ + kRampStep);
    if (driving->written_at && driving->revert > Duration{0}) {
      consider(*driving->written_at + std::max(driving->revert / 2, Duration{1}));
    }
  } else if (const auto* releasing = std::get_if<Releasing>(&control_)) {
    consider(releasing->written_at ? *releasing->written_at + kReleaseRetry : *stepped_at_);
  } else if (const auto* lost = std::get_if<Lost>(&control_)) {
    consider(lost->retry_at);
  }
  return due;
}

}  // namespace vpp::device
