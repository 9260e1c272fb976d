// The simulator's own time: what a perfect observer would read. No core ever sees it; each node
// sees its protocol clock (this plus its own offset) and the market clock.
#pragma once

#include <chrono>
#include <cstdint>

#include "config/time.h"

namespace vpp::sim {

struct WorldClock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<WorldClock>;
  static constexpr bool is_steady = true;
};

using WorldTime = WorldClock::time_point;
inline constexpr WorldTime kEndOfWorld = WorldTime::max();

/// Nodes by number: 0 is the root, then the aggregators, then the leaves.
using NodeIndex = std::uint32_t;
inline constexpr NodeIndex kNobody = UINT32_MAX;
inline constexpr NodeIndex kRootIndex = 0;

/// Counts the starts of one node; what belongs to an earlier start is dead.
using Incarnation = std::uint32_t;

}  // namespace vpp::sim
