// When the gates of a market are, by its own clock on the wall. Pure.
//
// Time zone  a table of changes of the offset to UTC, made by zone_database.h. A local day is as
//            long as the clocks make it: 23, 24 or 25 hours, or 23.5.
// Skipped    a local time that the clocks skip means the first instant after the gap; one that they
//            show twice means the first of both.
// Intervals  follow one another from the begin of the local day; the last one ends with it.
#pragma once

#include <chrono>
#include <variant>
#include <vector>

#include "bidding/market.h"
#include "config/time.h"

namespace vpp::bidding {

/// What the clock on the wall shows.
using LocalTime = std::chrono::local_time<Duration>;

/// From `at` on, local time is UTC plus `offset`.
struct OffsetChange {
  MarketTime at{};
  std::chrono::seconds offset{0};
  friend bool operator==(const OffsetChange&, const OffsetChange&) = default;
};

class Zone {
 public:
  /// UTC.
  Zone() = default;
  /// `first` holds before all `changes`, whose times rise.
  explicit Zone(std::chrono::seconds first, std::vector<OffsetChange> changes = {});

  [[nodiscard]] LocalTime local(MarketTime at) const;
  /// The first instant at which the clock shows `local` or later.
  [[nodiscard]] MarketTime first_at(LocalTime local) const;

 private:
  std::chrono::seconds first_{0};
  std::vector<OffsetChange> changes_;
};

/// Each gate closes so long before its delivery begins.
struct ClosesBefore {
  Duration lead{0};
  friend bool operator==(const ClosesBefore&, const ClosesBefore&) = default;
};
/// All gates of a day close at this time on the wall of the day before.
struct ClosesDayBefore {
  Duration at = std::chrono::hours{12};
  friend bool operator==(const ClosesDayBefore&, const ClosesDayBefore&) = default;
};
using Closing = std::variant<ClosesBefore, ClosesDayBefore>;

struct SessionRules {
  Session session = Session::kRealTime;
  Duration interval = std::chrono::minutes{5};  ///< above 0
  Closing closing;
  Duration day_begins{0};  ///< on the wall; 4 h for the Australian trading day
  friend bool operator==(const SessionRules&, const SessionRules&) = default;
};

/// The day, by its begin on the wall, in which `at` lies.
[[nodiscard]] std::chrono::local_days day_of(const Zone& zone, Duration day_begins, MarketTime at);

/// All gates of the local day, in order of time; whether they are closed or not.
[[nodiscard]] std::vector<Gate> gates_of_day(const Zone& zone, const SessionRules& rules,
                                             std::chrono::local_days day);

/// All gates whose delivery begins in [from, until).
[[nodiscard]] std::vector<Gate> gates_between(const Zone& zone, const SessionRules& rules,
                                              MarketTime from, MarketTime until);

}  // namespace vpp::bidding
