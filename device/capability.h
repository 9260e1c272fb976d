// What one site can promise, in one direction. Pure functions.
//
// At the connection point, losses taken off:
//   discharge  e = eta_d * max(0, stored - reserve)   p = min(ratings, limits, export headroom)
//   charge     e = (full - stored) / eta_c            p = min(ratings, limits, import headroom)
// Anything unknown makes the result smaller, down to zero, never larger.
//
// Units      watts, joules, milliseconds of market time. Rounded down.
#pragma once

#include <optional>

#include "config/time.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::device {

/// Load minus PV behind the meter: positive is drawn from the grid by all but the battery.
struct NetLoad {
  Watts least;  ///< binds discharge: what is exported whatever the battery does
  Watts most;   ///< binds charge
};

/// What is known of the site now. An estimate of the stored energy is a range.
struct SiteState {
  Joules stored_least;
  Joules stored_most;
  Joules capacity;                  ///< > 0
  std::optional<NetLoad> net_load;  ///< nothing: the meter is unknown
};

/// Energy above the owner's reserve as it would arrive on the AC side.
[[nodiscard]] Joules discharge_energy(const SiteLimits& limits, const SiteState& state);
/// Energy that would have to be taken from the AC side to fill the battery.
[[nodiscard]] Joules charge_energy(const SiteLimits& limits, const SiteState& state);

/// What the connection leaves to the battery, >= 0. A limit of kSitePowerMax is no limit; any
/// other needs a meter.
[[nodiscard]] Watts export_headroom(const SiteLimits& limits, const std::optional<NetLoad>& load);
[[nodiscard]] Watts import_headroom(const SiteLimits& limits, const std::optional<NetLoad>& load);

/// `horizon`: power that could not be held that long is not promised (as the guard would not allow
/// it). Zero when the nameplate has no rating or the device cannot be controlled.
[[nodiscard]] Capability discharge_capability(const SiteLimits& limits, const Nameplate& nameplate,
                                              const SiteState& state, Duration horizon);
[[nodiscard]] Capability charge_capability(const SiteLimits& limits, const Nameplate& nameplate,
                                           const SiteState& state, Duration horizon);

}  // namespace vpp::device
