// LEAR, "lasso estimated autoregressive": each hour's price as a weighted sum of few features.
// Pure.
//
// Cost       milliseconds for a window of weeks, a tenth of a second for one of years: the products
//            of the features are shared by the 24 hours.
// Source     Lago, Marcjasz, De Schutter, Weron, Applied Energy 293 (2021), section 4.2.
#pragma once

#include "bidding/calibration.h"
#include "bidding/market_days.h"

namespace vpp::bidding {

[[nodiscard]] DayValues lear(const Calibration& calibration);

}  // namespace vpp::bidding
