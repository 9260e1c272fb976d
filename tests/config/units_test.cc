#include "config/units.h"

#include <catch2/catch.hpp>
#include <type_traits>

#include "config/limits.h"
#include "config/rng.h"

using namespace vpp;

static_assert(!std::is_convertible_v<Watts, WattHours>, "power is no energy");
static_assert(!std::is_convertible_v<Joules, WattHours>,
              "energy has two units, converted in sight");
static_assert(!std::is_convertible_v<Price, Amount>, "a price is no amount");

TEST_CASE("watt-hours survive the way to joules and back", "[config][units]") {
  Rng rng{3};
  for (int i = 0; i < 1'000; ++i) {
    const WattHours energy{static_cast<std::int64_t>(rng.below(20'000'000)) - 10'000'000};
    REQUIRE(to_watt_hours(to_joules(energy)) == energy);
  }
}

TEST_CASE("joules become watt-hours rounded towards zero", "[config][units]") {
  CHECK(to_watt_hours(Joules{3'599}) == WattHours{0});
  CHECK(to_watt_hours(Joules{-3'599}) == WattHours{0});
  CHECK(to_watt_hours(Joules{7'200}) == WattHours{2});
}

TEST_CASE("quantities add, scale and order as the whole numbers they are", "[config][units]") {
  Rng rng{4};
  const auto draw = [&] { return static_cast<std::int64_t>(rng.below(2'000'001)) - 1'000'000; };
  for (int i = 0; i < 1'000; ++i) {
    const std::int64_t a = draw();
    const std::int64_t b = draw();
    Watts sum{a};
    sum += Watts{b};
    REQUIRE(sum == Watts{a + b});
    REQUIRE(Watts{a} + Watts{b} == sum);
    sum -= Watts{b};
    REQUIRE(sum == Watts{a});
    REQUIRE(-Watts{a} - Watts{b} == Watts{-a - b});
    REQUIRE(Watts{a} * b == Watts{a * b});
    REQUIRE((Watts{a} < Watts{b}) == (a < b));
  }
}

TEST_CASE("the largest group over a week stays far from the end of 64 bits", "[config][units]") {
  constexpr std::int64_t kWeekSeconds = 7 * 24 * 3'600;
  std::int64_t joules = 0;
  REQUIRE_FALSE(__builtin_mul_overflow(limits::kGroupPowerMax.count, kWeekSeconds, &joules));
  CHECK(joules < INT64_MAX / 1'000);
  CHECK(to_joules(limits::kSiteEnergyMax) < Joules{INT64_MAX / 1'000'000});
}
