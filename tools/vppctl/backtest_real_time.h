// `vppctl backtest bids --real-time`: a battery in a market that is cleared every few minutes.
//
// File      CSV with a header: time_local_market (begin of each interval) or period_end_nem_time
//           (its end), price_per_mwh or rrp_aud_per_mwh, and perhaps demand_mw. Intervals of equal
//           length that divide an hour; times rise. An offset from UTC is the same in all lines.
// Unknown   prices that are missing, empty, not finite or absurd: nothing is done in such an
//           interval, and it counts for no strategy.
// Test      every day by a policy fitted on the days before it (bidding/price_policy.h), of which
//           there are 28 at least. The battery is empty before the first day alone.
// Beside    the schedule made for each day from the mean of the seven days before, and what perfect
//           foresight would have earned.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <string>
#include <vector>

#include "bidding/arbitrage.h"
#include "bidding/price_policy.h"

namespace vpp::ctl {

struct RealTimeInput {
  std::chrono::seconds slot{};
  std::vector<bidding::MarketSlot> slots;  ///< whole days
  std::vector<std::string> warnings;
};

/// Or every error, one line each.
[[nodiscard]] std::expected<RealTimeInput, std::vector<std::string>> read_real_time(
    const std::string& file);

struct RealTimeScore {
  std::size_t unknown = 0;  ///< intervals of the test
  bidding::Earnings bid;    ///< of curves sent before each interval
  bidding::Earnings told;   ///< of a battery that is told the price when the interval begins
  bidding::Earnings week;
  bidding::Earnings perfect;
  /// Revenue after each day.
  std::vector<double> bid_sums;
  std::vector<double> week_sums;
};

inline constexpr std::size_t kRealTimeDaysBefore = 28;

/// Of the days from `first` on. Precondition: kRealTimeDaysBefore <= first < days.
[[nodiscard]] RealTimeScore score_real_time(const bidding::Battery& battery,
                                            const RealTimeInput& input, std::size_t first);

}  // namespace vpp::ctl
