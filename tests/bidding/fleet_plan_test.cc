// Batteries that share something: jointly, by mixing plans, and alone. Then days at risk.
#include "bidding/fleet_plan.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "bidding/clp_solver.h"
#include "bidding/risk_plan.h"
#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr Watts kFree{1'000'000'000};

std::int64_t up_to(Rng& rng, std::int64_t most) {
  return static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most) + 1));
}

Price random_price(Rng& rng, std::int64_t least) {
  return {(least + up_to(rng, 150)) * 1'000'000};
}

FleetProblem random_fleet(Rng& rng, std::size_t slots, std::size_t groups) {
  FleetProblem out{.slot = 1h, .prices = {}, .bounds = {}, .groups = {}};
  Watts all{0};
  for (std::size_t i = 0; i < groups; ++i) {
    const Battery battery{Watts{50'000 + up_to(rng, 200'000)},
                          WattHours{50'000 + up_to(rng, 600'000)},
                          static_cast<std::int32_t>(700 + rng.below(301)), random_price(rng, 0)};
    const Joules stored{up_to(rng, to_joules(battery.energy).count)};
    out.groups.push_back({battery, stored, random_price(rng, 0)});
    all += battery.power;
  }
  for (std::size_t t = 0; t < slots; ++t) {
    out.prices.push_back(random_price(rng, -20));
    const Watts most{all.count / 4 + up_to(rng, all.count)};
    out.bounds.push_back({-most, most});
  }
  return out;
}

double worth_jointly(const FleetProblem& problem) {
  const auto program = clp_program();
  return plan_jointly(problem, *program).value().worth;
}

/// What a schedule of the first group alone is worth.
double worth_alone(const FleetProblem& problem) {
  const FleetGroup& group = problem.groups.front();
  const auto power =
      plan_battery(group.battery, problem.slot, problem.prices, group.stored, group.left_value);
  double worth = 0;
  Joules stored = group.stored;
  for (std::size_t t = 0; t < power.size(); ++t) {
    const double kw = static_cast<double>(power[t].count) / 1000;
    worth += kw * gain_per_kw(problem.prices[t], problem.slot) -
             std::max(0.0, kw) * gain_per_kw(group.battery.wear, problem.slot);
    stored = stored_after(group.battery, problem.slot, stored, power[t]);
  }
  return worth + static_cast<double>(stored.count) / 3.6e6 *
                     static_cast<double>(group.left_value.count) / 1e9;
}

}  // namespace

TEST_CASE("a battery that shares nothing does jointly what it does alone",
          "[bidding][fleet_plan]") {
  Rng rng{GENERATE(range(1U, 40U))};
  FleetProblem problem = random_fleet(rng, 24, 1);
  for (Price& price : problem.prices) price = std::max(price, Price{0});
  for (FleetBounds& bounds : problem.bounds) bounds = {-kFree, kFree};
  CHECK(worth_jointly(problem) == Approx(worth_alone(problem)).margin(0.02));
}

TEST_CASE("mixing plans finds what the joint program finds", "[bidding][fleet_plan]") {
  Rng rng{GENERATE(range(1U, 40U))};
  FleetProblem problem = random_fleet(rng, 4 + rng.below(12), 1 + rng.below(4));
  const bool some_negative = rng.below(2) == 0;
  if (!some_negative) {
    for (Price& price : problem.prices) price = std::max(price, Price{0});
  }
  if (rng.below(2) == 0) {
    // Sold before: what is in store at the begin surely gives it.
    Watts surely{0};
    for (const FleetGroup& group : problem.groups) {
      surely += std::min(group.battery.power, Watts{group.stored.count / 3600});
    }
    problem.bounds[0].least = std::min(Watts{surely.count / 2}, problem.bounds[0].most);
  }
  const auto program = clp_program();
  const auto plan = mix_plans(problem, *program);
  REQUIRE(plan.has_value());
  const double jointly = worth_jointly(problem);
  // A plan that burns energy because its price is negative does so in a slot, at a wear that a net
  // power does not show: there the two count differently.
  if (!some_negative) CHECK(plan->worth == Approx(jointly).epsilon(1e-3).margin(0.02));
  for (std::size_t t = 0; t < problem.prices.size(); ++t) {
    Watts sum{0};
    for (const auto& power : plan->power) sum += power[t];
    CHECK(sum.count <= problem.bounds[t].most.count + 4);
    CHECK(sum.count >= problem.bounds[t].least.count - 4);
  }
}

TEST_CASE("a promise that cannot be kept is told", "[bidding][fleet_plan]") {
  const Battery battery{Watts{1000}, WattHours{1000}, 900, Price{0}};
  const FleetProblem problem{.slot = 1h,
                             .prices = {Price{50'000'000}, Price{50'000'000}},
                             .bounds = {{Watts{900}, kFree}, {Watts{900}, kFree}},
                             .groups = {{battery, to_joules(WattHours{1000}), Price{0}}}};
  const auto program = clp_program();
  CHECK(plan_jointly(problem, *program).error() == LinearFailure::kInfeasible);
  const auto other = clp_program();
  CHECK(mix_plans(problem, *other).error() == LinearFailure::kInfeasible);
}

namespace {

RiskProblem random_risk(Rng& rng, std::size_t paths) {
  RiskProblem out{.battery = {Watts{1'000'000}, WattHours{2'000'000}, 900, Price{1'000'000}},
                  .slot = 1h,
                  .paths = {}};
  for (std::size_t i = 0; i < paths; ++i) {
    auto& path = out.paths.emplace_back();
    for (int t = 0; t < 12; ++t) {
      path.push_back({(20 + (t % 6) * 8 + up_to(rng, 5 + 10 * (t % 4))) * 1'000'000});
    }
  }
  return out;
}

}  // namespace

TEST_CASE("risk weighs from the mean to the worst, and never gains both", "[bidding][risk_plan]") {
  Rng rng{GENERATE(range(1U, 12U))};
  RiskProblem problem = random_risk(rng, 5 + rng.below(30));
  const auto plan = [&](double weight) {
    problem.weight = weight;
    const auto program = clp_program();
    return plan_at_risk(problem, *program).value();
  };
  PricePath mean(problem.paths.front().size());
  for (std::size_t t = 0; t < mean.size(); ++t) {
    for (const PricePath& path : problem.paths) mean[t] += path[t];
    mean[t].count /= static_cast<std::int64_t>(problem.paths.size());
  }
  const auto best = plan_battery(problem.battery, problem.slot, mean, Joules{0}, Price{0});
  RiskPlan before = plan(0);
  CHECK(before.mean == Approx(risk_of(problem, best).mean).margin(0.02));
  for (const double weight : {0.25, 0.5, 0.75, 1.0}) {
    const RiskPlan next = plan(weight);
    CHECK(next.mean <= before.mean + 0.02);
    CHECK(next.worst >= before.worst - 0.02);
    // No mixture of the two others is better: so the weight is kept to.
    for (const RiskPlan& other : {before, risk_of(problem, best)}) {
      const auto both = [&](const RiskPlan& of) {
        return (1 - weight) * of.mean + weight * of.worst;
      };
      CHECK(both(next) >= both(other) - 0.02);
    }
    before = next;
  }
  CHECK(plan(1).worst >= 0);  // to do nothing earns that
}

TEST_CASE("paths take every slot's quantiles and the order of past days", "[bidding][risk_plan]") {
  const auto euro = [](std::int64_t value) { return Price{value * 1'000'000}; };
  const std::vector<std::vector<Price>> quantiles{{euro(10), euro(20), euro(30)},
                                                  {euro(100), euro(200), euro(300)}};
  // The second day was the dearest at first and the cheapest then.
  const std::vector<PricePath> days{{euro(5), euro(7)}, {euro(9), euro(1)}};
  const auto paths = price_paths(quantiles, days);
  // Of two days the levels are a quarter and three quarters: the first and the last quantile.
  CHECK(paths == std::vector<PricePath>{{euro(10), euro(300)}, {euro(30), euro(100)}});
}
