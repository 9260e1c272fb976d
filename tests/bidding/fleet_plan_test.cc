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
  const auto course =
      battery_course(group.battery, problem.slot, problem.prices, group.stored, group.left_value);
  const auto out = discharged_in(group.battery, problem.slot, group.stored, course);
  const auto mwh = [](Joules energy) { return static_cast<double>(energy.count) / 3.6e9; };
  const auto per_mwh = [](Price price) { return static_cast<double>(price.count) / 1e6; };
  double worth = mwh(course.stored.back()) * per_mwh(group.left_value);
  for (std::size_t t = 0; t < out.size(); ++t) {
    const Joules sold{course.power[t].count * problem.slot / 1s};
    worth += mwh(sold) * per_mwh(problem.prices[t]) - mwh(out[t]) * per_mwh(group.battery.wear);
  }
  return worth;
}

}  // namespace

TEST_CASE("a battery that shares nothing does jointly what it does alone",
          "[bidding][fleet_plan]") {
  Rng rng{GENERATE(range(1U, 40U))};
  FleetProblem problem = random_fleet(rng, 24, 1);
  for (FleetBounds& bounds : problem.bounds) bounds = {-kFree, kFree};
  // Every second fleet is paid for wasting: at times more than the wear of it, at times less.
  const Price lower{rng.below(2) == 0 ? 0 : up_to(rng, 600) * 1'000'000};
  for (Price& price : problem.prices) price = std::max(price, Price{0}) - lower;
  CHECK(worth_jointly(problem) == Approx(worth_alone(problem)).margin(0.02));
}

TEST_CASE("mixing plans finds what the joint program finds", "[bidding][fleet_plan]") {
  Rng rng{GENERATE(range(1U, 40U))};
  FleetProblem problem = random_fleet(rng, 4 + rng.below(12), 1 + rng.below(4));
  const Price lower{rng.below(2) == 0 ? 0 : up_to(rng, 600) * 1'000'000};
  for (Price& price : problem.prices) price -= lower;
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
  CHECK(plan->worth == Approx(jointly).epsilon(1e-4).margin(0.02));
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

PricePath mean_of(const std::vector<PricePath>& paths) {
  PricePath mean(paths.front().size());
  for (std::size_t t = 0; t < mean.size(); ++t) {
    for (const PricePath& path : paths) mean[t] += path[t];
    const auto count = static_cast<double>(paths.size());
    mean[t].count = std::llround(std::floor(static_cast<double>(mean[t].count) / count));
  }
  return mean;
}

}  // namespace

TEST_CASE("without weight the schedule is the one on the forecast that paths are centred on",
          "[bidding][risk_plan]") {
  Rng rng{GENERATE(range(1U, 30U))};
  RiskProblem problem = random_risk(rng, 1 + rng.below(30));
  PricePath forecast;
  for (std::size_t t = 0; t < problem.paths.front().size(); ++t) {
    forecast.push_back({random_price(rng, -50).count + up_to(rng, 999)});
  }
  const auto before = problem.paths;
  centre(problem.paths, forecast);
  CHECK(mean_of(problem.paths) == forecast);
  for (std::size_t t = 0; t < forecast.size(); ++t) {  // what lay between two paths still does
    CHECK(problem.paths.back()[t] - problem.paths.front()[t] ==
          before.back()[t] - before.front()[t]);
  }
  const auto program = clp_program();
  const RiskPlan plan = plan_at_risk(problem, *program).value();
  CHECK(plan.power == plan_battery(problem.battery, problem.slot, forecast, Joules{0}, Price{0}));
}

TEST_CASE("the mean of the worst takes the last of them in part", "[bidding][risk_plan]") {
  CHECK(mean_of_worst({4, 1, 3, 2}, 0.25) == 1);
  CHECK(mean_of_worst({4, 1, 3, 2}, 0.5) == 1.5);
  CHECK(mean_of_worst({4, 1, 3, 2}, 0.375) == Approx((1 + 0.5 * 2) / 1.5));
  CHECK(mean_of_worst({4, 1, 3, 2}, 0.01) == 1);
  CHECK(mean_of_worst({4, 1, 3, 2}, 1) == 2.5);
}

TEST_CASE("risk weighs from the mean to the worst, and never gains both", "[bidding][risk_plan]") {
  Rng rng{GENERATE(range(1U, 12U))};
  RiskProblem problem = random_risk(rng, 5 + rng.below(30));
  const auto plan = [&](double weight) {
    problem.weight = weight;
    const auto program = clp_program();
    return plan_at_risk(problem, *program).value();
  };
  const auto best =
      plan_battery(problem.battery, problem.slot, mean_of(problem.paths), Joules{0}, Price{0});
  RiskPlan before = plan(1e-7);  // at 0 no program is asked
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
