// The 24 day-ahead prices of a day, as a mean of models and of how far back they look. Pure.
//
// Look-ahead none: prices up to the day before, exogenous series up to the day itself.
// Unknown    days lacking any of their values are left out of the calibration; a day whose own
//            features are not all known has no forecast.
// Cost       see lear.h and kernel_ridge.h; some tenths of a second for the default windows.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "bidding/market_days.h"

namespace vpp::bidding {

/// Calibration windows in known days before the day; what the history lacks is done without. The
/// forecast is the mean of the mean of the lasso's and the mean of the kernel's.
struct DayAheadOptions {
  std::vector<std::size_t> lear{56, 84, 112, 182, 364, 728, 1092, 1456};
  std::vector<std::size_t> kernel{728, 1092};
};

/// The published LEAR ensemble.
[[nodiscard]] inline DayAheadOptions published_lear() {
  return {.lear = {56, 84, 1092, 1456}, .kernel = {}};
}

inline constexpr std::size_t kCalibrationDaysMin = 28;  ///< fewer calibrate nothing

/// Nothing: too few days are known, or the day's own features are not.
[[nodiscard]] std::optional<DayValues> day_ahead_forecast(const MarketDays& market, std::size_t day,
                                                          const DayAheadOptions& options = {});

/// The mean of the seven days before; nothing: not all of their prices are known.
[[nodiscard]] std::optional<DayValues> week_before(const MarketDays& market, std::size_t day);

/// What a battery's schedule for the day is planned on: the forecast, with a tenth of what the week
/// before was like (half its mean, half its same day). Such prices err more than the forecast, and
/// schedules on them earn more; measured in docs/bidding.md. Where that week is not known, the
/// forecast.
[[nodiscard]] DayValues planning_prices(const MarketDays& market, std::size_t day,
                                        const DayValues& forecast);

}  // namespace vpp::bidding
