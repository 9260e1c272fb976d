#include "bidding/price_curve.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <vector>

#include "bidding/decide.h"
#include "config/rng.h"
#include "tests/bidding/random_curve.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr MarketTime kCurveNow{std::chrono::days{17'000}};

std::vector<PricePoint> forecast_of(Rng& rng, int count, std::chrono::minutes length) {
  std::vector<PricePoint> out;
  for (int t = 0; t < count; ++t) {
    out.push_back({kCurveNow + t * length, kCurveNow + (t + 1) * length,
                   Price{(static_cast<std::int64_t>(rng.below(200)) - 40) * 1'000'000}});
  }
  return out;
}

Watts offered_at(const std::vector<BidSegment>& segments, Price price) {
  Watts out{0};
  for (const BidSegment& segment : segments) {
    if (segment.price <= price) out += segment.power;
  }
  return out;
}

/// How many of the later slots are dearer, by the definition.
int dearer_than(const std::vector<PricePoint>& slots, Price price) {
  int out = 0;
  for (std::size_t h = 1; h < slots.size(); ++h) {
    const double hours =
        std::chrono::duration<double, std::ratio<3600>>(slots[h].from - slots[0].from).count();
    const double expected =
        static_cast<double>(slots[h].price.count) +
        std::pow(0.95, hours) * static_cast<double>((price - slots[0].price).count);
    if (expected > static_cast<double>(price.count)) ++out;
  }
  return out;
}

}  // namespace

TEST_CASE("a price curve offers at each price what its definition says", "[bidding][price_curve]") {
  Rng rng{GENERATE(range(1U, 100U))};
  const auto length = std::chrono::minutes{rng.below(2) == 0 ? 15 : 60};
  const FirmCurve curve{testing::random_curve(rng, 12), 900};
  const int count = 1 + static_cast<int>(rng.below(24));
  const auto slots = forecast_of(rng, count, length);
  const Price cost{5'000'000};
  const auto segments = price_curve(slots, cost, Profile{kCurveNow}, curve, 100);
  for (int i = 0; i < 60; ++i) {
    const Price price{(static_cast<std::int64_t>(rng.below(4000)) - 1000) * 100'003};
    const Watts offered = offered_at(segments, price);
    if (price < cost) {
      CHECK(offered == Watts{0});
      continue;
    }
    const int k = dearer_than(slots, price);
    const Joules step = curve.at(length * (k + 1)) - curve.at(length * k);
    const auto by_definition =
        static_cast<double>(step.count) / static_cast<double>(std::chrono::seconds{length}.count());
    // Each slot's share is whole watts, rounded down.
    CHECK(static_cast<double>(offered.count) == Approx(by_definition).margin(k + 2));
  }
}

TEST_CASE("fewer segments never offer more at any price", "[bidding][price_curve]") {
  Rng rng{GENERATE(range(1U, 60U))};
  const FirmCurve curve{testing::random_curve(rng, 12), 900};
  const auto slots = forecast_of(rng, 24, 60min);
  Profile committed{kCurveNow};
  committed.add({Watts{static_cast<std::int64_t>(rng.below(500))}, slots[3].from, slots[9].until});
  const auto whole = price_curve(slots, Price{0}, committed, curve, 100);
  CHECK(std::ranges::is_sorted(whole, {}, &BidSegment::price));
  for (const std::size_t most : {1U, 2U, 5U, 10U}) {
    const auto few = price_curve(slots, Price{0}, committed, curve, most);
    CHECK(few.size() <= most);
    CHECK(std::ranges::is_sorted(few, {}, &BidSegment::price));
    CHECK(offered_at(few, Price{INT64_MAX}) == offered_at(whole, Price{INT64_MAX}));
    for (const BidSegment& segment : whole) {
      CHECK(offered_at(few, segment.price) <= offered_at(whole, segment.price));
      CHECK(offered_at(few, segment.price - Price{1}) <=
            offered_at(whole, segment.price - Price{1}));
    }
  }
}

TEST_CASE("what a price curve offers is feasible on top of promises", "[bidding][price_curve]") {
  Rng rng{GENERATE(range(1U, 60U))};
  const FirmCurve curve{testing::random_curve(rng, 12), 1000};
  const auto slots = forecast_of(rng, 24, 60min);
  Profile committed{kCurveNow};
  committed.add({Watts{static_cast<std::int64_t>(rng.below(3000))}, slots[0].from, slots[6].until});
  const bool had_room = committed.feasible(curve);
  const auto segments = price_curve(slots, Price{0}, committed, curve);
  const Watts all = offered_at(segments, Price{INT64_MAX});
  if (!had_room) {
    CHECK(all == Watts{0});
    return;
  }
  committed.add({all, slots[0].from, slots[0].until});
  CHECK(committed.feasible(curve));
}

TEST_CASE("a slot that nobody outbids is offered at its cost", "[bidding][price_curve]") {
  const FirmCurve curve{aggregation::DurationCurve::of_site({Watts{1000}, to_joules({1000})}),
                        1000};
  const auto at = [](int hour, std::int64_t price) {
    return PricePoint{kCurveNow + hour * 1h, kCurveNow + (hour + 1) * 1h, Price{price}};
  };
  CHECK(price_curve(std::vector{at(0, 50)}, Price{7}, Profile{kCurveNow}, curve) ==
        std::vector{BidSegment{Watts{1000}, Price{7}}});
  // An hour later is expected at 60: 10 / 0.05 above this one's 50 makes this one the dearer.
  CHECK(price_curve(std::vector{at(0, 50), at(1, 60)}, Price{7}, Profile{kCurveNow}, curve) ==
        std::vector{BidSegment{Watts{1000}, Price{250}}});
}

TEST_CASE("a gate that closes just before delivery gets a curve, an earlier one a segment",
          "[bidding][price_curve][decide]") {
  const FirmCurve curve{aggregation::DurationCurve::of_site({Watts{1000}, to_joules({1000})}),
                        1000};
  PriceSeries prices;
  std::vector<PricePoint> past;
  for (int hour = -7 * 24; hour < 0; ++hour) {
    const std::int64_t price = 40'000'000 + (hour + 7 * 24) % 24 * 1'000'000;
    past.push_back({kCurveNow + hour * 1h, kCurveNow + (hour + 1) * 1h, Price{price}});
  }
  merge(prices, past);
  DecideInput input{.now = kCurveNow - 10min,
                    .gate = {kCurveNow, kCurveNow + 1h, kCurveNow - 5min},
                    .price_min = Price{1},
                    .horizon = 3h,
                    .prices = &prices,
                    .committed = {},
                    .strategy = BidStrategy::kCurve};
  const auto late = decide(input, curve);
  REQUIRE(late.has_value());
  CHECK(late->bid.segments == price_curve(late->forecast, Price{1}, Profile{input.now}, curve));
  CHECK(late->bid.segments.front().price > Price{40'000'000});  // the next hours are dearer
  input.gate.closes = kCurveNow - 2h;
  CHECK_FALSE(decide(input, curve).has_value());  // as one segment it is better sold later
}
