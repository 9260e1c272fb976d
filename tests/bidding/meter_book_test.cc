#include "bidding/meter_book.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstdlib>
#include <optional>
#include <vector>

#include "bidding/baseline.h"
#include "bidding/compaction.h"
#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding;
using namespace std::chrono_literals;

namespace {

const MarketTime kMonday{std::chrono::days{20'605}};  // 2026-06-01

/// A zone two hours ahead of UTC, and one hour from a day in the middle on.
Zone changing_zone() {
  return Zone{2h, {{kMonday + std::chrono::days{20} + 1h, 1h}}};
}

HomesMetered quarter_at(MarketTime from, std::int64_t watts, std::uint32_t metered = 100) {
  return {.from = from,
          .drawn = Joules{watts * 900},
          .known = kMeterQuarter,
          .metered = metered,
          .enrolled = 100,
          .ordered = false};
}

/// Watts by the local hour; a workday draws twice what a rest day does.
std::int64_t drawn_at(const Zone& zone, MarketTime at) {
  const LocalTime local = zone.local(at);
  const auto day = std::chrono::floor<std::chrono::days>(local);
  const auto hour = (local - day) / 1h;
  return (hour + 1) * (is_rest_day(day, {}) ? 1'000 : 2'000);
}

/// Five weeks, each quarter as drawn_at() but for what `change` makes of it.
template <class Change>
MeterBook book_of(const Zone& zone, const Change& change) {
  std::vector<Fact> facts;
  for (MarketTime at = kMonday; at < kMonday + std::chrono::days{35}; at += kMeterQuarter) {
    HomesMetered quarter = quarter_at(at, drawn_at(zone, at));
    if (change(quarter)) facts.push_back({quarter, at + kMeterQuarter});
  }
  return MeterBook{facts};
}

/// On the fifth Wednesday, at 18:00 by the clock of the zone.
TimeSpan evening(const Zone& zone, Duration lasts = 2h) {
  const MarketTime begins =
      zone.first_at(LocalTime{(kMonday + std::chrono::days{30} + 18h).time_since_epoch()});
  return {begins, begins + lasts};
}

}  // namespace

TEST_CASE("a quarter has the energy of its readings, each until the next one",
          "[bidding][meters]") {
  Rng rng{20261128};
  int whole = 0;
  int in_part = 0;
  for (int run = 0; run < 200; ++run) {
    std::vector<MeterSample> samples;
    MarketTime at = kMonday + std::chrono::seconds{rng.below(2'000)};
    for (int i = 0; i < 60; ++i) {
      MeterSample sample{.at = at,
                         .drawn = Watts{static_cast<std::int64_t>(rng.below(20'001)) - 10'000},
                         .metered = 7,
                         .enrolled = 9,
                         .ordered = rng.below(20) == 0};
      if (rng.below(30) == 0) sample.drawn.reset();
      samples.push_back(sample);
      at += std::chrono::seconds{1 + rng.below(rng.below(15) == 0 ? 3'000 : 300)};
    }
    MeterBook book;
    std::vector<HomesMetered> told;
    for (const MeterSample& sample : samples) {
      if (auto quarter = book.add(sample)) told.push_back(*quarter);
    }
    REQUIRE(told.size() == book.quarters().size());
    for (MarketTime from = kMonday; from + kMeterQuarter <= samples.back().at;
         from += kMeterQuarter) {
      std::int64_t watt_seconds = 0;
      std::int64_t known_s = 0;
      for (MarketTime second = from; second < from + kMeterQuarter; second += 1s) {
        const auto next = std::ranges::upper_bound(samples, second, {}, &MeterSample::at);
        if (next == samples.begin() || next == samples.end()) continue;
        const MeterSample& holds = *std::prev(next);
        if (!holds.drawn || next->at - holds.at > MeterBook::kReadingHolds) continue;
        watt_seconds += holds.drawn->count;
        ++known_s;
      }
      const auto found = book.quarters().find(from);
      REQUIRE((found != book.quarters().end()) == (known_s > 0));
      if (known_s == 0) continue;
      REQUIRE(found->second.drawn == Joules{watt_seconds});
      REQUIRE(found->second.known == std::chrono::seconds{known_s});
      REQUIRE(found->second.metered == 7);
      REQUIRE(is_known(found->second) == (known_s == 900));
      ++(known_s == 900 ? whole : in_part);
    }
  }
  CHECK(whole > 500);
  CHECK(in_part > 500);
}

TEST_CASE("a book made of its facts is the one that told them", "[bidding][meters]") {
  MeterBook book;
  std::vector<Fact> facts;
  for (MarketTime at = kMonday; at < kMonday + 3h; at += 1min) {
    const auto quarter = book.add({.at = at, .drawn = Watts{5}, .metered = 1, .enrolled = 1});
    if (quarter) facts.push_back({*quarter, at});
  }
  CHECK(facts.size() == 11);
  CHECK(MeterBook{facts}.quarters() == book.quarters());
  facts.push_back({quarter_at(kMonday, 99), kMonday + 4h});  // the first counts
  CHECK(MeterBook{facts}.quarters() == book.quarters());
}

TEST_CASE("meters are kept as long as a baseline looks back, and then forgotten",
          "[bidding][meters]") {
  const std::vector<Fact> facts{{quarter_at(kMonday, 1), kMonday},
                                {quarter_at(kMonday + 24h, 1), kMonday + 24h},
                                {quarter_at(kMonday + kMeterKept + 1h, 1), kMonday + kMeterKept}};
  CHECK(MeterBook{facts}.quarters().size() == 2);
  CHECK(needed_facts(facts, kMonday + kMeterKept + 1h) == std::vector<bool>{false, true, true});
}

TEST_CASE("a baseline is the mean of days of its kind, by the clock on the wall",
          "[bidding][meters]") {
  const Zone zone = GENERATE(Zone{}, changing_zone());
  const TimeSpan event = evening(zone);
  const MeterBook book = book_of(zone, [](const HomesMetered&) { return true; });
  const HomesBaseline found = homes_baseline(book, zone, event, event);
  REQUIRE(found.quarters.size() == 8);
  CHECK(found.days == 10);
  CHECK(found.metered_permille == 1'000);
  for (const BaselineQuarter& quarter : found.quarters) {
    CHECK(quarter.adjusted);
    CHECK(quarter.usual == Joules{drawn_at(zone, quarter.from) * 900});
    CHECK(quarter.metered == quarter.usual);
  }
}

TEST_CASE("what a day drew before the event moves its baseline, days with orders do not count",
          "[bidding][meters]") {
  const Zone zone = changing_zone();
  const TimeSpan event = evening(zone);
  const MeterBook book = book_of(zone, [&](HomesMetered& quarter) {
    if (quarter.from >= event.from && quarter.from < event.until) {
      quarter.drawn = Joules{quarter.drawn.count / 2};
      quarter.ordered = true;
    } else if (quarter.from >= event.from - 12h) {
      quarter.drawn = Joules{quarter.drawn.count * 11 / 10};
    } else if (quarter.from >= event.from - 72h && quarter.from < event.from - 48h) {
      quarter.drawn = Joules{0};  // there was an order
      quarter.ordered = true;
    }
    return true;
  });
  const BaselineKnown known = baseline_known("bid", book, zone, event);
  std::int64_t usual = 0;
  for (MarketTime at = event.from; at < event.until; at += kMeterQuarter) {
    usual += drawn_at(zone, at) * 900;
  }
  CHECK(known.why.empty());
  CHECK(known.adjusted);
  CHECK(known.days == 10);
  REQUIRE(known.usual);
  CHECK(std::abs(known.usual->count - usual * 11 / 10) <= 8);
  CHECK(known.metered == Joules{usual / 2});
  CHECK(known.delivered == *known.usual - *known.metered);
}

TEST_CASE("what is not known of the meters stays unknown, and says why", "[bidding][meters]") {
  const Zone zone;
  const TimeSpan event = evening(zone);
  const auto is_in = [](const HomesMetered& quarter, MarketTime from, MarketTime until) {
    return from <= quarter.from && quarter.from < until;
  };
  SECTION("a gap in the event") {
    const auto book = book_of(
        zone, [&](const HomesMetered& quarter) { return quarter.from != event.from + 30min; });
    const auto known = baseline_known("bid", book, zone, event);
    CHECK_FALSE(known.usual);
    CHECK(known.why == "the homes' meters were not known all the time");
    const auto parts = homes_baseline(book, zone, event, event).quarters;
    CHECK(parts.at(2).usual);  // what is usual is known all the same
    CHECK_FALSE(parts.at(2).metered);
  }
  SECTION("a gap in the hours before it: as it is, not adjusted") {
    const auto book = book_of(zone, [&](HomesMetered& quarter) {
      if (quarter.from == event.from - 2h) quarter.known -= 1s;
      return true;
    });
    const auto known = baseline_known("bid", book, zone, event);
    CHECK(known.usual);
    CHECK_FALSE(known.adjusted);
  }
  SECTION("too few days") {
    const auto book = book_of(
        zone, [&](const HomesMetered& quarter) { return quarter.from >= event.from - 5 * 24h; });
    CHECK(baseline_known("bid", book, zone, event).why == "too few days before it are known");
  }
  SECTION("days on which half of the homes were out of contact") {
    const auto book = book_of(zone, [&](HomesMetered& quarter) {
      if (!is_in(quarter, event.from - 14 * 24h, event.from - 10 * 24h)) return true;
      quarter.metered = 50;
      quarter.drawn = Joules{quarter.drawn.count / 2};
      return true;
    });
    const auto known = baseline_known("bid", book, zone, event);
    CHECK(known.usual == known.metered);
  }
  SECTION("a time that no quarters make up") {
    const auto book = book_of(zone, [](const HomesMetered&) { return true; });
    const auto known = baseline_known("bid", book, zone, {event.from, event.from + 5min});
    CHECK_FALSE(known.usual);
    CHECK_FALSE(known.why.empty());
  }
}

TEST_CASE("a baseline of a part is that part of the whole, over midnight, too",
          "[bidding][meters]") {
  const Zone zone = changing_zone();
  const MeterBook book = book_of(zone, [](const HomesMetered&) { return true; });
  TimeSpan event = evening(zone, 30h);
  event.until += 7min;  // the last quarter in part
  const auto whole = homes_baseline(book, zone, event, event).quarters;
  REQUIRE(whole.size() == 121);
  for (const BaselineQuarter& quarter : whole) {
    REQUIRE(quarter.usual == Joules{drawn_at(zone, quarter.from) * 900});
  }
  Rng rng{5};
  for (int run = 0; run < 20; ++run) {
    const MarketTime from = event.from + std::chrono::minutes{rng.below(1'800)};
    const MarketTime until = from + std::chrono::minutes{1 + rng.below(200)};
    const auto part = homes_baseline(book, zone, event, {from, until}).quarters;
    REQUIRE_FALSE(part.empty());
    CHECK(part.front().from <= from);
    CHECK(part.back().from + kMeterQuarter >= std::min(until, event.until));
    for (const BaselineQuarter& quarter : part) {
      const auto same = std::ranges::find(whole, quarter.from, &BaselineQuarter::from);
      REQUIRE(same != whole.end());
      CHECK(same->usual == quarter.usual);
      CHECK(same->adjusted == quarter.adjusted);
    }
  }
}
