// The next two days' prices, hour by hour, from the hours known so far. Pure.
//
// Method     the models of day_ahead.h, over days that begin where the forecast begins: so each
//            hour that is known counts. The second day rests on the first one's forecast.
// Quantiles  of the errors that the same two steps would have made on each of the days before
//            (error_quantiles.h): the second day's are the wider ones.
// Unknown    an hour that is not known makes its day unknown. Days of the week are those on which
//            such a day begins, in UTC.
// Cost       two fits for each day of errors; seconds.
#pragma once

#include <cstddef>
#include <expected>
#include <string>

#include "bidding/day_ahead.h"
#include "bidding/forecast_task.h"
#include "bidding/lear_features.h"
#include "bidding/market_days.h"

namespace vpp::bidding {

/// Days whose errors tell how wrong it may be: a fortnight more than the fewest that do.
inline constexpr std::size_t kOutlookErrorDays = 42;

/// With fewer of them nothing is said: the days to learn from, and the longest lag before them.
inline constexpr std::size_t kOutlookHoursMin = kDayHours * (kCalibrationDaysMin + kLongestLag);

/// Models: "lear" and "ensemble", as `vppctl backtest forecast` knows them. Error: another one, or
/// too little is known.
[[nodiscard]] std::expected<ForecastAnswer, std::string> price_outlook(const ForecastAsk& ask);

}  // namespace vpp::bidding
