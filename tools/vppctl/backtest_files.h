// What a back-test leaves behind for others: every forecast as CSV, the last two weeks as SVG.
#pragma once

#include <iosfwd>
#include <optional>
#include <span>
#include <string>

#include "bidding/forecast_score.h"
#include "bidding/market_days.h"

namespace vpp::ctl {

/// An empty path is none. False: a file could not be written, which `err` says.
[[nodiscard]] bool write_backtest_files(
    const std::string& csv, const std::string& svg, const bidding::MarketDays& market,
    std::span<const std::optional<bidding::DayForecast>> forecasts,
    std::span<const bidding::PastHour> hours, std::ostream& err);

}  // namespace vpp::ctl
