// The wall clock without its steps. Pure.
//
// A wall clock is stepped by an operator's mistake, a bad time server, a machine that was paused.
// Orders, gates and certificates must not jump with it: what is told here goes on with protocol
// time, follows small corrections at once, and a step only once it has lasted kBelief.
#pragma once

#include <cstdint>
#include <optional>

#include "config/time.h"

namespace vpp::driver {

class SteadyWall {
 public:
  static constexpr Duration kFollowed{1'000};  ///< what a time server corrects without a step
  static constexpr Duration kBelief = std::chrono::minutes{10};  ///< a mistake is mended by then

  /// Both clocks, read together; UTC milliseconds to go by.
  std::int64_t read(Instant protocol, std::int64_t wall_ms) {
    const std::int64_t now_ms = protocol.time_since_epoch().count();
    if (!ahead_ms_) ahead_ms_ = wall_ms - now_ms;
    const Duration off{wall_ms - now_ms - *ahead_ms_};
    const bool the_same = step_ && is_small(off - step_->by);
    if (is_small(off) || (the_same && protocol >= step_->since + kBelief)) {
      *ahead_ms_ += off.count();
      step_.reset();
    } else if (!the_same) {
      step_ = {off, protocol};
    }
    return now_ms + *ahead_ms_;
  }

  /// How far the wall clock is ahead of what is told, while that is not believed.
  [[nodiscard]] std::optional<Duration> step() const {
    return step_ ? std::optional{step_->by} : std::nullopt;
  }

 private:
  struct Step {
    Duration by{0};
    Instant since{};
  };

  [[nodiscard]] static bool is_small(Duration off) { return -kFollowed <= off && off <= kFollowed; }

  std::optional<std::int64_t> ahead_ms_;  ///< of protocol time
  std::optional<Step> step_;
};

}  // namespace vpp::driver
