#include "bidding/price_outlook.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numbers>
#include <optional>
#include <vector>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr MarketTime kFrom{std::chrono::days{20'000} + 7h};
constexpr std::size_t kHistoryHours = std::size_t{24} * 100 + 5;

/// Price of an hour counted from kFrom: a shape of the day around a level that changes by the day.
Price synthetic_price(std::int64_t hour) {
  const auto day = static_cast<std::uint64_t>(1'000 + hour / 24);
  Rng rng{day};
  const double level = 50 + static_cast<double>(rng.below(200)) / 100;
  const double shape = 20 * std::sin(2 * std::numbers::pi * static_cast<double>(hour) / 24);
  return Price{static_cast<std::int64_t>((level + shape) * 1e6)};
}

ForecastAsk synthetic_ask(std::string model = "lear") {
  ForecastAsk ask{std::move(model), kFrom, {}};
  for (std::size_t i = 0; i < kHistoryHours; ++i) {
    ask.history.push_back(synthetic_price(static_cast<std::int64_t>(i + 1'000)));
  }
  return ask;
}

}  // namespace

TEST_CASE("the outlook follows the shape of the day from the very hour on, for two days") {
  const ForecastAsk ask = synthetic_ask();
  const auto answer = price_outlook(ask);
  REQUIRE(answer.has_value());
  REQUIRE(check(*answer).has_value());
  REQUIRE(answer->model == "lear");
  REQUIRE(answer->hours.size() == kForecastHours);
  for (std::size_t i = 0; i < kForecastHours; ++i) {
    const Price real = synthetic_price(static_cast<std::int64_t>(1'000 + kHistoryHours + i));
    REQUIRE(std::abs(answer->hours[i].price.count - real.count) < 3'000'000);
  }
}

TEST_CASE("quantiles of the outlook hold the price as often as they say") {
  std::size_t inside = 0;
  std::size_t hours = 0;
  for (std::size_t cut = 0; cut < 12; ++cut) {
    ForecastAsk ask = synthetic_ask();
    ask.history.resize(kHistoryHours - cut * 24);
    const auto answer = price_outlook(ask);
    REQUIRE(answer.has_value());
    for (std::size_t i = 0; i < kForecastHours; ++i) {
      const ForecastHour& hour = answer->hours[i];
      REQUIRE(hour.quantiles.size() == kForecastQuantiles);
      const Price real = synthetic_price(static_cast<std::int64_t>(1'000 + ask.history.size() + i));
      inside += hour.quantiles[1] <= real && real <= hour.quantiles[17] ? 1U : 0U;
      ++hours;
    }
  }
  const double part = static_cast<double>(inside) / static_cast<double>(hours);
  REQUIRE(part > 0.65);
  REQUIRE(part < 0.95);
}

TEST_CASE("an outlook without enough of the past, or by a strange model, says what is missing") {
  ForecastAsk ask = synthetic_ask();
  ask.history.resize(std::size_t{24} * 20);
  const auto little = price_outlook(ask);
  REQUIRE_FALSE(little.has_value());
  REQUIRE(little.error().find("too little") != std::string::npos);
  ask = synthetic_ask();
  ask.history[kHistoryHours - 30].reset();
  REQUIRE_FALSE(price_outlook(ask).has_value());
  REQUIRE_FALSE(price_outlook(synthetic_ask("crystal-ball")).has_value());
  ask.history.clear();
  REQUIRE_FALSE(price_outlook(ask).has_value());
}
