#include "aggregation/split.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <vector>

#include "tests/aggregation/fleets.h"

namespace vpp::aggregation {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using Sites = std::vector<device::Capability>;

/// The policy in real numbers: u_i = p_i * clip((x_i - z) / D, 0, 1), z by halving.
std::vector<double> naive_split(double request, const Sites& sites, double step_s) {
  const auto at = [&](double z) {
    std::vector<double> shares;
    for (const auto& site : sites) {
      const auto p = static_cast<double>(site.power.count);
      const auto e = static_cast<double>(site.energy.count);
      shares.push_back(e > 0 ? std::clamp(e - p * z, 0.0, p * step_s) / step_s : 0);
    }
    return shares;
  };
  const auto total = [&](double z) {
    double sum = 0;
    for (const double share : at(z)) sum += share;
    return sum;
  };
  double low = -step_s;
  double high = 1e8;
  if (total(low) <= request) return at(low);
  for (int i = 0; i < 90; ++i) {
    const double z = (low + high) / 2;
    (total(z) > request ? low : high) = z;
  }
  return at(high);
}

double capability_of(const Sites& sites, double step_s) {
  double sum = 0;
  for (const double share : naive_split(1e18, sites, step_s)) sum += share;
  return sum;
}

void require_matches_naive(Watts request, const Sites& sites, std::chrono::seconds step) {
  const auto step_s = static_cast<double>(step.count());
  const Split split = split_by_sites(request, sites, step);
  const auto naive = naive_split(static_cast<double>(request.count), sites, step_s);
  const Watts able{static_cast<std::int64_t>(std::floor(capability_of(sites, step_s) + 1e-6))};
  REQUIRE(sum_of(split.shares) == std::min(request, able));
  REQUIRE(split.shortfall == request - std::min(request, able));
  for (std::size_t i = 0; i < sites.size(); ++i) {
    REQUIRE(split.shares[i] >= Watts{0});
    REQUIRE(split.shares[i] <= sites[i].power);
    REQUIRE(std::abs(static_cast<double>(split.shares[i].count) - naive[i]) < 1 + 1e-5);
  }
}

TEST_CASE("the site that could last longest serves first", "[aggregation][split]") {
  const Sites sites{{Watts{5000}, to_joules(WattHours{5000})},    // 1 h
                    {Watts{5000}, to_joules(WattHours{10'000})},  // 2 h
                    {Watts{5000}, to_joules(WattHours{2500})}};   // 30 min
  CHECK(split_by_sites(Watts{4000}, sites).shares == std::vector{Watts{0}, Watts{4000}, Watts{0}});
  CHECK(split_by_sites(Watts{9000}, sites).shares ==
        std::vector{Watts{4000}, Watts{5000}, Watts{0}});
}

TEST_CASE("sites that are alike share alike, the first ones get the odd watts",
          "[aggregation][split]") {
  const Sites sites(3, {Watts{5000}, to_joules(WattHours{5000})});
  CHECK(split_by_sites(Watts{1000}, sites).shares ==
        std::vector{Watts{334}, Watts{333}, Watts{333}});
}

TEST_CASE("a request beyond the sites is served as far as they go", "[aggregation][split]") {
  const Sites sites{{Watts{5000}, Joules{300 * 100}},
                    {Watts{3000}, to_joules(WattHours{9000})},
                    {Watts{1000}, Joules{0}}};
  const Split split = split_by_sites(Watts{10'000}, sites);
  CHECK(split.shares == std::vector{Watts{5000}, Watts{3000}, Watts{0}});
  CHECK(split.shortfall == Watts{2000});
  CHECK(split_by_sites(Watts{7}, {}).shortfall == Watts{7});
}

TEST_CASE("a site about to run empty gives more than it can hold only when nobody else can",
          "[aggregation][split]") {
  const Sites sites{{Watts{5000}, Joules{300 * 100}}, {Watts{3000}, to_joules(WattHours{9000})}};
  CHECK(split_by_sites(Watts{3000}, sites).shares == std::vector{Watts{0}, Watts{3000}});
  CHECK(split_by_sites(Watts{3100}, sites).shares == std::vector{Watts{100}, Watts{3000}});
  CHECK(split_by_sites(Watts{3500}, sites).shares == std::vector{Watts{500}, Watts{3000}});
}

TEST_CASE("the split over sites equals the policy in real numbers, in whole watts that sum exactly",
          "[aggregation][split]") {
  Rng rng{11};
  for (int round = 0; round < 400; ++round) {
    const Sites sites = random_sites(rng, 1 + rng.below(50));
    const auto step = std::chrono::seconds{between(rng, 1, 900)};
    const auto able = static_cast<std::int64_t>(capability_of(sites, 300));
    require_matches_naive(Watts{between(rng, 0, able + able / 10 + 1)}, sites, step);
  }
}

TEST_CASE("many sites, alike or lasting for days, split as few do", "[aggregation][split]") {
  Rng rng{12};
  for (const bool days : {false, true}) {
    Sites sites = random_sites(rng, 6'000);
    if (days) {
      for (auto& site : sites) site.energy = site.energy * between(rng, 1, 100);
    }
    const auto able = static_cast<std::int64_t>(capability_of(sites, 300));
    for (const std::int64_t permille : {1, 250, 500, 900, 999, 1000, 1001}) {
      require_matches_naive(Watts{able / 1000 * permille}, sites, 300s);
    }
  }
  const Sites alike(10'000, {Watts{7000}, Joules{7000 * 3601}});
  require_matches_naive(Watts{33'333'333}, alike, 300s);
  require_matches_naive(Watts{1}, alike, 300s);
}

TEST_CASE("the split does not depend on how many sites need the counting pass",
          "[aggregation][split]") {
  Rng rng{13};
  const Sites few = random_sites(rng, 500);
  Sites many = few;
  many.resize(5'000);  // the rest can do nothing
  for (int round = 0; round < 20; ++round) {
    const Watts request{between(rng, 0, 4'000'000)};
    auto shares = split_by_sites(request, many).shares;
    shares.resize(few.size());
    REQUIRE(shares == split_by_sites(request, few).shares);
  }
}

TEST_CASE("quantities beyond any site neither overflow nor break the sum", "[aggregation][split]") {
  const Sites sites{{Watts{INT64_MAX}, Joules{INT64_MAX}},
                    {Watts{INT64_MIN}, Joules{INT64_MIN}},
                    {Watts{1}, Joules{INT64_MAX}},
                    {Watts{INT64_MAX}, Joules{1}}};
  const Split split = split_by_sites(Watts{1'000'000'000}, sites);
  CHECK(sum_of(split.shares) == Watts{1'000'000'000});
  CHECK(split.shares[1] == Watts{0});
  CHECK(split.shares[2] <= Watts{1});
  CHECK(sum_of(split_by_sites(Watts{INT64_MAX}, sites).shares) > Watts{0});
}

TEST_CASE("the level tells who serves: who lasts longer does, by as much as it lasts longer",
          "[aggregation][split]") {
  Rng rng{15};
  int cut = 0;
  for (int round = 0; round < 200; ++round) {
    const Sites sites = random_sites(rng, 1 + rng.below(30));
    const Watts able{static_cast<std::int64_t>(capability_of(sites, 300))};
    const Watts request{between(rng, 0, able.count + able.count / 8 + 1)};
    const Split split = split_by_sites(request, sites);
    REQUIRE(split.level.has_value() == (request > Watts{0} && request < able));
    if (!split.level) continue;
    ++cut;
    const double z = static_cast<double>(split.level->count()) / 1000;
    for (std::size_t i = 0; i < sites.size(); ++i) {
      const auto power = static_cast<double>(sites[i].power.count);
      const auto energy = static_cast<double>(sites[i].energy.count);
      const double share = energy > 0 ? std::clamp(energy - power * z, 0.0, power * 300) / 300 : 0;
      const double rounded = 1 + power * 0.001 / 300;  // to a watt, and the level to a millisecond
      REQUIRE(std::abs(static_cast<double>(split.shares[i].count) - share) <= rounded + 1e-6);
    }
  }
  CHECK(cut > 50);
  CHECK_FALSE(split_slot(1, Sites{{Watts{2}, Joules{2}}}, 4).level.has_value());
}

TEST_CASE("the split over curves gives each child its own part of the level",
          "[aggregation][split]") {
  Rng rng{14};
  for (int round = 0; round < 200; ++round) {
    std::vector<DurationCurve> children;
    DurationCurve all;
    Watts able{0};
    for (std::size_t i = 0, n = 1 + rng.below(12); i < n; ++i) {
      children.push_back(curve_of(random_sites(rng, rng.below(20))));
      all += children.back();
      able += Watts{children.back().at(5min).count / 300};
    }
    const Watts request{between(rng, 0, able.count + able.count / 8 + 1)};
    const Split split = split_by_curves(request, children);
    REQUIRE(sum_of(split.shares) == std::min(request, able));
    REQUIRE(split.shortfall == request - std::min(request, able));
    // Naive: the level in real numbers on the interpolated curves, whole joules off at most.
    const auto part_of = [](const DurationCurve& curve, double z) {
      const auto at = [&](double s) {
        const std::chrono::milliseconds low{static_cast<std::int64_t>(s * 1000)};
        return static_cast<double>(curve.at(low).count);
      };
      return (at(z + 300) - at(z)) / 300;
    };
    double low = 0;
    double high = 50'400;
    for (int i = 0; i < 100; ++i) {
      const double z = (low + high) / 2;
      (part_of(all, z) > static_cast<double>(request.count) ? low : high) = z;
    }
    REQUIRE(split.level.has_value() == (request < able));
    if (split.level && request > Watts{0}) {
      const double z = static_cast<double>(split.level->count()) / 1000;
      // `at` rounds to joules, the level to a millisecond.
      REQUIRE(std::abs(part_of(all, z) - static_cast<double>(request.count)) <
              2 + static_cast<double>(able.count) * 1e-4);
    }
    for (std::size_t i = 0; i < children.size(); ++i) {
      const double full = part_of(children[i], 0);
      REQUIRE(static_cast<double>(split.shares[i].count) <= full + 1e-9);
      if (request < able) {
        const double tolerance = 2 + full * 1e-4;  // `at` rounds to joules, z to milliseconds
        REQUIRE(std::abs(static_cast<double>(split.shares[i].count) - part_of(children[i], high)) <
                tolerance);
      }
    }
  }
}

TEST_CASE("a three-level tree gives each site what a flat split would, to the watt",
          "[aggregation][split]") {
  Rng rng{15};
  for (int round = 0; round < 60; ++round) {
    std::vector<std::vector<std::vector<DurationCurve>>> tree(2 + rng.below(3));
    std::vector<DurationCurve> regions;
    std::vector<std::vector<DurationCurve>> feeders(tree.size());
    std::vector<DurationCurve> flat;
    Watts able{0};
    for (std::size_t r = 0; r < tree.size(); ++r) {
      regions.emplace_back();
      for (std::size_t f = 0, n = 1 + rng.below(4); f < n; ++f) {
        tree[r].emplace_back();
        feeders[r].emplace_back();
        for (const auto& site : random_sites(rng, 1 + rng.below(10))) {
          tree[r][f].push_back(DurationCurve::of_site(site));
          feeders[r][f] += tree[r][f].back();
          flat.push_back(tree[r][f].back());
          able += Watts{flat.back().at(5min).count / 300};
        }
        regions[r] += feeders[r][f];
      }
    }
    const Watts request{between(rng, 0, able.count)};
    const Split expected = split_by_curves(request, flat);
    const Split top = split_by_curves(request, regions);
    std::size_t leaf = 0;
    for (std::size_t r = 0; r < tree.size(); ++r) {
      const Split middle = split_by_curves(top.shares[r], feeders[r]);
      for (std::size_t f = 0; f < tree[r].size(); ++f) {
        const Split bottom = split_by_curves(middle.shares[f], tree[r][f]);
        for (const Watts share : bottom.shares) {
          REQUIRE(std::abs((share - expected.shares[leaf++]).count) <= 3);  // a watt per level
        }
      }
    }
  }
}

TEST_CASE("the largest scale of a request is the tightest of its durations",
          "[aggregation][feasibility]") {
  const auto curve = DurationCurve::of_site({Watts{4000}, to_joules(WattHours{4000})});
  CHECK(scale_max_millionths(std::vector{Watts{2000}}, 1h, curve) == 2'000'000);
  CHECK(scale_max_millionths(std::vector{Watts{2000}, Watts{0}, Watts{2000}}, 1h, curve) ==
        1'000'000);
  CHECK(scale_max_millionths(std::vector{Watts{3000}, Watts{3000}}, 1h, curve) == 666'666);
  CHECK(scale_max_millionths(std::vector{Watts{0}}, 1h, curve) == kUnboundedScale);
  CHECK(scale_max_millionths({}, 1h, curve) == kUnboundedScale);
  CHECK(scale_max_millionths(std::vector{Watts{1}}, 1h, DurationCurve{}) == 0);
}

TEST_CASE("what must stay unserved is the largest excess over the curve",
          "[aggregation][feasibility]") {
  const auto curve = DurationCurve::of_site({Watts{4000}, to_joules(WattHours{4000})});
  CHECK(unserved_min(std::vector{Watts{4000}}, 1h, curve) == Joules{0});
  CHECK(unserved_min(std::vector{Watts{5000}}, 1h, curve) == to_joules(WattHours{1000}));
  CHECK(unserved_min(std::vector{Watts{3000}, Watts{3000}}, 1h, curve) ==
        to_joules(WattHours{2000}));
  CHECK(unserved_min({}, 1h, curve) == Joules{0});
}

}  // namespace
}  // namespace vpp::aggregation
