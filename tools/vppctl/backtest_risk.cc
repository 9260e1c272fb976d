#include "tools/vppctl/backtest_risk.h"

#include <chrono>
#include <utility>

#include "bidding/clp_solver.h"
#include "bidding/error_quantiles.h"
#include "tools/vppctl/backtest_days.h"

namespace vpp::ctl {
namespace {

constexpr std::chrono::hours kAnHour{1};
constexpr std::size_t kPathsMax = 182;  ///< half a year: the program grows with them
constexpr std::size_t kPathsMin = bidding::kErrorDaysMin;

std::vector<bidding::PricePath> by_hour(const bidding::DayQuantiles& quantiles) {
  std::vector<bidding::PricePath> out;
  for (const auto& of_hour : quantiles) out.push_back(prices_of(of_hour));
  return out;
}

}  // namespace

std::vector<Watts> RiskSchedule::plan(const bidding::DayForecast& forecast) {
  const auto expected = prices_of(forecast.price);
  if (forecast.quantiles && errors_.size() >= kPathsMin) {
    const std::vector<bidding::PricePath> past{errors_.begin(), errors_.end()};
    auto paths = bidding::price_paths(by_hour(*forecast.quantiles), past);
    bidding::centre(paths, expected);
    const auto program = bidding::clp_program();
    auto plan = bidding::plan_at_risk({.battery = battery_,
                                       .slot = kAnHour,
                                       .paths = std::move(paths),
                                       .weight = options_.weight,
                                       .tail = options_.tail},
                                      *program);
    if (plan) {
      ++weighed_;
      return std::move(plan->power);
    }
  }
  return bidding::plan_battery(battery_, kAnHour, expected, Joules{0}, Price{0});
}

void RiskSchedule::learn(const bidding::DayForecast& forecast, const bidding::DayValues& real) {
  if (!bidding::is_known(real)) return;
  bidding::DayValues error{};
  for (std::size_t hour = 0; hour < error.size(); ++hour) {
    error[hour] = real[hour] - forecast.price[hour];
  }
  errors_.push_back(prices_of(error));
  if (errors_.size() > kPathsMax) errors_.pop_front();
}

}  // namespace vpp::ctl
