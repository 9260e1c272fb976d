// What a back-test leaves behind for others: forecasts as CSV, forecasts and earnings as SVG.
#pragma once

#include <iosfwd>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "bidding/forecast_score.h"
#include "bidding/market_days.h"

namespace vpp::ctl {

/// An empty path is none. False: a file could not be written, which `err` says.
[[nodiscard]] bool write_backtest_files(
    const std::string& csv, const std::string& svg, const bidding::MarketDays& market,
    std::span<const std::optional<bidding::DayForecast>> forecasts,
    std::span<const bidding::PastHour> hours, std::ostream& err);

/// What a strategy had earned after each day.
struct EarningsLine {
  const char* name;
  const char* colour;
  std::vector<double> sums;
};

/// As SVG; as above.
[[nodiscard]] bool write_earnings_plot(const std::string& svg, std::span<const EarningsLine> lines,
                                       std::ostream& err);

}  // namespace vpp::ctl
