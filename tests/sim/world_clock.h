// The simulator's own time: what a perfect observer would read. No core ever sees it; each node
// sees its protocol clock (this plus its own offset) and the market clock.
#pragma once

#include <chrono>
#include <cstddef>
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

/// Nodes by number: 0 is the root, then the aggregators, then the leaves, then further roots.
using NodeIndex = std::uint32_t;
inline constexpr NodeIndex kNobody = UINT32_MAX;
inline constexpr NodeIndex kRootIndex = 0;

/// Who is a root, and which of them leads as far as the nodes themselves say.
struct Roots {
  NodeIndex further = kNobody;  ///< the first of those beside kRootIndex; the others follow it
  NodeIndex leader = kRootIndex;
  [[nodiscard]] bool several() const { return further != kNobody; }
  [[nodiscard]] bool has(NodeIndex node) const {
    return node == kRootIndex || (node >= further && node != kNobody);
  }
};

/// Further roots that must hold what the leader acknowledges, where there are several.
inline constexpr std::size_t kCopies = 1;

/// Counts the starts of one node; what belongs to an earlier start is dead.
using Incarnation = std::uint32_t;

}  // namespace vpp::sim
