// What would have been drawn without an event, by the days before it: the 10-of-10 baseline. Pure.
//
// Day type    workday, or rest day: Saturday, Sunday, holiday. Only days of the event's type count.
// Days        backwards from the day before the event, no farther than `lookback`: the newest
//             `target` days without event whose meter has no gap. If they are fewer, as many as
//             there are, from `least` on; below that, days with event fill up to `least`: those
//             that drew most at the hours of this event. Still fewer: there is no baseline.
// Baseline    of an interval: the mean of those days at the same local time.
// Ratio       drawn on the day of the event over the baseline, both from four hours before its
//             begin to one hour before it; held to 4/5..6/5. Hours are those that passed: on the
//             night of a clock change they are not what the clock says.
// Delivered   max(0, baseline * ratio - metered), interval by interval.
// Clock       a day has the intervals that its clock ran through: 23 or 25 hours of them on the
//             days of a change. Of an hour that came twice the mean is that day's; a day that
//             lacks a time which the event needs does not count.
// Export      load is positive when taken from the grid, unlike power elsewhere here: markets count
//             so. It may be negative. A ratio says how much more is drawn, so that there is none
//             where the baseline of its hours is not positive, or the day's load there negative;
//             and it says nothing of an interval whose baseline is negative, unless it is 1.
// Unknown     stays unknown: no gap is a zero, and what rests on an unknown ratio is unknown.
// Units       joules; exact up to the last division, which rounds to the nearest, halves away from
// 0. Cost        O(days * intervals of a day). Source      CAISO tariff 4.13.4, as far as
// docs/settlement.md says.
#pragma once

#include <chrono>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "config/units.h"

namespace vpp::bidding {

inline constexpr Joules kMeterMax{1'000'000'000'000'000};  ///< of one interval, either way: 277 GWh

struct MeterReading {
  std::chrono::minutes at{0};  ///< its begin, since midnight by the local clock
  std::optional<Joules> load;  ///< taken from the grid > 0; nothing: unknown
};

/// Every interval of a local day in the order of time, whether it is known or not. A time that the
/// clock left out is not there, one that it showed twice is there twice.
using MeterDay = std::vector<MeterReading>;

struct Meter {
  std::chrono::minutes interval{60};  ///< 5, 15, 30 or 60
  std::map<std::chrono::local_days, MeterDay> days;
};

/// Within one local day: one that goes on after midnight is one of the next day as well.
struct BaselineEvent {
  std::chrono::local_days day;
  std::chrono::minutes from{0};  ///< by the local clock; a time shown twice is meant the first time
  std::chrono::minutes length{60};  ///< a multiple of the meter's interval
};

struct BaselineCalendar {
  std::set<std::chrono::local_days> holidays;
  std::set<std::chrono::local_days> events;  ///< days with an event; the one in question or not
};

struct DayCount {
  int target = 10;
  int least = 5;
};

struct BaselineRules {
  DayCount workdays{10, 5};
  DayCount rest_days{10, 4};       ///< CAISO's target is 4
  std::chrono::days lookback{45};  ///< at most 60
  bool adjusts = true;             ///< false: the ratio is 1
};

enum class DayVerdict : std::uint8_t {
  kUsed,
  kUsedWithEvent,  ///< too few days had none
  kOtherType,
  kEvent,
  kGap,      ///< a reading is unknown, or the whole day
  kNoTime,   ///< its clock left out a time that the event needs
  kTooMany,  ///< the newer ones were enough
};

struct JudgedDay {
  std::chrono::local_days day;
  DayVerdict verdict;
};

/// Why there is no ratio.
enum class RatioUnknown : std::uint8_t {
  kNoBaseline,      ///< too few days
  kBeforeMidnight,  ///< its hours would begin on the day before
  kGap,             ///< the day of the event was not metered then
  kNotPositive,     ///< the baseline of its hours
  kChangesSign,     ///< the baseline of its hours is positive, what was drawn is negative
};

struct SameDayRatio {
  std::int64_t numerator = 1;  ///< what the baseline is multiplied by
  std::int64_t denominator = 1;
  std::optional<Joules> drawn;     ///< in its hours; nothing if there is no adjustment
  std::optional<Joules> expected;  ///< by the baseline
  bool is_held = false;            ///< it was beyond 4/5..6/5
};

struct BaselineInterval {
  std::chrono::minutes at{0};
  std::optional<Joules> baseline;
  std::optional<Joules> adjusted;
  std::optional<Joules> metered;
  std::optional<Joules> delivered;
};

struct Baseline {
  std::vector<JudgedDay> days;  ///< all of the look-back, newest first
  int used = 0;
  std::expected<SameDayRatio, RatioUnknown> ratio;
  std::vector<BaselineInterval> intervals;  ///< of the event
};

/// Why an event cannot be looked at.
enum class EventUnfit : std::uint8_t {
  kNotMetered,    ///< there is no reading of its day
  kNoSuchTime,    ///< its day's clock left its begin out, or no interval begins then
  kPastMidnight,  ///< it does not end on its day
};

[[nodiscard]] bool is_rest_day(std::chrono::local_days day, const BaselineCalendar& calendar);

[[nodiscard]] std::expected<Baseline, EventUnfit> baseline(const Meter& meter,
                                                           const BaselineEvent& event,
                                                           const BaselineCalendar& calendar,
                                                           const BaselineRules& rules = {});

}  // namespace vpp::bidding
