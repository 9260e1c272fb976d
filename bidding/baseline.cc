#include "bidding/baseline.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <span>
#include <utility>

#include "config/check.h"
#include "device/whole_math.h"

namespace vpp::bidding {
namespace {

using device::Int128;
using std::chrono::local_days;
using Readings = std::span<const MeterReading>;

constexpr std::chrono::minutes kWindowBegins{240};  ///< before the event
constexpr std::chrono::minutes kWindowEnds{60};
constexpr std::chrono::days kLookbackMax{
    60};  ///< three hours of it stay below 2^62 joules, doubled

/// To the nearest, halves away from zero; divisor > 0.
Joules divided_to_nearest(Int128 dividend, Int128 divisor) {
  const Int128 half = divisor / 2;
  return {static_cast<std::int64_t>((dividend < 0 ? dividend - half : dividend + half) / divisor)};
}

bool lacks_reading(Readings readings) {
  return std::ranges::any_of(readings, [](const auto& reading) { return !reading.load; });
}

/// Where the event and the hours of its ratio lie among the readings of its day.
struct EventTimes {
  Readings event;
  Readings window;  ///< empty if it would begin on the day before
};

std::expected<EventTimes, EventUnfit> find_times(const Meter& meter, const BaselineEvent& event) {
  const auto day = meter.days.find(event.day);
  if (day == meter.days.end() || day->second.empty()) {
    return std::unexpected{EventUnfit::kNotMetered};
  }
  const Readings readings = day->second;
  const auto it = std::ranges::find(readings, event.from, &MeterReading::at);
  if (it == readings.end()) return std::unexpected{EventUnfit::kNoSuchTime};
  const auto count_of = [&](std::chrono::minutes time) {
    return static_cast<std::size_t>(time / meter.interval);
  };
  const auto begin = static_cast<std::size_t>(it - readings.begin());
  const std::size_t length = count_of(event.length);
  if (begin + length > readings.size()) return std::unexpected{EventUnfit::kPastMidnight};
  EventTimes out{readings.subspan(begin, length), {}};
  if (begin >= count_of(kWindowBegins)) {
    out.window = readings.subspan(begin - count_of(kWindowBegins),
                                  count_of(kWindowBegins) - count_of(kWindowEnds));
  }
  return out;
}

/// Twice what the day drew then, so that the mean of an hour that came twice stays whole. Nothing
/// if its clock left that time out. The day has no gap.
std::optional<std::int64_t> doubled_at(const MeterDay& day, std::chrono::minutes at) {
  std::int64_t sum = 0;
  int times = 0;
  for (const auto& reading : day) {
    if (reading.at != at) continue;
    sum += reading.load->count;
    ++times;
  }
  if (times == 0) return std::nullopt;
  VPP_CHECK(times <= 2);
  return times == 1 ? 2 * sum : sum;
}

/// The same for each of the readings' times.
std::optional<std::vector<std::int64_t>> doubled_at(const MeterDay& day, Readings times) {
  std::vector<std::int64_t> out;
  for (const auto& reading : times) {
    const auto load = doubled_at(day, reading.at);
    if (!load) return std::nullopt;
    out.push_back(*load);
  }
  return out;
}

std::int64_t total_of(const std::vector<std::int64_t>& values) {
  std::int64_t sum = 0;
  for (const std::int64_t value : values) sum += value;
  return sum;
}

/// A day as far as the event needs it; doubled, see above.
struct MeasuredDay {
  std::size_t place = 0;  ///< among the judged days
  std::vector<std::int64_t> event;
  std::int64_t window = 0;
};

/// The days of the look-back, and the sums over those that count.
class BaselineDays {
 public:
  BaselineDays(const Meter& meter, const EventTimes& times) : meter_{meter}, times_{times} {}

  void choose(const BaselineEvent& event, const BaselineCalendar& calendar,
              const BaselineRules& rules) {
    const bool rests = is_rest_day(event.day, calendar);
    const DayCount count = rests ? rules.rest_days : rules.workdays;
    VPP_CHECK(0 < count.least && count.least <= count.target);
    for (std::chrono::days back{1}; back <= rules.lookback; ++back) {
      const local_days day = event.day - back;
      judged.push_back({day, DayVerdict::kOtherType});
      if (is_rest_day(day, calendar) == rests) judge(day, calendar, count);
    }
    // Of days that drew as much the newer one: the sort is stable.
    std::ranges::stable_sort(with_event_, std::ranges::greater{},
                             [](const MeasuredDay& one) { return total_of(one.event); });
    for (const auto& one : with_event_) {
      if (used < count.least) take(one, DayVerdict::kUsedWithEvent);
    }
    is_enough = used >= count.least;
  }

  std::vector<JudgedDay> judged;
  int used = 0;
  bool is_enough = false;
  std::vector<std::int64_t> event_sums;  ///< for each of its intervals, doubled
  std::int64_t window_sum = 0;           ///< doubled

 private:
  void judge(local_days day, const BaselineCalendar& calendar, DayCount count) {
    DayVerdict& verdict = judged.back().verdict;
    const bool has_event = calendar.events.contains(day);
    if (!has_event && used == count.target) {
      verdict = DayVerdict::kTooMany;
      return;
    }
    const auto it = meter_.days.find(day);
    MeasuredDay one{judged.size() - 1, {}, 0};
    verdict = it == meter_.days.end() ? DayVerdict::kGap : measure(it->second, one);
    const bool is_usable = verdict == DayVerdict::kUsed;
    if (has_event) {
      verdict = DayVerdict::kEvent;
      if (is_usable) with_event_.push_back(std::move(one));
    } else if (is_usable) {
      take(one, DayVerdict::kUsed);
    }
  }

  [[nodiscard]] DayVerdict measure(const MeterDay& day, MeasuredDay& one) const {
    if (day.empty() || lacks_reading(day)) return DayVerdict::kGap;
    auto loads = doubled_at(day, times_.event);
    const auto before = doubled_at(day, times_.window);
    if (!loads || !before) return DayVerdict::kNoTime;
    one.event = *std::move(loads);
    one.window = total_of(*before);
    return DayVerdict::kUsed;
  }

  void take(const MeasuredDay& one, DayVerdict verdict) {
    judged[one.place].verdict = verdict;
    ++used;
    window_sum += one.window;
    event_sums.resize(one.event.size());
    for (std::size_t i = 0; i < event_sums.size(); ++i) event_sums[i] += one.event[i];
  }

  const Meter& meter_;
  const EventTimes& times_;
  std::vector<MeasuredDay> with_event_;  ///< newest first
};

std::expected<SameDayRatio, RatioUnknown> same_day_ratio(const BaselineDays& days, Readings window,
                                                         const BaselineRules& rules) {
  if (!days.is_enough) return std::unexpected{RatioUnknown::kNoBaseline};
  if (!rules.adjusts) return SameDayRatio{};
  if (window.empty()) return std::unexpected{RatioUnknown::kBeforeMidnight};
  if (lacks_reading(window)) return std::unexpected{RatioUnknown::kGap};
  std::int64_t drawn = 0;
  for (const auto& reading : window) drawn += reading.load->count;
  if (days.window_sum <= 0) return std::unexpected{RatioUnknown::kNotPositive};
  if (drawn < 0) return std::unexpected{RatioUnknown::kChangesSign};
  const std::int64_t doubled = std::int64_t{2} * days.used;
  SameDayRatio out{drawn * doubled, days.window_sum, Joules{drawn},
                   divided_to_nearest(days.window_sum, doubled)};
  const Int128 fifths = Int128{5} * out.numerator;
  const bool is_low = fifths < Int128{4} * out.denominator;
  const bool is_high = fifths > Int128{6} * out.denominator;
  if (is_low || is_high) {
    out.numerator = is_low ? 4 : 6;
    out.denominator = 5;
    out.is_held = true;
  }
  return out;
}

BaselineInterval baseline_interval(const MeterReading& reading, const BaselineDays& days,
                                   std::size_t place,
                                   const std::expected<SameDayRatio, RatioUnknown>& ratio) {
  BaselineInterval out{reading.at, {}, {}, reading.load, {}};
  if (!days.is_enough) return out;
  const Int128 load = days.event_sums[place];
  const Int128 doubled = std::int64_t{2} * days.used;
  out.baseline = divided_to_nearest(load, doubled);
  if (!ratio || (load < 0 && ratio->numerator != ratio->denominator)) return out;
  out.adjusted = divided_to_nearest(load * ratio->numerator, doubled * ratio->denominator);
  if (reading.load) out.delivered = std::max(Joules{0}, *out.adjusted - *reading.load);
  return out;
}

void check_meter(const Meter& meter) {
  const auto interval = meter.interval.count();
  VPP_CHECK(interval == 5 || interval == 15 || interval == 30 || interval == 60);
  for (const auto& [day, readings] : meter.days) {
    for (const auto& reading : readings) {
      VPP_CHECK(reading.at >= std::chrono::minutes{0} && reading.at < std::chrono::days{1});
      VPP_CHECK(reading.at % meter.interval == std::chrono::minutes{0});
      VPP_CHECK(!reading.load || (*reading.load <= kMeterMax && *reading.load >= -kMeterMax));
    }
  }
}

}  // namespace

bool is_rest_day(local_days day, const BaselineCalendar& calendar) {
  const std::chrono::weekday weekday{day};
  return weekday == std::chrono::Saturday || weekday == std::chrono::Sunday ||
         calendar.holidays.contains(day);
}

std::expected<Baseline, EventUnfit> baseline(const Meter& meter, const BaselineEvent& event,
                                             const BaselineCalendar& calendar,
                                             const BaselineRules& rules) {
  check_meter(meter);
  VPP_CHECK(event.length > std::chrono::minutes{0} &&
            event.length % meter.interval == std::chrono::minutes{0});
  VPP_CHECK(rules.lookback <= kLookbackMax);
  const auto times = find_times(meter, event);
  if (!times) return std::unexpected{times.error()};
  BaselineDays days{meter, *times};
  days.choose(event, calendar, rules);
  Baseline out{days.judged, days.used, same_day_ratio(days, times->window, rules), {}};
  for (std::size_t i = 0; i < times->event.size(); ++i) {
    out.intervals.push_back(baseline_interval(times->event[i], days, i, out.ratio));
  }
  return out;
}

}  // namespace vpp::bidding
