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

Capability capability(Watts power, Joules energy, Duration horizon) {
  power = std::min(power, held_for(energy, horizon));
  if (power <= kNothing || energy <= Joules{0}) return {};
  return {power, energy};
}

}  // namespace

Joules discharge_energy(const SiteLimits& limits, const SiteState& state) {
  const std::int64_t reserve = mul_div_ceil(state.capacity.count, limits.reserve_permille, 1000);
  const std::int64_t above = std::max<std::int64_t>(0, state.stored_least.count - reserve);
  return {mul_div_floor(above, limits.discharge_efficiency_permille, 1000)};
}

Joules charge_energy(const SiteLimits& limits, const SiteState& state) {
  VPP_CHECK(limits.charge_efficiency_permille > 0);
  const std::int64_t full = mul_div_floor(state.capacity.count, limits.full_permille, 1000);
  const std::int64_t room = std::max<std::int64_t>(0, full - state.stored_most.count);
  return {mul_div_floor(room, 1000, limits.charge_efficiency_permille)};
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

Capability discharge_capability(const SiteLimits& limits, const Nameplate& nameplate,
                                const SiteState& state, Duration horizon) {
  if (!nameplate.controllable || !nameplate.discharge_max) return {};
  const Watts power = std::min(
      {*nameplate.discharge_max, limits.discharge_max, export_headroom(limits, state.net_load)});
  return capability(power, discharge_energy(limits, state), horizon);
}

Capability charge_capability(const SiteLimits& limits, const Nameplate& nameplate,
                             const SiteState& state, Duration horizon) {
  if (!nameplate.controllable || !nameplate.charge_max) return {};
  const Watts power =
      std::min({*nameplate.charge_max, limits.charge_max, import_headroom(limits, state.net_load)});
  return capability(power, charge_energy(limits, state), horizon);
}

}  // namespace vpp::device
