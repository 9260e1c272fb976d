#include "config/time.h"

#include <catch2/catch.hpp>
#include <type_traits>

#include "config/rng.h"
#include "config/role_config.h"

using namespace vpp;
using namespace std::chrono_literals;

static_assert(!std::is_convertible_v<Instant, MarketTime>, "the two clocks never mix");
static_assert(!std::is_convertible_v<MarketTime, Instant>, "the two clocks never mix");

TEST_CASE("without a mapping market time is the machine's UTC", "[config][time]") {
  CHECK(market_time(std::nullopt, UtcTime{123'456ms}) == MarketTime{123'456ms});
}

TEST_CASE("mapped market time runs at its speed through its anchor", "[config][time]") {
  const TimeConfig time{60, UtcTime{1'000'000ms}, MarketTime{5'000ms}};
  CHECK(market_time(time, UtcTime{1'000'000ms}) == MarketTime{5'000ms});
  CHECK(market_time(time, UtcTime{1'000'250ms}) == MarketTime{20'000ms});
  CHECK(market_time(time, UtcTime{999'999ms}) == MarketTime{4'940ms});
}

TEST_CASE("market time is exact, or saturates where it leaves 64 bits", "[config][time]") {
  Rng rng{11};
  const auto draw = [&] { return static_cast<std::int64_t>(rng.next()) >> rng.below(63); };
  int saturated = 0;
  for (int i = 0; i < 20'000; ++i) {
    const std::int64_t speed = static_cast<std::int64_t>(1 + rng.below(3'600));
    const std::int64_t anchor_utc = draw();
    const std::int64_t anchor_market = draw();
    const std::int64_t utc = draw();
    const TimeConfig time{speed, UtcTime{std::chrono::milliseconds{anchor_utc}},
                          MarketTime{MarketClock::duration{anchor_market}}};
    const std::int64_t market =
        market_time(time, UtcTime{std::chrono::milliseconds{utc}}).time_since_epoch().count();

    const long double about = (static_cast<long double>(utc) - anchor_utc) * speed + anchor_market;
    std::int64_t exact = 0;
    if (__builtin_sub_overflow(utc, anchor_utc, &exact) ||
        __builtin_mul_overflow(exact, speed, &exact) ||
        __builtin_add_overflow(exact, anchor_market, &exact)) {
      if (about > 0x1p63L) REQUIRE(market == INT64_MAX);
      if (about < -0x1p63L) REQUIRE(market == INT64_MIN);
      ++saturated;
    } else {
      REQUIRE(market == exact);
    }
  }
  CHECK(saturated > 100);
}
