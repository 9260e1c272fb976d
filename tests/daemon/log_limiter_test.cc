#include <catch2/catch.hpp>

#include "daemon/driver/log.h"

using namespace vpp;
using namespace vpp::driver;
using namespace std::chrono_literals;

TEST_CASE("a voice that repeats itself is held back and counted", "[driver][log]") {
  log::Limiter limiter{2, 10s};
  CHECK(limiter.ask("a", Instant{0s}).speak);
  CHECK(limiter.ask("a", Instant{1s}).speak);
  CHECK_FALSE(limiter.ask("a", Instant{2s}).speak);
  CHECK_FALSE(limiter.ask("a", Instant{3s}).speak);
  CHECK(limiter.ask("b", Instant{3s}).speak);
  const auto verdict = limiter.ask("a", Instant{10s});
  CHECK(verdict.speak);
  CHECK(verdict.held_back == 2);
  CHECK(limiter.ask("a", Instant{11s}).held_back == 0);
}

TEST_CASE("a thousand voices share the last place", "[driver][log]") {
  log::Limiter limiter{1, 10s};
  int spoken = 0;
  for (int i = 0; i < 1'000; ++i) {
    if (limiter.ask("voice " + std::to_string(i), Instant{1s}).speak) ++spoken;
  }
  CHECK(spoken <= 257);
}
