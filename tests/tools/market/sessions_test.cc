// Two sessions side by side, and a market that does things wrong on purpose.
#include <catch2/catch.hpp>
#include <chrono>
#include <set>
#include <string>
#include <vector>

#include "bidding/format_json.h"
#include "bidding/market_json.h"
#include "tools/market/faults.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::market;
using bidding::Bid;
using bidding::Gate;
using bidding::Json;
using bidding::Session;

namespace {

constexpr MarketTime kMidnight{std::chrono::days{17'500}};

/// Rising by 1 per MWh with every hour, for four days.
bidding::PriceSeries rising_prices() {
  bidding::PriceSeries series;
  for (int hour = 0; hour < 96; ++hour) {
    const MarketTime at = kMidnight + 1h * hour;
    series.emplace(at, bidding::PricePoint{at, at + 1h, Price{hour * 1'000'000}});
  }
  return series;
}

MarketOptions two_sessions() {
  MarketOptions options;
  options.interval = 5min;
  options.gate_lead = 1min;
  options.day_ahead.emplace();
  options.day_ahead->zone = bidding::Zone{1h};  // midnight is 23:00 UTC
  return options;
}

/// What can be bid for at that time, of one session.
std::vector<Gate> gates_of(const Market& market, MarketTime now, Session session) {
  auto gates = market.gates(now);
  std::erase_if(gates, [&](const Gate& gate) { return gate.session != session; });
  return gates;
}

struct FaultyBench {
  Market market{two_sessions(), rising_prices()};
  FaultyMarket faulty{market, Faults{}, 1};
  MarketTime now = kMidnight + 11h;

  Reply ask(std::string_view method, const std::string& target, const std::string& body = {}) {
    return faulty.answer({{Instant{}, now, 60}, "EUR"}, {method, target, body});
  }
  Json json(std::string_view method, const std::string& target, const std::string& body = {}) {
    return Json::parse(ask(method, target, body).json);
  }
  Json prices() {
    return json("GET",
                "/v1/prices?from_ms=" + std::to_string(kMidnight.time_since_epoch().count()) +
                    "&until_ms=4102444800000")["prices"];
  }
};

}  // namespace

TEST_CASE("the hours of tomorrow can be bid for until noon of today, local time",
          "[market][sessions]") {
  const Market market{two_sessions(), rising_prices()};
  const auto morning = gates_of(market, kMidnight + 10h, Session::kDayAhead);
  REQUIRE(morning.size() == 24);
  CHECK(morning.front().from == kMidnight + 23h);
  CHECK(morning.front().closes == kMidnight + 11h);
  CHECK(morning.back().until == kMidnight + 47h);
  CHECK(gates_of(market, kMidnight + 10h, Session::kRealTime).size() == 48);
  // From then on, those of the day after.
  const auto afternoon = gates_of(market, kMidnight + 11h, Session::kDayAhead);
  REQUIRE(afternoon.size() == 24);
  CHECK(afternoon.front().from == kMidnight + 47h);
  CHECK(afternoon.back().until == kMidnight + 71h);
}

TEST_CASE("day-ahead prices are told once cleared, real-time ones as their interval begins",
          "[market][sessions]") {
  const Market market{two_sessions(), rising_prices()};
  const auto told = [&](MarketTime now) {
    return market.prices(now, kMidnight + 23h, kMidnight + 96h, Session::kDayAhead);
  };
  CHECK(told(kMidnight + 11h - 1ms).empty());
  REQUIRE(told(kMidnight + 11h).size() == 24);
  CHECK(told(kMidnight + 11h).front().price == Price{23'000'000});
  CHECK(told(kMidnight + 11h).front().session == Session::kDayAhead);
  CHECK(market.prices(kMidnight + 11h, kMidnight, kMidnight + 96h).back().until ==
        kMidnight + 11h + 5min);
}

TEST_CASE("an interval is sold in each session by itself, and a killed market knows both",
          "[market][sessions][journal]") {
  Market market{two_sessions(), rising_prices()};
  const Gate ahead = gates_of(market, kMidnight + 10h, Session::kDayAhead).front();
  const Gate now{ahead.from, ahead.from + 5min, ahead.from - 1min};
  const Bid first{"bid-da-1", ahead, {{Watts{1000}, Price{0}}}};
  const Bid second{"bid-1", now, {{Watts{500}, Price{0}}}};
  CHECK(market.submit(kMidnight + 10h, first).outcome == Outcome::kAccepted);
  CHECK(market.submit(kMidnight + 11h, {"late", ahead, first.segments}).outcome == Outcome::kLate);
  CHECK(market.submit(kMidnight + 20h, second).outcome == Outcome::kAccepted);
  CHECK(market.counters().bids_second == 0);

  std::vector<std::string> lines = market.take_lines();
  Market again{two_sessions(), rising_prices()};
  for (const std::string& line : lines) REQUIRE(again.restore(line));
  for (Market* one : {&market, &again}) {
    const auto awards = one->awards(ahead.from, {"bid-da-1", "bid-1"});
    REQUIRE(awards.size() == 2);
    CHECK(awards[0].gate == ahead);
    CHECK(awards[1].power == Watts{500});
    const auto settled = one->deliver(ahead.until, {"bid-da-1", ahead, to_joules({1000})});
    REQUIRE(settled.settlement);
    CHECK(settled.settlement->revenue == Amount{23'000});  // 1 kWh at 23 per MWh
  }
}

TEST_CASE("a fault that is told of is set, another name is refused", "[market][faults]") {
  FaultyBench bench;
  CHECK(bench.ask("POST", "/v1/faults", R"({"error_permille":1000})").status == 200);
  CHECK(bench.json("GET", "/v1/faults")["error_permille"] == 1000);
  CHECK(bench.ask("GET", "/v1/gates").status == 500);
  CHECK(bench.ask("GET", "/v1/state").status == 200);
  CHECK(bench.ask("POST", "/v1/faults", R"({"eror_permille":1})").status == 400);
  CHECK(bench.ask("POST", "/v1/faults", R"({"outage":1.5})").status == 400);
  CHECK(bench.ask("POST", "/v1/faults", "{}").status == 200);
  CHECK(bench.ask("GET", "/v1/gates").status == 200);
}

TEST_CASE("each fault does what its name says, and the books stay right", "[market][faults]") {
  FaultyBench bench;
  const auto set = [&](const std::string& faults) {
    REQUIRE(bench.ask("POST", "/v1/faults", faults).status == 200);
  };
  const Json right = bench.prices();
  SECTION("outage") {
    set(R"({"outage":1})");
    CHECK(bench.ask("GET", "/v1/gates").cut == Cut::kNoAnswer);
  }
  SECTION("too many requests") {
    set(R"({"busy_permille":1000,"retry_after_s":7})");
    const Reply reply = bench.ask("GET", "/v1/gates");
    CHECK(reply.status == 429);
    CHECK(reply.retry_after_s == 7);
  }
  SECTION("half a body") {
    set(R"({"half_body_permille":1000})");
    CHECK(bench.ask("GET", "/v1/gates").cut == Cut::kHalfBody);
  }
  SECTION("late prices") {
    set(R"({"late_prices_ms":3600000})");
    CHECK(bench.prices().back()["from_ms"].get<std::int64_t>() ==
          (bench.now - 1h).time_since_epoch().count());
  }
  SECTION("corrected prices: the same in the end") {
    set(R"({"corrected_permille":1000,"corrected_after_ms":1800000})");
    const Json told = bench.prices();
    CHECK(told.size() == right.size());
    CHECK(told.front() == right.front());
    CHECK(told.back()["price_micro_per_mwh"].get<std::int64_t>() ==
          right.back()["price_micro_per_mwh"].get<std::int64_t>() + 10'000'000);
  }
  SECTION("gaps are the same ones every time") {
    set(R"({"gap_permille":300})");
    const Json told = bench.prices();
    CHECK(told.size() < right.size());
    CHECK(told.size() > right.size() / 3);
    CHECK(told == bench.prices());
  }
  SECTION("values that are none") {
    set(R"({"odd_permille":1000})");
    for (const Json& point : bench.prices()) {
      const Json& price = point["price_micro_per_mwh"];
      CHECK((price.is_null() || price.get<std::int64_t>() > bidding::kPriceMax.count));
    }
  }
  SECTION("a clock in another zone") {
    set(R"({"clock_shift_ms":-3600000})");
    CHECK(bench.json("GET", "/v1/gates")["market_ms"].get<std::int64_t>() ==
          (bench.now - 1h).time_since_epoch().count());
  }
  SECTION("awards told twice, and changed") {
    const Gate gate = gates_of(bench.market, bench.now, Session::kRealTime).front();
    const Bid bid{"k", gate, {{Watts{1000}, Price{0}}}};
    REQUIRE(bench.ask("POST", "/v1/bids", to_json_value(bid).dump()).status == 201);
    bench.now = gate.closes;
    set(R"({"duplicate_awards":1,"changed_awards":1})");
    const Json awards = bench.json("GET", "/v1/awards?keys=k")["awards"];
    REQUIRE(awards.size() == 3);
    CHECK(awards[1] == awards[0]);
    CHECK(awards[2]["power_w"] == 500);
    CHECK(bench.market.awards(bench.now, {"k"}).at(0).power == Watts{1000});
  }
}

TEST_CASE("ten prices hold for a trading day, told by 12:30 of the day before; the first stand",
          "[market][formats]") {
  BandBook book{bidding::Zone{10h}};
  const MarketTime four = kMidnight + 18h;  // 04:00 on the market's clock
  const auto some = bidding::band_prices_around(Price{1'000'000}, bidding::kAemoRules);
  const auto other = bidding::band_prices_around(Price{2'000'000}, bidding::kAemoRules);
  const MarketTime now = four - 26h;
  CHECK(book.tell(now, four + 1h, some).outcome == Outcome::kInvalid);
  CHECK(book.tell(now, four + 24h * 30, some).outcome == Outcome::kInvalid);
  CHECK(book.tell(now, four, some).outcome == Outcome::kAccepted);
  CHECK(book.tell(now, four, some).outcome == Outcome::kRepeated);
  CHECK(book.tell(now, four, other).outcome == Outcome::kConflict);
  const auto day = book.day_at(four);
  CHECK(book.in_force(day) == some);
  CHECK_FALSE(book.in_force(day - std::chrono::days{1}));
  // The next day's are due 15 and a half hours before it; without, those of the day before hold.
  CHECK(book.due_of(day + std::chrono::days{1}) == four + 24h - 15h - 30min);
  CHECK(book.tell(four + 24h - 15h - 30min, four + 24h, other).outcome == Outcome::kLate);
  CHECK(book.in_force(day + std::chrono::days{1}) == some);
  CHECK(book.tell(four + 24h - 15h - 31min, four + 24h, other).outcome == Outcome::kAccepted);
  CHECK(book.in_force(day + std::chrono::days{1}) == other);
  bidding::BandPrices equal = some;
  equal.load[1] = equal.load[0];
  CHECK(book.tell(now, four + 48h, equal).why == "prices rise from band to band");
}

TEST_CASE("while no day has prices, those of the present day can be told at any time",
          "[market][formats]") {
  const auto prices = bidding::band_prices_around(Price{0}, bidding::kAemoRules);
  BandBook book{bidding::Zone{}};
  const MarketTime now = kMidnight + 20h;
  CHECK(book.tell(now, kMidnight + 28h, prices).outcome == Outcome::kLate);
  CHECK(book.tell(now, kMidnight + 4h, prices).outcome == Outcome::kAccepted);
  CHECK(book.in_force(book.day_at(now + 48h)) == prices);
}

TEST_CASE("a market of bands takes volumes once prices hold, and knows them after a restart",
          "[market][formats][journal]") {
  MarketOptions options = two_sessions();
  options.format = Format::kBands;
  Market market{options, rising_prices()};
  const MarketTime now = kMidnight + 11h;
  const auto ask = [&](Market& at, std::string_view path, const Json& body) {
    return answer(at, {{Instant{}, now, 60}, "AUD"}, {"POST", path, body.dump()});
  };
  const Gate gate = gates_of(market, now, Session::kRealTime).front();
  bidding::BandVolumes volumes{"k", gate, {}, {}, "a first bid"};
  volumes.generation[1] = Watts{3'000};
  CHECK(ask(market, "/v1/bids", to_json_value(volumes)).status == 422);
  Json bands = to_json_value(bidding::band_prices_around(Price{7}, bidding::kAemoRules));
  bands["trading_day_ms"] = (kMidnight + 3h).time_since_epoch().count();  // zone of +1 h
  CHECK(ask(market, "/v1/bands", bands).status == 201);
  CHECK(ask(market, "/v1/bids", to_json_value(volumes)).status == 201);
  volumes.reason.clear();
  CHECK_THAT(ask(market, "/v1/bids", to_json_value(volumes)).json, Catch::Contains("a reason"));

  Market again{options, rising_prices()};
  for (const std::string& line : market.take_lines()) REQUIRE(again.restore(line));
  CHECK(ask(again, "/v1/bands", bands).status == 200);
  CHECK(again.bids().at("k").bid.segments ==
        std::vector<bidding::BidSegment>{{Watts{3'000}, Price{7}}});
}
