// How good forecasts of past days were, hour by hour. Pure.
//
// Units      errors in the price's unit; shares from 0 to 1.
// Pinball    mean over the hours and the 19 levels of max(p (y - q), (p - 1) (y - q)).
// Naive      the same hour a week before.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "bidding/error_quantiles.h"
#include "bidding/market_days.h"

namespace vpp::bidding {

/// An hour whose price came to be known.
struct PastHour {
  std::size_t day = 0;
  std::size_t hour = 0;  ///< of the day
  double price = kUnknown;
};

struct DayForecast {
  DayValues price{};
  std::optional<DayQuantiles> quantiles;
};

struct ForecastScore {
  std::size_t tested = 0;    ///< hours
  std::size_t left_out = 0;  ///< no forecast, or no price
  double mae = 0;
  std::size_t with_naive = 0;  ///< of the tested, those whose price a week before is known
  double naive_mae = 0;
  double rmae = 0;                 ///< over them
  std::size_t with_quantiles = 0;  ///< of the tested
  double pinball = 0;
  double inside_50 = 0;  ///< share of prices within the central interval of 50 %
  double inside_80 = 0;
  double inside_90 = 0;
};

/// `forecasts`: one per day of the market, or nothing.
[[nodiscard]] ForecastScore score_forecasts(const MarketDays& market,
                                            std::span<const std::optional<DayForecast>> forecasts,
                                            std::span<const PastHour> hours);

}  // namespace vpp::bidding
