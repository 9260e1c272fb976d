#include "bidding/forecast.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr MarketTime kFirstDay{std::chrono::days{17'000}};

MarketTime hour(int n) {
  return kFirstDay + n * 1h;
}

PricePoint point(MarketTime from, Duration length, std::int64_t price) {
  return {from, from + length, Price{price}};
}

/// Written without the series: one price per minute, nothing where it is unknown.
struct Minutes {
  std::vector<std::optional<std::int64_t>> price;

  explicit Minutes(const PriceSeries& series, int minutes)
      : price(static_cast<std::size_t>(minutes)) {
    for (const auto& [from, p] : series) {
      for (MarketTime at = from; at < p.until; at += 1min) {
        const auto index = (at - kFirstDay) / 1min;
        if (index >= 0 && index < minutes) price[static_cast<std::size_t>(index)] = p.price.count;
      }
    }
  }

  [[nodiscard]] std::optional<std::int64_t> mean(std::int64_t from, std::int64_t until) const {
    std::int64_t sum = 0;
    for (std::int64_t i = from; i < until; ++i) {
      if (i < 0 || i >= std::ssize(price) || !price[static_cast<std::size_t>(i)]) return {};
      sum += *price[static_cast<std::size_t>(i)];
    }
    return static_cast<std::int64_t>(
        std::floor(static_cast<double>(sum) / static_cast<double>(until - from)));
  }
};

}  // namespace

TEST_CASE("a mean is weighted by time and known only where all of it is", "[bidding][forecast]") {
  Rng rng{GENERATE(range(1U, 60U))};
  PriceSeries series;
  for (int i = 0; i < 40; ++i) {
    const auto length = std::chrono::minutes{5 * (1 + static_cast<int>(rng.below(12)))};
    const auto from = kFirstDay + std::chrono::minutes{5 * static_cast<int>(rng.below(120))};
    merge(series, {point(from, length, static_cast<std::int64_t>(rng.below(2000)) - 1000)});
  }
  const Minutes naive{series, 800};
  for (int i = 0; i < 100; ++i) {
    const auto from = static_cast<std::int64_t>(rng.below(700));
    const auto until = from + 1 + static_cast<std::int64_t>(rng.below(60));
    const auto got = mean_price(series, kFirstDay + std::chrono::minutes{from},
                                kFirstDay + std::chrono::minutes{until});
    const auto want = naive.mean(from, until);
    REQUIRE(got.has_value() == want.has_value());
    if (got) CHECK(got->count == *want);
  }
}

TEST_CASE("known prices never overlap, whatever comes", "[bidding][forecast]") {
  Rng rng{GENERATE(range(1U, 30U))};
  PriceSeries series;
  for (int i = 0; i < 60; ++i) {
    const auto from = kFirstDay + std::chrono::minutes{rng.below(600)};
    merge(series, {point(from, std::chrono::minutes{rng.below(120)}, 1)});
    for (auto it = series.begin(); it != series.end(); ++it) {
      REQUIRE(it->first == it->second.from);
      REQUIRE(it->second.from < it->second.until);
      if (std::next(it) != series.end()) REQUIRE(it->second.until <= std::next(it)->first);
    }
  }
}

TEST_CASE("absurd points are left out, and known ones are no news", "[bidding][forecast]") {
  PriceSeries series;
  CHECK(merge(series, {point(hour(0), 0h, 5),
                       point(hour(0), 25h, 5),
                       point(hour(0), -1h, 5),
                       {hour(0), hour(1), kPriceMax + Price{1}},
                       {hour(0), hour(1), -kPriceMax - Price{1}}})
            .empty());
  CHECK(series.empty());
  CHECK(merge(series, {point(hour(0), 1h, 5)}).size() == 1);
  CHECK(merge(series, {point(hour(0), 1h, 5)}).empty());
  CHECK(merge(series, {point(hour(0), 1h, 6)}).size() == 1);
  CHECK(mean_price(series, hour(0), hour(1)) == Price{6});
}

TEST_CASE("a day at the highest price does not overflow", "[bidding][forecast]") {
  PriceSeries series;
  merge(series, {{hour(0), hour(24), kPriceMax}, {hour(24), hour(48), -kPriceMax}});
  CHECK(mean_price(series, hour(0), hour(24)) == kPriceMax);
  CHECK(mean_price(series, hour(24), hour(48)) == -kPriceMax);
}

TEST_CASE("the models look at the same hour of the days before", "[bidding][forecast]") {
  PriceSeries series;
  for (int day = 0; day < 7; ++day) {
    merge(series, {point(hour(day * 24 + 18), 1h, 100 + 10 * day)});
  }
  const MarketTime slot = hour(7 * 24 + 18);
  CHECK(same_hour_last_week(series, slot, slot + 1h) == Price{100});
  CHECK(seven_day_mean(series, slot, slot + 1h) == Price{130});
  CHECK(forecast(series, slot, slot + 1h) == Price{115});
  CHECK(forecast(series, slot, slot + 15min) == Price{115});

  SECTION("a gap leaves the mean unknown and last week known") {
    series.erase(hour(3 * 24 + 18));
    CHECK_FALSE(seven_day_mean(series, slot, slot + 1h));
    CHECK(forecast(series, slot, slot + 1h) == Price{100});
  }
  SECTION("a slot that was never seen has no forecast") {
    CHECK_FALSE(forecast(series, slot + 1h, slot + 2h));
    CHECK_FALSE(forecast(series, slot + 30min, slot + 90min));
  }
}

TEST_CASE("on the public benchmark the naive model errs as published",
          "[bidding][forecast][data]") {
  // Lago et al. 2021: mean absolute error of "same hour last week" over the last 728 days.
  const auto [market, published] =
      GENERATE(table<std::string, double>({{"NP", 4.125}, {"PJM", 6.294}, {"FR", 7.341}}));
  std::ifstream file{std::string{VPP_SHARED_DATA} + "/prices_day_ahead/" + market + ".csv"};
  if (!file) {
    WARN("skipped: no shared data");
    return;
  }
  std::string line;
  std::getline(file, line);
  PriceSeries series;
  int hours = 0;
  while (std::getline(file, line)) {
    const std::size_t comma = line.find(',');
    const auto price = std::llround(std::stod(line.substr(comma + 1)) * 1e6);
    series.emplace(hour(hours), point(hour(hours), 1h, price));
    ++hours;
  }
  double error = 0;
  double blended = 0;
  constexpr int kTestHours = 728 * 24;
  for (int i = hours - kTestHours; i < hours; ++i) {
    const auto real = static_cast<double>(series.at(hour(i)).price.count);
    const auto week = same_hour_last_week(series, hour(i), hour(i + 1));
    const auto blend = forecast(series, hour(i), hour(i + 1));
    REQUIRE(week.has_value());
    error += std::abs(static_cast<double>(week->count) - real) / 1e6 / kTestHours;
    blended += std::abs(static_cast<double>(blend.value().count) - real) / 1e6 / kTestHours;
  }
  CHECK(error == Approx(published).margin(0.01));
  CHECK(blended < error);
}
