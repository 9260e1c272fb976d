#include "tools/battery/battery_model.h"

#include <algorithm>

#include "config/check.h"
#include "device/whole_math.h"

namespace vpp::battery {
namespace {

using device::mul_div_ceil;
using device::mul_div_floor;

constexpr std::int64_t kMillijoulesPerWattHour = 3'600'000;

}  // namespace

BatteryModel::BatteryModel(const BatteryRating& rating, Joules stored)
    : rating_{rating},
      capacity_mj_{rating.capacity.count * kMillijoulesPerWattHour},
      reserve_mj_{mul_div_floor(capacity_mj_, rating.reserve_permille, 1000)},
      stored_mj_{std::clamp<std::int64_t>(stored.count * 1000, 0, capacity_mj_)},
      initial_mj_{stored_mj_} {
  VPP_CHECK(rating.capacity > WattHours{0} && rating.capacity <= limits::kSiteEnergyMax);
  VPP_CHECK(rating.discharge_max >= Watts{0} && rating.discharge_max <= limits::kSitePowerMax);
  VPP_CHECK(rating.charge_max >= Watts{0} && rating.charge_max <= limits::kSitePowerMax);
  VPP_CHECK(rating.charge_efficiency_permille > 0 && rating.charge_efficiency_permille <= 1000);
  VPP_CHECK(rating.discharge_efficiency_permille > 0 &&
            rating.discharge_efficiency_permille <= 1000);
  VPP_CHECK(rating.taper_permille >= 0 && rating.taper_permille <= 500);
  VPP_CHECK(rating.standby >= Watts{0});
}

void BatteryModel::set_point(Watts power, Duration revert) {
  set_point_ = power;
  revert_left_ = std::max(revert, Duration{0});
}

void BatteryModel::release() {
  set_point_.reset();
  revert_left_ = Duration{0};
}

void BatteryModel::write(const device::DeviceCommand& command) {
  if (command.set_point) {
    set_point(*command.set_point, std::chrono::seconds{command.revert_s});
  } else {
    release();
  }
}

void BatteryModel::step(Duration market, const Home& home) {
  VPP_CHECK(market >= Duration{0});
  VPP_CHECK(home.load >= Watts{0} && home.pv >= Watts{0});
  while (market > Duration{0}) {
    const bool timed = revert_left_ > Duration{0};
    Duration piece = std::min(market, kPieceMax);
    if (timed) piece = std::min(piece, revert_left_);
    run(piece, home);
    market -= piece;
    if (timed) {
      revert_left_ -= piece;
      if (revert_left_ == Duration{0}) release();
    }
  }
}

void BatteryModel::run(Duration piece, const Home& home) {
  const bool own = !set_point_;
  Watts most = discharge_limit(piece);
  if (own) {  // self-consumption leaves the reserve alone
    const std::int64_t above = std::max<std::int64_t>(0, stored_mj_ - reserve_mj_);
    const std::int64_t out_mj = mul_div_floor(above, rating_.discharge_efficiency_permille, 1000);
    most = std::min(most, Watts{out_mj / piece.count()});
  }
  const Watts wanted = own ? home.load - home.pv : *set_point_;
  const std::int64_t battery_mj =
      convert(std::clamp(wanted, -charge_limit(piece), most), piece) - draw_standby(piece);

  const std::int64_t load_mj = home.load.count * piece.count();
  const std::int64_t pv_mj = home.pv.count * piece.count();
  const std::int64_t site_mj = battery_mj + pv_mj - load_mj;
  power_ = {battery_mj / piece.count()};
  site_ = {site_mj / piece.count()};
  accounts_.load_mj += load_mj;
  accounts_.pv_mj += pv_mj;
  (site_mj > 0 ? accounts_.exported_mj : accounts_.imported_mj) += site_mj > 0 ? site_mj : -site_mj;
  VPP_CHECK(stored_mj_ >= 0 && stored_mj_ <= capacity_mj_);
  VPP_CHECK(accounts_.absorbed_mj - accounts_.injected_mj ==
            stored_mj_ - initial_mj_ + accounts_.losses_mj);
}

std::int64_t BatteryModel::convert(Watts power, Duration piece) {
  const std::int64_t ac_mj = power.count * piece.count();
  if (ac_mj > 0) {
    const std::int64_t cells = mul_div_ceil(ac_mj, 1000, rating_.discharge_efficiency_permille);
    stored_mj_ -= cells;
    accounts_.injected_mj += ac_mj;
    accounts_.losses_mj += cells - ac_mj;
  } else {
    const std::int64_t cells = mul_div_floor(-ac_mj, rating_.charge_efficiency_permille, 1000);
    stored_mj_ += cells;
    accounts_.absorbed_mj -= ac_mj;
    accounts_.losses_mj += -ac_mj - cells;
  }
  power_ = power;
  return ac_mj;
}

std::int64_t BatteryModel::draw_standby(Duration piece) {
  const std::int64_t draw = rating_.standby.count * piece.count();
  const bool holds_reserve = power_ == Watts{0} && stored_mj_ <= reserve_mj_;
  const std::int64_t cells = holds_reserve ? 0 : std::min(draw, stored_mj_);
  stored_mj_ -= cells;
  accounts_.absorbed_mj += draw - cells;
  accounts_.losses_mj += draw;
  return draw - cells;
}

Watts BatteryModel::discharge_limit(Duration piece) const {
  const std::int64_t out_mj =
      mul_div_floor(stored_mj_, rating_.discharge_efficiency_permille, 1000);
  return std::min(tapered(rating_.discharge_max, stored_mj_), Watts{out_mj / piece.count()});
}

Watts BatteryModel::charge_limit(Duration piece) const {
  const std::int64_t room_mj = capacity_mj_ - stored_mj_;
  const std::int64_t in_mj = mul_div_floor(room_mj, 1000, rating_.charge_efficiency_permille);
  return std::min(tapered(rating_.charge_max, room_mj), Watts{in_mj / piece.count()});
}

Watts BatteryModel::tapered(Watts rated, std::int64_t margin_mj) const {
  const std::int64_t begin_mj = mul_div_floor(capacity_mj_, rating_.taper_permille, 1000);
  if (margin_mj >= begin_mj) return rated;
  return {mul_div_floor(rated.count, std::max(margin_mj, begin_mj / 10), begin_mj)};
}

std::int32_t BatteryModel::soc_permille() const {
  return static_cast<std::int32_t>(mul_div_floor(stored_mj_, 1000, capacity_mj_));
}

device::Telemetry BatteryModel::telemetry(Instant at) const {
  using device::Quality;
  device::Telemetry telemetry;
  telemetry.battery = {power_, Quality::kGood, at};
  telemetry.site = {site_, Quality::kGood, at};
  telemetry.soc_permille = {soc_permille(), Quality::kGood, at};
  telemetry.stored = {stored(), Quality::kGood, at};
  telemetry.injected = {Joules{accounts_.injected_mj / 1000}, Quality::kGood, at};
  telemetry.absorbed = {Joules{accounts_.absorbed_mj / 1000}, Quality::kGood, at};
  telemetry.set_point_active = set_point_.has_value();
  telemetry.set_point = {set_point_.value_or(Watts{0}), Quality::kGood, at};
  telemetry.revert_remaining_s =
      static_cast<std::uint32_t>(std::chrono::ceil<std::chrono::seconds>(revert_left_).count());
  return telemetry;
}

device::Nameplate BatteryModel::nameplate() const {
  device::Nameplate nameplate;
  nameplate.manufacturer = "vpp";
  nameplate.model = "battery model";
  nameplate.discharge_max = rating_.discharge_max;
  nameplate.charge_max = rating_.charge_max;
  nameplate.energy_max = rating_.capacity;
  nameplate.controllable = true;
  nameplate.has_revert_timer = true;
  return nameplate;
}

}  // namespace vpp::battery
