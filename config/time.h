// The two clocks, injected everywhere and never mixed.
#pragma once

#include <chrono>
#include <cstdint>

namespace vpp {

/// Protocol time: monotonic milliseconds of one process. Drives leases, time-outs and expiry.
/// Has no now() on purpose: only daemon/driver and tests/sim read or make a clock.
struct ProtocolClock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<ProtocolClock>;
  static constexpr bool is_steady = true;
};

using Instant = ProtocolClock::time_point;
using Duration = ProtocolClock::duration;
inline constexpr Instant kNever = Instant::max();

/// Market time: UTC milliseconds since 1970. Names intervals, prices and orders; energy, state
/// of charge and ramps live in it. It may run faster than protocol time in demonstrations.
struct MarketClock {
  using duration = std::chrono::milliseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<MarketClock>;
  static constexpr bool is_steady = false;
};

using MarketTime = MarketClock::time_point;
inline constexpr MarketTime kEndOfTime = MarketTime::max();

/// What every step of a core is given. `speed` is market milliseconds per protocol millisecond.
struct Now {
  Instant protocol;
  MarketTime market;
  std::int64_t speed = 1;
};

/// When a market time comes to pass on the protocol clock, rounded up; the past stays past.
[[nodiscard]] constexpr Instant protocol_at(const Now& now, MarketTime market) {
  if (market == kEndOfTime) return kNever;
  const Duration ahead = market - now.market;
  // At that instant the market time has surely come; division rounds the past up by itself.
  const Duration::rep up = ahead > Duration{0} ? now.speed - 1 : 0;
  return now.protocol + Duration{(ahead.count() + up) / now.speed};
}

}  // namespace vpp
