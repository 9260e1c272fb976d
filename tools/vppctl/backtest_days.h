// The days of a back-test, each forecast by a model fitted that day.
//
// Test      the last hours of the file.
// Quantiles rest on the errors of earlier days; half a year before the test is forecast for them.
// Time      two threads; the time per day is that of one thread.
#pragma once

#include <cstddef>
#include <iosfwd>
#include <optional>
#include <span>
#include <vector>

#include "bidding/day_ahead.h"
#include "bidding/forecast_score.h"
#include "bidding/market_days.h"
#include "config/units.h"
#include "tools/vppctl/backtest_input.h"

namespace vpp::ctl {

/// How a back-test ends that could not be made: nothing to test, or unusable input.
inline constexpr int kBacktestFailed = 1;
inline constexpr int kBacktestMisused = 2;

struct BacktestForecasts {
  std::vector<std::optional<bidding::DayForecast>> days;  ///< one per day of the market
  double ms_per_day = 0;                                  ///< of one thread
  double seconds = 0;                                     ///< altogether
};

/// As whole prices.
[[nodiscard]] std::vector<Price> prices_of(std::span<const double> values);

/// The place of the first test hour; nothing: too few days come before it, which `err` says.
[[nodiscard]] std::optional<std::size_t> first_test_hour(const BacktestInput& input,
                                                         std::size_t test_hours, std::ostream& err);

/// Forecasts of the days from `first` on, in any order; progress on `err`.
[[nodiscard]] BacktestForecasts forecast_days(const bidding::MarketDays& market, std::size_t first,
                                              const bidding::DayAheadOptions& options,
                                              std::ostream& err);

/// The same with quantiles for the days from `tested` on.
[[nodiscard]] BacktestForecasts forecast_days_with_quantiles(
    const bidding::MarketDays& market, std::size_t tested, const bidding::DayAheadOptions& options,
    std::ostream& err);

}  // namespace vpp::ctl
