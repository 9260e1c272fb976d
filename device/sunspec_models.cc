// What the models say of a site: nameplate and telemetry.
#include <algorithm>
#include <array>

#include "device/capability.h"
#include "device/sunspec.h"
#include "device/whole_math.h"

namespace vpp::device::sunspec {
namespace {

constexpr std::int64_t kPermillePerPercent = 10;

Registers image(const Images& images, std::uint16_t id) {
  const auto found = images.find(id);
  return found == images.end() ? Registers{} : Registers{found->second};
}

template <class T>
Reading<T> reading(std::optional<T> value, Instant now) {
  const Quality quality = value ? Quality::kGood : Quality::kNotImplemented;
  return {value, quality, now};
}

std::optional<Watts> watts(std::optional<std::int64_t> value) {
  return value ? std::optional{Watts{*value}} : std::nullopt;
}

std::optional<Joules> joules(std::optional<std::int64_t> value) {
  return value ? std::optional{Joules{*value}} : std::nullopt;
}

std::optional<Watts> power_point(Registers model, std::size_t offset, std::size_t scale) {
  return watts(scaled(as_uint16(model, offset), as_scale(model, scale)));
}

std::optional<Watts> lesser(std::optional<Watts> a, std::optional<Watts> b) {
  if (!a || !b) return a ? a : b;
  return std::min(*a, *b);
}

std::optional<Watts> positive(std::optional<Watts> power) {
  return power && *power > Watts{0} ? power : std::nullopt;
}

/// 702 first: settings bind as much as ratings do. Then what older storage models say.
std::optional<Watts> discharge_max(const Images& images) {
  const Registers m702 = image(images, 702);
  const auto whole = lesser(power_point(m702, 2, 45), power_point(m702, 26, 45));
  const auto own = lesser(power_point(m702, 11, 45), power_point(m702, 35, 45));
  if (const auto both = lesser(own, whole)) return positive(both);
  if (const auto p = power_point(image(images, 802), 5, 54)) return positive(p);
  return positive(power_point(image(images, 120), 25, 26));
}

std::optional<Watts> charge_max(const Images& images) {
  const Registers m702 = image(images, 702);
  if (const auto p = lesser(power_point(m702, 10, 45), power_point(m702, 34, 45))) {
    return positive(p);
  }
  if (const auto p = power_point(image(images, 802), 4, 54)) return positive(p);
  if (const auto p = power_point(image(images, 124), 2, 18)) return positive(p);
  return positive(power_point(image(images, 120), 23, 24));
}

std::optional<WattHours> energy_max(const Images& images) {
  struct PointRead {
    std::uint16_t model;
    std::size_t offset;
    std::size_t scale;
  };
  for (const PointRead& p : {PointRead{713, 2, 7}, PointRead{802, 3, 53}, PointRead{120, 19, 20}}) {
    const Registers model = image(images, p.model);
    const auto energy = scaled(as_uint16(model, p.offset), as_scale(model, p.scale));
    if (energy && *energy > 0) return WattHours{*energy};
  }
  return std::nullopt;
}

std::optional<std::int32_t> soc_permille(const Images& images) {
  struct PointRead {
    std::uint16_t model;
    std::size_t offset;
    std::size_t scale;
  };
  for (const PointRead& p : {PointRead{713, 4, 8}, PointRead{802, 11, 56}, PointRead{124, 8, 22}}) {
    const Registers model = image(images, p.model);
    const auto soc =
        scaled(as_uint16(model, p.offset), as_scale(model, p.scale), kPermillePerPercent);
    if (soc) return static_cast<std::int32_t>(std::clamp<std::int64_t>(*soc, 0, INT32_MAX));
  }
  return std::nullopt;
}

bool has_battery(const Images& images) {
  return images.contains(713) || images.contains(802) ||
         power_point(image(images, 124), 2, 18).has_value();
}

/// Empty: every point that control needs is implemented.
std::string why_not_controllable(const Images& images, const Nameplate& nameplate) {
  if (!has_battery(images)) {
    return images.contains(124) ? "storage model 124 is there, its points are not implemented"
                                : "no storage model";
  }
  const Registers m704 = image(images, kControlModel);
  if (m704.empty()) return "no model 704 (set point with a revert timer)";
  const bool control =
      as_uint16(m704, 22) && as_uint16(m704, 23) && as_int32(m704, 24) && as_scale(m704, 55);
  if (!control) return "set point of model 704 is not implemented";
  if (!soc_permille(images)) return "state of charge is not implemented";
  if (!nameplate.discharge_max && !nameplate.charge_max) return "no power rating is implemented";
  return {};
}

/// Narrows a limit as the device's points tell it.
class LimitFinder {
 public:
  explicit LimitFinder(const Images& images) : images_{images} {}

  /// Nothing: no point that would limit is implemented, or one could not be read this time.
  std::optional<DeviceLimits> find();

 private:
  void settings();
  void power_limit();
  void throttling();
  void storage();
  void battery_bank();
  void basic_storage();

  void tells(bool implemented) { tells_ = tells_ || implemented; }
  static void lower(Watts& limit, const std::optional<Watts>& to) {
    if (to) limit = std::clamp(*to, Watts{0}, limit);
  }
  void stop() { discharge_ = charge_ = Watts{0}; }
  [[nodiscard]] Registers of(std::uint16_t id) const { return image(images_, id); }

  const Images& images_;
  Watts discharge_ = limits::kSitePowerMax;
  Watts charge_ = limits::kSitePowerMax;
  bool tells_ = false;
};

std::optional<DeviceLimits> LimitFinder::find() {
  constexpr std::array<std::uint16_t, 6> kTelling{124, 701, 702, 704, 713, 802};
  for (const std::uint16_t id : kTelling) {
    if (images_.contains(id) && of(id).empty()) return std::nullopt;
  }
  settings();
  power_limit();
  throttling();
  storage();
  battery_bank();
  basic_storage();
  return tells_ ? std::optional{DeviceLimits{discharge_, charge_}} : std::nullopt;
}

/// 702: WMax, WDisChaRteMax, WChaRteMax as they are set now.
void LimitFinder::settings() {
  const Registers model = of(702);
  const auto most = lesser(power_point(model, 26, 45), power_point(model, 35, 45));
  const auto charge = power_point(model, 34, 45);
  tells(most || charge);
  lower(discharge_, most);
  lower(charge_, charge);
}

/// 704: WMaxLimPct, a share of WMax that may be injected.
void LimitFinder::power_limit() {
  const Registers model = of(kControlModel);
  const auto enabled = as_uint16(model, 14);
  const auto rated = discharge_max(images_);
  tells(enabled.has_value());
  if (enabled != 1 || !rated) return;
  const auto share = scaled(as_uint16(model, 15), as_scale(model, 54), rated->count);
  lower(discharge_, Watts{share.value_or(0) / 100});  // enabled at nobody knows what: none
}

/// 701: InvSt, ThrotPct and ThrotSrc. The model does not say whether it is throttled by so much or
/// to so much: the lesser.
void LimitFinder::throttling() {
  constexpr std::int64_t kFault = 6;
  // Bits: MAX_W, FREQ_WATT, LVRT, HVRT, VOLT_WATT, SCHEDULED, LFRT, HFRT, DERATED. Not FIXED_W,
  // which is our own set point, and not what moves reactive power.
  constexpr std::int64_t kSources = 0b111'1101'1010'0001;
  const Registers model = of(701);
  const auto state = as_uint16(model, 4);
  const auto source = as_uint32(model, 111);
  const auto pct = as_uint16(model, 110);
  tells(state || source);
  if (state == kFault) stop();
  if (!source || (*source & kSources) == 0 || !pct) return;
  const std::int64_t left = std::clamp<std::int64_t>(std::min(*pct, 100 - *pct), 0, 100);
  const auto share = [&](const std::optional<Watts>& rated) {
    return rated ? std::optional{Watts{rated->count * left / 100}} : std::nullopt;
  };
  lower(discharge_, share(discharge_max(images_)));
  lower(charge_, share(charge_max(images_)));
}

/// 713: Sta.
void LimitFinder::storage() {
  constexpr std::int64_t kError = 2;
  const auto state = as_uint16(of(713), 6);
  tells(state.has_value());
  if (state == kError) stop();
}

/// 802: State, and AChaMax, ADisChaMax at V. The bank falls off with temperature and near its ends
/// there.
void LimitFinder::battery_bank() {
  constexpr std::int64_t kDisconnected = 1;
  constexpr std::int64_t kFault = 99;
  constexpr std::int64_t kOfDcPermille = 900;  // what an inverter at its worst makes of it
  const Registers model = of(802);
  const auto state = as_uint16(model, 22);
  if (state == kDisconnected || state == kFault) stop();
  const auto volts_mv = scaled(as_uint16(model, 34), as_scale(model, 59), 1000);
  const auto power = [&](std::size_t offset) -> std::optional<std::int64_t> {
    const auto amps_ma = scaled(as_uint16(model, offset), as_scale(model, 62), 1000);
    if (!volts_mv || !amps_ma) return std::nullopt;
    const Int128 uw = static_cast<Int128>(*volts_mv) * *amps_ma;
    return static_cast<std::int64_t>(std::min<Int128>(uw / 1'000'000, limits::kSitePowerMax.count));
  };
  const auto out = power(46);
  const auto in = power(45);
  tells(state || out || in);
  if (out) lower(discharge_, Watts{*out * kOfDcPermille / 1000});
  lower(charge_, watts(in));
}

/// 124: OutWRte and InWRte, shares of WChaMax, where StorCtl_Mod says that they count.
void LimitFinder::basic_storage() {
  const Registers model = of(124);
  const auto mode = as_uint16(model, 5);
  const auto rated = power_point(model, 2, 18);
  tells(mode && rated);
  if (!mode || !rated) return;
  const auto share = [&](std::size_t offset) -> std::optional<Watts> {
    const auto part = scaled(as_int16(model, offset), as_scale(model, 25), rated->count);
    return part ? std::optional{Watts{*part / 100}} : std::nullopt;
  };
  if ((*mode & 1) != 0) lower(charge_, share(13));
  if ((*mode & 2) != 0) lower(discharge_, share(12));
}

/// 704: WRmp, per cent of WMax each second. 0 is what devices say that have none.
std::optional<std::int64_t> ramp(const Images& images) {
  const auto pct = as_uint16(image(images, kControlModel), 49);
  const auto rated = discharge_max(images);
  if (!pct || *pct == 0 || !rated) return std::nullopt;
  return std::max<std::int64_t>(1, std::min(*rated, limits::kSitePowerMax).count * *pct / 100);
}

std::optional<Watts> inverter_power(const Images& images) {
  for (std::uint16_t id = 101; id <= 103; ++id) {
    const Registers model = image(images, id);
    if (!model.empty()) return watts(scaled(as_int16(model, 14), as_scale(model, 15)));
  }
  for (std::uint16_t id = 111; id <= 113; ++id) {
    const Registers model = image(images, id);
    if (!model.empty()) return watts(as_float32(model, 22));
  }
  return std::nullopt;
}

/// A counter coarser than a watt-hour would put whole jumps into single intervals.
std::optional<Joules> counter(Registers m701, std::size_t offset) {
  const auto scale = as_scale(m701, 120);
  if (!scale || *scale > 0) return std::nullopt;
  return joules(scaled(as_uint64(m701, offset), scale, kJoulesPerWattHour));
}

/// In watts, or in per cent of the rating if a stranger left it so.
std::optional<Watts> set_point(const Images& images) {
  const Registers m704 = image(images, kControlModel);
  const auto mode = as_uint16(m704, 23);
  if (mode == 1) return watts(scaled(as_int32(m704, 24), as_scale(m704, 55)));
  const auto rated = discharge_max(images);
  if (mode != 0 || !rated) return std::nullopt;
  const auto share = scaled(as_int16(m704, 28), as_scale(m704, 56), rated->count);
  return share ? std::optional{Watts{*share / 100}} : std::nullopt;
}

}  // namespace

bool tells_nameplate(std::uint16_t id) {
  constexpr std::array<std::uint16_t, 7> kModels{1, 120, 124, 702, 704, 713, 802};
  return std::ranges::find(kModels, id) != kModels.end();
}

bool tells_telemetry(std::uint16_t id) {
  constexpr std::array<std::uint16_t, 12> kModels{101, 102, 103, 111, 112, 113,
                                                  124, 701, 702, 704, 713, 802};
  return std::ranges::find(kModels, id) != kModels.end();
}

bool tells_meter(std::uint16_t id) {
  return (id >= 201 && id <= 204) || (id >= 211 && id <= 214);
}

Nameplate nameplate_of(const Images& images) {
  Nameplate nameplate;
  const Registers common = image(images, 1);
  nameplate.manufacturer = as_string(common, 2, 16);
  nameplate.model = as_string(common, 18, 16);
  nameplate.serial = as_string(common, 50, 16);
  nameplate.discharge_max = discharge_max(images);
  nameplate.charge_max = charge_max(images);
  nameplate.energy_max = energy_max(images);
  nameplate.why_not = why_not_controllable(images, nameplate);
  nameplate.controllable = nameplate.why_not.empty();
  nameplate.tells_limits = LimitFinder{images}.find().has_value();
  nameplate.ramp_w_per_s = ramp(images);
  const Registers m704 = image(images, kControlModel);
  nameplate.has_revert_timer =
      as_int32(m704, 26) && as_uint16(m704, 30) && as_uint32(m704, 31) && as_uint32(m704, 33);
  if (as_uint16(m704, 22) == 1) nameplate.warning = "found under an external set point";
  if (as_uint32(m704, 31).value_or(0) > 0) {
    nameplate.warning += nameplate.warning.empty() ? "found" : ",";
    nameplate.warning += " with a revert timer of " + std::to_string(*as_uint32(m704, 31)) + " s";
  }
  return nameplate;
}

std::optional<std::uint16_t> frequency_model(const Images& images) {
  constexpr std::array<std::uint16_t, 7> kTelling{701, 101, 102, 103, 111, 112, 113};
  for (const std::uint16_t id : kTelling) {
    if (images.contains(id)) return id;
  }
  return std::nullopt;
}

Reading<std::int32_t> frequency_of(const Images& images, Instant now) {
  constexpr std::int64_t kMhz = 1000;
  const auto id = frequency_model(images).value_or(0);
  const Registers model = image(images, id);
  std::optional<std::int64_t> mhz;
  if (id == 701) {
    mhz = scaled(as_uint32(model, 17), as_scale(model, 115), kMhz);
  } else if (id >= 111) {
    mhz = as_float32(model, 24, kMhz);
  } else {
    mhz = scaled(as_uint16(model, 16), as_scale(model, 17), kMhz);
  }
  if (mhz && (*mhz < 0 || *mhz > INT32_MAX)) mhz.reset();
  return reading(mhz ? std::optional{static_cast<std::int32_t>(*mhz)} : std::nullopt, now);
}

Reading<Watts> meter_power(Registers meter, bool positive_is_export, Instant now) {
  const bool whole = !meter.empty() && meter[0] <= 204;
  const auto told =
      whole ? scaled(as_int16(meter, 18), as_scale(meter, 22)) : as_float32(meter, 28);
  if (!told) return reading(std::optional<Watts>{}, now);
  const Watts power{positive_is_export ? *told : -*told};
  if (size_of(power) > limits::kSitePowerMax) return {std::nullopt, Quality::kImplausible, now};
  return reading(std::optional{power}, now);
}

Telemetry telemetry_of(const Images& images, Instant now) {
  Telemetry telemetry;
  const Registers m701 = image(images, 701);
  const auto ac = watts(scaled(as_int16(m701, 10), as_scale(m701, 116)));
  const bool battery = has_battery(images);
  telemetry.battery = reading(battery ? ac : std::nullopt, now);
  telemetry.inverter = reading(m701.empty() ? inverter_power(images) : ac, now);
  telemetry.site = reading(std::optional<Watts>{}, now);
  telemetry.soc_permille = reading(soc_permille(images), now);
  const Registers m713 = image(images, 713);
  telemetry.stored =
      reading(joules(scaled(as_uint16(m713, 3), as_scale(m713, 7), kJoulesPerWattHour)), now);
  telemetry.injected = reading(counter(m701, 19), now);
  telemetry.absorbed = reading(counter(m701, 23), now);
  telemetry.frequency_mhz = frequency_of(images, now);
  const auto limits = LimitFinder{images}.find();
  telemetry.discharge_limit = reading(limits ? limits->discharge : std::nullopt, now);
  telemetry.charge_limit = reading(limits ? limits->charge : std::nullopt, now);
  const Registers m704 = image(images, kControlModel);
  telemetry.set_point_active = as_uint16(m704, 22) == 1;
  telemetry.set_point = reading(set_point(images), now);
  if (const auto rest = as_uint32(m704, 33)) {
    telemetry.revert_remaining_s = static_cast<std::uint32_t>(*rest);
  }
  telemetry.alarms = static_cast<std::uint32_t>(as_uint32(m701, 6).value_or(0));
  return telemetry;
}

}  // namespace vpp::device::sunspec
