#include "aggregation/duration_curve.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <vector>

#include "config/limits.h"
#include "tests/aggregation/fleets.h"

namespace vpp::aggregation {
namespace {

using namespace std::chrono_literals;
using namespace testing;

/// Omega straight from its definition, in millijoules: p * s has no fraction there.
std::int64_t omega_mj(const std::vector<device::Capability>& sites, std::chrono::milliseconds s) {
  std::int64_t sum = 0;
  for (const auto& site : sites) {
    sum += std::min(site.energy.count * 1000, site.power.count * s.count());
  }
  return sum;
}

std::vector<Joules> points_of(const DurationCurve& curve) {
  return {curve.points().begin(), curve.points().end()};
}

TEST_CASE("the grid is 5 min to 2 h, 15 min to 6 h, 1 h to 14 h", "[aggregation][curve]") {
  CHECK(kGrid[0] == 5min);
  CHECK(kGrid[23] == 2h);
  CHECK(kGrid[24] == 2h + 15min);
  CHECK(kGrid[39] == 6h);
  CHECK(kGrid[40] == 7h);
  CHECK(kGrid[47] == 14h);
}

TEST_CASE("a site delivers at full power until its energy binds", "[aggregation][curve]") {
  const auto curve = DurationCurve::of_site({Watts{5000}, to_joules(WattHours{5000})});
  CHECK(curve.at(0s) == Joules{0});
  CHECK(curve.at(30min) == to_joules(WattHours{2500}));
  CHECK(curve.at(1h) == to_joules(WattHours{5000}));
  CHECK(curve.at(20h) == to_joules(WattHours{5000}));
}

TEST_CASE("a site with negative power or energy promises nothing", "[aggregation][curve]") {
  CHECK(DurationCurve::of_site({Watts{-1}, Joules{1000}}) == DurationCurve{});
  CHECK(DurationCurve::of_site({Watts{1000}, Joules{-1}}) == DurationCurve{});
}

TEST_CASE("the sum of sites' curves is exact on the grid", "[aggregation][curve]") {
  Rng rng{1};
  for (int round = 0; round < 50; ++round) {
    const auto sites = random_sites(rng, 1 + rng.below(60));
    const auto curve = curve_of(sites);
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      REQUIRE(curve.points()[i].count * 1000 == omega_mj(sites, kGrid[i]));
      REQUIRE(curve.at(kGrid[i]) == curve.points()[i]);
    }
  }
}

TEST_CASE("between grid points a curve never promises more than the truth",
          "[aggregation][curve]") {
  Rng rng{2};
  for (int round = 0; round < 50; ++round) {
    const auto sites = random_sites(rng, 1 + rng.below(60));
    const auto curve = curve_of(sites);
    for (int i = 0; i < 200; ++i) {
      const std::chrono::milliseconds s{between(rng, 0, 15 * 3'600'000)};
      REQUIRE(curve.at(s).count * 1000 <= omega_mj(sites, s));
    }
  }
}

TEST_CASE("a curve is non-decreasing and concave at any duration up to rounding",
          "[aggregation][curve]") {
  Rng rng{3};
  const auto curve = curve_of(random_sites(rng, 40));
  for (auto s = 0s; s < 14h; s += 97s) {
    REQUIRE(curve.at(s) <= curve.at(s + 97s));
    const auto second_rise = curve.at(s + 194s) - curve.at(s + 97s);
    REQUIRE(second_rise <= curve.at(s + 97s) - curve.at(s) + Joules{2});
  }
}

TEST_CASE("merging is exact, order-free and associative", "[aggregation][curve]") {
  Rng rng{4};
  for (int round = 0; round < 50; ++round) {
    const auto a = curve_of(random_sites(rng, 10));
    const auto b = curve_of(random_sites(rng, 10));
    const auto c = curve_of(random_sites(rng, 10));
    auto ab_c = a;
    (ab_c += b) += c;
    auto bc = b;
    bc += c;
    auto bc_a = bc;
    bc_a += a;
    REQUIRE(ab_c == bc_a);
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      REQUIRE(ab_c.points()[i] == a.points()[i] + b.points()[i] + c.points()[i]);
    }
    auto twice = a;
    twice += twice;
    auto a_and_a = a;
    REQUIRE(twice == (a_and_a += a));
  }
}

TEST_CASE("the sketch of many sites in one pass equals the sum of their curves",
          "[aggregation][curve]") {
  Rng rng{8};
  for (int round = 0; round < 100; ++round) {
    auto sites = random_sites(rng, rng.below(60));
    for (auto& site : sites) {
      if (rng.below(4) == 0) site.energy = Joules{site.power.count * between(rng, 0, 180) * 300};
      if (rng.below(20) == 0) site.energy = Joules{INT64_MAX};
      if (rng.below(50) == 0) site = {Watts{-1}, Joules{-1}};
    }
    REQUIRE(DurationCurve::of_sites(sites) == curve_of(sites));
  }
  const std::vector<device::Capability> large(300, {limits::kGroupPowerMax, Joules{INT64_MAX}});
  CHECK(DurationCurve::of_sites(large) == curve_of(large));
}

TEST_CASE("merging beyond any fleet saturates and stays a valid curve", "[aggregation][curve]") {
  const auto large = DurationCurve::of_site(
      {limits::kGroupPowerMax, Joules{limits::kGroupPowerMax.count * 9'000}});
  auto sum = large;
  sum += large;
  CHECK(sum.points()[0] == Joules{limits::kGroupPowerMax.count * 300});
  CHECK(DurationCurve::from_wire(kGridId, sum.points()) == sum);
}

TEST_CASE("every curve that we make passes the wire unchanged", "[aggregation][wire]") {
  Rng rng{5};
  for (int round = 0; round < 100; ++round) {
    const auto curve = curve_of(random_sites(rng, rng.below(30)));
    REQUIRE(DurationCurve::from_wire(kGridId, curve.points()) == curve);
  }
}

TEST_CASE("a curve off the wire is refused unless it holds the invariant", "[aggregation][wire]") {
  Rng rng{6};
  const auto good = points_of(curve_of(random_sites(rng, 40)));
  const auto refused = [](const std::vector<Joules>& points) {
    return DurationCurve::from_wire(kGridId, points).error();
  };
  CHECK(DurationCurve::from_wire(kGridId + 1, good).error() == CurveError::kUnknownGrid);
  CHECK(refused({good.begin(), good.end() - 1}) == CurveError::kWrongLength);
  CHECK(refused({}) == CurveError::kWrongLength);

  auto points = good;
  points[0] = Joules{-1};
  CHECK(refused(points) == CurveError::kOutOfRange);
  points = good;
  points[47] = Joules{INT64_MAX};
  CHECK(refused(points) == CurveError::kOutOfRange);
  points = good;
  points[0] = Joules{limits::kGroupPowerMax.count * 300 + 1};
  CHECK(refused(points) == CurveError::kOutOfRange);
  points = good;
  points[30] = points[29] - Joules{1};
  CHECK(refused(points) == CurveError::kFalling);
}

TEST_CASE("a curve whose slope rises at any point, by however little, is refused",
          "[aggregation][wire]") {
  for (std::size_t bent = 1; bent < kGridPoints; ++bent) {
    std::vector<Joules> points;  // 1 kW for ever, one joule missing before the bend
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      points.push_back(Joules{kGrid[i].count() * 1000 - (i < bent ? 1 : 0)});
    }
    REQUIRE(DurationCurve::from_wire(kGridId, points).error() == CurveError::kConvex);
  }
}

TEST_CASE("random bytes off the wire are refused or hold the invariant", "[aggregation][wire]") {
  Rng rng{7};
  int accepted = 0;
  for (int round = 0; round < 2'000; ++round) {
    auto points = points_of(curve_of(random_sites(rng, 5)));
    points[rng.below(kGridPoints)] += Joules{between(rng, -3, 3)};
    const auto curve = DurationCurve::from_wire(kGridId, points);
    if (!curve) continue;
    ++accepted;
    double slope = 1e18;
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      const auto from = i == 0 ? 0s : kGrid[i - 1];
      const auto low = i == 0 ? Joules{0} : points[i - 1];
      const double rise = static_cast<double>((points[i] - low).count) /
                          static_cast<double>((kGrid[i] - from).count());
      REQUIRE(rise >= 0);
      REQUIRE(rise <= slope * (1 + 1e-12));
      slope = rise;
    }
  }
  CHECK(accepted > 0);
}

}  // namespace
}  // namespace vpp::aggregation
