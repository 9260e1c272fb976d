// The LEAR ensemble: the 24 day-ahead prices of a day, by lasso over the days before. Pure.
//
// Look-ahead none: prices up to the day before, exogenous series up to the day itself.
// Unknown    days lacking any of their values are left out of the calibration; a day whose own
//            features are not all known has no forecast.
// Cost       a tenth of a second for four windows on one core: the products of the features are
//            shared by the 24 hours.
// Source     Lago, Marcjasz, De Schutter, Weron, Applied Energy 293 (2021): LEAR, "lasso estimated
//            autoregressive", as the mean over four calibration windows.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "bidding/market_days.h"

namespace vpp::bidding {

struct LearOptions {
  /// Days before the one to forecast; what the history lacks of them is done without.
  std::vector<std::size_t> windows{56, 84, 1092, 1456};
};

inline constexpr std::size_t kLearRowsMin = 28;  ///< fewer days calibrate nothing

/// Nothing: too few days are known, or the day's own features are not.
[[nodiscard]] std::optional<DayValues> lear_forecast(const MarketDays& market, std::size_t day,
                                                     const LearOptions& options = {});

}  // namespace vpp::bidding
