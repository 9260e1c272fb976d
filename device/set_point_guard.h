// The last word on every set point, whoever signed the order. Pure functions.
//
// Clamps, in this order: device rating, what the device can do now, config limits, connection
// limits, owner's reserve and own use (and full battery), the unit's least power, ramp. All but the
// last two make the envelope; the ramp slows movement within it, but never holds a set point
// outside of it: safety is not ramped. What the unit cannot hold, between zero and its least power,
// becomes zero; a ramp jumps over it.
#pragma once

#include <optional>
#include <string_view>

#include "config/time.h"
#include "config/units.h"
#include "device/capability.h"
#include "device/site.h"

namespace vpp::device {

/// least <= 0 <= most: doing nothing is always allowed.
struct Envelope {
  Watts least;
  Watts most;
  friend bool operator==(const Envelope&, const Envelope&) = default;
};

struct GuardInput {
  Watts asked;
  Watts previous;    ///< in force until now: where the ramp starts
  Duration elapsed;  ///< market time since then
  Duration horizon;  ///< market time that may pass until the next look at the battery
};

struct GuardVerdict {
  Watts power;
  std::string_view limited_by;  ///< the last clamp that changed the power; empty: none
  friend bool operator==(const GuardVerdict&, const GuardVerdict&) = default;
};

/// `state` unset: the state of charge is not known, and nothing is allowed.
[[nodiscard]] Envelope envelope_of(const SiteLimits& limits, const Nameplate& nameplate,
                                   const std::optional<SiteState>& state, Duration horizon);

[[nodiscard]] GuardVerdict guard(const SiteLimits& limits, const Nameplate& nameplate,
                                 const std::optional<SiteState>& state, const GuardInput& input);

}  // namespace vpp::device
