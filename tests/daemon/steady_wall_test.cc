#include "daemon/driver/steady_wall.h"

#include <catch2/catch.hpp>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::driver;

namespace {

constexpr std::int64_t kUtcMs = 1'790'000'000'000;
constexpr std::int64_t kHourMs = 3'600'000;

Instant at(Duration since_boot) {
  return Instant{since_boot};
}

}  // namespace

TEST_CASE("a wall clock that never steps is told as it is", "[driver][clock]") {
  SteadyWall wall;
  Rng rng{5};
  Duration now{1000};
  std::int64_t utc_ms = kUtcMs;
  for (int i = 0; i < 10'000; ++i) {
    const auto passed = static_cast<std::int64_t>(rng.below(2'000));
    now += Duration{passed};
    utc_ms += passed + static_cast<std::int64_t>(rng.below(1'001)) - 500;
    CHECK(wall.read(at(now), utc_ms) == utc_ms);
    CHECK_FALSE(wall.step());
  }
}

TEST_CASE("an hour's step either way changes nothing until it has lasted ten minutes",
          "[driver][clock]") {
  for (const std::int64_t step : {kHourMs, -kHourMs}) {
    SteadyWall wall;
    CHECK(wall.read(at(0s), kUtcMs) == kUtcMs);
    for (Duration now = 1s; now <= SteadyWall::kBelief; now += 1s) {
      CHECK(wall.read(at(now), kUtcMs + step + now.count()) == kUtcMs + now.count());
      CHECK(wall.step() == Duration{step});
    }
    const Duration then = SteadyWall::kBelief + 1s;
    CHECK(wall.read(at(then), kUtcMs + step + then.count()) == kUtcMs + step + then.count());
    CHECK_FALSE(wall.step());
  }
}

TEST_CASE("a step that is taken back leaves no trace", "[driver][clock]") {
  SteadyWall wall;
  (void)wall.read(at(0s), kUtcMs);
  CHECK(wall.read(at(60s), kUtcMs + kHourMs) == kUtcMs + 60'000);
  CHECK(wall.read(at(120s), kUtcMs + 120'000) == kUtcMs + 120'000);
  CHECK_FALSE(wall.step());
}

TEST_CASE("a clock that steps about is believed only once it stays", "[driver][clock]") {
  SteadyWall wall;
  (void)wall.read(at(0s), kUtcMs);
  for (int i = 1; i <= 60; ++i) {  // every minute somewhere else
    const Duration now = std::chrono::minutes{i};
    CHECK(wall.read(at(now), kUtcMs + i * kHourMs) == kUtcMs + now.count());
  }
}
