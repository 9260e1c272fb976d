// `vppctl backtest bids --risk`: a day's schedule that weighs its worst outcomes as well as the
// mean.
//
// Paths     the day's quantiles, hour by hour, in the order in which the errors of past days stood
//           (bidding/risk_plan.h), centred on the forecast: without weight the schedule is the one
//           on the forecast.
// Unknown   a day without quantiles, or before four weeks of errors are known, is scheduled on the
//           forecast alone.
// Look-ahead none: a day is learned from after it was traded.
#pragma once

#include <cstddef>
#include <deque>
#include <vector>

#include "bidding/arbitrage.h"
#include "bidding/forecast_score.h"
#include "bidding/market_days.h"
#include "bidding/risk_plan.h"
#include "config/units.h"

namespace vpp::ctl {

struct RiskOptions {
  double weight = 0;  ///< 0: the mean alone; 1: the worst alone
  double tail = 0.05;
};

class RiskSchedule {
 public:
  RiskSchedule(const bidding::Battery& battery, const RiskOptions& options)
      : battery_{battery}, options_{options} {}

  /// Whole watts of each hour; the battery begins and ends empty.
  [[nodiscard]] std::vector<Watts> plan(const bidding::DayForecast& forecast);
  /// A day that was forecast and came to be known.
  void learn(const bidding::DayForecast& forecast, const bidding::DayValues& real);
  /// Days that were planned over paths.
  [[nodiscard]] std::size_t weighed() const { return weighed_; }

 private:
  bidding::Battery battery_;
  RiskOptions options_;
  std::deque<bidding::PricePath> errors_;  // the newest last
  std::size_t weighed_ = 0;
};

}  // namespace vpp::ctl
