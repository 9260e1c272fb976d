#include "bidding/baseline.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <utility>
#include <vector>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

using LocalDay = std::chrono::local_days;
using Hours = std::chrono::hours;
using Days = std::chrono::days;

constexpr LocalDay kWednesday{2017y / 7 / 12};

/// A day as most are, of the same load at every interval.
MeterDay flat_day(std::int64_t joules, std::chrono::minutes interval = 60min) {
  MeterDay out;
  for (std::chrono::minutes at{0}; at < 24h; at += interval) out.push_back({at, Joules{joules}});
  return out;
}

void set_hour(MeterDay& day, int hour, std::int64_t joules) {
  for (auto& reading : day) {
    if (std::chrono::floor<Hours>(reading.at) == Hours{hour}) reading.load = Joules{joules};
  }
}

/// Days before the event, and its own, each flat at that load.
Meter flat_meter(LocalDay last, int count, std::int64_t joules) {
  Meter out;
  for (int i = 0; i <= count; ++i) out.days[last - Days{i}] = flat_day(joules);
  return out;
}

Baseline baseline_of(const Meter& meter, const BaselineEvent& event,
                     const BaselineCalendar& calendar = {}, const BaselineRules& rules = {}) {
  auto out = baseline(meter, event, calendar, rules);
  REQUIRE(out.has_value());
  return *std::move(out);
}

std::vector<LocalDay> days_with(const Baseline& baseline, DayVerdict verdict) {
  std::vector<LocalDay> out;
  for (const auto& [day, its] : baseline.days) {
    if (its == verdict) out.push_back(day);
  }
  return out;
}

std::vector<LocalDay> back_from(LocalDay day, std::initializer_list<int> counts) {
  std::vector<LocalDay> out;
  for (const int count : counts) out.push_back(day - Days{count});
  return out;
}

double ratio_value(const SameDayRatio& ratio) {
  return static_cast<double>(ratio.numerator) / static_cast<double>(ratio.denominator);
}

RatioUnknown unknown_ratio(const Baseline& baseline) {
  REQUIRE_FALSE(baseline.ratio.has_value());
  for (const auto& interval : baseline.intervals) {
    CHECK_FALSE(interval.adjusted.has_value());
    CHECK_FALSE(interval.delivered.has_value());
  }
  return baseline.ratio.error();
}

/// Written from the definition a second time: by local times instead of places, in wide floats.
struct NaiveBaseline {
  const Meter& meter;
  BaselineEvent event;
  const BaselineCalendar& calendar;
  BaselineRules rules;

  [[nodiscard]] bool rests(LocalDay day) const {
    const std::chrono::weekday weekday{day};
    return weekday.iso_encoding() >= 6 || calendar.holidays.contains(day);
  }

  [[nodiscard]] std::optional<long double> load_at(LocalDay day, std::chrono::minutes at) const {
    long double sum = 0;
    int times = 0;
    for (const auto& reading : meter.days.at(day)) {
      if (reading.at == at) sum += static_cast<long double>(reading.load->count), ++times;
    }
    return times == 0 ? std::nullopt : std::optional{sum / times};
  }

  /// The readings from so many hours before the event's begin on; empty if there are not as many.
  [[nodiscard]] MeterDay readings(int before_h, int length_h) const {
    const MeterDay& day = meter.days.at(event.day);
    const auto per_hour = static_cast<int>(60min / meter.interval);
    int begin = 0;
    while (day[static_cast<std::size_t>(begin)].at != event.from) ++begin;
    begin -= before_h * per_hour;
    if (begin < 0) return {};
    return {day.begin() + begin, day.begin() + begin + length_h * per_hour};
  }

  [[nodiscard]] bool is_usable(LocalDay day) const {
    if (!meter.days.contains(day) || meter.days.at(day).empty()) return false;
    for (const auto& reading : meter.days.at(day)) {
      if (!reading.load) return false;
    }
    for (const auto& needed : {readings(0, static_cast<int>(event.length / 1h)), window()}) {
      for (const auto& reading : needed) {
        if (!load_at(day, reading.at)) return false;
      }
    }
    return true;
  }

  [[nodiscard]] MeterDay window() const { return readings(4, 3); }

  [[nodiscard]] long double drawn_in_event(LocalDay day) const {
    long double sum = 0;
    for (const auto& reading : readings(0, static_cast<int>(event.length / 1h))) {
      sum += *load_at(day, reading.at);
    }
    return sum;
  }

  [[nodiscard]] std::vector<LocalDay> used() const {
    const DayCount count = rests(event.day) ? rules.rest_days : rules.workdays;
    std::vector<LocalDay> out, others;
    for (int back = 1; back <= rules.lookback.count(); ++back) {
      const LocalDay day = event.day - Days{back};
      if (rests(day) != rests(event.day) || !is_usable(day)) continue;
      (calendar.events.contains(day) ? others : out).push_back(day);
    }
    if (static_cast<int>(out.size()) > count.target)
      out.resize(static_cast<std::size_t>(count.target));
    while (static_cast<int>(out.size()) < count.least && !others.empty()) {
      auto best = others.begin();
      for (auto it = others.begin(); it != others.end(); ++it) {
        if (drawn_in_event(*it) > drawn_in_event(*best)) best = it;
      }
      out.push_back(*best);
      others.erase(best);
    }
    if (static_cast<int>(out.size()) < count.least) out.clear();
    std::ranges::sort(out, std::ranges::greater{});
    return out;
  }

  [[nodiscard]] long double mean_at(const std::vector<LocalDay>& from,
                                    std::chrono::minutes at) const {
    long double sum = 0;
    for (const LocalDay day : from) sum += *load_at(day, at);
    return sum / static_cast<long double>(from.size());
  }

  [[nodiscard]] std::optional<long double> ratio(const std::vector<LocalDay>& from) const {
    if (from.empty()) return std::nullopt;
    if (!rules.adjusts) return 1;
    if (window().empty()) return std::nullopt;
    long double drawn = 0, expected = 0;
    for (const auto& reading : window()) {
      if (!reading.load) return std::nullopt;
      drawn += static_cast<long double>(reading.load->count);
      expected += mean_at(from, reading.at);
    }
    // Of less than half a joule nothing is left but rounding.
    if (expected < 1e-6L || drawn < 0) return std::nullopt;
    return std::clamp(drawn / expected, 0.8L, 1.2L);
  }
};

MeterDay random_day(Rng& rng, std::chrono::minutes interval, std::int64_t least) {
  MeterDay out;
  const std::uint64_t change = rng.below(12);  // a day of a clock change, now and then
  for (std::chrono::minutes at{0}; at < 24h; at += interval) {
    const auto load = [&] { return Joules{least + static_cast<std::int64_t>(rng.below(100'000))}; };
    const bool is_second = at >= 2h && at < 3h;
    if (change != 0 || !is_second) out.push_back({at, load()});
    if (change != 1 || at < 3h - interval || !is_second) continue;
    for (std::chrono::minutes again{120}; again < 3h; again += interval)
      out.push_back({again, load()});
  }
  if (rng.below(10) == 0) out[rng.below(out.size())].load.reset();
  return out;
}

void check_against_naive(const Baseline& actual, const NaiveBaseline& naive) {
  const auto from = naive.used();
  auto chosen = days_with(actual, DayVerdict::kUsed);
  const auto with_event = days_with(actual, DayVerdict::kUsedWithEvent);
  if (from.empty()) {
    REQUIRE(unknown_ratio(actual) == RatioUnknown::kNoBaseline);
    for (const auto& interval : actual.intervals) REQUIRE_FALSE(interval.baseline.has_value());
    return;
  }
  chosen.insert(chosen.end(), with_event.begin(), with_event.end());
  std::ranges::sort(chosen, std::ranges::greater{});
  REQUIRE(chosen == from);
  REQUIRE(actual.used == static_cast<int>(from.size()));
  const auto ratio = naive.ratio(from);
  REQUIRE(actual.ratio.has_value() == ratio.has_value());
  const auto event = naive.readings(0, static_cast<int>(naive.event.length / 1h));
  REQUIRE(actual.intervals.size() == event.size());
  for (std::size_t i = 0; i < event.size(); ++i) {
    const auto& interval = actual.intervals[i];
    const long double mean = naive.mean_at(from, event[i].at);
    const auto is_near = [](Joules joules, long double exact) {
      return std::abs(static_cast<long double>(joules.count) - exact) <= 0.5L + 1e-6L;
    };
    REQUIRE(interval.at == event[i].at);
    REQUIRE(interval.metered == event[i].load);
    REQUIRE(is_near(interval.baseline.value(), mean));
    const bool tells = ratio && (mean >= 0 || *ratio == 1);
    REQUIRE(interval.adjusted.has_value() == tells);
    REQUIRE(interval.delivered.has_value() == (tells && event[i].load));
    if (tells) REQUIRE(is_near(*interval.adjusted, mean * *ratio));
    if (!interval.delivered) continue;
    REQUIRE(*interval.delivered == std::max(Joules{0}, *interval.adjusted - *event[i].load));
  }
}

}  // namespace

TEST_CASE("a baseline is the mean of ten days, adjusted by hours that are not next to the event",
          "[bidding][baseline]") {
  Meter meter = flat_meter(kWednesday, 20, 1000);
  MeterDay& today = meter.days[kWednesday];
  for (const int hour : {14, 15, 16}) set_hour(today, hour, 1100);
  set_hour(today, 13, 90'000);  // neither five hours before
  set_hour(today, 17, 90'000);  // nor the last one counts
  set_hour(today, 18, 300);
  set_hour(today, 19, 1500);
  set_hour(meter.days[kWednesday - Days{1}], 18, 2000);  // one day of ten: 1100 on average
  const Baseline out = baseline_of(meter, {kWednesday, 18h, 2h});
  CHECK(out.used == 10);
  CHECK(ratio_value(out.ratio.value()) == Approx(1.1));
  CHECK(out.ratio->drawn == Joules{3300});
  CHECK(out.ratio->expected == Joules{3000});
  CHECK_FALSE(out.ratio->is_held);
  REQUIRE(out.intervals.size() == 2);
  CHECK(out.intervals[0].at == 18h);
  CHECK(out.intervals[0].baseline == Joules{1100});
  CHECK(out.intervals[0].adjusted == Joules{1210});
  CHECK(out.intervals[0].metered == Joules{300});
  CHECK(out.intervals[0].delivered == Joules{910});
  CHECK(out.intervals[1].adjusted == Joules{1100});
  CHECK(out.intervals[1].delivered == Joules{0});  // more than expected is no negative delivery
}

TEST_CASE("a baseline's days are the newest of its type, without event and without gap",
          "[bidding][baseline]") {
  Meter meter = flat_meter(kWednesday, 60, 1000);
  meter.days[LocalDay{2017y / 6 / 30}][3].load.reset();
  meter.days.erase(LocalDay{2017y / 6 / 27});
  const BaselineCalendar calendar{{LocalDay{2017y / 7 / 4}}, {LocalDay{2017y / 7 / 6}, kWednesday}};
  const Baseline out = baseline_of(meter, {kWednesday, 18h, 1h}, calendar);
  std::vector<LocalDay> expected;
  for (const int day : {11, 10, 7, 5, 3}) expected.push_back(LocalDay{2017y / 7 / day});
  for (const int day : {29, 28, 26, 23, 22}) expected.push_back(LocalDay{2017y / 6 / day});
  CHECK(days_with(out, DayVerdict::kUsed) == expected);
  CHECK(days_with(out, DayVerdict::kEvent) == std::vector{LocalDay{2017y / 7 / 6}});
  CHECK(days_with(out, DayVerdict::kGap) ==
        std::vector{LocalDay{2017y / 6 / 30}, LocalDay{2017y / 6 / 27}});
  CHECK(out.days.size() == 45);
  CHECK(out.days.back().day == kWednesday - Days{45});
  CHECK(out.days.back().verdict == DayVerdict::kOtherType);  // a Sunday
  CHECK(out.days[43].verdict == DayVerdict::kTooMany);
  CHECK(is_rest_day(LocalDay{2017y / 7 / 4}, calendar));
  CHECK_FALSE(is_rest_day(LocalDay{2017y / 7 / 3}, calendar));

  const BaselineEvent on_holiday{LocalDay{2017y / 7 / 4}, 18h, 1h};
  const Baseline rest = baseline_of(meter, on_holiday, calendar);
  CHECK(rest.used == 10);
  CHECK(days_with(rest, DayVerdict::kUsed).front() == LocalDay{2017y / 7 / 2});
  CHECK(days_with(rest, DayVerdict::kUsed).back() == LocalDay{2017y / 6 / 3});
  const Baseline four = baseline_of(meter, on_holiday, calendar, {.rest_days = {4, 4}});
  CHECK(days_with(four, DayVerdict::kUsed) == back_from(on_holiday.day, {2, 3, 9, 10}));
}

TEST_CASE("fewer days than ten count from five on, below it days with event fill up",
          "[bidding][baseline]") {
  const auto with = [](int without_event) {
    Meter meter = flat_meter(kWednesday, 45, 1000);
    BaselineCalendar calendar;
    int seen = 0;
    for (int back = 1; back <= 45; ++back) {
      const LocalDay day = kWednesday - Days{back};
      if (is_rest_day(day, calendar) || ++seen <= without_event) continue;
      calendar.events.insert(day);
      set_hour(meter.days[day], 18, 2000 + 10 * back);  // the oldest drew most
    }
    return baseline_of(meter, {kWednesday, 18h, 1h}, calendar);
  };
  CHECK(with(7).used == 7);
  CHECK(with(5).used == 5);
  CHECK(days_with(with(5), DayVerdict::kUsedWithEvent).empty());
  const Baseline three = with(3);
  CHECK(three.used == 5);
  CHECK(days_with(three, DayVerdict::kUsed) == back_from(kWednesday, {1, 2, 5}));
  CHECK(days_with(three, DayVerdict::kUsedWithEvent) == back_from(kWednesday, {43, 44}));
  // Of five days three drew 1000, the others 2430 and 2440.
  CHECK(three.intervals[0].baseline == Joules{(3000 + 2430 + 2440) / 5});
  CHECK(with(0).used == 5);
}

TEST_CASE("with too few days there is no baseline, and the meter is told all the same",
          "[bidding][baseline]") {
  const Meter meter = flat_meter(kWednesday, 6, 1000);  // four workdays
  const Baseline out = baseline_of(meter, {kWednesday, 18h, 1h});
  CHECK(unknown_ratio(out) == RatioUnknown::kNoBaseline);
  CHECK(out.used == 4);
  CHECK_FALSE(out.intervals[0].baseline.has_value());
  CHECK(out.intervals[0].metered == Joules{1000});
  CHECK(baseline_of(flat_meter(kWednesday, 7, 1000), {kWednesday, 18h, 1h}).ratio.has_value());
}

TEST_CASE("the ratio of the day is held to a fifth, either way", "[bidding][baseline]") {
  const auto ratio = [](std::int64_t drawn) {
    Meter meter = flat_meter(kWednesday, 20, 1000);
    for (const int hour : {14, 15, 16}) set_hour(meter.days[kWednesday], hour, drawn);
    return baseline_of(meter, {kWednesday, 18h, 1h}).ratio.value();
  };
  CHECK(ratio_value(ratio(1200)) == Approx(1.2));
  CHECK_FALSE(ratio(1200).is_held);
  CHECK(ratio_value(ratio(1201)) == Approx(1.2));
  CHECK(ratio(1201).is_held);
  CHECK_FALSE(ratio(800).is_held);
  CHECK(ratio_value(ratio(799)) == Approx(0.8));
  CHECK(ratio(799).is_held);
  CHECK(ratio_value(ratio(0)) == Approx(0.8));
}

TEST_CASE("without adjustment the ratio is one, whatever was drawn", "[bidding][baseline]") {
  Meter meter = flat_meter(kWednesday, 20, -1000);
  meter.days[kWednesday][15].load.reset();
  const Baseline out = baseline_of(meter, {kWednesday, 18h, 1h}, {}, {.adjusts = false});
  CHECK(ratio_value(out.ratio.value()) == 1);
  CHECK(out.intervals[0].adjusted == Joules{-1000});
  CHECK(out.intervals[0].delivered == Joules{0});
  set_hour(meter.days[kWednesday], 18, -1700);
  CHECK(baseline_of(meter, {kWednesday, 18h, 1h}, {}, {.adjusts = false}).intervals[0].delivered ==
        Joules{700});  // export beyond what is usual
}

TEST_CASE("where export leaves no ratio, nothing is said to be delivered", "[bidding][baseline]") {
  const BaselineEvent event{kWednesday, 18h, 2h};
  CHECK(unknown_ratio(baseline_of(flat_meter(kWednesday, 20, 0), event)) ==
        RatioUnknown::kNotPositive);
  CHECK(unknown_ratio(baseline_of(flat_meter(kWednesday, 20, -500), event)) ==
        RatioUnknown::kNotPositive);
  Meter meter = flat_meter(kWednesday, 20, 1000);
  for (const int hour : {14, 15, 16}) set_hour(meter.days[kWednesday], hour, -1);
  CHECK(unknown_ratio(baseline_of(meter, event)) == RatioUnknown::kChangesSign);

  // Of the hours of the event one draws, one gives: the ratio speaks of the first alone.
  meter = flat_meter(kWednesday, 20, 1000);
  for (auto& [day, readings] : meter.days) set_hour(readings, 19, -1000);
  for (const int hour : {14, 15, 16}) set_hour(meter.days[kWednesday], hour, 1100);
  const Baseline mixed = baseline_of(meter, event);
  CHECK(mixed.intervals[0].adjusted == Joules{1100});
  CHECK(mixed.intervals[1].baseline == Joules{-1000});
  CHECK_FALSE(mixed.intervals[1].adjusted.has_value());
  CHECK_FALSE(mixed.intervals[1].delivered.has_value());
  for (const int hour : {14, 15, 16}) set_hour(meter.days[kWednesday], hour, 1000);
  CHECK(baseline_of(meter, event).intervals[1].adjusted == Joules{-1000});
}

TEST_CASE("what was not metered on the day of the event stays unknown", "[bidding][baseline]") {
  Meter meter = flat_meter(kWednesday, 20, 1000);
  meter.days[kWednesday][19].load.reset();
  const Baseline out = baseline_of(meter, {kWednesday, 18h, 3h});
  CHECK(out.intervals[0].delivered == Joules{0});
  CHECK(out.intervals[1].adjusted == Joules{1000});
  CHECK_FALSE(out.intervals[1].metered.has_value());
  CHECK_FALSE(out.intervals[1].delivered.has_value());
  meter.days[kWednesday][14].load.reset();
  CHECK(unknown_ratio(baseline_of(meter, {kWednesday, 18h, 3h})) == RatioUnknown::kGap);
  CHECK(baseline_of(meter, {kWednesday, 18h, 3h}).intervals[0].baseline == Joules{1000});
  CHECK(baseline_of(meter, {kWednesday, 4h, 1h}).ratio.has_value());
  CHECK(unknown_ratio(baseline_of(meter, {kWednesday, 3h, 1h})) == RatioUnknown::kBeforeMidnight);
}

TEST_CASE("quotients are rounded to the nearest, once", "[bidding][baseline]") {
  const auto first = [](std::int64_t one_day, std::int64_t today) {
    Meter meter = flat_meter(kWednesday, 20, 0);
    for (auto& [day, readings] : meter.days) {
      for (const int hour : {14, 15, 16}) set_hour(readings, hour, 100);
    }
    set_hour(meter.days[kWednesday - Days{1}], 18, one_day);
    set_hour(meter.days[kWednesday], 14, today);
    return baseline_of(meter, {kWednesday, 18h, 1h}).intervals[0];
  };
  CHECK(first(4, 100).baseline == Joules{0});
  CHECK(first(5, 100).baseline == Joules{1});
  CHECK(first(-4, 100).baseline == Joules{0});
  CHECK(first(-5, 100).baseline == Joules{-1});
  // 0.4 * 1.2 = 0.48, 0.5 * 1.1 = 0.55, 0.5 * 0.9 = 0.45: not by way of the rounded mean.
  CHECK(first(4, 1000).adjusted == Joules{0});
  CHECK(first(5, 130).adjusted == Joules{1});
  CHECK(first(5, 70).adjusted == Joules{0});
}

TEST_CASE("sums of the largest meters do not overflow", "[bidding][baseline]") {
  Meter meter{5min, {}};
  for (int i = 0; i <= 60; ++i) {
    meter.days[kWednesday - Days{i}] = flat_day(kMeterMax.count, 5min);
  }
  const Baseline out =
      baseline_of(meter, {kWednesday, 18h, 6h}, {}, {.workdays = {60, 1}, .lookback = Days{60}});
  CHECK(out.used == 42);
  CHECK(out.intervals.size() == 72);
  CHECK(out.intervals[71].adjusted == kMeterMax);
  for (auto& reading : meter.days[kWednesday]) reading.load = -kMeterMax;
  const Baseline unadjusted = baseline_of(meter, {kWednesday, 18h, 1h}, {}, {.adjusts = false});
  CHECK(unadjusted.intervals[0].delivered == kMeterMax * 2);
}

TEST_CASE("on nights of a clock change the hours that passed count, at the times they had",
          "[bidding][baseline]") {
  const LocalDay spring{2017y / 3 / 26};
  Meter meter = flat_meter(spring + Days{7}, 60, 1000);
  MeterDay& short_day = meter.days[spring];
  std::erase_if(short_day, [](const auto& reading) { return reading.at == 2h; });
  for (auto& [day, readings] : meter.days) {
    set_hour(readings, 0, 600);
    set_hour(readings, 1, 900);
    set_hour(readings, 5, 10'000);
  }
  // Before 05:00 on that day passed 00, 01, 03 and 04.
  set_hour(short_day, 3, 1500);
  const Baseline out = baseline_of(meter, {spring, 5h, 1h});
  CHECK(out.ratio->expected == Joules{600 + 900 + 1000});
  CHECK(out.ratio->drawn == Joules{600 + 900 + 1500});
  CHECK(baseline(meter, {spring, 2h, 1h}, {}).error() == EventUnfit::kNoSuchTime);
  // A week later the short day lacks what an event at 02:00 would need, and no other.
  const Baseline later = baseline_of(meter, {spring + Days{7}, 2h, 1h});
  CHECK(days_with(later, DayVerdict::kNoTime) == std::vector{spring});
  CHECK(days_with(baseline_of(meter, {spring + Days{7}, 18h, 1h}), DayVerdict::kNoTime).empty());

  const LocalDay autumn{2017y / 10 / 29};
  meter = flat_meter(autumn + Days{1}, 60, 1000);
  MeterDay& long_day = meter.days[autumn];
  set_hour(long_day, 2, 1500);
  long_day.insert(long_day.begin() + 3, MeterReading{2h, Joules{2500}});
  const Baseline twice = baseline_of(meter, {autumn, 2h, 2h});  // 02:00 and 02:00 again
  REQUIRE(twice.intervals.size() == 2);
  CHECK(twice.intervals[1].at == 2h);
  CHECK(twice.intervals[1].metered == Joules{2500});
  CHECK(twice.intervals[1].baseline == Joules{1000});
  BaselineCalendar calendar{{autumn + Days{1}}, {}};  // a Monday, so that the long day counts
  const BaselineEvent next{autumn + Days{1}, 2h, 1h};
  CHECK(baseline_of(meter, next, calendar).intervals[0].baseline == Joules{1100});
}

TEST_CASE("an event that its day's clock and meter do not hold is an error",
          "[bidding][baseline]") {
  const Meter meter = flat_meter(kWednesday, 20, 1000);
  const auto error = [&](const BaselineEvent& event) {
    const auto out = baseline(meter, event, {});
    REQUIRE_FALSE(out.has_value());
    return out.error();
  };
  CHECK(error({kWednesday + Days{1}, 18h, 1h}) == EventUnfit::kNotMetered);
  CHECK(error({kWednesday, 18h + 15min, 1h}) == EventUnfit::kNoSuchTime);
  CHECK(error({kWednesday, 23h, 2h}) == EventUnfit::kPastMidnight);
  CHECK(baseline(meter, {kWednesday, 23h, 1h}, {}).has_value());
}

TEST_CASE("a baseline equals a naive second implementation on random meters",
          "[bidding][baseline]") {
  Rng rng{21};
  int with_ratio = 0;
  int filled = 0;
  for (int round = 0; round < 400; ++round) {
    Meter meter{std::chrono::minutes{std::array{5, 15, 30, 60}[rng.below(4)]}, {}};
    const std::int64_t least = std::array{0, -20'000, -60'000}[rng.below(3)];
    const LocalDay last = kWednesday + Days{rng.below(7)};
    const std::uint64_t kept = 3 + rng.below(50);
    const std::uint64_t events = rng.below(10);
    BaselineCalendar calendar;
    for (std::uint64_t back = 0; back < kept; ++back) {
      const LocalDay day = last - Days{back};
      if (back == 0 || rng.below(15) > 0) {
        meter.days[day] = random_day(rng, meter.interval, least);
      }
      if (rng.below(10) < events) calendar.events.insert(day);
      if (rng.below(12) == 0) calendar.holidays.insert(day);
    }
    const BaselineEvent event{last, Hours{3 + rng.below(18)}, Hours{1 + rng.below(3)}};
    BaselineRules rules;
    if (rng.below(2) == 0) rules.rest_days.target = 4;
    rules.adjusts = rng.below(5) > 0;
    const Baseline out = baseline_of(meter, event, calendar, rules);
    check_against_naive(out, {meter, event, calendar, rules});
    if (out.ratio) ++with_ratio;
    if (out.ratio && !days_with(out, DayVerdict::kUsedWithEvent).empty()) ++filled;
  }
  CHECK(with_ratio > 100);  // the rounds test what they are meant to
  CHECK(filled > 20);
}
