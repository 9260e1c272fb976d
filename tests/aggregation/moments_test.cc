#include "aggregation/moments.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "config/limits.h"
#include "tests/aggregation/fleets.h"

namespace vpp::aggregation {
namespace {

using namespace testing;

std::vector<SiteReliability> random_fleet(Rng& rng, std::size_t count) {
  std::vector<SiteReliability> out;
  for (const auto& capability : random_sites(rng, count)) {
    out.push_back({capability, static_cast<std::int32_t>(between(rng, 0, 1000))});
  }
  return out;
}

Moments moments_of(const std::vector<SiteReliability>& sites) {
  Moments sum;
  for (const auto& site : sites) sum += Moments::of_site(site);
  return sum;
}

DurationCurve nominal_of(const std::vector<SiteReliability>& sites) {
  DurationCurve sum;
  for (const auto& site : sites) sum += DurationCurve::of_site(site.capability);
  return sum;
}

TEST_CASE("a site's moments are those of a coin on its duration curve", "[aggregation][moments]") {
  Rng rng{1};
  for (const auto& site : random_fleet(rng, 200)) {
    const auto moments = Moments::of_site(site);
    const auto curve = DurationCurve::of_site(site.capability);
    const Int128 rate = site.response_permille;
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      const Int128 energy = curve.points()[i].count;
      REQUIRE(moments.mean_mj(i) == energy * rate);
      REQUIRE(moments.variance_mj2(i) == energy * energy * rate * (1000 - rate));
    }
  }
}

TEST_CASE("many sites in one pass equal the sum of single ones", "[aggregation][moments]") {
  Rng rng{2};
  for (int round = 0; round < 50; ++round) {
    auto sites = random_fleet(rng, rng.below(60));
    for (auto& site : sites) {
      auto& able = site.capability;
      if (rng.below(4) == 0) able.energy = Joules{able.power.count * between(rng, 0, 180) * 300};
      if (rng.below(20) == 0) able.energy = Joules{INT64_MAX};
      if (rng.below(50) == 0) able = {Watts{-1}, Joules{-1}};
      if (rng.below(50) == 0) site.response_permille = INT32_MAX;
    }
    REQUIRE(Moments::of_sites(sites) == moments_of(sites));
  }
  const std::vector<SiteReliability> large(300, {{limits::kGroupPowerMax, Joules{INT64_MAX}}, 500});
  CHECK(Moments::of_sites(large) == moments_of(large));
}

TEST_CASE("the order and the grouping of merges make no difference", "[aggregation][moments]") {
  Rng rng{3};
  for (int round = 0; round < 30; ++round) {
    auto sites = random_fleet(rng, 60);
    const auto one_by_one = moments_of(sites);
    for (std::size_t i = sites.size(); i > 1; --i) std::swap(sites[i - 1], sites[rng.below(i)]);
    const auto cut = static_cast<std::ptrdiff_t>(rng.below(sites.size()));
    Moments grouped = Moments::of_sites({sites.begin() + cut, sites.end()});
    grouped += Moments::of_sites({sites.begin(), sites.begin() + cut});
    REQUIRE(grouped == one_by_one);
  }
}

/// Every outcome of sites in regions, each behind its uplink, and of one uplink above all of them.
struct OutageTree {
  std::vector<std::vector<std::pair<double, double>>> regions;  // rate, energy
  std::vector<double> up;
  double top = 1;

  /// Mean and variance of all below the top uplink, by going through all outcomes.
  [[nodiscard]] std::pair<double, double> by_enumeration() const {
    std::vector<std::pair<double, double>> outcomes{{1.0, 0.0}};  // probability, energy
    for (std::size_t r = 0; r < regions.size(); ++r) {
      std::vector<std::pair<double, double>> inside{{1.0, 0.0}};
      for (const auto& [rate, energy] : regions[r]) inside = toss(inside, rate, energy);
      std::vector<std::pair<double, double>> next;
      for (const auto& [p, e] : outcomes) {
        next.emplace_back(p * (1 - up[r]), e);
        for (const auto& [q, f] : inside) next.emplace_back(p * up[r] * q, e + f);
      }
      outcomes = std::move(next);
    }
    double mean = 0;
    double square = 0;
    for (const auto& [p, e] : outcomes) {
      mean += top * p * e;
      square += top * p * e * e;
    }
    return {mean, square - mean * mean};
  }
  static std::vector<std::pair<double, double>> toss(
      const std::vector<std::pair<double, double>>& before, double rate, double energy) {
    std::vector<std::pair<double, double>> out;
    for (const auto& [p, e] : before) {
      out.emplace_back(p * rate, e + energy);
      out.emplace_back(p * (1 - rate), e);
    }
    return out;
  }
};

TEST_CASE("moments up a tree of uplinks equal those of all its outcomes",
          "[aggregation][moments]") {
  Rng rng{4};
  for (int round = 0; round < 40; ++round) {
    const std::size_t point = rng.below(kGridPoints);
    OutageTree tree;
    Moments sum;
    for (int r = 0; r < 3; ++r) {
      const auto sites = random_fleet(rng, 1 + rng.below(3));
      auto& region = tree.regions.emplace_back();
      for (const auto& site : sites) {
        const auto energy = DurationCurve::of_site(site.capability).points()[point].count;
        region.emplace_back(site.response_permille / 1000.0, static_cast<double>(energy));
      }
      const PerMillion up{between(rng, 0, kCertain.count)};
      tree.up.push_back(static_cast<double>(up.count) / 1e6);
      sum += Moments::of_sites(sites).behind(up);
    }
    const PerMillion top{between(rng, 0, kCertain.count)};
    tree.top = static_cast<double>(top.count) / 1e6;
    const auto whole = sum.behind(top);
    const auto [mean, variance] = tree.by_enumeration();
    REQUIRE(static_cast<double>(whole.mean_mj(point)) / 1e3 ==
            Approx(mean).epsilon(1e-9).margin(0.01));
    REQUIRE(static_cast<double>(whole.variance_mj2(point)) / 1e6 ==
            Approx(variance).epsilon(1e-6).margin(1));
  }
}

TEST_CASE("an uplink takes from the mean and never from the variance of what it may lose",
          "[aggregation][moments]") {
  Rng rng{5};
  const auto inside = moments_of(random_fleet(rng, 20));
  CHECK(inside.behind(kCertain) == inside);
  CHECK(inside.behind({kCertain.count + 1}) == inside);
  CHECK(inside.behind({0}) == Moments{});
  CHECK(inside.behind({-1}) == Moments{});
}

TEST_CASE("the wire takes less than a joule from the mean and gives less than one to the deviation",
          "[aggregation][moments][wire]") {
  Rng rng{6};
  for (int round = 0; round < 50; ++round) {
    const auto sites = random_fleet(rng, rng.below(30));
    const auto nominal = nominal_of(sites);
    const auto moments = moments_of(sites).behind({between(rng, 0, kCertain.count)});
    const auto mean = moments.mean_to_wire(nominal);
    const auto deviation = moments.deviation_to_wire(nominal);
    const auto back = Moments::from_wire(nominal, mean, deviation);
    REQUIRE(back.has_value());
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      REQUIRE(back->mean_mj(i) <= moments.mean_mj(i));
      REQUIRE(back->mean_mj(i) > moments.mean_mj(i) - 1000);
      REQUIRE(back->variance_mj2(i) >= moments.variance_mj2(i));
      const Int128 less = Int128{deviation[i].count - 1} * 1000;
      REQUIRE((deviation[i] == Joules{0} || less * less < moments.variance_mj2(i)));
    }
  }
}

TEST_CASE("moments off the wire are refused unless they could be the curve's own",
          "[aggregation][moments][wire]") {
  Rng rng{7};
  const auto sites = random_fleet(rng, 20);
  const auto nominal = nominal_of(sites);
  const auto mean = moments_of(sites).mean_to_wire(nominal);
  const auto deviation = moments_of(sites).deviation_to_wire(nominal);
  const auto error = [&](auto m, auto d) { return Moments::from_wire(nominal, m, d).error(); };
  CHECK(error(std::vector<Joules>{}, deviation) == CurveError::kWrongLength);
  CHECK(error(mean, std::vector<Joules>(47)) == CurveError::kWrongLength);
  for (const std::int64_t bad : {std::int64_t{-1}, INT64_MIN, INT64_MAX}) {
    auto m = mean;
    auto d = deviation;
    m[rng.below(kGridPoints)] = Joules{bad};
    d[rng.below(kGridPoints)] = Joules{bad};
    CHECK(error(m, deviation) == CurveError::kOutOfRange);
    CHECK(error(mean, d) == CurveError::kOutOfRange);
  }
  auto m = mean;
  m[47] = nominal.points()[47] + Joules{1};
  CHECK(error(m, deviation) == CurveError::kOutOfRange);
}

TEST_CASE("what varies more than anything can is counted as varying as much as it can",
          "[aggregation][moments][wire]") {
  const auto nominal = DurationCurve::of_site({Watts{1000}, Joules{INT64_MAX}});
  const std::vector<Joules> all{nominal.points().begin(), nominal.points().end()};
  const auto moments = Moments::from_wire(nominal, std::vector<Joules>(kGridPoints), all);
  REQUIRE(moments.has_value());
  CHECK(moments->variance_mj2(0) == Int128{150'000'000} * 150'000'000);
}

TEST_CASE("sums of the largest groups saturate and still pass the wire", "[aggregation][moments]") {
  const SiteReliability largest{{limits::kGroupPowerMax, Joules{INT64_MAX}}, 500};
  Moments sum;
  for (int i = 0; i < 10'000; ++i) sum += Moments::of_site(largest);
  const auto nominal = DurationCurve::of_site(largest.capability);
  const auto behind = sum.behind({500'000});
  CHECK(sum.mean_mj(47) > 0);
  CHECK(behind.variance_mj2(47) > 0);
  CHECK(Moments::from_wire(nominal, behind.mean_to_wire(nominal), behind.deviation_to_wire(nominal))
            .has_value());
}

TEST_CASE("a group that tells no moments counts by the prior of as many equal sites",
          "[aggregation][moments]") {
  const device::Capability able{Watts{5000}, Joules{36'000'000}};
  const std::vector<SiteReliability> sites(40, {able});
  DurationCurve nominal;
  for (const auto& site : sites) nominal += DurationCurve::of_site(site.capability);
  CHECK(Moments::by_prior(nominal, 40) == moments_of(sites));
  CHECK(Moments::by_prior(nominal, 0) == Moments::by_prior(nominal, 1));
  CHECK(Moments::by_prior(nominal, 1).mean_mj(5) < Int128{nominal.points()[5].count} * 1000);
}

}  // namespace
}  // namespace vpp::aggregation
