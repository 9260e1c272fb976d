// Whose earnings a back-test of bids tells: one battery, or every site of a fleet's file.
#pragma once

#include <expected>
#include <span>
#include <string>
#include <vector>

#include "bidding/arbitrage.h"
#include "bidding/market.h"
#include "bidding/price_curve.h"
#include "config/role_config.h"
#include "config/units.h"

namespace vpp::ctl {

/// So many batteries of one kind.
struct FleetBatteries {
  bidding::Battery battery;
  std::int64_t count = 1;
};

using BacktestFleet = std::vector<FleetBatteries>;

/// Their sum, for the market: efficiency and wear are those of the first.
[[nodiscard]] bidding::Battery total(const BacktestFleet& fleet);

/// FLEET.csv as of `vppctl plan`. A site holds what it can discharge and, if the file says so, what
/// it can charge on top; its power is the less of both directions. Of `kind` the efficiency and
/// wear are taken. Or every error, one line each.
[[nodiscard]] std::expected<BacktestFleet, std::vector<std::string>> read_backtest_fleet(
    const std::string& file, const bidding::Battery& kind);

/// A day's schedule of each battery on `expected`, paid by `real`: bidding::day_ahead().
[[nodiscard]] bidding::Earnings schedule_day(const BacktestFleet& fleet, std::chrono::seconds slot,
                                             std::span<const Price> expected,
                                             std::span<const Price> real);

/// A day that begins full and is only sold from, hour by hour: each hour's gate gets one segment or
/// a price curve, which clears at the real price; the longest time to go delivers first. As the
/// daemon does it, with `expected` as its forecast.
[[nodiscard]] bidding::Earnings sell_day(const BacktestFleet& fleet, BidStrategy strategy,
                                         std::span<const Price> expected,
                                         std::span<const Price> real);

}  // namespace vpp::ctl
