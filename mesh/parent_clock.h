// How far the parent's protocol clock is from this node's, from one-way beacons. Pure.
//
// A beacon can only be late, so the smallest (received - stamped) is nearest to the truth; it is
// taken over the last one to two windows, because two clocks drift apart by seconds in a day.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>

#include "config/planted_bug.h"
#include "config/time.h"
#include "mesh/messages.h"

namespace vpp::mesh {

/// Two clocks may differ in rate by 1/256: ten times what a bad crystal does.
[[nodiscard]] constexpr Duration with_drift(Duration span) {
  return span + span / 256 + Duration{1};
}

class ParentClock {
 public:
  void heard(Instant now, Stamp stamp) {
    if (++in_window_ > kWindow) {
      previous_ = current_;
      current_ = kUnknown;
      in_window_ = 1;
    }
    const std::int64_t late = now.time_since_epoch().count() - bounded(stamp);
    const bool worse = planted(Bug::kClockTakesLatest) && current_ != kUnknown;
    current_ = worse ? std::max(current_, late) : std::min(current_, late);
  }

  /// Earliest estimate; an unknown clock has passed.
  [[nodiscard]] Instant local_time_of(Stamp stamp) const {
    const std::int64_t offset = std::min(previous_, current_);
    if (offset == kUnknown) return Instant{};
    return Instant{Duration{bounded(stamp) + offset}};
  }

  /// The other way round; 0, which has passed, while the clock is unknown.
  [[nodiscard]] Stamp stamp_of(Instant at) const {
    const std::int64_t offset = std::min(previous_, current_);
    return offset == kUnknown ? 0 : bounded(at.time_since_epoch().count() - offset);
  }

 private:
  static constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();
  static constexpr int kWindow = 64;  ///< beacons: a minute on a LAN
  static Stamp bounded(Stamp stamp) { return std::clamp<Stamp>(stamp, 0, kStampMax); }

  std::int64_t current_ = kUnknown;
  std::int64_t previous_ = kUnknown;
  int in_window_ = 0;
};

}  // namespace vpp::mesh
