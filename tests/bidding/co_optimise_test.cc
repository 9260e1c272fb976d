// Energy and reserve together: against the program written out in full, and against greedy.
#include "bidding/co_optimise.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <vector>

#include "bidding/clp_solver.h"
#include "config/rng.h"
#include "tests/bidding/random_curve.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

constexpr MarketTime kCoNow{std::chrono::days{17'000}};

Watts up_to_watts(Rng& rng, std::int64_t most) {
  return {static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most) + 1))};
}

struct CoCase {
  CoProblem problem;
  FirmCurve curve;
};

/// `blocks`: whether some products span several slots.
CoCase random_case(Rng& rng, std::size_t slots, bool blocks) {
  CoCase out{{.slot = 15min, .committed = {}, .caps = {}, .products = {}},
             FirmCurve{testing::random_curve(rng, 12), 900}};
  const std::int64_t most_w = 1 + out.curve.at(15min).count / 900;
  for (std::size_t t = 0; t < slots; ++t) {
    out.problem.committed.push_back(rng.below(4) == 0 ? up_to_watts(rng, most_w / 6) : Watts{0});
    out.problem.caps.push_back(rng.below(3) == 0 ? up_to_watts(rng, most_w) : Watts{2 * most_w});
    const Price price{static_cast<std::int64_t>(rng.below(200)) - 40};
    const auto rest = static_cast<std::uint64_t>(slots - t);
    out.problem.products.push_back({t, 1, energy_worth(price, Price{10}), Watts{most_w}});
    const Price worth = reserve_worth(Price{static_cast<std::int64_t>(rng.below(60))}, price,
                                      Price{10}, static_cast<std::int32_t>(rng.below(1001)));
    const auto count =
        static_cast<std::size_t>(blocks ? 1 + rng.below(std::min<std::uint64_t>(rest, 16)) : 1);
    out.problem.products.push_back({t, count, worth, up_to_watts(rng, most_w)});
  }
  return out;
}

double worth_of_plan(const CoProblem& problem, const std::vector<Watts>& power) {
  double out = 0;
  for (std::size_t i = 0; i < power.size(); ++i) {
    const ReserveProduct& product = problem.products[i];
    out += static_cast<double>(product.worth.count) * static_cast<double>(product.count) *
           static_cast<double>(power[i].count);
  }
  return out;
}

/// All conditions at once: of the k largest P the sum is the least over lambda of
/// k lambda + sum of (P - lambda)+.
double best_in_full(const CoCase& of) {
  const auto& [problem, curve] = of;
  const std::size_t slots = problem.committed.size();
  const auto program = clp_program();
  const double unit_w = 1000;
  std::vector<std::vector<LinearTerm>> in_slot(slots);
  for (const ReserveProduct& product : problem.products) {
    const auto column = program->add_column(
        static_cast<double>(product.worth.count) * static_cast<double>(product.count) * unit_w,
        {0, static_cast<double>(product.most.count) / unit_w});
    for (std::size_t t = product.first; t < product.first + product.count; ++t) {
      in_slot[t].push_back({column, 1});
    }
  }
  for (std::size_t t = 0; t < slots; ++t) {
    const auto left = problem.caps[t] - problem.committed[t];
    program->add_row(in_slot[t],
                     {-kUnbounded, std::max(0.0, static_cast<double>(left.count) / unit_w)});
  }
  for (std::size_t k = 1; k <= slots; ++k) {
    const auto omega = curve.at(problem.slot * static_cast<int>(k));
    const auto lambda = program->add_column(0, {0, kUnbounded});
    std::vector<LinearTerm> all{{lambda, static_cast<double>(k)}};
    for (std::size_t t = 0; t < slots; ++t) {
      const auto over = program->add_column(0, {0, kUnbounded});
      all.push_back({over, 1});
      std::vector<LinearTerm> row = in_slot[t];
      row.push_back({over, -1});
      row.push_back({lambda, -1});
      program->add_row(row,
                       {-kUnbounded, -static_cast<double>(problem.committed[t].count) / unit_w});
    }
    program->add_row(all, {-kUnbounded, static_cast<double>(omega.count) / 900 / unit_w});
  }
  const auto solution = program->maximise();
  REQUIRE(solution.has_value());
  return solution->gain;
}

/// In order of falling worth each product gets what the curve and the caps still leave.
std::vector<Watts> greedy(const CoCase& of) {
  const auto& [problem, curve] = of;
  const auto slot_of = [&](std::size_t t) { return kCoNow + problem.slot * static_cast<int>(t); };
  Profile profile{kCoNow};
  std::vector<Watts> in_slot = problem.committed;
  for (std::size_t t = 0; t < in_slot.size(); ++t) {
    profile.add({in_slot[t], slot_of(t), slot_of(t + 1)});
  }
  std::vector<std::size_t> order(problem.products.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::ranges::stable_sort(order, std::greater{},
                           [&](std::size_t i) { return problem.products[i].worth; });
  std::vector<Watts> sold(order.size());
  for (const std::size_t i : order) {
    const ReserveProduct& product = problem.products[i];
    if (product.worth <= Price{0}) break;
    const std::size_t t = product.first;
    const Watts left = std::max(Watts{0}, problem.caps[t] - in_slot[t]);
    sold[i] =
        std::min({left, product.most, profile.largest_addition(slot_of(t), slot_of(t + 1), curve)});
    profile.add({sold[i], slot_of(t), slot_of(t + 1)});
    in_slot[t] += sold[i];
  }
  return sold;
}

/// A watt of each product may be lost to rounding, and what a solver takes for equal.
double lost_at_most(const CoProblem& problem, double best) {
  double out = 1e-6 * best;
  for (const ReserveProduct& product : problem.products) {
    out += std::max(0.0, static_cast<double>(product.worth.count)) *
           static_cast<double>(product.count) * 2;
  }
  return out;
}

}  // namespace

TEST_CASE("cuts find what the program in full finds, and keep to the curve",
          "[bidding][co_optimise][lp]") {
  Rng rng{GENERATE(range(1U, 120U))};
  const CoCase of = random_case(rng, 1 + rng.below(12), rng.below(2) == 0);
  const auto program = clp_program();
  const auto plan = co_optimise(of.problem, of.curve, *program);
  REQUIRE(plan.has_value());
  const std::vector<Watts> nothing(of.problem.products.size());
  if (!keeps_to(of.problem, nothing, of.curve)) {
    CHECK(plan->power == nothing);
    return;
  }
  CHECK(keeps_to(of.problem, plan->power, of.curve));
  const double best = best_in_full(of);
  const double got = worth_of_plan(of.problem, plan->power);
  CHECK(got <= best * (1 + 1e-6) + 1e-3);
  CHECK(got >= best - lost_at_most(of.problem, best));
}

TEST_CASE("without blocks greedy is as good as the program", "[bidding][co_optimise]") {
  Rng rng{GENERATE(range(1U, 60U))};
  const CoCase of = random_case(rng, 1 + rng.below(48), false);
  const auto program = clp_program();
  const auto plan = co_optimise(of.problem, of.curve, *program);
  REQUIRE(plan.has_value());
  const double got = worth_of_plan(of.problem, plan->power);
  const auto sold = greedy(of);
  const double by_greedy = worth_of_plan(of.problem, sold);
  CHECK(got == Approx(by_greedy).margin(lost_at_most(of.problem, by_greedy)));
}

TEST_CASE("a block is sold where it is worth more than what it displaces",
          "[bidding][co_optimise]") {
  const FirmCurve curve{aggregation::DurationCurve::of_site({Watts{1000}, to_joules({1000})}),
                        1000};
  CoProblem problem{.slot = 1h,
                    .committed = {Watts{0}, Watts{0}},
                    .caps = {Watts{1000}, Watts{1000}},
                    .products = {{0, 1, Price{20}, Watts{1000}}, {0, 2, Price{30}, Watts{1000}}}};
  const auto solve = [&] {
    const auto program = clp_program();
    return co_optimise(problem, curve, *program)->power;
  };
  // Of 1 kWh: the full power for an hour at 20, or half of it for two hours at 30.
  CHECK(solve() == std::vector{Watts{0}, Watts{500}});
  problem.products[0].worth = Price{40};
  CHECK(solve() == std::vector{Watts{1000}, Watts{0}});
}

TEST_CASE("promises beyond the curve leave nothing to sell", "[bidding][co_optimise]") {
  const FirmCurve curve{aggregation::DurationCurve::of_site({Watts{1000}, to_joules({1000})}),
                        1000};
  const CoProblem problem{.slot = 1h,
                          .committed = {Watts{800}, Watts{800}, Watts{0}},
                          .caps = {Watts{1000}, Watts{1000}, Watts{1000}},
                          .products = {{2, 1, Price{50}, Watts{1000}}}};
  const auto program = clp_program();
  CHECK(co_optimise(problem, curve, *program)->power == std::vector{Watts{0}});
}

TEST_CASE("a row's price is what the gain grows by when its bound gives way",
          "[bidding][linear_program]") {
  const auto solve = [](double room) {
    const auto program = clp_program();
    const auto x = program->add_column(3, {0, kUnbounded});
    const auto y = program->add_column(2, {0, 4});
    program->add_row(std::vector<LinearTerm>{{x, 1}, {y, 1}}, {-kUnbounded, room});
    program->add_row(std::vector<LinearTerm>{{x, 1}}, {-kUnbounded, 2});
    return *program->maximise();
  };
  const LinearSolution five = solve(5);
  CHECK(five.gain == Approx(3 * 2 + 2 * 3));
  CHECK(five.values[1] == Approx(3));
  CHECK(five.prices[0] == Approx(solve(5.5).gain - solve(4.5).gain));
  CHECK(five.prices[1] == Approx(1));
}

TEST_CASE("a program without a solution says which kind", "[bidding][linear_program]") {
  const auto program = clp_program();
  const auto x = program->add_column(1, {0, kUnbounded});
  CHECK(program->maximise().error() == LinearFailure::kUnlimited);
  const std::vector<LinearTerm> row{{x, 1}};
  program->add_row(row, {-kUnbounded, 3});
  CHECK(program->maximise()->gain == Approx(3));
  program->add_column(5, {0, 1}, std::vector<LinearTerm>{{0, 1}});
  CHECK(program->maximise()->gain == Approx(7));
  program->add_row(row, {4, kUnbounded});
  CHECK(program->maximise().error() == LinearFailure::kInfeasible);
}
