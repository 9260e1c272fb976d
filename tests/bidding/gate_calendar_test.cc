#include "bidding/gate_calendar.h"

#include <date/tz.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "bidding/zone_database.h"
#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;
using std::chrono::days;
using std::chrono::local_days;

namespace {

const std::vector<std::string> kZones{
    "Europe/Berlin",    "America/New_York", "Australia/Adelaide", "Australia/Lord_Howe",
    "Africa/Cairo",     "America/Santiago", "America/Havana",     "Asia/Kathmandu",
    "Australia/Sydney", "Pacific/Apia",     "America/Asuncion",   "Australia/Brisbane"};

local_days day(int year, unsigned month, unsigned of_month) {
  return local_days{std::chrono::year{year} / static_cast<int>(month) / static_cast<int>(of_month)};
}

/// What the clock on the wall shows, from the library and not from our table.
LocalTime wall(const date::time_zone& zone, MarketTime at) {
  const date::sys_time<Duration> utc{at.time_since_epoch()};
  return LocalTime{zone.to_local(utc).time_since_epoch()};
}

/// The same rules, by looking at the clock every minute from three days before.
std::vector<Gate> naive_gates(const date::time_zone& zone, const SessionRules& rules,
                              local_days of) {
  const MarketTime begin{(of - days{3}).time_since_epoch()};
  const MarketTime end{(of + days{4}).time_since_epoch()};
  const auto* day_before = std::get_if<ClosesDayBefore>(&rules.closing);
  LocalTime latest = LocalTime::min();
  std::optional<MarketTime> closes;
  std::optional<MarketTime> first;
  std::vector<Gate> gates;
  for (MarketTime at = begin; at < end; at += 1min) {
    latest = std::max(latest, wall(zone, at));
    if (day_before != nullptr && !closes && latest >= of - days{1} + day_before->at) closes = at;
    const bool today = latest >= of + rules.day_begins && latest < of + days{1} + rules.day_begins;
    if (!today) continue;
    if (!first) first = at;
    if ((at - *first) % rules.interval == 0min) {
      gates.push_back({at, at,
                       day_before != nullptr ? closes.value()
                                             : at - std::get<ClosesBefore>(rules.closing).lead});
      gates.back().session = rules.session;
    }
    gates.back().until = at + 1min;
  }
  return gates;
}

SessionRules random_rules(Rng& rng) {
  SessionRules rules;
  constexpr std::array kIntervals{5min, 15min, 30min, 60min};
  rules.interval = kIntervals.at(rng.below(kIntervals.size()));
  rules.day_begins = 1h * (rng.below(3) == 0 ? 4 : 0);
  if (rng.below(2) == 0) {
    rules.closing = ClosesBefore{1min * rng.below(90)};
  } else {
    rules.session = Session::kDayAhead;
    rules.closing = ClosesDayBefore{30min * rng.below(48)};
  }
  return rules;
}

/// Days on which the zone's clocks change, and the days around them.
std::vector<local_days> changing_days(const date::time_zone& zone, Rng& rng) {
  std::vector<local_days> found;
  date::sys_seconds at{std::chrono::seconds{days{365 * (10 + rng.below(50))}}};
  for (int i = 0; i < 4; ++i) {
    const date::sys_info info = zone.get_info(at);
    if (info.end.time_since_epoch() > days{365 * 66}) break;
    const MarketTime change{info.end.time_since_epoch()};
    const auto on = std::chrono::floor<days>(wall(zone, change));
    for (int off = -2; off <= 1; ++off) found.push_back(on + days{off});
    at = info.end;
  }
  if (found.empty()) found.push_back(day(2026, 3, 29));
  return found;
}

}  // namespace

TEST_CASE("the gates of days around a change of the clocks are those of a walk by the minute",
          "[bidding][calendar]") {
  Rng rng{GENERATE(range(1U, 5U))};
  for (const std::string& name : kZones) {
    const Zone zone = zone_named(name).value();
    const date::time_zone& clock = *date::locate_zone(name);
    for (const local_days on : changing_days(clock, rng)) {
      const SessionRules rules = random_rules(rng);
      CAPTURE(name, on.time_since_epoch().count(), rules.interval.count(), rules.closing.index(),
              rules.day_begins.count());
      const auto expected = naive_gates(clock, rules, on);
      CHECK(gates_of_day(zone, rules, on) == expected);
      for (const Gate& gate : expected) {
        CHECK(day_of(zone, rules.day_begins, gate.from) == on);
        CHECK(day_of(zone, rules.day_begins, gate.until - 1ms) == on);
      }
    }
  }
}

TEST_CASE("a day has 23 or 25 hours where the clocks change, and bids close at noon before it",
          "[bidding][calendar]") {
  const Zone berlin = zone_named("Europe/Berlin").value();
  const SessionRules rules{Session::kDayAhead, 1h, ClosesDayBefore{12h}, 0h};
  const auto spring = gates_of_day(berlin, rules, day(2026, 3, 29));
  CHECK(spring.size() == 23);
  CHECK(gates_of_day(berlin, rules, day(2026, 10, 25)).size() == 25);
  CHECK(gates_of_day(berlin, rules, day(2026, 6, 1)).size() == 24);
  // Noon of the 28th is winter time.
  CHECK(spring.front().closes == MarketTime{(day(2026, 3, 28) + 11h).time_since_epoch()});
  CHECK(spring.front().from == MarketTime{(day(2026, 3, 28) + 23h).time_since_epoch()});
  CHECK(spring.back().until == MarketTime{(day(2026, 3, 29) + 22h).time_since_epoch()});
}

TEST_CASE("where clocks change by half an hour, the day's last interval is short",
          "[bidding][calendar]") {
  const Zone island = zone_named("Australia/Lord_Howe").value();
  const SessionRules rules{Session::kDayAhead, 1h, ClosesDayBefore{12h}, 0h};
  const auto gates = gates_of_day(island, rules, day(2026, 4, 5));
  REQUIRE(gates.size() == 25);
  CHECK(gates.back().until - gates.back().from == 30min);
}

TEST_CASE("a day that a country left out has no gates", "[bidding][calendar]") {
  const Zone samoa = zone_named("Pacific/Apia").value();
  CHECK(gates_of_day(samoa, {}, day(2011, 12, 30)).empty());
  CHECK(gates_of_day(samoa, {}, day(2011, 12, 31)).size() == 288);
}

TEST_CASE("gates between two times are each gate that begins there, once, in order",
          "[bidding][calendar]") {
  Rng rng{GENERATE(range(1U, 20U))};
  const std::string& name = kZones.at(rng.below(kZones.size()));
  CAPTURE(name);
  const Zone zone = zone_named(name).value();
  const SessionRules rules = random_rules(rng);
  const local_days begin = changing_days(*date::locate_zone(name), rng).front();
  std::vector<Gate> all;
  for (local_days at = begin - days{3}; at < begin + days{7}; at += days{1}) {
    std::ranges::copy(gates_of_day(zone, rules, at), std::back_inserter(all));
  }
  for (std::size_t i = 1; i < all.size(); ++i) CHECK(all[i].from == all[i - 1].until);
  const MarketTime from = zone.first_at(LocalTime{begin}) + 7min * rng.below(300);
  const MarketTime until = from + 11min * rng.below(600);
  std::erase_if(all, [&](const Gate& gate) { return gate.from < from || gate.from >= until; });
  CHECK(gates_between(zone, rules, from, until) == all);
}

TEST_CASE("a zone that is none is told by its name", "[bidding][calendar]") {
  CHECK_THAT(zone_named("Europe/Atlantis").error(), Catch::Contains("Europe/Atlantis"));
  CHECK(zone_named("UTC").value().local(MarketTime{5s}) == LocalTime{5s});
}
