#include "aggregation/firm.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <utility>
#include <vector>

#include "config/limits.h"
#include "tests/aggregation/fleets.h"
#include "tests/aggregation/outages.h"

namespace vpp::aggregation {
namespace {

using namespace testing;

constexpr PerMillion kOnePercent{10'000};
constexpr PerMillion kFivePercent{50'000};

/// The most that is delivered but with probability `shortfall`, over all outcomes of independent
/// losses.
std::int64_t exact_quantile(const std::vector<std::pair<double, std::int64_t>>& coins,
                            double shortfall) {
  std::vector<std::pair<std::int64_t, double>> outcomes{{0, 1.0}};
  for (const auto& [responds, energy] : coins) {
    std::vector<std::pair<std::int64_t, double>> next;
    for (const auto& [sum, p] : outcomes) {
      next.emplace_back(sum, p * (1 - responds));
      next.emplace_back(sum + energy, p * responds);
    }
    outcomes = std::move(next);
  }
  std::ranges::sort(outcomes);
  double below = 0;
  for (const auto& [sum, p] : outcomes) {
    below += p;
    if (below > shortfall) return sum;
  }
  return outcomes.back().first;
}

/// As a parent learns of them.
Moments over_the_wire(const std::vector<SiteReliability>& sites, const DurationCurve& nominal) {
  const auto moments = Moments::of_sites(sites);
  return Moments::from_wire(nominal, moments.mean_to_wire(nominal),
                            moments.deviation_to_wire(nominal))
      .value();
}

bool is_curve(const DurationCurve& curve) {
  return DurationCurve::from_wire(kGridId, curve.points()) == curve;
}

TEST_CASE("outages of blocks come out as going through all of them, within the rounding of bins",
          "[aggregation][firm]") {
  Rng rng{1};
  for (int round = 0; round < 20; ++round) {
    const auto count = static_cast<std::size_t>(between(rng, 1, 10));
    std::vector<Block> blocks;
    std::vector<std::pair<double, std::int64_t>> coins;
    DurationCurve nominal;
    for (std::size_t i = 0; i < count; ++i) {
      const std::int64_t power = between(rng, 100'000, 1'000'000);
      const PerMillion up{between(rng, 800'000, 999'000)};
      const SiteReliability all{{Watts{power}, Joules{power * 4 * 3600}}, 1000};
      blocks.push_back({up, Moments::of_site(all)});
      nominal += DurationCurve::of_site(all.capability);
      coins.emplace_back(static_cast<double>(up.count) / 1e6, power * 3600);
    }
    for (const PerMillion shortfall : {kOnePercent, kFivePercent}) {
      const auto firm = firm_curve(nominal, blocks, {}, shortfall);
      const auto exact = exact_quantile(coins, static_cast<double>(shortfall.count) / 1e6);
      const auto got = firm.points()[11].count;  // 1 h
      const auto bin = nominal.points()[11].count / 2'000 + 1;
      REQUIRE(is_curve(firm));
      REQUIRE(got <= exact);
      REQUIRE(got >= exact - static_cast<std::int64_t>(count + 1) * bin);
    }
  }
}

TEST_CASE("few sites in one group are promised no more than all their outcomes allow",
          "[aggregation][firm]") {
  Rng rng{2};
  for (std::size_t count = 1; count <= 14; count += 1 + count / 4) {
    const auto rate = static_cast<std::int32_t>(between(rng, 500, 990));
    const SiteReliability site{{Watts{5000}, Joules{36'000'000}}, rate};
    const std::vector<SiteReliability> sites(count, site);
    DurationCurve nominal;
    for (const auto& each : sites) nominal += DurationCurve::of_site(each.capability);
    const std::vector<Block> groups{{kCertain, over_the_wire(sites, nominal)}};
    const std::vector<std::pair<double, std::int64_t>> coins(count, {rate / 1000.0, 5000 * 3600});
    for (const PerMillion shortfall : {kOnePercent, kFivePercent}) {
      const auto exact = exact_quantile(coins, static_cast<double>(shortfall.count) / 1e6);
      const auto firm = firm_curve(nominal, groups, {}, shortfall);
      REQUIRE(firm.points()[11].count <= exact);
      REQUIRE(firm.points()[11].count >= exact - nominal.points()[11].count / 50);
      // The same sites as children of the root: each is a block.
      const auto direct = firm_curve(nominal, {}, sites, shortfall);
      REQUIRE(direct.points()[11].count <= exact);
      REQUIRE(direct.points()[11].count >= exact - nominal.points()[11].count / 50);
    }
  }
}

TEST_CASE("two sites in one group, of unlike size: the smaller one is what is left",
          "[aggregation][firm]") {
  Rng rng{7};
  for (int round = 0; round < 10; ++round) {
    std::vector<SiteReliability> sites;
    std::vector<std::pair<double, std::int64_t>> coins;
    DurationCurve nominal;
    for (int i = 0; i < 2; ++i) {
      const std::int64_t power = between(rng, 2'000, 10'000);
      sites.push_back({{Watts{power}, Joules{power * 7'200}}, 900});
      coins.emplace_back(0.9, power * 3'600);
      nominal += DurationCurve::of_site(sites.back().capability);
    }
    const std::vector<Block> groups{{kCertain, over_the_wire(sites, nominal)}};
    const auto firm = firm_curve(nominal, groups, {}, kFivePercent);
    const auto exact = exact_quantile(coins, 0.05);
    REQUIRE(firm.points()[11].count <= exact + nominal.points()[11].count / 1'000);
    REQUIRE(firm.points()[11].count >= exact - nominal.points()[11].count / 500);
  }
}

TEST_CASE("many sites keep close to what a normal gives", "[aggregation][firm]") {
  const SiteReliability site{{Watts{5000}, Joules{36'000'000}}, 900};
  const std::vector<SiteReliability> sites(10'000, site);
  DurationCurve nominal;
  for (const auto& each : sites) nominal += DurationCurve::of_site(each.capability);
  const auto firm = firm_curve(nominal, {}, sites, kOnePercent);
  // 9,000 +- 30 sites; 2.326 deviations: 8,930.2.
  CHECK(firm.points()[11].count == Approx(8930.2 * 5000 * 3600).epsilon(1e-4));
}

TEST_CASE("who is certain is promised whole, to the watt between two grid points",
          "[aggregation][firm]") {
  Rng rng{3};
  const auto capabilities = random_sites(rng, 200);
  std::vector<SiteReliability> sites;
  for (const auto& capability : capabilities) sites.push_back({capability, 1000});
  const auto nominal = curve_of(capabilities);
  const auto firm = firm_curve(nominal, {}, sites, kOnePercent);
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    REQUIRE(firm.points()[i] <= nominal.points()[i]);
    REQUIRE(firm.points()[i] >= nominal.points()[i] - Joules{kGrid[i].count()});
  }
}

TEST_CASE("of nobody, and of somebody who never responds, nothing is promised",
          "[aggregation][firm]") {
  CHECK(firm_curve({}, {}, {}, kOnePercent) == DurationCurve{});
  const SiteReliability dead{{Watts{5000}, Joules{36'000'000}}, 0};
  const std::vector sites{dead};
  const auto nominal = DurationCurve::of_site(dead.capability);
  CHECK(firm_curve(nominal, {}, sites, kOnePercent) == DurationCurve{});
  const std::vector<Block> unreachable{{{0}, Moments::of_site({dead.capability, 1000})}};
  CHECK(firm_curve(nominal, unreachable, {}, kOnePercent) == DurationCurve{});
}

TEST_CASE("whatever the fleet, its firm curve is a curve below nominal; more confidence is less",
          "[aggregation][firm]") {
  Rng rng{4};
  for (int round = 0; round < 4; ++round) {
    DurationCurve nominal;
    std::vector<Block> groups;
    for (std::size_t g = rng.below(6); g > 0; --g) {
      const auto capabilities = random_sites(rng, rng.below(150));
      std::vector<SiteReliability> sites;
      for (const auto& capability : capabilities) {
        sites.push_back({capability, static_cast<std::int32_t>(between(rng, 0, 1000))});
      }
      nominal += curve_of(capabilities);
      groups.push_back({{between(rng, -5, kCertain.count + 5)}, Moments::of_sites(sites)});
    }
    const auto capabilities = random_sites(rng, rng.below(80));
    std::vector<SiteReliability> direct;
    for (const auto& able : capabilities) direct.push_back({able, 900});
    nominal += curve_of(capabilities);
    const auto firm = firm_curve(nominal, groups, direct, {between(rng, -1, 600'000)});
    REQUIRE(is_curve(firm));
    const auto tight = firm_curve(nominal, groups, direct, {1'000});
    const auto loose = firm_curve(nominal, groups, direct, {200'000});
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      REQUIRE(firm.points()[i] <= nominal.points()[i]);
      REQUIRE(tight.points()[i] <= loose.points()[i]);
    }
  }
}

TEST_CASE("a group that lies about its nominal curve is promised no more than that",
          "[aggregation][firm]") {
  const SiteReliability site{{limits::kGroupPowerMax, Joules{INT64_MAX}}, 1000};
  const std::vector<Block> groups{{kCertain, Moments::of_site(site)}};
  const auto nominal = DurationCurve::of_site({Watts{1000}, Joules{3'600'000}});
  const auto firm = firm_curve(nominal, groups, {}, kOnePercent);
  CHECK(is_curve(firm));
  CHECK(firm.points()[47] <= nominal.points()[47]);
}

TEST_CASE("a dip of a part lowers the whole curve by that part and by no more",
          "[aggregation][firm]") {
  std::array<Joules, kGridPoints> points{};
  for (std::size_t i = 0; i < kGridPoints; ++i) points[i] = Joules{kGrid[i].count() * 10'000};
  CHECK(std::ranges::equal(below_concave(points).points(), points));
  points[20] = Joules{points[20].count * 9 / 10};
  const auto lowered = below_concave(points);
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    REQUIRE(lowered.points()[i] == Joules{kGrid[i].count() * 9'000});
  }
}

TEST_CASE("below any points lies a curve, as close as they are to one themselves",
          "[aggregation][firm]") {
  Rng rng{5};
  for (int round = 0; round < 500; ++round) {
    const auto curve = curve_of(random_sites(rng, 40));
    std::array<Joules, kGridPoints> points{};
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      points[i] = Joules{curve.points()[i].count / 1000 * between(rng, 950, 1000)};
    }
    const auto below = below_concave(points);
    REQUIRE(is_curve(below));
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      REQUIRE(below.points()[i] <= points[i]);
      const auto least = curve.points()[i].count / 1000 * 950 * 95 / 100 - kGrid[i].count() * 2;
      REQUIRE(below.points()[i].count >= least);
    }
    for (auto& point : points) point = Joules{static_cast<std::int64_t>(rng.next())};
    REQUIRE(is_curve(below_concave(points)));
  }
}

/// The whole of it is bench/firm_capacity.cc.
TEST_CASE("promises to 400 sites in 20 regions with outages are broken as seldom as they should be",
          "[aggregation][firm]") {
  Rng rng{6};
  const OutageOptions options{.sites = 400, .orders_seen = 20, .looks_seen = 200, .events = 1'000};
  const int plants = 8;
  std::array<std::array<double, 2>, kMethods.size()> shares{};
  for (int plant = 0; plant < plants; ++plant) {
    const auto broken = OutagePlant{rng, options}.broken(rng, {kOnePercent, kFivePercent});
    for (std::size_t m = 0; m < kMethods.size(); ++m) {
      for (std::size_t t = 0; t < 2; ++t) shares[m][t] += broken[m][t][1].share / plants;
    }
  }
  // 8,000 events: a deviation of the first is 0.11 points, of the second 0.24.
  CHECK(shares[0][0] <= 0.0125 + 0.0022);
  CHECK(shares[0][1] <= 0.0625 + 0.0048);
  CHECK(shares[0][1] >= 0.02);  // and not by promising nothing
  CHECK(shares[2][0] > 0.03);   // independent
  CHECK(shares[3][1] > 0.9);    // nominal
}

}  // namespace
}  // namespace vpp::aggregation
