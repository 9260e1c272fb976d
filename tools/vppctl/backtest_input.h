// The price file of `vppctl backtest`, read and checked.
//
// File      CSV with a header: time_local_market (YYYY-MM-DD HH:00[:00], rising), price_per_mwh;
//           every other column is a series that is known the day before.
// Unknown   hours that are missing, empty, not finite or absurd are unknown, and told; nothing is
//           put in their place.
// Clock     On the Sunday in spring that lacks an hour of the night, the mean of its neighbours
//           stands for it as input of later days, and it is not tested. Of the doubled one in
//           autumn both are tested, and their mean is the input.
#pragma once

#include <expected>
#include <string>
#include <vector>

#include "bidding/forecast_score.h"
#include "bidding/market_days.h"

namespace vpp::ctl {

struct BacktestInput {
  bidding::MarketDays market;
  std::vector<bidding::PastHour> hours;  ///< of the file, in its order; none that is not there
  std::vector<std::string> warnings;     ///< what is unknown, and where
};

/// Or every error, one line each.
[[nodiscard]] std::expected<BacktestInput, std::vector<std::string>> read_backtest_input(
    const std::string& file);

}  // namespace vpp::ctl
