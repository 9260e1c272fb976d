// How wrong a forecast may be, from how wrong the ones before it were. Pure.
//
// Method     Errors of the days before, each in units of how large errors were just before it; of
//            the same hour and its two neighbours. Their quantiles, times how large errors are now,
//            around the forecast: split conformal prediction, so that of exchangeable errors each
//            level is met whatever their distribution.
// Look-ahead none: a day's quantiles know the errors up to the day before.
// Source     Vovk, Gammerman, Shafer, "Algorithmic Learning in a Random World" (2005); for prices
//            Kath, Ziel, Int. J. Forecasting 37 (2021).
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <span>

#include "bidding/market_days.h"

namespace vpp::bidding {

inline constexpr std::size_t kQuantiles = 19;      ///< 5, 10, ..., 95 %
inline constexpr std::size_t kErrorDays = 364;     ///< of errors, the newest
inline constexpr std::size_t kErrorDaysMin = 28;   ///< below, nothing is said
inline constexpr std::size_t kErrorSizeDays = 14;  ///< tell how large errors are now

[[nodiscard]] constexpr double quantile_level(std::size_t place) {
  return static_cast<double>(place + 1) / static_cast<double>(kQuantiles + 1);
}

/// Rising.
using Quantiles = std::array<double, kQuantiles>;
using DayQuantiles = std::array<Quantiles, kDayHours>;

/// `errors`: price less forecast of consecutive days, up to the day before the one forecast;
/// unknown_day() where there was none. Nothing: too few are known.
[[nodiscard]] std::optional<DayQuantiles> error_quantiles(std::span<const DayValues> errors,
                                                          const DayValues& forecast);

}  // namespace vpp::bidding
