#include "device/capability.h"

#include <algorithm>

#include "config/check.h"
#include "device/whole_math.h"

namespace vpp::device {
namespace {

/// The most power that `energy` can hold for `horizon`.
Watts held_for(Joules energy, Duration horizon) {
  if (horizon <= Duration{0}) return limits::kSitePowerMax;
  return {
      std::min(mul_div_floor(energy.count, 1000, horizon.count()), limits::kSitePowerMax.count)};
}

/// The most power that the ramp brings about from rest in good time.
Watts ramped(const SiteLimits& limits, const Nameplate& nameplate) {
  const std::int64_t device = std::max<std::int64_t>(0, nameplate.ramp_w_per_s.value_or(INT64_MAX));
  return {std::min(mul_div_floor(std::min(limits.ramp_w_per_s, device), kRampWithin.count(), 1000),
                   limits::kSitePowerMax.count)};
}

Capability capability(const SiteLimits& limits, Watts power, Joules energy, Watts pledged,
                      Duration horizon) {
  power = std::min(power - pledged, held_for(energy, horizon));
  if (power <= kNothing || power < limits.power_min || energy <= Joules{0}) return {};
  return {power, energy};
}

Joules less(std::int64_t energy, Joules pledged) {
  return {std::max<std::int64_t>(0, energy - pledged.count)};
}

}  // namespace

Joules discharge_energy(const SiteLimits& limits, const SiteState& state) {
  const std::int64_t kept =
      mul_div_ceil(state.capacity.count, limits.reserve_permille, 1000) + limits.own_use.count;
  const std::int64_t above = std::max<std::int64_t>(0, state.stored_least.count - kept);
  return less(mul_div_floor(above, limits.discharge_efficiency_permille, 1000),
              state.pledged.energy);
}

Joules charge_energy(const SiteLimits& limits, const SiteState& state) {
  VPP_CHECK(limits.charge_efficiency_permille > 0);
  const std::int64_t full = mul_div_floor(state.capacity.count, limits.full_permille, 1000);
  const std::int64_t room = std::max<std::int64_t>(0, full - state.stored_most.count);
  return less(mul_div_floor(room, 1000, limits.charge_efficiency_permille), state.pledged.energy);
}

Watts export_headroom(const SiteLimits& limits, const std::optional<NetLoad>& load) {
  if (limits.export_max >= limits::kSitePowerMax) return limits::kSitePowerMax;
  if (!load) return kNothing;
  return std::max(kNothing, limits.export_max + load->least);
}

Watts import_headroom(const SiteLimits& limits, const std::optional<NetLoad>& load) {
  if (limits.import_max >= limits::kSitePowerMax) return limits::kSitePowerMax;
  if (!load) return kNothing;
  return std::max(kNothing, limits.import_max - load->most);
}

Watts device_limit(const Nameplate& nameplate, const std::optional<Watts>& told) {
  if (told) return std::max(kNothing, *told);
  return nameplate.tells_limits ? kNothing : limits::kSitePowerMax;
}

Capability discharge_capability(const SiteLimits& limits, const Nameplate& nameplate,
                                const SiteState& state, Duration horizon) {
  if (!nameplate.controllable || !nameplate.discharge_max) return {};
  const Watts power = std::min(
      {*nameplate.discharge_max, limits.discharge_max, ramped(limits, nameplate),
       device_limit(nameplate, state.device.discharge), export_headroom(limits, state.net_load)});
  return capability(limits, power, discharge_energy(limits, state), state.pledged.power, horizon);
}

Capability charge_capability(const SiteLimits& limits, const Nameplate& nameplate,
                             const SiteState& state, Duration horizon) {
  if (!nameplate.controllable || !nameplate.charge_max) return {};
  const Watts power = std::min({*nameplate.charge_max, limits.charge_max, ramped(limits, nameplate),
                                device_limit(nameplate, state.device.charge),
                                import_headroom(limits, state.net_load)});
  return capability(limits, power, charge_energy(limits, state), state.pledged.power, horizon);
}

}  // namespace vpp::device
