#include "bidding/optimise.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <coin/ClpSimplex.hpp>
#include <coin/CoinPackedMatrix.hpp>
#include <cstdint>
#include <functional>
#include <numeric>
#include <vector>

#include "config/rng.h"
#include "tests/bidding/random_curve.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr MarketTime kNow{std::chrono::days{17'000}};
constexpr auto kSlot = 15min;
constexpr std::int64_t kSlotSeconds = 900;

PricePoint slot(int n, std::int64_t price) {
  return {kNow + n * kSlot, kNow + (n + 1) * kSlot, Price{price}};
}

std::vector<PricePoint> random_slots(Rng& rng, int count) {
  std::vector<PricePoint> slots;
  for (int i = 0; i < count; ++i) {
    slots.push_back(slot(i, static_cast<std::int64_t>(rng.below(200)) - 40));
  }
  return slots;
}

/// Every set of slots within what the curve gives for its length: the definition, as an LP.
double best_by_lp(const std::vector<PricePoint>& slots, const std::vector<double>& committed_w,
                  double cost, const FirmCurve& curve) {
  const int count = static_cast<int>(slots.size());
  ClpSimplex lp;
  lp.setLogLevel(0);
  lp.setOptimizationDirection(-1);
  lp.resize(0, count);
  for (int t = 0; t < count; ++t) {
    const auto i = static_cast<std::size_t>(t);
    lp.setObjectiveCoefficient(t, static_cast<double>(slots[i].price.count) - cost);
    lp.setColumnBounds(t, 0, COIN_DBL_MAX);
  }
  for (unsigned set = 1; set < (1U << count); ++set) {
    std::vector<int> columns;
    std::vector<double> ones;
    double already = 0;
    for (int t = 0; t < count; ++t) {
      if ((set >> t & 1U) == 0) continue;
      columns.push_back(t);
      ones.push_back(1);
      already += committed_w[static_cast<std::size_t>(t)];
    }
    const auto omega_w = static_cast<double>(curve.at(kSlot * std::ssize(columns)).count) /
                         static_cast<double>(kSlotSeconds);
    lp.addRow(static_cast<int>(columns.size()), columns.data(), ones.data(), -COIN_DBL_MAX,
              omega_w - already);
  }
  lp.dual();
  REQUIRE(lp.isProvenOptimal());
  return lp.objectiveValue();
}

double value_of(const std::vector<PricePoint>& slots, const std::vector<Watts>& sold, double cost) {
  double value = 0;
  for (std::size_t i = 0; i < slots.size(); ++i) {
    value +=
        (static_cast<double>(slots[i].price.count) - cost) * static_cast<double>(sold[i].count);
  }
  return value;
}

/// Feasibility minute by minute, without the algebra.
bool feasible_by_minutes(const std::vector<Commitment>& all, const FirmCurve& curve) {
  std::vector<std::int64_t> watts(48 * 60);
  for (const Commitment& c : all) {
    for (auto at = std::max(c.from, kNow); at < c.until; at += 1min) {
      watts.at(static_cast<std::size_t>((at - kNow) / 1min)) += c.power.count;
    }
  }
  std::ranges::sort(watts, std::greater{});
  std::int64_t joules = 0;
  for (std::size_t i = 0; i < watts.size(); ++i) {
    joules += watts[i] * 60;
    if (joules > curve.at(std::chrono::minutes{i + 1}).count) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("without commitments the k-th dearest slot gets the k-th step of the curve",
          "[bidding][optimise]") {
  Rng rng{GENERATE(range(1U, 200U))};
  const FirmCurve curve{testing::random_curve(rng, 12),
                        static_cast<std::int32_t>(500 + rng.below(501))};
  const auto slots = random_slots(rng, 24);
  const auto sold = allocate(slots, Price{20}, Profile{kNow}, curve);
  std::vector<std::size_t> order(slots.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return slots[i].price; });
  std::int64_t total = 0;
  for (std::size_t k = 0; k < order.size(); ++k) {
    const std::int64_t got = sold[order[k]].count;
    if (slots[order[k]].price <= Price{20}) {
      CHECK(got == 0);
      continue;
    }
    total += got;
    const auto steps = static_cast<int>(k) + 1;
    const std::int64_t omega_w = curve.at(kSlot * steps).count / kSlotSeconds;
    CHECK(total <= omega_w);
    CHECK(total >= omega_w - steps);  // a watt per slot, at most, is lost to rounding
  }
}

TEST_CASE("what is sold is worth what the linear program finds", "[bidding][optimise][lp]") {
  Rng rng{GENERATE(range(1U, 300U))};
  const FirmCurve curve{testing::random_curve(rng, 12), 900};
  const int count = 1 + static_cast<int>(rng.below(7));
  const auto slots = random_slots(rng, count);
  const double cost = 10;
  Profile committed{kNow};
  std::vector<double> committed_w(slots.size());
  if (rng.below(2) == 0) {
    for (std::size_t i = 0; i < slots.size(); ++i) {
      if (rng.below(3) != 0) continue;
      const Commitment c{Watts{static_cast<std::int64_t>(rng.below(4'000))}, slots[i].from,
                         slots[i].until};
      Profile more = committed;
      more.add(c);
      if (!more.feasible(curve)) continue;
      committed = more;
      committed_w[i] = static_cast<double>(c.power.count);
    }
  }
  const auto sold = allocate(slots, Price{10}, committed, curve);
  const double best = best_by_lp(slots, committed_w, cost, curve);
  const double got = value_of(slots, sold, cost);
  CHECK(got <= best + 1e-6 * (1 + best));
  CHECK(got >= best - 200.0 * static_cast<double>(count * count));  // watts lost to rounding
}

TEST_CASE("the profile is feasible exactly when it is minute by minute", "[bidding][optimise]") {
  Rng rng{GENERATE(range(1U, 300U))};
  const FirmCurve curve{testing::random_curve(rng, 12), 1000};
  const auto most_w = static_cast<std::uint64_t>(curve.at(5min).count / 300);
  std::vector<Commitment> all;
  Profile profile{kNow};
  for (std::uint64_t i = 0; i <= rng.below(6); ++i) {
    const auto from = kNow - 1h + std::chrono::minutes{rng.below(600)};
    const Commitment c{Watts{static_cast<std::int64_t>(rng.below(2 + most_w / 2))}, from,
                       from + std::chrono::minutes{1 + rng.below(240)}};
    all.push_back(c);
    profile.add(c);
  }
  CHECK(profile.feasible(curve) == feasible_by_minutes(all, curve));

  const auto from = kNow + std::chrono::minutes{rng.below(300)};
  const auto until = from + std::chrono::minutes{5 + rng.below(60)};
  const Watts more = profile.largest_addition(from, until, curve);
  if (!profile.feasible(curve)) {
    CHECK(more == Watts{0});
    return;
  }
  all.push_back({more, from, until});
  CHECK(feasible_by_minutes(all, curve));
  all.back().power += Watts{1};
  CHECK_FALSE(feasible_by_minutes(all, curve));
}

TEST_CASE("promises that overlap in time add up", "[bidding][optimise]") {
  const FirmCurve curve{aggregation::DurationCurve::of_site({Watts{1000}, to_joules({4000})}),
                        1000};
  Profile profile{kNow};
  profile.add({Watts{600}, kNow, kNow + 1h});
  CHECK(profile.feasible(curve));
  profile.add({Watts{600}, kNow + 30min, kNow + 90min});
  CHECK_FALSE(profile.feasible(curve));
}

TEST_CASE("a slot that is worth no more than it costs is not sold", "[bidding][optimise]") {
  const FirmCurve curve{aggregation::DurationCurve::of_site({Watts{1000}, to_joules({4000})}),
                        1000};
  const std::vector<PricePoint> slots{slot(0, 5), slot(1, 6), slot(2, -3)};
  CHECK(allocate(slots, Price{5}, Profile{kNow}, curve) ==
        std::vector<Watts>{Watts{0}, Watts{1000}, Watts{0}});
}

TEST_CASE("absurd promises saturate instead of overflowing", "[bidding][optimise][limits]") {
  const FirmCurve curve{
      aggregation::DurationCurve::of_site({Watts{10'000'000'000}, Joules{INT64_MAX}}), 1000};
  Profile profile{kNow};
  for (int i = 0; i < 50; ++i) {
    profile.add({Watts{INT64_MAX / 2}, MarketTime::min(), MarketTime::max()});
  }
  CHECK_FALSE(profile.feasible(curve));
  CHECK(profile.largest_addition(kNow, kNow + 1h, curve) == Watts{0});
}
