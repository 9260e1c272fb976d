// What a node may ask of the batteries below it, so that the feeder or transformer that they hang
// on stays within its limits: by what the meters say, not only by what was asked. Pure.
//
// Closed loop  the meters' sum less the batteries' power is what the homes do by themselves; what
//              the limit leaves beside that may be asked. It is a limit on the absolute power, not
//              a correction of it, so it does not swing however late the meters are.
// Margin       what homes did by themselves within one lag lately, and a part of the limit.
// Rising       a share comes nearer to the limit by a part of what is left, so that a battery that
//              stops something else when it follows an order is seen before the limit is reached.
//              Falling is at once.
// Unknown      a site whose meter is unknown counts with the most that its connection carries.
// Beyond it    an order that adds to it is cut down to nothing; of one that relieves it more is
//              asked than its target, as long as that takes. Never against the order's sign: no
//              site charges for an order to discharge, and nothing gets worse.
// Where it     a home that switches on more within one lag than homes did in the last minutes is
// ends         seen when it has happened.
// Signs        export (discharge) > 0, import (charge) < 0; limits are magnitudes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "config/time.h"
#include "config/units.h"

namespace vpp::aggregation {

struct FeederLimits {
  std::optional<Watts> export_max;  ///< >= 0; nothing: no limit
  std::optional<Watts> import_max;
  Watts site_max{17'000};  ///< what one connection carries either way: 3 phases of 25 A
};

/// Newest sums over the sites below.
struct FeederReadings {
  Watts net;                ///< at the connection points that are known
  std::size_t unknown = 0;  ///< sites whose connection point is not
  Watts batteries;          ///< of the known sites that follow an order
  Watts elsewhere = {};     ///< asked of sites that follow another order than this target's
};

class FeederCap {
 public:
  explicit FeederCap(const FeederLimits& limits) : limits_{limits} {}

  /// One tick, also without an order (target 0): what may be asked. Between 0 and the target, or
  /// beyond the target while a limit that it relieves is exceeded; 0 for a target of 0.
  [[nodiscard]] Watts allow(Instant now, Watts target, const FeederReadings& readings);

 private:
  void watch(Instant now, std::int64_t homes);
  [[nodiscard]] std::int64_t margin(Watts limit) const;
  [[nodiscard]] std::int64_t rise(std::int64_t most, Duration since) const;

  FeederLimits limits_;
  std::optional<Instant> at_;        ///< of the last tick
  std::int64_t asked_ = 0;           ///< in it
  std::optional<Instant> seen_at_;   ///< of the newest of the following
  std::vector<std::int64_t> homes_;  ///< what they did by themselves, second by second, newest last
  std::int64_t swing_ = 0;           ///< largest change of it within a lag, slowly forgotten
};

}  // namespace vpp::aggregation
