// Prices as those of days that were alike: kernel ridge regression. Pure.
//
// What for   it bends where LEAR is straight (scarce supply, much wind), and errs otherwise, so
// that
//            the mean of both errs less than either.
// Kernel     exp(-d^2 / 2), d^2 the squared distance of two days' features in units of its mean
// over
//            the window; noise 0.03 of the kernel's variance. The same for all markets.
// Cost       O(days^3 / 3), once for the 24 hours.
// Source     Rasmussen, Williams, "Gaussian Processes for Machine Learning" (2006), section 2.2.
#pragma once

#include <optional>

#include "bidding/calibration.h"
#include "bidding/market_days.h"

namespace vpp::bidding {

/// Nothing: all days of the window are alike.
[[nodiscard]] std::optional<DayValues> kernel_ridge(const Calibration& calibration);

}  // namespace vpp::bidding
