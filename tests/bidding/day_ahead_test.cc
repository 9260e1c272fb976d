#include "bidding/day_ahead.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <numbers>

#include "bidding/error_quantiles.h"
#include "bidding/forecast_score.h"
#include "bidding/lear_features.h"
#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr std::size_t kDays = 120;

double random_unit(Rng& rng) {
  return static_cast<double>(rng.below(2'000'001)) / 1e6 - 1;
}

/// Prices of a daily shape, a level that wanders, and the load of the day; `series` of them.
MarketDays synthetic(std::size_t series, double noise = 1) {
  Rng rng{5};
  MarketDays out{std::chrono::local_days{std::chrono::year{2020} / 1 / 1}, {}};
  double level = 40;
  for (std::size_t day = 0; day < kDays; ++day) {
    level += 0.2 * (40 - level) + random_unit(rng);
    const double load = 10 * random_unit(rng);
    MarketDay one;
    one.exogenous.resize(series);
    for (std::size_t hour = 0; hour < kDayHours; ++hour) {
      const double shape = std::sin(2 * std::numbers::pi * static_cast<double>(hour) / 24);
      for (auto& values : one.exogenous) values[hour] = 500 + load + 20 * shape;
      one.price[hour] = level + 8 * shape + (series > 0 ? load : 0) + noise * random_unit(rng);
    }
    out.days.push_back(one);
  }
  return out;
}

const DayAheadOptions kShort{.lear = {56, 84}, .kernel = {84}};

}  // namespace

TEST_CASE("a price that follows a known series is forecast with it, far better than a week ago") {
  const MarketDays market = synthetic(1);
  double error = 0;
  double naive = 0;
  for (std::size_t day = kDays - 10; day < kDays; ++day) {
    const auto forecast = day_ahead_forecast(market, day, kShort);
    REQUIRE(forecast.has_value());
    for (std::size_t hour = 0; hour < kDayHours; ++hour) {
      error += std::abs((*forecast)[hour] - market.days[day].price[hour]);
      naive += std::abs(market.days[day - 7].price[hour] - market.days[day].price[hour]);
    }
  }
  REQUIRE(error < 0.4 * naive);
}

TEST_CASE("a forecast knows no price of its day or later, and no series of later days") {
  for (const std::size_t series : {0U, 1U, 3U}) {
    const MarketDays market = synthetic(series);
    const std::size_t day = kDays - 20;
    const auto forecast = day_ahead_forecast(market, day, kShort);
    REQUIRE(forecast.has_value());
    Rng rng{6};
    for (int round = 0; round < 3; ++round) {
      MarketDays other = market;
      for (std::size_t at = day; at < kDays; ++at) {
        for (double& price : other.days[at].price) {
          price = round == 0 ? kUnknown : 1e4 * random_unit(rng);
        }
        if (at == day) continue;
        for (auto& values : other.days[at].exogenous) values.fill(1e4 * random_unit(rng));
      }
      REQUIRE(*day_ahead_forecast(other, day, kShort) == *forecast);
      other.days.resize(day + 1);
      REQUIRE(*day_ahead_forecast(other, day, kShort) == *forecast);
    }
    // And it does know the day before.
    MarketDays other = market;
    other.days[day - 1].price[23] += 20;
    REQUIRE(*day_ahead_forecast(other, day, kShort) != *forecast);
  }
}

TEST_CASE(
    "unknown days are left out of the calibration, and without its own features a day has no "
    "forecast") {
  MarketDays market = synthetic(1);
  const std::size_t day = kDays - 5;
  const auto all = day_ahead_forecast(market, day, kShort);
  market.days[day - 30].price[4] = kUnknown;
  const auto fewer = day_ahead_forecast(market, day, kShort);
  REQUIRE(fewer.has_value());
  REQUIRE(*fewer != *all);
  REQUIRE(is_known(*fewer));
  for (const std::size_t lag : {1U, 2U, 3U, 7U}) {
    MarketDays lacking = market;
    lacking.days[day - lag].price[11] = kUnknown;
    REQUIRE_FALSE(day_ahead_forecast(lacking, day, kShort).has_value());
  }
  MarketDays lacking = market;
  lacking.days[day].exogenous[0][0] = kUnknown;
  REQUIRE_FALSE(day_ahead_forecast(lacking, day, kShort).has_value());
  REQUIRE_FALSE(
      day_ahead_forecast(market, kCalibrationDaysMin + kLongestLag - 1, kShort).has_value());
  REQUIRE(day_ahead_forecast(market, kCalibrationDaysMin + kLongestLag + 1, kShort).has_value());
  REQUIRE_FALSE(day_ahead_forecast(market, kDays, kShort).has_value());
}

TEST_CASE("one absurd price leaves the forecast of other hours where it was") {
  MarketDays market = synthetic(0);
  const auto before = day_ahead_forecast(market, kDays - 1, kShort);
  market.days[kDays - 40].price[12] = 90'000;
  const auto after = day_ahead_forecast(market, kDays - 1, kShort);
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    REQUIRE((*after)[hour] == Approx((*before)[hour]).margin(8));
  }
}

TEST_CASE("prices that never move are forecast as they are") {
  MarketDays market = synthetic(1, 0);
  for (auto& day : market.days) day.price.fill(50);
  const auto forecast = day_ahead_forecast(market, kDays - 1, kShort);
  REQUIRE(forecast.has_value());
  for (const double price : *forecast) REQUIRE(price == Approx(50));
}

TEST_CASE("quantiles of errors cover as much as they say, also while errors grow and shrink") {
  Rng rng{9};
  constexpr std::size_t kLong = 500;
  MarketDays market{std::chrono::local_days{std::chrono::year{2020} / 1 / 1},
                    std::vector<MarketDay>(kLong)};
  std::vector<std::optional<DayForecast>> forecasts(kLong);
  std::vector<DayValues> errors;
  std::vector<PastHour> hours;
  for (std::size_t day = 0; day < kLong; ++day) {
    const double size = 3 + 2 * std::sin(static_cast<double>(day) / 40);
    DayValues forecast{};
    forecast.fill(100);
    forecasts[day] = DayForecast{forecast, error_quantiles(errors, forecast)};
    errors.emplace_back();
    for (std::size_t hour = 0; hour < kDayHours; ++hour) {
      const double error = size * (random_unit(rng) + random_unit(rng)) * (hour > 12 ? 2 : 1);
      errors.back()[hour] = error;
      market.days[day].price[hour] = 100 + error;
      hours.push_back({day, hour, 100 + error});
    }
  }
  const ForecastScore score =
      score_forecasts(market, forecasts, std::span{hours}.last(300 * kDayHours));
  REQUIRE(score.with_quantiles == 300 * kDayHours);
  REQUIRE(score.inside_50 == Approx(0.5).margin(0.03));
  REQUIRE(score.inside_80 == Approx(0.8).margin(0.03));
  REQUIRE(score.inside_90 == Approx(0.9).margin(0.02));
}

TEST_CASE("nothing is said about errors before four weeks of them are known") {
  DayValues error{};
  error.fill(1);
  std::vector<DayValues> errors(kErrorDaysMin, error);
  REQUIRE_FALSE(error_quantiles(errors, error).has_value());
  errors.push_back(error);
  REQUIRE(error_quantiles(errors, error).has_value());
}

TEST_CASE("scores count what was tested and what was left out") {
  MarketDays market{std::chrono::local_days{std::chrono::year{2020} / 1 / 1},
                    std::vector<MarketDay>(9)};
  market.days[0].price.fill(10);
  DayForecast forecast;
  forecast.price.fill(12);
  DayQuantiles quantiles{};
  for (auto& hour : quantiles) {
    for (std::size_t i = 0; i < kQuantiles; ++i) hour[i] = static_cast<double>(i);
  }
  forecast.quantiles = quantiles;
  std::vector<std::optional<DayForecast>> forecasts(9);
  forecasts[7] = forecast;
  const std::vector<PastHour> hours{{7, 0, 9}, {7, 1, 18}, {7, 2, kUnknown}, {8, 0, 5}};
  const ForecastScore score = score_forecasts(market, forecasts, hours);
  REQUIRE(score.tested == 2);
  REQUIRE(score.left_out == 2);
  REQUIRE(score.mae == 4.5);
  REQUIRE(score.naive_mae == 4.5);
  REQUIRE(score.rmae == 1);
  REQUIRE(score.inside_50 == 0.5);
  REQUIRE(score.inside_90 == 1);
  // Of 9 and 18 at levels i/20 and quantiles 0, 1, ..., 18, by hand.
  double sum = 0;
  for (int i = 0; i < 19; ++i) {
    const double level = (i + 1) / 20.0;
    sum += i <= 9 ? level * (9 - i) : (1 - level) * (i - 9);
    sum += level * (18 - i);
  }
  REQUIRE(score.pinball == Approx(sum / 38));
}

TEST_CASE("a schedule is planned on nine tenths of the forecast, and on the week before") {
  MarketDays market = synthetic(0);
  const std::size_t day = 50;
  DayValues forecast{};
  forecast.fill(30);
  const DayValues planned = planning_prices(market, day, forecast);
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    double week = 0;
    for (std::size_t other = day - 7; other < day; ++other) week += market.days[other].price[hour];
    const double same_day = market.days[day - 7].price[hour];
    CHECK(planned[hour] == Approx(0.9 * 30 + 0.05 * week / 7 + 0.05 * same_day));
  }
  SECTION("of the day itself and later ones nothing is known") {
    for (std::size_t later = day; later < kDays; ++later) market.days[later] = MarketDay{};
    CHECK(planning_prices(market, day, forecast) == planned);
  }
  SECTION("where a price of that week is not known it is the forecast") {
    market.days[day - 3].price[5] = kUnknown;
    CHECK(planning_prices(market, day, forecast) == forecast);
    CHECK(planning_prices(market, 6, forecast) == forecast);
  }
}
