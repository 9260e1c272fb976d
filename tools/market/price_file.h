// Price series from CSV files, and one of our own making. No clock, no randomness but the seed.
//
// Formats    a header names the columns. Price: price_per_mwh or rrp_..._per_mwh. Time:
//            time_local_market (begin of the interval, naive, taken as UTC) or period_end_...
//            (its end, with an offset). The interval is the step between the first two rows.
#pragma once

#include <cstdint>
#include <expected>
#include <istream>
#include <string>
#include <string_view>

#include "bidding/forecast.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::market {

/// Error: "line N: what is wrong".
[[nodiscard]] std::expected<bidding::PriceSeries, std::string> read_prices(std::istream& csv);

/// "12.345678", with up to six decimals more or less, in micro-units; more are cut off.
[[nodiscard]] std::expected<Price, std::string> parse_price(std::string_view text);

/// "2018-01-25T16:40:00Z", "2018-01-25 16:40:00", "...+10:00", with or without a fraction of a
/// second; or milliseconds since 1970.
[[nodiscard]] std::expected<MarketTime, std::string> parse_time(std::string_view text);

/// A made-up price of one interval: two peaks a day, cheaper at night and at the weekend, noise
/// from the seed. The same seed and interval give the same price.
[[nodiscard]] Price synthetic_price(std::uint64_t seed, MarketTime from);

}  // namespace vpp::market
