#include "bidding/price_policy.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr std::size_t kADay = 24;
const Battery kBattery{Watts{1'000'000}, WattHours{2'000'000}, 900, Price{0}};

/// Days of hours around a course that repeats; `noise`: the most that is added to a price.
std::vector<MarketSlot> market(Rng& rng, int days, std::uint64_t noise) {
  std::vector<MarketSlot> out;
  for (int day = 0; day < days; ++day) {
    for (std::size_t t = 0; t < kADay; ++t) {
      const double course = 50 + 30 * std::sin(static_cast<double>(t) / 24 * 2 * 3.14159);
      const auto random = static_cast<double>(rng.below(noise + 1));
      out.push_back({course + random, 1000 + 10 * static_cast<double>(rng.below(40))});
    }
  }
  return out;
}

/// What bids earn over `days`, each fitted on `past` alone.
Earnings bids_earn(const PricePolicy& policy, std::span<const MarketSlot> days) {
  Joules stored{0};
  std::vector<Watts> power;
  std::vector<Price> paid;
  MarketSlot before{50, 1000};
  for (std::size_t i = 0; i < days.size(); ++i) {
    power.push_back(cleared(policy.bid(i % kADay, before, stored), days[i].price));
    stored = stored_after(kBattery, 1h, stored, power.back());
    paid.push_back({std::llround(days[i].price * 1e6)});
    before = days[i];
  }
  return earned(1h, power, paid);
}

}  // namespace

TEST_CASE("a bid never sells less at a higher price, and keeps to power and store",
          "[bidding][price_policy]") {
  Rng rng{GENERATE(range(1U, 8U))};
  const auto past = market(rng, 40, 80);
  const PricePolicy policy{kBattery, 1h, past};
  for (int i = 0; i < 200; ++i) {
    const Joules stored{static_cast<std::int64_t>(rng.below(7'200'000'001))};
    const MarketSlot before{static_cast<double>(rng.below(200)), 1200};
    const auto bid = policy.bid(rng.below(kADay), before, stored);
    REQUIRE_FALSE(bid.empty());
    CHECK(std::ranges::is_sorted(bid, {}, &PriceStep::from));
    CHECK(std::ranges::is_sorted(bid, {}, &PriceStep::power));
    for (const PriceStep& step : bid) {
      CHECK(step.power >= -kBattery.power);
      CHECK(step.power <= kBattery.power);
      CHECK(step.power.count * 3600 <= stored.count + 3600);
      const double stores = -static_cast<double>(step.power.count) * 3600 * 0.9;
      CHECK(stores <= static_cast<double>(7'200'000'000 - stored.count) + 3600);
    }
  }
}

TEST_CASE("where every day is like the other, bids earn nearly what perfect foresight does",
          "[bidding][price_policy]") {
  Rng rng{5};
  const auto past = market(rng, 60, 3);
  const auto days = market(rng, 20, 3);
  std::vector<Price> real;
  for (const MarketSlot& at : days) real.push_back({std::llround(at.price * 1e6)});
  const Earnings best = perfect_foresight(kBattery, 1h, real);
  const Earnings bids = bids_earn(PricePolicy{kBattery, 1h, past}, days);
  CHECK(bids.revenue <= best.revenue);
  CHECK(static_cast<double>(bids.revenue.count) > 0.9 * static_cast<double>(best.revenue.count));
}

TEST_CASE("where nothing is known of the next price, bids buy low and sell high",
          "[bidding][price_policy]") {
  // Each price is 20 or 80, by chance: with half a store it is best to take whichever comes.
  Rng rng{9};
  std::vector<MarketSlot> past;
  for (std::size_t i = 0; i < 90 * kADay; ++i) {
    past.push_back({rng.below(2) == 0 ? 20.0 : 80.0, std::numeric_limits<double>::quiet_NaN()});
  }
  const PricePolicy policy{kBattery, 1h, past};
  const Joules half{3'600'000'000};
  for (std::size_t t = 0; t < kADay; ++t) {
    CHECK(policy.power(t, {80, 0}, half) == kBattery.power);
    CHECK(policy.power(t, {20, 0}, half) == -kBattery.power);
    const auto bid = policy.bid(t, {20, 0}, half);
    CHECK(cleared(bid, 80) == kBattery.power);
    CHECK(cleared(bid, 20) == -kBattery.power);
  }
}

TEST_CASE("energy is kept for a spike that comes at some evenings", "[bidding][price_policy]") {
  Rng rng{3};
  const auto with_spikes = [&](int days) {
    auto out = market(rng, days, 5);
    for (std::size_t at = 18; at < out.size(); at += kADay) {
      if (rng.below(3) == 0) out[at].price = 5'000;
    }
    return out;
  };
  const PricePolicy policy{kBattery, 1h, with_spikes(90)};
  const Joules one_hour{3'600'000'000};
  // At 17 h the price is as always; a third of the evenings pays a hundredfold an hour later.
  CHECK(cleared(policy.bid(17, {60, 1200}, one_hour), 60) <= Watts{0});
  CHECK(cleared(policy.bid(18, {60, 1200}, one_hour), 5'000) == kBattery.power);
}

TEST_CASE("unknown prices and demand tell nothing, and break nothing", "[bidding][price_policy]") {
  Rng rng{4};
  auto past = market(rng, 40, 20);
  for (std::size_t i = 0; i < past.size(); i += 5) {
    past[i].price = std::numeric_limits<double>::quiet_NaN();
    past[i].demand = std::numeric_limits<double>::infinity();
  }
  const PricePolicy policy{kBattery, 1h, past};
  for (std::size_t t = 0; t < kADay; ++t) {
    const Watts power = policy.power(t, {40, std::numeric_limits<double>::quiet_NaN()}, Joules{0});
    CHECK(power <= Watts{0});
  }
}
