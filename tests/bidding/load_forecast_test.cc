#include "bidding/load_forecast.h"

#include <catch2/catch.hpp>
#include <cmath>
#include <cstddef>
#include <numbers>
#include <vector>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding;

namespace {

/// A daily shape, and a deviation of which a part is left in each next hour.
std::vector<double> wandering_load(std::size_t hours, double left, double noise) {
  Rng rng{3};
  std::vector<double> out;
  double deviation = 0;
  for (std::size_t i = 0; i < hours; ++i) {
    double push = -6;  // twelve uniform numbers are as good as a normal one
    for (int k = 0; k < 12; ++k) push += static_cast<double>(rng.below(1'000'001)) / 1e6;
    deviation = left * deviation + noise * push;
    const double shape = std::sin(2 * std::numbers::pi * static_cast<double>(i) / 24);
    out.push_back(1'000 + 500 * shape + deviation);
  }
  return out;
}

}  // namespace

TEST_CASE("a load of the same shape every day is foreseen exactly, at every lead") {
  LoadForecaster forecaster;
  const auto load = wandering_load(240, 0, 0);
  for (std::size_t now = 0; now < load.size(); ++now) {
    for (std::size_t lead = 0; lead < kLoadHours && now >= 24 && now + lead < load.size(); ++lead) {
      REQUIRE(forecaster.at(lead)->expected == Approx(load[now + lead]));
    }
    forecaster.add(load[now]);
  }
}

TEST_CASE("what is left of a deviation is learned: far better than the same hour yesterday") {
  LoadForecaster forecaster;
  const auto load = wandering_load(24 * 120, 0.9, 100);
  double error = 0;
  double yesterday = 0;
  for (std::size_t now = 0; now < load.size(); ++now) {
    if (now >= 24 * 30) {
      error += std::abs(forecaster.at(0)->expected - load[now]);
      yesterday += std::abs(load[now - 24] - load[now]);
    }
    forecaster.add(load[now]);
  }
  REQUIRE(error < 0.5 * yesterday);
}

TEST_CASE("quantiles hold the load as often as they say, at every lead") {
  LoadForecaster forecaster;
  const auto load = wandering_load(24 * 200, 0.8, 100);
  for (const std::size_t lead : {0U, 5U, 23U}) {
    forecaster = {};
    double inside = 0;
    double tested = 0;
    for (std::size_t now = 0; now + lead < load.size(); ++now) {
      if (now >= 24 * 40) {
        const auto quantiles = forecaster.at(lead)->quantiles;
        REQUIRE(quantiles.has_value());
        const double real = load[now + lead];
        inside += (*quantiles)[1] <= real && real <= (*quantiles)[17] ? 1 : 0;
        ++tested;
      }
      forecaster.add(load[now]);
    }
    REQUIRE(inside / tested > 0.76);
    REQUIRE(inside / tested < 0.84);
  }
}

TEST_CASE("unknown hours teach nothing, and what was never seen is not foreseen") {
  LoadForecaster forecaster;
  REQUIRE_FALSE(forecaster.at(0).has_value());
  for (int i = 0; i < 24; ++i) forecaster.add(i == 5 ? std::nullopt : std::optional{100.0});
  REQUIRE_FALSE(forecaster.at(5).has_value());
  REQUIRE(forecaster.at(4)->expected == Approx(100));
  REQUIRE_FALSE(forecaster.at(4)->quantiles.has_value());
  for (int i = 0; i < 24; ++i) forecaster.add(std::nullopt);
  REQUIRE(forecaster.at(4)->expected == Approx(100));
}
