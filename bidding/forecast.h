// Which price a slot will see, from the prices known so far. Pure.
//
// Units      whole micro-units per MWh, rounded down; market time.
// Gaps       stay unknown: a slot whose model lacks any part of its past has no forecast, and a
//            slot without forecast is not bid on.
// Source     the naive models of Lago, Marcjasz, De Schutter, Weron, Applied Energy 293 (2021);
//            weeks and days are 168 and 24 hours of UTC.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <vector>

#include "bidding/market.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

/// Known prices by the begin of their interval; intervals do not overlap.
using PriceSeries = std::map<MarketTime, PricePoint>;

/// 100,000 per MWh: five times the highest cap we know (Australia), and a day of it in
/// milliseconds stays below 2^63.
inline constexpr Price kPriceMax{100'000'000'000};

/// Beyond these years a time is nonsense, and differences of times could overflow.
inline constexpr MarketTime kTimeMin{};                              ///< 1970
inline constexpr MarketTime kTimeMax{std::chrono::days{130 * 365}};  ///< 2099

[[nodiscard]] constexpr bool is_sane(MarketTime time) {
  return time >= kTimeMin && time <= kTimeMax;
}

/// A price that can be one: of a sane time, a minute to a day long, within kPriceMax.
[[nodiscard]] bool plausible(const PricePoint& point);

/// Takes over what is new or differs; a point that overlaps others replaces them. What is not
/// plausible is ignored. Returns what was taken.
std::vector<PricePoint> merge(PriceSeries& series, const std::vector<PricePoint>& points);

/// Mean over [from, until), weighted by time. Nothing: some of it is unknown.
[[nodiscard]] std::optional<Price> mean_price(const PriceSeries& series, MarketTime from,
                                              MarketTime until);

[[nodiscard]] std::optional<Price> same_hour_last_week(const PriceSeries& series, MarketTime from,
                                                       MarketTime until);

/// Of the same hour on each of the seven days before; all seven must be known.
[[nodiscard]] std::optional<Price> seven_day_mean(const PriceSeries& series, MarketTime from,
                                                  MarketTime until);

/// The mean of the two where both exist, otherwise the one that exists.
[[nodiscard]] std::optional<Price> forecast(const PriceSeries& series, MarketTime from,
                                            MarketTime until);

}  // namespace vpp::bidding
