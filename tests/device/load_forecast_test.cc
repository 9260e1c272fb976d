// What a home expects of itself, and what it pays.
#include "device/load_forecast.h"

#include <catch2/catch.hpp>
#include <chrono>

#include "device/tariff.h"

namespace vpp::device {
namespace {

using namespace std::chrono_literals;

constexpr MarketTime kStart{std::chrono::days{19'000}};

/// Readings every minute, by what the home draws then.
template <class Load>
void watch(LoadForecast& forecast, MarketTime from, Duration length, Load load) {
  for (Duration t{0}; t <= length; t += 1min) forecast.add(from + t, Watts{load(from + t)}, 2min);
}

TEST_CASE("a home forecasts nothing before it has seen a day, then what it saw",
          "[device][forecast]") {
  LoadForecast forecast;
  const auto load = [](MarketTime at) {
    return 100 * ((at.time_since_epoch() % 24h) / 1h);  // by the hour
  };
  watch(forecast, kStart, 23h, load);
  CHECK(forecast.known() == 92);
  CHECK(forecast.mean(kStart + 24h, 1h) == Watts{0});
  CHECK_FALSE(forecast.mean(kStart + 24h, 24h));
  watch(forecast, kStart + 23h, 1h, load);
  CHECK(forecast.known() == 96);
  CHECK(forecast.mean(kStart + 24h, 24h));
  CHECK(forecast.mean(kStart + 36h + 15min, 30min) == Watts{1'200});
  // Any length, also across quarters and days.
  CHECK(forecast.mean(kStart + 47h + 45min, 30min) == Watts{1'111});
}

TEST_CASE("the mean is of the days seen, and follows a home that changes", "[device][forecast]") {
  LoadForecast forecast;
  for (int day = 0; day < 3; ++day) {
    watch(forecast, kStart + 24h * day, 15min, [&](MarketTime) { return 300 * (day + 1); });
  }
  CHECK(forecast.mean(kStart, 15min) == Watts{600});
  for (int day = 3; day < 40; ++day) {
    watch(forecast, kStart + 24h * day, 15min, [](MarketTime) { return -2'000; });
  }
  CHECK(std::abs(forecast.mean(kStart, 15min)->count + 2'000) < 30);
  CHECK(forecast.quarters()[0].days == LoadForecast::kDaysMost);
}

TEST_CASE("a gap in the readings is not filled with guesses", "[device][forecast]") {
  LoadForecast forecast;
  forecast.add(kStart, Watts{500}, 2min);
  forecast.add(kStart + 14min, Watts{500}, 2min);
  forecast.add(kStart + 15min, Watts{500}, 2min);
  forecast.add(kStart + 16min, Watts{500}, 2min);
  CHECK(forecast.known() == 0);
  // A clock that is set back begins anew; a fast one may pass whole quarters between two readings.
  forecast.add(kStart, Watts{500}, 10h);
  forecast.add(kStart + 1h, Watts{700}, 10h);
  CHECK(forecast.known() == 4);
  CHECK(forecast.mean(kStart, 1h) == Watts{600});
}

TEST_CASE("a forecast is recovered as it was, and nonsense is not", "[device][forecast]") {
  LoadForecast forecast;
  watch(forecast, kStart, 24h, [](MarketTime) { return 400; });
  const LoadForecast again{forecast.quarters()};
  CHECK(again.mean(kStart + 48h, 24h) == Watts{400});
  CHECK(LoadForecast{std::vector<LoadForecast::Quarter>(95, {Watts{1}, 1})}.known() == 0);
}

TEST_CASE("a tariff holds by the time of its own day, past midnight too", "[device][tariff]") {
  const Tariff tariff{.buy = {300},
                      .sell = {80},
                      .periods = {{17h, 21h, Price{500}, Price{90}},
                                  {22h, 6h, Price{200}, Price{70}},
                                  {0h, 24h - 15min, Price{300}, Price{80}}},
                      .utc_offset = 1h,
                      .stored_value = {}};
  CHECK(prices_over(tariff, kStart + 16h, 1h) == TariffPrices{Price{500}, Price{90}});
  CHECK(prices_over(tariff, kStart + 15h + 30min, 1h) == TariffPrices{Price{400}, Price{85}});
  CHECK(prices_over(tariff, kStart + 23h + 30min, 15min) == TariffPrices{Price{200}, Price{70}});
  CHECK(prices_over(tariff, kStart + 10h, 1h) == TariffPrices{Price{300}, Price{80}});
}

}  // namespace
}  // namespace vpp::device
