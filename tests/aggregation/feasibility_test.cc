// Feasibility, scale and unserved energy against a linear program, and the policy's closed loop at
// the exact boundary.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <numeric>
#include <vector>

#include "aggregation/plan.h"
#include "aggregation/split.h"
#include "aggregation/wide.h"
#include "tests/aggregation/fleets.h"
#include "tests/aggregation/linear_program.h"

namespace vpp::aggregation {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using Sites = std::vector<device::Capability>;
using Request = std::vector<Watts>;

Request random_request(Rng& rng, const Sites& sites, std::size_t slots, std::int64_t percent) {
  std::int64_t power = 1;
  for (const auto& site : sites) power += site.power.count;
  Request request;
  for (std::size_t t = 0; t < slots; ++t) {
    request.push_back({rng.below(5) == 0 ? 0 : between(rng, 0, power * percent / 100)});
  }
  return request;
}

double total_of(const Request& request, double slot_s) {
  double sum = 0;
  for (const Watts power : request) sum += static_cast<double>(power.count) * slot_s;
  return sum;
}

/// Carries the plan out and checks what it says about itself: sums, powers, energies.
struct Outcome {
  Joules unserved;
  bool whole_watts = true;
};
Outcome carry_out(Plan& plan, Sites sites, const Request& request, std::chrono::seconds slot) {
  Outcome outcome{};
  REQUIRE(plan.steps() == request.size());
  for (const Watts asked : request) {
    const PlanStep& step = plan.next();
    REQUIRE(step.asked == Joules{asked.count * slot.count()});
    Joules served{0};
    for (std::size_t i = 0; i < sites.size(); ++i) {
      const Joules energy = step.by_site[i];
      REQUIRE(energy >= Joules{0});
      REQUIRE(energy <= Joules{sites[i].power.count * slot.count()});
      REQUIRE(energy <= sites[i].energy);
      sites[i].energy -= energy;
      served += energy;
      outcome.whole_watts = outcome.whole_watts && energy.count % slot.count() == 0;
    }
    REQUIRE(served == step.served);
    REQUIRE(served <= step.asked);
    outcome.unserved += step.asked - served;
  }
  return outcome;
}

TEST_CASE("feasible, scale and unserved equal a linear program's, and the policy reaches them",
          "[aggregation][lp]") {
  Rng rng{31};
  int feasible = 0;
  int fractional = 0;
  for (int round = 0; round < 400; ++round) {
    const auto slot = std::chrono::seconds{rng.below(2) == 0 ? 300 : between(rng, 1, 5'000)};
    const Sites sites = random_sites(rng, 1 + rng.below(7));
    const Request request = random_request(rng, sites, 1 + rng.below(7), between(rng, 10, 250));
    auto plan = Plan::make(sites, request, slot);
    REQUIRE(plan.has_value());
    const auto slot_s = static_cast<double>(slot.count());
    const double lp_left = lp_unserved(sites, request, slot_s);
    const double tolerance = 1 + total_of(request, slot_s) * 1e-8;
    const auto& summary = plan->summary();
    REQUIRE(std::abs(static_cast<double>(summary.unserved.count) - lp_left) < tolerance);
    REQUIRE(summary.feasible == (summary.unserved == Joules{0}));
    if (std::ranges::any_of(request, [](Watts p) { return p > Watts{0}; })) {
      const double lp = lp_scale_max(sites, request, slot_s);
      REQUIRE(summary.scale_max.has_value());
      REQUIRE(std::abs(*summary.scale_max - lp) <= 1e-6 * (1 + lp));
      REQUIRE(summary.feasible == (*summary.scale_max >= 1));
    } else {
      REQUIRE_FALSE(summary.scale_max.has_value());
    }
    const Joules unserved = summary.unserved;
    const auto outcome = carry_out(*plan, sites, request, slot);
    REQUIRE(outcome.unserved == unserved);  // not a joule more
    if (unserved == Joules{0}) ++feasible;
    if (!outcome.whole_watts) ++fractional;
  }
  CHECK(feasible > 50);
  CHECK(feasible < 350);
  CHECK(fractional > 10);
}

TEST_CASE("on slots of the grid the curve alone gives the linear program's answers",
          "[aggregation][lp]") {
  Rng rng{32};
  for (int round = 0; round < 200; ++round) {
    const auto slot = std::vector{300s, 900s, 3600s}[rng.below(3)];
    const Sites sites = random_sites(rng, 1 + rng.below(7));
    const Request request = random_request(rng, sites, 1 + rng.below(6), between(rng, 10, 120));
    const auto slot_s = static_cast<double>(slot.count());
    const auto curve = curve_of(sites);
    const Joules unserved = unserved_min(request, slot, curve);
    REQUIRE(std::abs(static_cast<double>(unserved.count) - lp_unserved(sites, request, slot_s)) <
            1 + total_of(request, slot_s) * 1e-8);
    if (std::ranges::none_of(request, [](Watts p) { return p > Watts{0}; })) continue;
    const std::int64_t scale = scale_max_millionths(request, slot, curve);
    const double lp = lp_scale_max(sites, request, slot_s);
    REQUIRE(std::abs(static_cast<double>(scale) - lp * 1e6) <= 1 + lp);
    REQUIRE((scale >= 1'000'000) == (unserved == Joules{0}));
  }
}

TEST_CASE("off the grid the curve never calls feasible what a linear program does not",
          "[aggregation][lp]") {
  Rng rng{33};
  for (int round = 0; round < 100; ++round) {
    const auto slot = std::chrono::seconds{between(rng, 60, 4'000)};
    const Sites sites = random_sites(rng, 1 + rng.below(7));
    const Request request = random_request(rng, sites, 1 + rng.below(6), between(rng, 10, 120));
    const auto slot_s = static_cast<double>(slot.count());
    const double lp_left = lp_unserved(sites, request, slot_s);
    REQUIRE(static_cast<double>(unserved_min(request, slot, curve_of(sites)).count) >=
            lp_left - 1 - total_of(request, slot_s) * 1e-8);
  }
}

/// A request that is tight for every number of slots at once, in random order.
Request boundary_of(Rng& rng, const Sites& sites, std::size_t slots, std::int64_t slot_s) {
  Request request;
  std::int64_t before = 0;
  for (std::size_t k = 1; k <= slots; ++k) {
    std::int64_t omega = 0;
    for (const auto& site : sites) {
      omega +=
          std::min(site.energy.count, site.power.count * slot_s * static_cast<std::int64_t>(k));
    }
    request.push_back({(omega - before) / slot_s});
    before = omega;
  }
  for (std::size_t i = request.size(); i > 1; --i) std::swap(request[i - 1], request[rng.below(i)]);
  return request;
}

TEST_CASE("a request at the exact boundary is served to the watt, in whole watts",
          "[aggregation][boundary]") {
  Rng rng{34};
  for (int round = 0; round < 200; ++round) {
    const std::int64_t slot_s = std::vector<std::int64_t>{300, 900, 3600}[rng.below(3)];
    Sites sites = random_sites(rng, 1 + rng.below(60));
    for (auto& site : sites) site.energy = {site.energy.count / slot_s * slot_s};
    Request request = boundary_of(rng, sites, 1 + rng.below(40), slot_s);
    const std::chrono::seconds slot{slot_s};

    auto plan = Plan::make(sites, request, slot);
    REQUIRE(plan->summary().feasible);
    REQUIRE(plan->summary().unserved == Joules{0});
    auto outcome = carry_out(*plan, sites, request, slot);
    REQUIRE(outcome.unserved == Joules{0});
    REQUIRE(outcome.whole_watts);

    // One watt more in any slot cannot be served, and no more than that stays unserved.
    request[rng.below(request.size())] += Watts{1};
    plan = Plan::make(sites, request, slot);
    REQUIRE_FALSE(plan->summary().feasible);
    REQUIRE(plan->summary().unserved == Joules{slot_s});
    REQUIRE(carry_out(*plan, sites, request, slot).unserved == Joules{slot_s});
  }
}

TEST_CASE("whole watts are kept as long as they serve as much as any policy",
          "[aggregation][boundary]") {
  const Sites sites{{Watts{2}, Joules{450}}, {Watts{2}, Joules{450}}};  // 1.5 W for 300 s each
  auto relaxed = Plan::make(sites, {Watts{2}}, 300s);
  CHECK(carry_out(*relaxed, sites, {Watts{2}}, 300s).whole_watts);
  auto tight = Plan::make(sites, {Watts{3}}, 300s);
  CHECK(tight->summary().feasible);
  const auto outcome = carry_out(*tight, sites, {Watts{3}}, 300s);
  CHECK(outcome.unserved == Joules{0});
  CHECK_FALSE(outcome.whole_watts);
}

/// The daemon's loop: a split every tick with fresh energies, D = 5 min, slots much longer.
TEST_CASE("control every ten seconds at the boundary loses next to nothing to equalisation",
          "[aggregation][boundary]") {
  Rng rng{35};
  constexpr int kRounds = 10;
  double lost_sum = 0;
  for (int round = 0; round < kRounds; ++round) {
    constexpr std::int64_t kSlotS = 1800;
    constexpr std::int64_t kTickS = 10;
    Sites sites = random_sites(rng, 20);
    for (auto& site : sites) site.energy = {site.energy.count / kSlotS * kSlotS};
    const Request request = boundary_of(rng, sites, 6, kSlotS);
    double unserved = 0;
    for (const Watts asked : request) {
      for (std::int64_t s = 0; s < kSlotS; s += kTickS) {
        const Split split = split_by_sites(asked, sites);
        unserved += static_cast<double>(split.shortfall.count * kTickS);
        for (std::size_t i = 0; i < sites.size(); ++i) {
          const Joules served = std::min(Joules{split.shares[i].count * kTickS}, sites[i].energy);
          unserved += static_cast<double>(split.shares[i].count * kTickS - served.count);
          sites[i].energy -= served;
        }
      }
    }
    const double lost = unserved / total_of(request, kSlotS);
    REQUIRE(lost <= 3e-3);
    lost_sum += lost;
  }
  CHECK(lost_sum <= kRounds * 1e-3);
}

TEST_CASE("of both signs each way equals its linear program, and no battery leaves its bounds",
          "[aggregation][lp][plan]") {
  Rng rng{36};
  for (int round = 0; round < 60; ++round) {
    const auto slot = std::chrono::seconds{between(rng, 60, 4'000)};
    const auto slot_s = static_cast<double>(slot.count());
    const Sites energy = random_sites(rng, 1 + rng.below(6));
    const Sites room = random_sites(rng, energy.size());
    Request out = random_request(rng, energy, 1 + rng.below(6), between(rng, 10, 200));
    Request in = random_request(rng, room, out.size(), between(rng, 10, 200));
    Request request;
    for (std::size_t t = 0; t < out.size(); ++t) {
      (rng.below(2) == 0 ? out : in)[t] = Watts{0};
      request.push_back(out[t] - in[t]);
    }
    auto plan = TwoWayPlan::make(energy, room, request, slot);
    REQUIRE(plan.has_value());
    const TwoWaySummary summary = plan->summary();
    const double tolerance = 1 + (total_of(out, slot_s) + total_of(in, slot_s)) * 1e-8;
    const auto left = [](Joules joules) { return static_cast<double>(joules.count); };
    REQUIRE(std::abs(left(summary.discharge.unserved) - lp_unserved(energy, out, slot_s)) <
            tolerance);
    REQUIRE(std::abs(left(summary.charge.unserved) - lp_unserved(room, in, slot_s)) < tolerance);
    REQUIRE(summary.both().feasible == (summary.both().unserved == Joules{0}));
    Joules unserved{0};
    std::vector<Joules> stored;  // without losses, from what it has to discharge
    for (const auto& site : energy) stored.push_back(site.energy);
    for (const Watts asked : request) {
      const PlanStep& step = plan->next();
      REQUIRE(step.asked == Joules{asked.count * slot.count()});
      const Joules missing = step.asked - step.served;
      unserved += Joules{std::abs(missing.count)};
      for (std::size_t i = 0; i < energy.size(); ++i) {
        REQUIRE(Int128{step.by_site[i].count} * asked.count >= 0);
        stored[i] -= step.by_site[i];
        REQUIRE(stored[i] >= Joules{0});
        REQUIRE(stored[i] <= energy[i].energy + room[i].energy);
      }
    }
    REQUIRE(unserved == summary.both().unserved);
  }
}

TEST_CASE("a plan over nothing is feasible and asks nobody", "[aggregation][plan]") {
  auto none = Plan::make({}, {Watts{0}, Watts{0}}, 300s);
  REQUIRE(none.has_value());
  CHECK(none->summary().feasible);
  CHECK_FALSE(none->summary().scale_max.has_value());
  CHECK(none->next().served == Joules{0});
  auto empty = Plan::make({}, {Watts{5}}, 300s);
  CHECK_FALSE(empty->summary().feasible);
  CHECK(empty->summary().scale_max == 0.0);
  CHECK(empty->summary().unserved == Joules{1500});
}

TEST_CASE("negative or overflowing plans are refused", "[aggregation][plan]") {
  CHECK(Plan::make({{Watts{-1}, Joules{1}}}, {Watts{1}}, 1s).error() == PlanError::kNegative);
  CHECK(Plan::make({{Watts{1}, Joules{-1}}}, {Watts{1}}, 1s).error() == PlanError::kNegative);
  CHECK(Plan::make({{Watts{1}, Joules{1}}}, {Watts{-1}}, 1s).error() == PlanError::kNegative);
  CHECK(Plan::make({{Watts{INT64_MAX}, Joules{1}}}, {Watts{1}}, 1s).error() ==
        PlanError::kTooLarge);
  CHECK(Plan::make({{Watts{1}, Joules{1}}}, {Watts{INT64_MAX}}, 2s).error() ==
        PlanError::kTooLarge);
  CHECK(TwoWayPlan::make({{}}, {{}}, std::vector{Watts{INT64_MIN}}, 1s).error() ==
        PlanError::kTooLarge);
  CHECK(TwoWayPlan::make({{}}, {{Watts{-1}, Joules{1}}}, std::vector{Watts{1}}, 1s).error() ==
        PlanError::kNegative);
}

}  // namespace
}  // namespace vpp::aggregation
