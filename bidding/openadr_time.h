// Times and durations as OpenADR writes them: RFC 3339 and ISO 8601. Pure.
//
// Reads      "2026-11-26T12:00:00Z", with a fraction (kept to milliseconds), an offset, or none of
//            both (UTC); any time of the year 1 is kStartsNow. "PT15M", "P1DT2H", "-" never.
// Years      of a duration are 365 days and months 30, which no event should use; 1000 years and
//            beyond are kForever.
// Nothing    is what it is not: a date that does not exist, before 1970 or after 2199.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "bidding/openadr.h"
#include "config/time.h"

namespace vpp::bidding::openadr {

[[nodiscard]] std::optional<MarketTime> parse_date_time(std::string_view text);
[[nodiscard]] std::optional<Duration> parse_duration(std::string_view text);

/// In UTC, with milliseconds only where there are some. `time` is within what can be read.
[[nodiscard]] std::string to_date_time(MarketTime time);
/// Of hours, minutes and seconds; `duration` >= 0.
[[nodiscard]] std::string to_duration(Duration duration);

/// Saturates: kForever leads to kEndOfTime.
[[nodiscard]] constexpr MarketTime plus(MarketTime from, Duration duration) {
  if (duration == kForever || from == kEndOfTime) return kEndOfTime;
  return from + duration;
}

}  // namespace vpp::bidding::openadr
