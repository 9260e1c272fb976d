#include "daemon/driver/clock.h"

#include <ctime>

#include "config/check.h"

namespace vpp::driver {
namespace {

std::int64_t read_ms(clockid_t id) {
  timespec at{};
  VPP_CHECK(::clock_gettime(id, &at) == 0);
  return static_cast<std::int64_t>(at.tv_sec) * 1000 + at.tv_nsec / 1'000'000;
}

}  // namespace

Instant Clock::protocol() {
  return Instant{Duration{read_ms(CLOCK_BOOTTIME)}};
}

std::int64_t Clock::utc_ms() {
  return read_ms(CLOCK_REALTIME);
}

Now Clock::now() {
  const Instant at = protocol();
  const UtcTime utc{std::chrono::milliseconds{wall_.read(at, utc_ms())}};
  return {at, market_time(time_, utc), time_ ? time_->speed : 1};
}

Now market_at(const Now& reference, Instant at) {
  return {at, reference.market + (at - reference.protocol) * reference.speed, reference.speed};
}

}  // namespace vpp::driver
