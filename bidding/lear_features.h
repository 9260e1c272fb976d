// What a day's prices are explained by, one row per day. Pure.
//
// Columns    prices of the 24 hours 1, 2, 3 and 7 days before; each exogenous series for the 24
//            hours of the day itself, 1 and 7 days before; seven for the day of the week. Two
//            series make 247.
// Look-ahead none: of the day itself only what is known the day before.
// Source     Lago, Marcjasz, De Schutter, Weron, Applied Energy 293 (2021), section 4.2.
#pragma once

#include <cstddef>
#include <span>

#include "bidding/market_days.h"

namespace vpp::bidding {

inline constexpr std::size_t kLongestLag = 7;  ///< days
inline constexpr std::size_t kWeekdays = 7;    ///< the last columns

[[nodiscard]] std::size_t feature_count(std::size_t exogenous);

/// False: something of it is unknown, and the row is not to be used. `row` has feature_count().
[[nodiscard]] bool fill_features(const MarketDays& market, std::size_t day, std::span<double> row);

}  // namespace vpp::bidding
