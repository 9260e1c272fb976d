// What one site can promise, in one direction. Pure functions.
//
// At the connection point, losses taken off:
//   discharge  e = eta_d * max(0, stored - reserve - own use) - pledged
//   charge     e = (full - stored) / eta_c - pledged
//   power      p = min(ratings, what the device can do now, limits, headroom, ramp) - pledged
// `stored` is a range, of which the worse end counts; so does the worst of efficiencies that depend
// on power. Headroom is what the connection leaves at the extreme of the net load over the window
// (device/net_load.h). A power that the ramp does not reach from rest within kRampWithin, that the
// energy does not hold for the horizon, or that is below the unit's least is not promised.
// Anything unknown makes the result smaller, down to zero, never larger.
//
// Units      watts, joules, milliseconds of market time. Rounded down.
// Source     design: flexibility, "One site, one direction".
#pragma once

#include <optional>

#include "config/time.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::device {

/// In market time: a fifth of the first step of a duration curve, so that what the ramp cuts off
/// an order is soon made up for by the others.
inline constexpr Duration kRampWithin = std::chrono::minutes{1};

/// Load minus PV behind the meter: positive is drawn from the grid by all but the battery.
struct NetLoad {
  Watts least;  ///< binds discharge: what is exported whatever the battery does
  Watts most;   ///< binds charge
};

/// What the device says it can do now, >= 0. Nothing: unknown, or it never tells.
struct DeviceLimits {
  std::optional<Watts> discharge;
  std::optional<Watts> charge;
};

/// What is known of the site now. An estimate of the stored energy is a range.
struct SiteState {
  Joules stored_least;
  Joules stored_most;
  Joules capacity;                    ///< > 0
  std::optional<NetLoad> net_load{};  ///< nothing: the meter is unknown
  DeviceLimits device{};
  Capability pledged{};  ///< kept for another service, each way
};

/// Energy above what the owner keeps as it would arrive on the AC side.
[[nodiscard]] Joules discharge_energy(const SiteLimits& limits, const SiteState& state);
/// Energy that would have to be taken from the AC side to fill the battery.
[[nodiscard]] Joules charge_energy(const SiteLimits& limits, const SiteState& state);

/// What the connection leaves to the battery, >= 0. A limit of kSitePowerMax is no limit; any
/// other needs a meter.
[[nodiscard]] Watts export_headroom(const SiteLimits& limits, const std::optional<NetLoad>& load);
[[nodiscard]] Watts import_headroom(const SiteLimits& limits, const std::optional<NetLoad>& load);

/// What the device can do now; of one that tells, not to know is zero. A device that never tells is
/// not limited by it.
[[nodiscard]] Watts device_limit(const Nameplate& nameplate, const std::optional<Watts>& told);

/// `horizon`: power that could not be held that long is not promised (as the guard would not allow
/// it). Zero when the nameplate has no rating or the device cannot be controlled.
[[nodiscard]] Capability discharge_capability(const SiteLimits& limits, const Nameplate& nameplate,
                                              const SiteState& state, Duration horizon);
[[nodiscard]] Capability charge_capability(const SiteLimits& limits, const Nameplate& nameplate,
                                           const SiteState& state, Duration horizon);

}  // namespace vpp::device
