#include "bidding/openadr_intervals.h"

#include <catch2/catch.hpp>
#include <optional>
#include <string>
#include <vector>

#include "bidding/openadr_time.h"
#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding::openadr;
using namespace std::chrono_literals;

namespace {

MarketTime second(std::int64_t n) {
  return MarketTime{std::chrono::seconds{n}};
}

Interval interval_of(std::optional<Period> period) {
  return {.id = 0, .period = period, .payloads = {}};
}

struct InForceAt {
  std::size_t interval = 0;
  std::int64_t round = 0;
  friend bool operator==(const InForceAt&, const InForceAt&) = default;
};

/// The rules again, looked up for one second: which interval began last, and has it ended?
struct NaiveEvent {
  const Event& event;
  MarketTime seen;
  Duration shift;

  /// Of the first round, without what cuts it off.
  void lay_out(std::vector<std::pair<MarketTime, MarketTime>>& spans) const {
    for (std::size_t i = 0; i < event.intervals.size(); ++i) {
      const auto& own = event.intervals[i].period;
      MarketTime start = i > 0 ? spans[i - 1].second : MarketTime{};
      std::optional<MarketTime> told = own ? own->start : std::nullopt;
      if (!told && i == 0) told = event.period ? event.period->start : std::nullopt;
      if (!told && i == 0) told = kStartsNow;
      if (told) start = (*told == kStartsNow ? seen : *told) + shift;
      std::optional<Duration> lasts = own ? own->duration : std::nullopt;
      if (!lasts && event.period) lasts = event.period->duration;
      const bool endless = !lasts || *lasts == kForever;
      spans.emplace_back(start, endless ? kEndOfTime : start + *lasts);
    }
  }
  [[nodiscard]] std::optional<InForceAt> at(MarketTime now) const {
    std::vector<std::pair<MarketTime, MarketTime>> spans;
    lay_out(spans);
    const MarketTime begin = spans.front().first;
    if (now < begin) return std::nullopt;
    if (event.duration && *event.duration != kForever && now >= begin + *event.duration) {
      return std::nullopt;
    }
    std::int64_t round = 0;
    while (event.duration && now >= spans.back().second) {  // step back by whole rounds
      now -= spans.back().second - begin;
      ++round;
    }
    std::optional<std::size_t> last;
    for (std::size_t i = 0; i < spans.size(); ++i) {
      if (spans[i].first <= now) last = i;
    }
    if (!last || now >= spans[*last].second) return std::nullopt;
    return InForceAt{*last, round};
  }
};

std::optional<Period> random_period(Rng& rng, std::int64_t& earliest) {
  if (rng.below(2) == 0) return std::nullopt;
  Period out;
  if (rng.below(2) == 0) {
    earliest += static_cast<std::int64_t>(rng.below(9));
    out.start = second(earliest);
  }
  if (rng.below(3) != 0) out.duration = std::chrono::seconds{1 + rng.below(9)};
  return out;
}

Event random_event(Rng& rng) {
  Event out;
  out.id = "e" + std::to_string(rng.below(1000));
  std::int64_t earliest = 10;
  out.period = Period{.start = rng.below(3) == 0 ? kStartsNow : second(10),
                      .duration = std::chrono::seconds{1 + rng.below(7)},
                      .randomize = std::chrono::seconds{rng.below(3)}};
  if (rng.below(4) == 0) out.period->start.reset();
  const std::uint64_t n = 1 + rng.below(5);
  for (std::uint64_t i = 0; i < n; ++i)
    out.intervals.push_back(interval_of(random_period(rng, earliest)));
  if (rng.below(2) == 0) out.duration = std::chrono::seconds{1 + rng.below(60)};
  if (rng.below(8) == 0) out.duration = kForever;
  if (!out.duration && rng.below(6) == 0)
    out.intervals.back().period = Period{.duration = kForever};
  return out;
}

}  // namespace

TEST_CASE("at every second the interval in force is the one that the rules say",
          "[openadr][intervals]") {
  Rng rng{20261126};
  int placed_events = 0;
  for (int run = 0; run < 4'000; ++run) {
    const Event event = random_event(rng);
    const MarketTime seen = second(static_cast<std::int64_t>(rng.below(30)));
    const Duration shift = draw_shift(event, "ven");
    const auto table = Timetable::make(event, {.seen = seen, .shift = shift});
    if (!table) continue;
    ++placed_events;
    const NaiveEvent naive{event, seen, shift};
    const std::vector<Placed> all = table->within(second(0), second(120), 10'000);
    for (MarketTime now = second(0); now < second(120); now += 500ms) {
      std::optional<InForceAt> found;
      for (const Placed& each : all) {
        if (each.from <= now && now < each.until) {
          REQUIRE_FALSE(found);
          found = InForceAt{each.interval, each.round};
        }
      }
      INFO("run " << run << " at " << now.time_since_epoch().count());
      REQUIRE(found == naive.at(now));
      // Whoever joins late sees the same.
      const auto late = table->within(now, now + 1ms, 2);
      REQUIRE(late.empty() != found.has_value());
    }
  }
  CHECK(placed_events > 2'000);
}

TEST_CASE("intervals counted over all rounds are those of the timetable", "[openadr][intervals]") {
  Rng rng{7};
  for (int run = 0; run < 2'000; ++run) {
    const Event event = random_event(rng);
    const auto table = Timetable::make(event, {.seen = second(3)});
    if (!table) continue;
    const auto by_time = table->within(second(0), second(100'000), 50);
    const auto by_number = table->from_number(0, by_time.size());
    REQUIRE(by_time == by_number);
    if (table->in_all() >= 0 && table->in_all() <= 50) {
      REQUIRE(table->in_all() == std::ssize(by_time));
    }
  }
}

TEST_CASE("an event of no length, or that starts now for no time, is cancelled",
          "[openadr][intervals]") {
  Event event;
  event.intervals = {interval_of({})};
  event.period = Period{.start = kStartsNow, .duration = 0s};
  CHECK(Timetable::make(event, {}).value().cancelled());
  event.period = Period{.start = second(9), .duration = 5s};
  CHECK_FALSE(Timetable::make(event, {}).value().cancelled());
  event.duration = 0s;
  const auto table = Timetable::make(event, {}).value();
  CHECK(table.cancelled());
  CHECK(table.within(second(0), second(99), 9).empty());
}

TEST_CASE("intervals that run backwards are not obeyed", "[openadr][intervals]") {
  Event event;
  event.intervals = {interval_of(Period{second(20), 5s, 0s}),
                     interval_of(Period{second(10), 5s, 0s})};
  const auto table = Timetable::make(event, {});
  REQUIRE_FALSE(table);
  CHECK(table.error() == "its intervals run backwards in time");
}

TEST_CASE("a server's clock moves its times and leaves what starts now alone",
          "[openadr][intervals]") {
  Event event;
  event.intervals = {interval_of(Period{second(100), 5s, 0s})};
  const Placing placing{.seen = second(40), .server_ahead = 60s};
  CHECK(Timetable::make(event, placing).value().begins() == second(40));
  event.intervals.front().period->start = kStartsNow;
  CHECK(Timetable::make(event, placing).value().begins() == second(40));
}

TEST_CASE("the draw for a random start stays in its range, is kept, and differs between events",
          "[openadr][intervals]") {
  std::vector<std::int64_t> draws;
  for (int i = 0; i < 400; ++i) {
    Event event;
    event.id = std::to_string(i);
    event.period = Period{.start = second(0), .duration = 1s, .randomize = 100s};
    const Duration shift = draw_shift(event, "ven");
    REQUIRE((shift >= 0s && shift <= 100s));
    REQUIRE(draw_shift(event, "ven") == shift);
    draws.push_back(shift.count());
  }
  std::int64_t sum = 0;
  for (const std::int64_t draw : draws) sum += draw;
  CHECK(std::abs(sum / 400 - 50'000) < 5'000);
}

TEST_CASE("several values split an interval without gap or overlap", "[openadr][intervals]") {
  const Placed whole{0, 0, second(10), second(17)};
  for (std::size_t n = 1; n < 20; ++n) {
    const auto parts = split(whole, n);
    REQUIRE(parts.size() == n);
    CHECK(parts.front().from == whole.from);
    CHECK(parts.back().until == whole.until);
    for (std::size_t i = 1; i < n; ++i) {
      CHECK(parts[i].from == parts[i - 1].until);
      CHECK((parts[i].until - parts[i].from) - (parts[0].until - parts[0].from) <= 1ms);
    }
  }
}

TEST_CASE("durations and times are read as they are written", "[openadr][time]") {
  CHECK(parse_duration("PT1H") == 1h);
  CHECK(parse_duration("P1DT2H3M4.5S") == 26h + 3min + 4'500ms);
  CHECK(parse_duration("PT0S") == 0s);
  CHECK(parse_duration("P2W") == 14 * 24h);
  CHECK(parse_duration("P9999Y") == kForever);
  for (const char* bad :
       {"", "P", "PT", "1H", "PT1", "P1H", "PT1D", "PT1M1H", "PT-1S", "PT1.5H", "PT1S ", "P1Y1Y"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_duration(bad));
  }
  CHECK(parse_date_time("1970-01-01T00:00:10Z") == second(10));
  CHECK(parse_date_time("1970-01-01T02:00:10.25+02:00") == second(10) + 250ms);
  CHECK(parse_date_time("1969-12-31T23:00:10-0100") == second(10));
  CHECK(parse_date_time("1970-01-02") == second(86'400));
  CHECK(parse_date_time("0001-01-01") == kStartsNow);
  CHECK(parse_date_time("0001-01-01T00:00:00Z") == kStartsNow);
  for (const char* bad : {"", "2026", "2026-02-30", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
                          "2026-01-01T00:00:00X", "2200-01-01T00:00:00Z", "1969-01-01"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_date_time(bad));
  }
}

TEST_CASE("what is written is read again as the same", "[openadr][time]") {
  Rng rng{3};
  for (int i = 0; i < 5'000; ++i) {
    const MarketTime time{Duration{rng.below(7'000'000'000'000)}};
    REQUIRE(parse_date_time(to_date_time(time)) == time);
    const Duration length{rng.below(1'000'000'000)};
    REQUIRE(parse_duration(to_duration(length)) == length);
  }
  CHECK(to_duration(kForever) == "P9999Y");
}
