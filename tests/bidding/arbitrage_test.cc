// What a battery earns on prices: against a second way to plan, and against published figures.
#include "bidding/arbitrage.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <limits>
#include <ranges>
#include <sstream>
#include <string>
#include <vector>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr std::int64_t kMicro = 1'000'000;

Price euros(double value) {
  return {std::llround(value * kMicro)};
}

/// Value iteration over whole steps of stored energy: the best revenue of a day in micro-units, by
/// a battery that stores `step` watt-hours at a time.
double best_by_steps(const Battery& battery, std::span<const Price> prices, std::int64_t step_wh) {
  const auto steps = battery.energy.count / step_wh;
  const double up = battery.round_trip_permille / 1000.0;
  const auto most_up = static_cast<std::int64_t>(
      static_cast<double>(battery.power.count) * up / static_cast<double>(step_wh) + 1e-9);
  const auto most_down = battery.power.count / step_wh;
  std::vector<double> ahead(static_cast<std::size_t>(steps) + 1, 0.0);
  for (const Price price : std::ranges::reverse_view(prices)) {
    std::vector<double> now(ahead.size(), std::numeric_limits<double>::lowest());
    for (std::int64_t from = 0; from <= steps; ++from) {
      for (std::int64_t to = 0; to <= steps; ++to) {
        if (to - from > most_up || from - to > most_down) continue;
        const auto moved = static_cast<double>((from - to) * step_wh) / 1e6;  // MWh
        const auto each = static_cast<double>(price.count);
        const double gets = moved >= 0 ? moved * (each - static_cast<double>(battery.wear.count))
                                       : moved / up * each;
        auto& best = now[static_cast<std::size_t>(from)];
        best = std::max(best, gets + ahead[static_cast<std::size_t>(to)]);
      }
    }
    ahead = std::move(now);
  }
  return ahead.front();
}

}  // namespace

TEST_CASE("a plan earns what the best of all earns", "[bidding][arbitrage]") {
  Rng rng{20261126};
  for (int round = 0; round < 40; ++round) {
    Battery battery{Watts{100'000}, WattHours{200'000}, 800, euros(rng.below(2) == 0 ? 0 : 7)};
    std::vector<Price> prices;
    for (int hour = 0; hour < 24; ++hour) {
      prices.push_back(euros(static_cast<double>(rng.below(1'000)) / 10));
    }
    // 0.8 * 100 kWh is 4 steps of 20 kWh, 100 kWh are 5: a plan needs no finer ones.
    const double best = best_by_steps(battery, prices, 20'000);
    const Earnings earns = day_ahead(battery, 1h, prices, prices);
    const auto net = static_cast<double>(earns.after_wear(battery).count);
    CHECK(net == Approx(best).margin(2e3));
    CHECK(earns.slots == 24);
  }
}

TEST_CASE("a plan keeps to power, content and efficiency", "[bidding][arbitrage]") {
  Rng rng{7};
  const Battery battery{Watts{3'000}, WattHours{5'000}, 870, Price{0}};
  for (int round = 0; round < 60; ++round) {
    const bool some_negative = round % 2 == 0;
    std::vector<Price> prices;
    for (int slot = 0; slot < 96; ++slot) {
      prices.push_back(
          euros(static_cast<double>(rng.below(3'000)) / 10 - (some_negative ? 50 : 0)));
    }
    double stored_ws = 0;
    for (const Watts power : plan_battery(battery, 15min, prices, Joules{0}, Price{0})) {
      CHECK(power <= battery.power);
      CHECK(power >= -battery.power);
      const auto moved = static_cast<double>(power.count) * 900;
      stored_ws -= moved > 0 ? moved : moved * 0.87;
      CHECK(stored_ws >= -2'000);  // a watt of a slot
      // Where energy is worth less than nothing it may waste some, and stores less than that.
      if (!some_negative) CHECK(stored_ws <= 5'000.0 * 3'600 + 2'000);
    }
  }
}

TEST_CASE("nothing is done where prices do not pay for losses and wear", "[bidding][arbitrage]") {
  const std::array prices{euros(40), euros(44), euros(48), euros(41)};
  const Battery lossy{Watts{1'000}, WattHours{2'000}, 820, Price{0}};
  CHECK(day_ahead(lossy, 1h, prices, prices).discharged == Joules{0});
  const Battery worn{Watts{1'000}, WattHours{2'000}, 1'000, euros(9)};
  CHECK(day_ahead(worn, 1h, prices, prices).discharged == Joules{0});
  const Battery good{Watts{1'000}, WattHours{2'000}, 1'000, euros(5)};
  const Earnings earns = day_ahead(good, 1h, prices, prices);
  CHECK(earns.discharged == to_joules(WattHours{1'000}));
  CHECK(earns.revenue == Amount{8 * kMicro / 1'000});
  CHECK(earns.after_wear(good) == Amount{3 * kMicro / 1'000});
  CHECK(earns.cycles(good) == 0.5);
}

TEST_CASE("who knows all prices earns at least as much as day by day", "[bidding][arbitrage]") {
  Rng rng{3};
  const Battery battery{Watts{1'000}, WattHours{4'000}, 900, Price{0}};
  std::vector<Price> prices;
  for (int hour = 0; hour < 24 * 20; ++hour) {
    prices.push_back(euros(static_cast<double>(rng.below(900)) / 10));
  }
  Earnings daily;
  for (std::size_t day = 0; day < 20; ++day) {
    const auto real = std::span{prices}.subspan(24 * day, 24);
    daily += day_ahead(battery, 1h, real, real);
  }
  const Earnings all = perfect_foresight(battery, 1h, prices);
  CHECK(all.slots == prices.size());
  CHECK(all.revenue > daily.revenue);
}

// Lago et al. publish forecasts; what a battery of two hours makes of them is in
// docs/bidding.md.
TEST_CASE("published forecasts are worth what is published", "[bidding][arbitrage]") {
  struct Market {
    const char* name;
    double capture_pct;  ///< of the DNN ensemble
  };
  for (const auto& [name, capture_pct] : {Market{"NP", 86.7}, Market{"PJM", 93.0}}) {
    std::ifstream file{std::string{VPP_SHARED_DATA} + "/prices_day_ahead/" + name +
                       "_published_forecasts.csv"};
    if (!file) {
      WARN("no prices here: nothing is compared with published forecasts");
      return;
    }
    std::string line;
    std::getline(file, line);
    std::vector<Price> real;
    std::vector<Price> forecast;
    while (std::getline(file, line)) {
      std::istringstream fields{line.substr(line.find(',') + 1)};
      double price = 0;
      double dnn = 0;
      char comma = 0;
      fields >> price >> comma >> dnn;
      real.push_back(euros(price));
      forecast.push_back(euros(dnn));
    }
    REQUIRE(real.size() == 17'472);
    const Battery battery{Watts{1'000'000}, WattHours{2'000'000}, 900, Price{0}};
    Earnings earns;
    Earnings best;
    for (std::size_t at = 0; at < real.size(); at += 24) {
      const auto day = std::span{real}.subspan(at, 24);
      earns += day_ahead(battery, 1h, std::span{forecast}.subspan(at, 24), day);
      best += day_ahead(battery, 1h, day, day);
    }
    const double capture =
        100.0 * static_cast<double>(earns.revenue.count) / static_cast<double>(best.revenue.count);
    CHECK(capture == Approx(capture_pct).margin(0.2));
  }
}
