#include "bidding/bid_formats.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr Gate kFormatGate{MarketTime{1h}, MarketTime{2h}, MarketTime{30min}};

Bid random_bid(Rng& rng) {
  Bid bid{"k", kFormatGate, {}};
  std::vector<Price> prices(1 + rng.below(30));
  for (Price& price : prices) {
    price = Price{static_cast<std::int64_t>(rng.below(60)) * 1'000'000'000 - 5'000'000'000};
  }
  std::ranges::sort(prices);
  for (const Price price : prices) {
    bid.segments.push_back({Watts{static_cast<std::int64_t>(1 + rng.below(5'000))}, price});
  }
  return bid;
}

ShapeRules random_shape(Rng& rng) {
  ShapeRules rules = kAemoRules;
  rules.step = Watts{static_cast<std::int64_t>(1 + rng.below(3) * 999)};
  return rules;
}

/// Every price at which something changes, and those beside it.
std::vector<Price> prices_to_try(const Bid& a, const Bid& b) {
  std::vector<Price> prices;
  for (const Bid* bid : {&a, &b}) {
    for (const auto& segment : bid->segments) {
      for (const std::int64_t off : {-1, 0, 1}) prices.push_back(segment.price + Price{off});
    }
  }
  return prices;
}

BandPrices good_prices() {
  return band_prices_around(Price{10'000'000}, kAemoRules);
}
BandVolumes good_volumes() {
  BandVolumes volumes{"k", kFormatGate, {}, {}, "a battery was lost"};
  volumes.generation[3] = Watts{5'000};
  return volumes;
}

}  // namespace

TEST_CASE("at no price does a curve or a band offer more than the bid it was made of",
          "[bidding][formats]") {
  Rng rng{GENERATE(range(1U, 400U))};
  const Bid bid = random_bid(rng);
  const ShapeRules rules = random_shape(rng);
  const BandPrices prices =
      band_prices_around(Price{static_cast<std::int64_t>(rng.below(100)) * 1'000'000}, rules);
  REQUIRE(fault_of(prices, rules).empty());

  const auto curve = to_curve(bid, rules);
  if (curve) {
    CHECK(fault_of(*curve, rules).empty());
    const Bid made = bid_of(*curve);
    for (const Price price : prices_to_try(bid, made)) {
      CHECK(offered(made, price) <= offered(bid, price));
    }
    // All that can be sold is: nothing but a part of a step is lost at the highest price.
    CHECK(offered(bid, rules.price_max) - offered(made, rules.price_max) < rules.step);
  } else {
    CHECK(offered(bid, rules.price_max) < rules.step);
  }
  const auto volumes = to_bands(bid, prices, rules, "first bid");
  if (volumes) {
    CHECK(fault_of(*volumes, rules).empty());
    const Bid made = bid_of(*volumes, prices);
    for (const Price price : prices_to_try(bid, made)) {
      CHECK(offered(made, price) <= offered(bid, price));
    }
    // At a band's own price all whole steps are there.
    for (const Price price : prices.generation) {
      CHECK(offered(bid, price) - offered(made, price) < rules.step);
    }
  } else {
    CHECK(offered(bid, rules.price_max) < rules.step);
  }
}

TEST_CASE("a bid that fits stays as it is", "[bidding][formats]") {
  const Bid bid{"k", kFormatGate, {{Watts{4'000}, Price{5}}, {Watts{2'000}, Price{9}}}};
  CHECK(bid_of(to_curve(bid, kCaisoRules).value()) == bid);
  CHECK_THAT(to_curve({"k", kFormatGate, {{Watts{999}, Price{5}}}}, kCaisoRules).error(),
             Catch::Contains("no whole step"));
}

TEST_CASE("a curve that breaks a rule is told which", "[bidding][formats]") {
  PriceCurve curve{"k", kFormatGate, {{Watts{1'000}, Price{5}}, {Watts{2'000}, Price{5}}}};
  REQUIRE(fault_of(curve, kCaisoRules).empty());
  std::string rule;
  SECTION("too many steps") {
    curve.steps.clear();
    for (int i = 1; i <= 11; ++i) curve.steps.push_back({Watts{i * 1'000}, Price{i}});
    rule = "1 to 10 steps";
  }
  SECTION("none") {
    curve.steps.clear();
    rule = "1 to 10 steps";
  }
  SECTION("falling prices") {
    curve.steps[1].price = Price{4};
    rule = "prices do not fall";
  }
  SECTION("power that stays") {
    curve.steps[1].until = Watts{1'000};
    rule = "power rises";
  }
  SECTION("no power") {
    curve.steps[0].until = Watts{0};
    rule = "power rises";
  }
  SECTION("part of a step") {
    curve.steps[1].until = Watts{2'001};
    rule = "whole steps";
  }
  SECTION("a price nobody may ask") {
    curve.steps[1].price = kCaisoRules.price_max + Price{1};
    rule = "beyond the market's bounds";
  }
  CHECK_THAT(fault_of(curve, kCaisoRules), Catch::Contains(rule));
}

TEST_CASE("bands that break a rule are told which", "[bidding][formats]") {
  BandPrices prices = good_prices();
  BandVolumes volumes = good_volumes();
  REQUIRE(fault_of(prices, kAemoRules).empty());
  REQUIRE(fault_of(volumes, kAemoRules).empty());
  SECTION("equal prices") {
    prices.load[4] = prices.load[3];
    CHECK_THAT(fault_of(prices, kAemoRules), Catch::Contains("rise from band to band"));
  }
  SECTION("a price nobody may ask") {
    prices.generation[0] = Price{-1'000'000'001};
    CHECK_THAT(fault_of(prices, kAemoRules), Catch::Contains("bounds"));
  }
  SECTION("no reason") {
    volumes.reason.clear();
    CHECK_THAT(fault_of(volumes, kAemoRules), Catch::Contains("reason"));
  }
  SECTION("a long reason") {
    volumes.reason.assign(501, 'x');
    CHECK_THAT(fault_of(volumes, kAemoRules), Catch::Contains("500 bytes"));
  }
  SECTION("a negative volume") {
    volumes.load[0] = Watts{-1'000};
    CHECK_THAT(fault_of(volumes, kAemoRules), Catch::Contains("from 0 W"));
  }
  SECTION("part of a step") {
    volumes.generation[9] = Watts{500};
    CHECK_THAT(fault_of(volumes, kAemoRules), Catch::Contains("whole steps"));
  }
}

TEST_CASE("load and generation are never bid so that one price calls both", "[bidding][formats]") {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    Rng rng{seed};
    const BandPrices prices = good_prices();
    BandVolumes volumes = good_volumes();
    for (auto* side : {&volumes.generation, &volumes.load}) {
      for (Watts& volume : *side) volume = Watts{rng.below(4) == 0 ? 1'000 : 0};
    }
    bool both = false;
    for (const Price at : prices.generation) {
      Watts given{0};
      Watts taken{0};
      for (std::size_t i = 0; i < kBands; ++i) {
        if (prices.generation.at(i) <= at) given += volumes.generation.at(i);
        if (prices.load.at(i) >= at) taken += volumes.load.at(i);
      }
      both = both || (given > Watts{0} && taken > Watts{0});
    }
    CAPTURE(seed);
    CHECK(fault_of(volumes, prices).empty() == !both);
  }
}

TEST_CASE("prices of a trading day are due at 12:30 of the day before, on its own clock",
          "[bidding][formats]") {
  const Zone market_zone{10h};
  const std::chrono::local_days trading{std::chrono::year{2026} / 1 / 16};
  CHECK(band_prices_due(market_zone, trading) ==
        MarketTime{(std::chrono::local_days{std::chrono::year{2026} / 1 / 15} + 2h + 30min)
                       .time_since_epoch()});
  // At 03:59 on the wall it is still the day before.
  const MarketTime four{(trading - 6h).time_since_epoch()};
  CHECK(day_of(market_zone, kTradingDayBegins, four) == trading);
  CHECK(day_of(market_zone, kTradingDayBegins, four - 1ms) == trading - std::chrono::days{1});
}
