// One node's protocol clock: started at its own boot, running at its own speed.
#pragma once

#include <cstdint>

#include "config/time.h"
#include "tests/sim/world_clock.h"

namespace vpp::sim {

struct NodeClock {
  Duration offset{0};
  std::int64_t drift_ppm = 0;
  Duration wall_error{0};  ///< of the market clock that the host shows

  [[nodiscard]] Instant read(WorldTime at) const {
    const auto passed = at.time_since_epoch().count();
    return Instant{offset + Duration{passed + passed * drift_ppm / 1'000'000}};
  }

  /// The first world time at which read() is `at` or later; the past is the beginning.
  [[nodiscard]] WorldTime when(Instant at) const {
    if (at == kNever) return kEndOfWorld;
    const auto passed = (at - Instant{offset}).count();
    if (passed <= 0) return WorldTime{};
    WorldTime guess{Duration{passed - passed * drift_ppm / (1'000'000 + drift_ppm)}};
    while (guess > WorldTime{} && read(guess - Duration{1}) >= at) guess -= Duration{1};
    while (read(guess) < at) guess += Duration{1};
    return guess;
  }
};

}  // namespace vpp::sim
