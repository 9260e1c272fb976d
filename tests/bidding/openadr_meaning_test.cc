#include "bidding/openadr_meaning.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding::openadr;
using namespace std::chrono_literals;

namespace {

MarketTime hour(std::int64_t n) {
  return MarketTime{std::chrono::hours{n}};
}

const std::vector<Rule> kRules{
    {.payload = "SIMPLE", .levels = {Watts{0}, Watts{1'000}, Watts{2'000}}},
    {.payload = "DISPATCH_SETPOINT", .scope = {"peak", "region=north"}},
    {.payload = "DISPATCH_SETPOINT_RELATIVE"},
    {.payload = "CONTROL_SETPOINT", .positive = Positive::kExport},
    {.payload = "CHARGE_STATE_SETPOINT"},
    {.payload = "PRICE"},
    {.payload = "GHG", .per_tonne = Price{100'000'000}},
    {.payload = "IMPORT_CAPACITY_LIMIT"},
    {.payload = "EXPORT_CAPACITY_LIMIT"},
    {.payload = "ALERT_GRID_EMERGENCY", .levels = {Watts{5'000}}},
};

Event event_of(std::vector<Payload> payloads, std::string units = {}) {
  Event out;
  out.id = "e";
  out.modified = hour(3);
  out.priority = 4;
  out.period = Period{.start = hour(10), .duration = 1h};
  for (const Payload& each : payloads) out.payloads.push_back({each.type, units, ""});
  out.intervals = {{.id = 0, .period = {}, .payloads = std::move(payloads)}};
  return out;
}

Meaning meaning(const Event& event) {
  const auto table = Timetable::make(event, {}).value();
  return meaning_of(event, nullptr, kRules, table.within(hour(0), hour(1'000), 100));
}

Watts power_of(const std::string& type, std::int64_t micro, const std::string& units = {}) {
  const Meaning out = meaning(event_of({{type, {micro}}}, units));
  REQUIRE(out.refused.empty());
  REQUIRE(out.wishes.size() == 1);
  return out.wishes.front().power;
}

std::string refusal(const std::string& type, std::vector<Value> values,
                    const std::string& units = {}) {
  const Meaning out = meaning(event_of({{type, std::move(values)}}, units));
  CHECK(out.wishes.empty());
  return out.refused.contains(type) ? out.refused.at(type) : "";
}

/// The price of one moment, by looking at all values.
std::optional<Price> price_at(const std::vector<ValueSlot>& values, MarketTime at) {
  std::optional<ValueSlot> best;
  for (const ValueSlot& each : values) {
    if (at < each.from || at >= each.until) continue;
    const bool better = !best || std::tuple{each.kind, each.priority, best->modified} <
                                     std::tuple{best->kind, best->priority, each.modified};
    if (better) best = each;
  }
  return best ? std::optional{best->price} : std::nullopt;
}

}  // namespace

TEST_CASE("a set point is watts of its unit, consumption unless the config says export",
          "[openadr][meaning]") {
  CHECK(power_of("DISPATCH_SETPOINT", 2'500'000) == Watts{-2'500});
  CHECK(power_of("DISPATCH_SETPOINT", -2'500'000, "kW") == Watts{2'500});
  CHECK(power_of("DISPATCH_SETPOINT", 1'000'000, "MW") == Watts{-1'000'000});
  CHECK(power_of("CONTROL_SETPOINT", 700'000'000, "W") == Watts{700});
  const Meaning out = meaning(event_of({{"DISPATCH_SETPOINT", {Value{kMillion}}}}));
  CHECK(out.wishes.front().scope == Scope{"peak", "region=north"});
  CHECK(out.wishes.front().from == hour(10));
  CHECK(out.wishes.front().until == hour(11));
  CHECK(out.wishes.front().priority == 4);
}

TEST_CASE("a change counts from the set point beside it, or from nothing", "[openadr][meaning]") {
  CHECK(power_of("DISPATCH_SETPOINT_RELATIVE", 1'000'000) == Watts{-1'000});
  const Meaning out = meaning(event_of({{"DISPATCH_SETPOINT", {Value{2 * kMillion}}},
                                        {"DISPATCH_SETPOINT_RELATIVE", {Value{kMillion}}}}));
  REQUIRE(out.wishes.size() == 1);
  CHECK(out.wishes.front().power == Watts{-3'000});
}

TEST_CASE("a level of SIMPLE is the watts that the config has for it, and 0 asks nothing",
          "[openadr][meaning]") {
  CHECK(power_of("SIMPLE", 2 * kMillion) == Watts{2'000});
  const Meaning normal = meaning(event_of({{"SIMPLE", {Value{std::int64_t{0}}}}}));
  CHECK(normal.wishes.empty());
  CHECK(normal.refused.empty());
  CHECK(refusal("SIMPLE", {Value{3 * kMillion}}) == "the config has no watts for level 3");
  CHECK(refusal("SIMPLE", {Value{kMillion / 2}}) == "its level is none of 0, 1, 2, 3");
  CHECK(refusal("SIMPLE", {Value{std::string{"1"}}}) == "its value is not a number");
}

TEST_CASE("a state of charge is reached by an even power", "[openadr][meaning]") {
  const Meaning out = meaning(event_of({{"CHARGE_STATE_SETPOINT", {Value{25 * kMillion}}}}));
  REQUIRE(out.wishes.size() == 1);
  REQUIRE(out.wishes.front().charge);
  CHECK(out.wishes.front().charge->permille == 250);
  // 4 kWh in, room for 4: down to 2 in an hour.
  const Joules half = to_joules(WattHours{4'000});
  CHECK(power_for(*out.wishes.front().charge, half, half, 1h) == Watts{2'000});
  CHECK(power_for({-1, to_joules(WattHours{5'000})}, half, half, 30min) == Watts{-2'000});
  CHECK(refusal("CHARGE_STATE_SETPOINT", {Value{101 * kMillion}}) == "it is not 0 to 100 %");
}

TEST_CASE("prices are of a MWh, and several split the interval", "[openadr][meaning]") {
  Meaning out = meaning(event_of({{"PRICE", {Value{170'000L}, Value{-20'000L}}}}));
  REQUIRE(out.values.size() == 2);
  CHECK(out.values[0].price == Price{170'000'000});
  CHECK(out.values[1].price == Price{-20'000'000});
  CHECK(out.values[1].from == hour(10) + 30min);
  out = meaning(event_of({{"PRICE", {Value{30 * kMillion}}}}, "MWH"));
  CHECK(out.values.at(0).price == Price{30'000'000});
  out = meaning(event_of({{"GHG", {Value{250 * kMillion}}}}));  // 0.25 t/MWh at 100 a tonne
  CHECK(out.values.at(0).price == Price{25'000'000});
  CHECK(refusal("PRICE", {}) == "it has no value");
}

TEST_CASE("the value of a time is the mean of the seconds in it that have one",
          "[openadr][meaning]") {
  Rng rng{20261127};
  int unknown = 0;
  int in_part = 0;
  for (int run = 0; run < 3'000; ++run) {
    std::vector<ValueSlot> values;
    for (std::uint64_t n = rng.below(9); n > 0; --n) {
      const MarketTime from = hour(10) + std::chrono::seconds{rng.below(120)};
      values.push_back({.kind = static_cast<ValueKind>(rng.below(3)),
                        .priority = static_cast<std::int64_t>(rng.below(3)),
                        .modified = hour(static_cast<std::int64_t>(n)),
                        .from = from,
                        .until = from + std::chrono::seconds{1 + rng.below(60)},
                        .price = Price{static_cast<std::int64_t>(rng.below(2'001)) - 1'000}});
      if (rng.below(10) == 0) values.back().until = kEndOfTime;
    }
    const MarketTime from = hour(10) + std::chrono::seconds{rng.below(150)};
    const MarketTime until = from + std::chrono::seconds{1 + rng.below(60)};
    std::int64_t sum = 0;
    std::int64_t known = 0;
    for (MarketTime at = from; at < until; at += 1s) {
      const auto price = price_at(values, at);
      sum += price.value_or(Price{0}).count;
      known += price ? 1 : 0;
    }
    const auto mean = mean_value(values, from, until);
    REQUIRE(mean.has_value() == (known > 0));
    if (mean) REQUIRE(std::abs(2 * (mean->count * known - sum)) <= known);  // to the nearest
    unknown += mean ? 0 : 1;
    in_part += known > 0 && known < (until - from) / 1s ? 1 : 0;
  }
  CHECK(unknown > 100);
  CHECK(in_part > 100);
}

TEST_CASE("a limit is of one direction and never below 0", "[openadr][meaning]") {
  const Meaning out = meaning(event_of({{"IMPORT_CAPACITY_LIMIT", {Value{5 * kMillion}}}}));
  REQUIRE(out.limits.size() == 1);
  CHECK(out.limits.front().direction == Direction::kCharge);
  CHECK(out.limits.front().most == Watts{5'000});
  CHECK(refusal("EXPORT_CAPACITY_LIMIT", {Value{-kMillion}}) == "a limit is 0 or above");
}

TEST_CASE("an alert is told always, and an order when the config has watts for it",
          "[openadr][meaning]") {
  Meaning out = meaning(event_of({{"ALERT_FIRE", {Value{std::string{"keep away"}}}}}));
  REQUIRE(out.alerts.size() == 1);
  CHECK(out.alerts.front().text == "keep away");
  CHECK(out.refused.empty());
  CHECK(out.wishes.empty());
  out = meaning(event_of({{"ALERT_GRID_EMERGENCY", {Value{std::string{"help"}}}}}));
  CHECK(out.alerts.size() == 1);
  REQUIRE(out.wishes.size() == 1);
  CHECK(out.wishes.front().power == Watts{5'000});
}

TEST_CASE("what cannot be obeyed has a cause", "[openadr][meaning]") {
  CHECK(refusal("CURVE", {Value{kMillion}}) == "the config has no rule for it");
  CHECK(refusal("DISPATCH_SETPOINT", {Value{kMillion}}, "HP") ==
        "its unit is HP: W, KW and MW are known");
  CHECK(refusal("DISPATCH_SETPOINT", {Value{kMillion}, Value{kMillion}}) ==
        "it has 2 values where one counts");
  CHECK(refusal("DISPATCH_SETPOINT", {Value{9'000'000'000'000L}}, "MW") ==
        "its power is beyond any fleet (10 GW)");
  CHECK(refusal("DISPATCH_SETPOINT", {Value{true}}) == "its value is not a number");
  CHECK(refusal("SIMPLE", {}) == "it has 0 values where one counts");
}

TEST_CASE("a program's units count where the event has none", "[openadr][meaning]") {
  Event event = event_of({{"DISPATCH_SETPOINT", {Value{kMillion}}}});
  event.payloads.clear();
  const Program program{"p", "p", {{"DISPATCH_SETPOINT", "MW", ""}}};
  const auto placed = Timetable::make(event, {}).value().within(hour(0), hour(99), 9);
  CHECK(meaning_of(event, &program, kRules, placed).wishes.at(0).power == Watts{-1'000'000});
}

TEST_CASE("the key of an order says when an event that starts now was seen", "[openadr][meaning]") {
  Event event = event_of({{"CONTROL_SETPOINT", {Value{kMillion}}}});
  event.intervals.push_back(event.intervals.front());
  event.period = Period{.start = kStartsNow, .duration = 10min, .randomize = 5min};
  event.duration = 2h;  // six rounds
  const Duration shift = draw_shift(event, "ven");
  const Placing placing{.seen = hour(400'000) + 17ms, .shift = shift};
  const auto table = Timetable::make(event, placing).value();
  const Meaning out = meaning_of(event, nullptr, kRules, table.within(hour(0), kEndOfTime, 99));
  REQUIRE(out.wishes.size() == 12);
  for (const Wish& wish : out.wishes) {
    CHECK(seen_of_key(wish.key + "/1234", event, shift) == placing.seen);
  }
  event.modified += 1ms;
  CHECK_FALSE(seen_of_key(out.wishes.front().key + "/1234", event, shift));
  event.modified -= 1ms;
  event.period->start = hour(10);
  CHECK_FALSE(seen_of_key(out.wishes.front().key + "/1234", event, shift));
}
