#include "device/set_point_guard.h"

#include <algorithm>
#include <array>

#include "config/check.h"
#include "device/whole_math.h"

namespace vpp::device {
namespace {

struct Clamp {
  Envelope allowed;
  std::string_view name;
};

Watts drained_in(Joules energy, Duration horizon) {
  return {std::min(mul_div_floor(energy.count, 1000, std::max<std::int64_t>(horizon.count(), 1)),
                   limits::kSitePowerMax.count)};
}

Envelope storage_envelope(const SiteLimits& limits, const SiteState& state, Duration horizon) {
  return {-drained_in(charge_energy(limits, state), horizon),
          drained_in(discharge_energy(limits, state), horizon)};
}

std::array<Clamp, 5> clamps(const SiteLimits& limits, const Nameplate& nameplate,
                            const std::optional<SiteState>& state, Duration horizon) {
  const Watts charge = std::max(kNothing, nameplate.charge_max.value_or(kNothing));
  const Watts discharge = std::max(kNothing, nameplate.discharge_max.value_or(kNothing));
  const auto load = state ? state->net_load : std::nullopt;
  // Without a state of charge nothing is allowed anyway, for that reason.
  const Watts charge_now =
      state ? device_limit(nameplate, state->device.charge) : limits::kSitePowerMax;
  const Watts discharge_now =
      state ? device_limit(nameplate, state->device.discharge) : limits::kSitePowerMax;
  const Clamp stored = state ? Clamp{storage_envelope(limits, *state, horizon), "stored energy"}
                             : Clamp{{kNothing, kNothing}, "state of charge unknown"};
  return {
      Clamp{{-charge, discharge}, "device rating"},
      Clamp{{-charge_now, discharge_now}, "device derating"},
      Clamp{{-limits.charge_max, limits.discharge_max}, "configured limit"},
      Clamp{{-import_headroom(limits, load), export_headroom(limits, load)}, "connection limit"},
      stored};
}

/// `next` lies on the way from `start` to `target`. Where the unit cannot be, the way is a jump.
Watts over_gap(Watts next, Watts target, Watts least) {
  if (next == kNothing || size_of(next) >= least) return next;
  const bool beyond = size_of(target) >= least && (target > kNothing) == (next > kNothing);
  if (!beyond) return kNothing;
  return target > kNothing ? least : -least;
}

}  // namespace

Envelope envelope_of(const SiteLimits& limits, const Nameplate& nameplate,
                     const std::optional<SiteState>& state, Duration horizon) {
  Envelope all{-limits::kSitePowerMax, limits::kSitePowerMax};
  for (const Clamp& clamp : clamps(limits, nameplate, state, horizon)) {
    all.least = std::max(all.least, clamp.allowed.least);
    all.most = std::min(all.most, clamp.allowed.most);
  }
  VPP_CHECK(all.least <= kNothing && all.most >= kNothing);
  return all;
}

GuardVerdict guard(const SiteLimits& limits, const Nameplate& nameplate,
                   const std::optional<SiteState>& state, const GuardInput& input) {
  VPP_CHECK(input.elapsed >= Duration{0});
  GuardVerdict verdict{input.asked, {}};
  const auto apply = [&](const Envelope& allowed, std::string_view name) {
    const Watts clamped = std::clamp(verdict.power, allowed.least, allowed.most);
    if (clamped != verdict.power) verdict = {clamped, name};
  };
  for (const Clamp& clamp : clamps(limits, nameplate, state, input.horizon)) {
    apply(clamp.allowed, clamp.name);
  }
  if (size_of(verdict.power) < limits.power_min) apply({kNothing, kNothing}, "minimum power");
  const Envelope envelope = envelope_of(limits, nameplate, state, input.horizon);
  // From where it is, were it allowed to be there.
  const Watts start = std::clamp(input.previous, envelope.least, envelope.most);
  const Watts reach{std::min(mul_div_floor(limits.ramp_w_per_s, input.elapsed.count(), 1000),
                             2 * limits::kSitePowerMax.count)};
  const Watts target = verdict.power;
  apply({start - reach, start + reach}, "ramp");
  const Watts held = over_gap(verdict.power, target, limits.power_min);
  apply({held, held}, "ramp");
  VPP_CHECK(verdict.power >= envelope.least && verdict.power <= envelope.most);
  return verdict;
}

}  // namespace vpp::device
