#include "bidding/risk_plan.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <utility>

#include "bidding/fleet_plan.h"
#include "config/check.h"

namespace vpp::bidding {
namespace {

/// Between the quantiles straight, beyond them the last one.
Price price_at(const std::vector<Price>& quantiles, double level) {
  const auto last = static_cast<double>(quantiles.size() - 1);
  const double place = std::clamp(level * static_cast<double>(quantiles.size() + 1) - 1, 0.0, last);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, quantiles.size() - 1);
  const auto step = static_cast<double>((quantiles[above] - quantiles[below]).count);
  return quantiles[below] + Price{std::llround(step * (place - static_cast<double>(below)))};
}

std::int64_t divided_down(std::int64_t sum, std::size_t by) {
  const auto count = static_cast<std::int64_t>(by);
  return sum / count - (sum % count < 0 ? 1 : 0);
}

/// Rounded down, so that it moves as the paths do.
PricePath mean_path(std::span<const PricePath> paths) {
  PricePath mean(paths.front().size());
  for (std::size_t t = 0; t < mean.size(); ++t) {
    for (const PricePath& path : paths) mean[t] += path[t];
    mean[t] = {divided_down(mean[t].count, paths.size())};
  }
  return mean;
}

void check_risk(const RiskProblem& problem) {
  VPP_CHECK(!problem.paths.empty() && problem.tail > 0 && problem.tail <= 1);
  VPP_CHECK(problem.weight >= 0 && problem.weight <= 1);
  for (const PricePath& path : problem.paths) {
    VPP_CHECK(path.size() == problem.paths.front().size());
  }
}

}  // namespace

std::vector<PricePath> price_paths(std::span<const std::vector<Price>> quantiles,
                                   std::span<const PricePath> past_days) {
  std::vector<PricePath> out(past_days.size(), PricePath(quantiles.size()));
  std::vector<std::size_t> order(past_days.size());
  for (std::size_t t = 0; t < quantiles.size(); ++t) {
    VPP_CHECK(!quantiles[t].empty());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::stable_sort(order, {}, [&](std::size_t day) { return past_days[day].at(t); });
    for (std::size_t rank = 0; rank < order.size(); ++rank) {
      const double level = (static_cast<double>(rank) + 0.5) / static_cast<double>(order.size());
      out[order[rank]][t] = price_at(quantiles[t], level);
    }
  }
  return out;
}

void centre(std::vector<PricePath>& paths, std::span<const Price> mean) {
  if (paths.empty()) return;
  const PricePath before = mean_path(paths);
  VPP_CHECK(before.size() == mean.size());
  for (PricePath& path : paths) {
    for (std::size_t t = 0; t < mean.size(); ++t) path[t] += mean[t] - before[t];
  }
}

double mean_of_worst(std::vector<double> earned, double tail) {
  VPP_CHECK(!earned.empty() && tail > 0 && tail <= 1);
  std::ranges::sort(earned);
  const double count = tail * static_cast<double>(earned.size());
  double sum = 0;
  double left = count;
  for (const double one : earned) {
    sum += one * std::clamp(left, 0.0, 1.0);
    left -= 1;
  }
  return sum / count;
}

RiskPlan risk_of(const RiskProblem& problem, std::vector<Watts> power) {
  check_risk(problem);
  std::vector<double> earns;
  for (const PricePath& path : problem.paths) {
    double sum = 0;
    for (std::size_t t = 0; t < path.size(); ++t) {
      const double kw = static_cast<double>(power[t].count) / 1000;
      sum += kw * gain_per_kw(path[t], problem.slot) -
             std::max(0.0, kw) * gain_per_kw(problem.battery.wear, problem.slot);
    }
    earns.push_back(sum);
  }
  const double sum = std::accumulate(earns.begin(), earns.end(), 0.0);
  return {std::move(power), sum / static_cast<double>(earns.size()),
          mean_of_worst(std::move(earns), problem.tail)};
}

std::expected<RiskPlan, LinearFailure> plan_at_risk(const RiskProblem& problem,
                                                    LinearProgram& empty) {
  check_risk(problem);
  if (problem.weight == 0) {
    return risk_of(problem, plan_battery(problem.battery, problem.slot, mean_path(problem.paths),
                                         Joules{0}, Price{0}));
  }
  const std::size_t slots = problem.paths.front().size();
  const auto count = static_cast<double>(problem.paths.size());
  std::vector<double> sold;
  std::vector<double> bought;
  for (std::size_t t = 0; t < slots; ++t) {
    double mean = 0;
    for (const PricePath& path : problem.paths) mean += gain_per_kw(path[t], problem.slot) / count;
    const double wear = gain_per_kw(problem.battery.wear, problem.slot);
    sold.push_back((1 - problem.weight) * (mean - wear));
    bought.push_back(-(1 - problem.weight) * mean);
  }
  const StorageColumns columns =
      add_storage(empty, problem.battery, Joules{0}, problem.slot, sold, bought, 0);
  const auto level = empty.add_column(problem.weight, {-kUnbounded, kUnbounded});
  for (const PricePath& path : problem.paths) {
    const auto below = empty.add_column(-problem.weight / (problem.tail * count), {0, kUnbounded});
    std::vector<LinearTerm> row{{below, 1}, {level, -1}};
    for (std::size_t t = 0; t < slots; ++t) {
      row.push_back({columns.sold[t], gain_per_kw(path[t] - problem.battery.wear, problem.slot)});
      row.push_back({columns.bought[t], -gain_per_kw(path[t], problem.slot)});
    }
    empty.add_row(row, {0, kUnbounded});
  }
  const auto solution = empty.maximise();
  if (!solution) return std::unexpected{solution.error()};
  return risk_of(problem, power_of(columns, *solution));
}

}  // namespace vpp::bidding
