#include "bidding/co_optimise.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>

#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr std::size_t kCutsAtOnce = 8;
constexpr double kBroken = 1e-7;  ///< of the greatest power: what counts as broken

/// A set of slots whose power together is more than the curve gives for as many.
struct BrokenSet {
  double by;
  std::size_t size;  ///< so many of the slots, in the order of falling power
};

/// The program: products as columns, in units of the greatest power that the curve gives.
class CutProgram {
 public:
  CutProgram(const CoProblem& problem, const FirmCurve& curve, LinearProgram& program)
      : problem_{problem}, program_{program} {
    const auto seconds = problem.slot.count();
    for (std::size_t k = 1; k <= problem.committed.size(); ++k) {
      const Joules energy = curve.at(problem.slot * static_cast<int>(k));
      most_of_.push_back(static_cast<double>(energy.count) / static_cast<double>(seconds));
    }
    unit_ = std::max(most_of_.front(), 1.0);
    for (double& most : most_of_) most /= unit_;
    double dearest = 1;
    for (const ReserveProduct& product : problem.products) {
      dearest = std::max(dearest, worth_of(product));
    }
    for (const ReserveProduct& product : problem.products) {
      const double most = product.worth > Price{0} ? in_units(product.most) : 0;
      program_.add_column(worth_of(product) / dearest, {0, most});
    }
    add_caps();
  }

  [[nodiscard]] std::expected<CoPlan, LinearFailure> solve() {
    CoPlan plan;
    for (;;) {
      auto solution = program_.maximise();
      if (!solution) return std::unexpected{solution.error()};
      ++plan.rounds;
      if (add_cuts(solution->values)) continue;
      plan.rows = rows_;
      for (const double value : solution->values) {
        plan.power.push_back({static_cast<std::int64_t>(std::max(0.0, value * unit_))});
      }
      return plan;
    }
  }

 private:
  [[nodiscard]] static double worth_of(const ReserveProduct& product) {
    return static_cast<double>(product.worth.count) * static_cast<double>(product.count);
  }
  [[nodiscard]] double in_units(Watts power) const {
    return static_cast<double>(power.count) / unit_;
  }

  /// One row: the products of some slots, each as often as it has slots there.
  void add_row(const std::vector<bool>& slots, double most) {
    std::vector<LinearTerm> terms;
    for (std::size_t i = 0; i < problem_.products.size(); ++i) {
      const ReserveProduct& product = problem_.products[i];
      double times = 0;
      for (std::size_t t = product.first; t < product.first + product.count; ++t) {
        if (slots[t]) ++times;
      }
      if (times > 0) terms.push_back({i, times});
    }
    double promised = 0;
    for (std::size_t t = 0; t < slots.size(); ++t) {
      if (slots[t]) promised += in_units(problem_.committed[t]);
    }
    // Promises are feasible, so that this is not below 0 but for rounding.
    program_.add_row(terms, {-kUnbounded, std::max(0.0, most - promised)});
    ++rows_;
  }

  void add_caps() {
    std::vector<bool> slots(problem_.committed.size(), false);
    for (std::size_t t = 0; t < slots.size(); ++t) {
      slots[t] = true;
      add_row(slots, std::min(in_units(problem_.caps[t]), most_of_.front()));
      slots[t] = false;
    }
  }

  [[nodiscard]] std::vector<double> total(const std::vector<double>& values) const {
    std::vector<double> power;
    for (const Watts promised : problem_.committed) power.push_back(in_units(promised));
    for (std::size_t i = 0; i < values.size(); ++i) {
      const ReserveProduct& product = problem_.products[i];
      for (std::size_t t = product.first; t < product.first + product.count; ++t) {
        power[t] += values[i];
      }
    }
    return power;
  }

  /// False: the solution breaks no condition.
  bool add_cuts(const std::vector<double>& values) {
    const std::vector<double> power = total(values);
    std::vector<std::size_t> order(power.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, std::greater{}, [&](std::size_t t) { return power[t]; });
    std::vector<BrokenSet> broken;
    double sum = 0;
    for (std::size_t k = 0; k < order.size(); ++k) {
      sum += power[order[k]];
      const double by = sum - most_of_[k];
      if (by > kBroken) broken.push_back({by, k + 1});
    }
    std::ranges::sort(broken, std::greater{}, &BrokenSet::by);
    if (broken.size() > kCutsAtOnce) broken.resize(kCutsAtOnce);
    for (const BrokenSet& set : broken) {
      std::vector<bool> slots(power.size(), false);
      for (std::size_t k = 0; k < set.size; ++k) slots[order[k]] = true;
      add_row(slots, most_of_[set.size - 1]);
    }
    return !broken.empty();
  }

  const CoProblem& problem_;
  LinearProgram& program_;
  std::vector<double> most_of_;  // power that the curve gives for k slots, in units
  double unit_ = 1;
  std::size_t rows_ = 0;
};

void check_problem(const CoProblem& problem) {
  const std::size_t slots = problem.committed.size();
  VPP_CHECK(problem.slot.count() > 0 && problem.caps.size() == slots);
  for (const ReserveProduct& product : problem.products) {
    VPP_CHECK(product.count > 0 && product.first < slots && product.count <= slots - product.first);
    VPP_CHECK(product.most >= Watts{0});
  }
}

}  // namespace

bool keeps_to(const CoProblem& problem, std::span<const Watts> power, const FirmCurve& curve) {
  VPP_CHECK(power.size() == problem.products.size());
  std::vector<Watts> total = problem.committed;
  std::vector<bool> sold(total.size(), false);
  for (std::size_t i = 0; i < power.size(); ++i) {
    const ReserveProduct& product = problem.products[i];
    if (power[i] < Watts{0} || power[i] > product.most) return false;
    for (std::size_t t = product.first; t < product.first + product.count; ++t) {
      total[t] += power[i];
      if (power[i] > Watts{0}) sold[t] = true;
    }
  }
  for (std::size_t t = 0; t < total.size(); ++t) {
    if (sold[t] && total[t] > problem.caps[t]) return false;
  }
  std::ranges::sort(total, std::greater{});
  Joules asked{0};
  for (std::size_t k = 0; k < total.size(); ++k) {
    asked += Joules{total[k].count * problem.slot.count()};
    if (asked > curve.at(problem.slot * static_cast<int>(k + 1))) return false;
  }
  return true;
}

std::expected<CoPlan, LinearFailure> co_optimise(const CoProblem& problem, const FirmCurve& curve,
                                                 LinearProgram& empty) {
  check_problem(problem);
  const std::vector<Watts> nothing(problem.products.size());
  if (problem.committed.empty() || !keeps_to(problem, nothing, curve)) return CoPlan{nothing, 0, 0};
  auto plan = CutProgram{problem, curve, empty}.solve();
  if (!plan) return plan;
  // What the solver's tolerance leaves broken is given back: more of it each time, up to all.
  constexpr double kGivenBackFirst = 1e-9;
  const std::vector<Watts> solved = plan->power;
  for (double part = kGivenBackFirst; !keeps_to(problem, plan->power, curve); part *= 4) {
    for (std::size_t i = 0; i < solved.size(); ++i) {
      const double kept = static_cast<double>(solved[i].count) * std::max(0.0, 1 - part);
      plan->power[i] = {static_cast<std::int64_t>(kept)};
    }
  }
  return plan;
}

}  // namespace vpp::bidding
