#include "bidding/fleet_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr double kWattsPerKw = 1000;
constexpr double kJoulesPerKwh = 3.6e6;
constexpr double kMicroKwhPerMwh = 1e9;
constexpr int kRoundsMax = 200;
constexpr double kGainMin = 1e-6;  ///< of the worth: less is no better plan
constexpr double kServed = 1e-6;   ///< kilowatts that a promise may lack for rounding

double kw(Watts power) {
  return static_cast<double>(power.count) / kWattsPerKw;
}

double kwh(Joules energy) {
  return static_cast<double>(energy.count) / kJoulesPerKwh;
}

double per_kwh(Price price) {
  return static_cast<double>(price.count) / kMicroKwhPerMwh;
}

LinearBounds kw(const FleetBounds& bounds) {
  return {kw(bounds.least), kw(bounds.most)};
}

/// What a group's course is worth: of the currency.
double worth_of(const FleetProblem& problem, const FleetGroup& group, const BatteryCourse& course) {
  const auto discharged = discharged_in(group.battery, problem.slot, group.stored, course);
  double worth = 0;
  for (std::size_t t = 0; t < course.power.size(); ++t) {
    worth += kw(course.power[t]) * gain_per_kw(problem.prices[t], problem.slot);
    worth -= kwh(discharged[t]) * per_kwh(group.battery.wear);
  }
  const Joules left = course.stored.empty() ? group.stored : course.stored.back();
  return worth + kwh(left) * per_kwh(group.left_value);
}

/// Plans as columns; rows: what is shared by slot, then one for each group.
class Mixture {
 public:
  Mixture(const FleetProblem& problem, LinearProgram& program)
      : problem_{problem}, program_{program}, plans_(problem.groups.size()) {
    for (const FleetBounds& bounds : problem.bounds) program_.add_row({}, kw(bounds));
    for (std::size_t i = 0; i < problem.groups.size(); ++i) program_.add_row({}, {1, 1});
    // What lacks in a slot, or is too much: dearer than anything that is worth doing.
    double dearest = 1e-3;
    for (const Price price : problem.prices) {
      dearest = std::max(dearest, std::abs(gain_per_kw(price, problem.slot)));
    }
    for (std::size_t t = 0; t < problem.bounds.size(); ++t) {
      for (const double sign : {1.0, -1.0}) {
        const LinearTerm term{t, sign};
        lacking_.push_back(program_.add_column(-kPenalty * dearest, {}, {&term, 1}));
      }
    }
    const std::size_t slots = problem.prices.size();
    for (std::size_t i = 0; i < problem.groups.size(); ++i) {
      const Joules stays = problem.groups[i].stored;
      const BatteryCourse idle{std::vector<Watts>(slots), std::vector<Joules>(slots, stays)};
      add(i, idle, worth_of(problem, problem.groups[i], idle));
    }
  }

  [[nodiscard]] std::expected<FleetPlan, LinearFailure> solve() {
    for (int round = 1;; ++round) {
      const auto solution = program_.maximise();
      if (!solution) return std::unexpected{solution.error()};
      if (round < kRoundsMax && ask(*solution)) continue;
      for (const std::size_t column : lacking_) {
        if (solution->values[column] > kServed) {
          return std::unexpected{LinearFailure::kInfeasible};
        }
      }
      return mixed(*solution, round);
    }
  }

 private:
  static constexpr double kPenalty = 1e3;

  struct Plan {
    std::size_t column;
    std::vector<Watts> power;
  };

  void add(std::size_t group, BatteryCourse course, double worth) {
    std::vector<LinearTerm> rows;
    for (std::size_t t = 0; t < course.power.size(); ++t) {
      if (course.power[t] != Watts{0}) rows.push_back({t, kw(course.power[t])});
    }
    rows.push_back({problem_.bounds.size() + group, 1});
    plans_[group].push_back({program_.add_column(worth, {0, 1}, rows), std::move(course.power)});
  }

  /// Each group's best plan at prices less what the shared rows take. False: none is better.
  bool ask(const LinearSolution& solution) {
    const double per_mwh = kMicroKwhPerMwh * 3600 / static_cast<double>(problem_.slot.count());
    std::vector<Price> prices;
    for (std::size_t t = 0; t < problem_.prices.size(); ++t) {
      const Price taken{std::llround(solution.prices[t] * per_mwh)};
      prices.push_back(problem_.prices[t] - taken);
    }
    bool is_better = false;
    for (std::size_t i = 0; i < problem_.groups.size(); ++i) {
      const FleetGroup& group = problem_.groups[i];
      auto course =
          battery_course(group.battery, problem_.slot, prices, group.stored, group.left_value);
      const double worth = worth_of(problem_, group, course);
      double gain = worth - solution.prices[problem_.bounds.size() + i];
      for (std::size_t t = 0; t < prices.size(); ++t) {
        gain -= solution.prices[t] * kw(course.power[t]);
      }
      if (gain <= kGainMin * (1 + std::abs(solution.gain))) continue;
      add(i, std::move(course), worth);
      is_better = true;
    }
    return is_better;
  }

  [[nodiscard]] FleetPlan mixed(const LinearSolution& solution, int rounds) const {
    FleetPlan out{{}, solution.gain, rounds};
    for (const auto& plans : plans_) {
      std::vector<double> sums(problem_.prices.size());
      for (const Plan& plan : plans) {
        const double share = solution.values[plan.column];
        for (std::size_t t = 0; t < sums.size(); ++t) {
          sums[t] += share * static_cast<double>(plan.power[t].count);
        }
      }
      auto& power = out.power.emplace_back();
      for (const double sum : sums) power.push_back({std::llround(sum)});
    }
    return out;
  }

  const FleetProblem& problem_;
  LinearProgram& program_;
  std::vector<std::vector<Plan>> plans_;  // of each group
  std::vector<std::size_t> lacking_;
};

void check_fleet(const FleetProblem& problem) {
  VPP_CHECK(problem.slot.count() > 0 && problem.bounds.size() == problem.prices.size());
  for (const FleetBounds& bounds : problem.bounds) VPP_CHECK(bounds.least <= bounds.most);
}

}  // namespace

StorageColumns add_storage(LinearProgram& program, const Battery& battery, Joules stored,
                           std::chrono::seconds slot, const std::vector<double>& sold,
                           const std::vector<double>& bought, double left) {
  VPP_CHECK(sold.size() == bought.size() && battery.round_trip_permille > 0);
  const double hours = static_cast<double>(slot.count()) / 3600;
  const double kept = battery.round_trip_permille / 1000.0;
  const double holds = static_cast<double>(battery.energy.count) / kWattsPerKw;
  const double begins = kwh(stored);
  StorageColumns out;
  std::size_t before = 0;
  for (std::size_t t = 0; t < sold.size(); ++t) {
    const bool is_last = t + 1 == sold.size();
    out.sold.push_back(program.add_column(sold[t], {0, kw(battery.power)}));
    out.bought.push_back(program.add_column(bought[t], {0, kw(battery.power)}));
    const auto store = program.add_column(is_last ? left : 0, {0, holds});
    std::vector<LinearTerm> row{{store, 1}, {out.sold[t], hours}, {out.bought[t], -kept * hours}};
    if (t > 0) row.push_back({before, -1});
    const double from = t == 0 ? begins : 0;
    program.add_row(row, {from, from});
    const std::vector<LinearTerm> power{{out.sold[t], 1}, {out.bought[t], 1}};
    program.add_row(power, {-kUnbounded, kw(battery.power)});
    before = store;
  }
  return out;
}

std::vector<Watts> power_of(const StorageColumns& columns, const LinearSolution& solution) {
  std::vector<Watts> out;
  for (std::size_t t = 0; t < columns.sold.size(); ++t) {
    const double net = solution.values[columns.sold[t]] - solution.values[columns.bought[t]];
    out.push_back({std::llround(net * kWattsPerKw)});
  }
  return out;
}

std::expected<FleetPlan, LinearFailure> plan_jointly(const FleetProblem& problem,
                                                     LinearProgram& empty) {
  check_fleet(problem);
  std::vector<StorageColumns> groups;
  for (const FleetGroup& group : problem.groups) {
    std::vector<double> sold;
    std::vector<double> bought;
    for (const Price price : problem.prices) {
      sold.push_back(gain_per_kw(price - group.battery.wear, problem.slot));
      bought.push_back(-gain_per_kw(price, problem.slot));
    }
    groups.push_back(add_storage(empty, group.battery, group.stored, problem.slot, sold, bought,
                                 per_kwh(group.left_value)));
  }
  for (std::size_t t = 0; t < problem.prices.size(); ++t) {
    std::vector<LinearTerm> row;
    for (const StorageColumns& group : groups) {
      row.push_back({group.sold[t], 1});
      row.push_back({group.bought[t], -1});
    }
    empty.add_row(row, kw(problem.bounds[t]));
  }
  const auto solution = empty.maximise();
  if (!solution) return std::unexpected{solution.error()};
  FleetPlan out{{}, solution->gain, 1};
  for (const StorageColumns& group : groups) out.power.push_back(power_of(group, *solution));
  return out;
}

std::expected<FleetPlan, LinearFailure> mix_plans(const FleetProblem& problem,
                                                  LinearProgram& empty) {
  check_fleet(problem);
  return Mixture{problem, empty}.solve();
}

}  // namespace vpp::bidding
