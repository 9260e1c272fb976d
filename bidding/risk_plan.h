// A battery's day when prices are not one forecast but many paths: as much on average as possible,
// and not too little on the bad days. Pure.
//
//   max  (1 - weight) * mean  +  weight * mean of the worst `tail` of the paths
//
// by one schedule that is the same on all paths. The second mean (conditional value at risk) is
// linear: it is the greatest of  z - mean(max(0, z - earned)) / tail.
//
// Paths      from the quantiles of each slot, one by one, and the order in which past days stood at
//            each slot: where a past day was the third highest, so is its path. So paths rise and
//            fall together as days did (the Schaake shuffle).
// Source     Rockafellar, Uryasev, J. Risk 2 (2000); Clark et al., J. Hydrometeorology 5 (2004).
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <span>
#include <vector>

#include "bidding/arbitrage.h"
#include "bidding/linear_program.h"
#include "config/units.h"

namespace vpp::bidding {

using PricePath = std::vector<Price>;

/// One path for each past day. `quantiles`: of each slot, rising, at levels 1/(n+1) to n/(n+1);
/// beyond them they go on as flat as they end. Precondition: days and quantiles have as many slots.
[[nodiscard]] std::vector<PricePath> price_paths(std::span<const std::vector<Price>> quantiles,
                                                 std::span<const PricePath> past_days);

/// Moves each slot's prices so that their mean, rounded down, is `mean`. At weight 0 a plan over
/// the paths then is the plan on `mean`.
void centre(std::vector<PricePath>& paths, std::span<const Price> mean);

struct RiskProblem {
  Battery battery;
  std::chrono::seconds slot{};
  std::vector<PricePath> paths;  ///< equally likely, at least one
  double weight = 0;             ///< 0: the mean alone; 1: the worst alone
  double tail = 0.1;             ///< above 0 to 1
};

struct RiskPlan {
  std::vector<Watts> power;
  double mean = 0;   ///< earned after wear, of the currency
  double worst = 0;  ///< mean of the worst `tail`
};

/// The battery begins empty; what is left is worth nothing. `empty` is used up; at weight 0 no
/// program is asked.
[[nodiscard]] std::expected<RiskPlan, LinearFailure> plan_at_risk(const RiskProblem& problem,
                                                                  LinearProgram& empty);

/// Of any schedule, by sorting what it earns on each path; wear is that of its net power.
[[nodiscard]] RiskPlan risk_of(const RiskProblem& problem, std::vector<Watts> power);

/// The mean of the worst `tail` of what was earned, the last of it in part. At least one.
[[nodiscard]] double mean_of_worst(std::vector<double> earned, double tail);

}  // namespace vpp::bidding
