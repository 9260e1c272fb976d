// The only clocks of vppd.
//
// Protocol time is CLOCK_BOOTTIME: it goes on while the machine sleeps, so that a gateway that
// wakes up finds its leases and orders expired. Market time is the wall clock without its steps
// (steady_wall.h), mapped by [time].
#pragma once

#include <cstdint>
#include <optional>

#include "config/role_config.h"
#include "config/time.h"
#include "daemon/driver/steady_wall.h"

namespace vpp::driver {

class Clock {
 public:
  explicit Clock(std::optional<TimeConfig> time) : time_{time} {}

  [[nodiscard]] Now now();

  /// UTC milliseconds without steps: what certificates are judged by.
  [[nodiscard]] std::int64_t steady_utc_ms() { return wall_.read(protocol(), utc_ms()); }
  [[nodiscard]] std::optional<Duration> step() const { return wall_.step(); }

  [[nodiscard]] static Instant protocol();
  /// Wall clock, milliseconds since 1970.
  [[nodiscard]] static std::int64_t utc_ms();

 private:
  std::optional<TimeConfig> time_;
  SteadyWall wall_;
};

/// Market time at `at`, going on from `reference` at its speed. For threads that are told the time
/// once in a while.
[[nodiscard]] Now market_at(const Now& reference, Instant at);

}  // namespace vpp::driver
