#include "device/droop.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::device;

namespace {

std::int32_t within(Rng& rng, std::int32_t least, std::int32_t most) {
  return least + static_cast<std::int32_t>(rng.below(static_cast<std::uint64_t>(most - least) + 1));
}

Droop random_droop(Rng& rng) {
  Droop droop{rng.below(2) == 0 ? 50'000 : 60'000, within(rng, 0, 100), 0};
  droop.full_at_mhz = droop.dead_band_mhz + within(rng, 1, 1000);
  return droop;
}

}  // namespace

TEST_CASE("the droop is nothing in the dead band, all at the full deviation, a line between",
          "[device][droop]") {
  const Droop droop;  // 50 Hz, 10 mHz, 200 mHz
  const auto at = [&](std::int32_t mhz) { return droop_power(droop, Watts{1900}, mhz).count; };
  CHECK(at(50'000) == 0);
  CHECK(at(49'990) == 0);
  CHECK(at(50'010) == 0);
  CHECK(at(49'989) == 10);
  CHECK(at(50'011) == -10);
  CHECK(at(49'895) == 950);
  CHECK(at(49'800) == 1900);
  CHECK(at(50'200) == -1900);
  CHECK(at(47'000) == 1900);
  CHECK(at(52'000) == -1900);
}

TEST_CASE(
    "the droop equals the formula in real numbers, is odd, and never rises with the frequency",
    "[device][droop][property]") {
  const auto seed = GENERATE(take(30, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  for (int i = 0; i < 300; ++i) {
    const Droop droop = random_droop(rng);
    const Watts full{within(rng, 0, 1'000'000)};
    const std::int32_t deviation = within(rng, -1500, 1500);
    const Watts power = droop_power(droop, full, droop.nominal_mhz + deviation);
    const double beyond = std::max(0, std::abs(deviation) - droop.dead_band_mhz);
    const double share = std::min(1.0, beyond / (droop.full_at_mhz - droop.dead_band_mhz));
    const double real = (deviation < 0 ? 1 : -1) * share * static_cast<double>(full.count);
    CAPTURE(i, deviation, droop.dead_band_mhz, droop.full_at_mhz, power.count);
    REQUIRE(std::abs(real - static_cast<double>(power.count)) < 1);
    REQUIRE(std::abs(static_cast<double>(power.count)) <= std::abs(real) + 1e-6);
    REQUIRE(droop_power(droop, full, droop.nominal_mhz - deviation) == -power);
    REQUIRE(droop_power(droop, full, droop.nominal_mhz + deviation + within(rng, 0, 50)) <= power);
  }
}

TEST_CASE("what is no grid's frequency is not plausible", "[device][droop]") {
  CHECK(is_plausible({}, 50'000));
  CHECK(is_plausible({}, 45'000));
  CHECK_FALSE(is_plausible({}, 44'999));
  CHECK_FALSE(is_plausible({}, 0));
  CHECK_FALSE(is_plausible({}, 60'000));
  CHECK(is_plausible({60'000, 36, 200}, 60'000));
}
