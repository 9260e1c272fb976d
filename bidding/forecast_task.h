// What a forecaster of prices is asked, and what it answers.
//
// Units      whole micro-units per MWh; market time; hours of UTC.
// Look-ahead none: the history ends where the forecast begins.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

inline constexpr std::uint32_t kForecastTaskVersion = 1;
inline constexpr std::size_t kForecastHours = 48;
/// 5, 10, ..., 95 %.
inline constexpr std::size_t kForecastQuantiles = 19;

/// Of the bidder itself, whom nobody needs to ask: bidding/forecast.h.
inline constexpr const char* kNaiveModel = "naive";

struct ForecastAsk {
  std::string model;                          ///< "lear", "ensemble", or one of the worker's own
  MarketTime from{};                          ///< a full hour; of the first hour to forecast
  std::vector<std::optional<Price>> history;  ///< the hours before, oldest first; or unknown
  friend bool operator==(const ForecastAsk&, const ForecastAsk&) = default;
};

/// Of one hour.
struct ForecastHour {
  Price price;                   ///< expected
  std::vector<Price> quantiles;  ///< kForecastQuantiles, never falling; or none
  friend bool operator==(const ForecastHour&, const ForecastHour&) = default;
};

struct ForecastAnswer {
  std::string model;
  std::vector<ForecastHour> hours;  ///< from ForecastAsk::from on; at most kForecastHours
  friend bool operator==(const ForecastAnswer&, const ForecastAnswer&) = default;
};

/// The mean over a slot of hours that begin at `first`, rounded down. Nothing: they do not cover
/// it.
[[nodiscard]] std::optional<Price> price_of_hours(MarketTime first,
                                                  const std::vector<ForecastHour>& hours,
                                                  MarketTime from, MarketTime until);

/// Of the hour that a slot lies in. Null: it lies in no single one.
[[nodiscard]] const ForecastHour* hour_of(MarketTime first, const std::vector<ForecastHour>& hours,
                                          MarketTime from, MarketTime until);

/// Error: what no bidder may believe, whoever says it.
[[nodiscard]] std::expected<void, std::string> check(const ForecastAnswer& answer);

}  // namespace vpp::bidding
