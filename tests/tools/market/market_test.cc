#include "tools/market/market.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <vector>

#include "bidding/market_json.h"
#include "tools/market/api.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::market;
using bidding::Bid;
using bidding::Delivery;
using bidding::Gate;
using bidding::Json;

namespace {

constexpr MarketTime kDay{std::chrono::days{17'500}};

/// 50 per MWh for a day and a half, then unknown.
bidding::PriceSeries flat_prices() {
  bidding::PriceSeries series;
  for (MarketTime at = kDay; at < kDay + 36h; at += 1h) {
    series.emplace(at, bidding::PricePoint{at, at + 1h, Price{50'000'000}});
  }
  return series;
}

constexpr Gate kGate{kDay + 12h, kDay + 12h + 15min, kDay + 11h + 55min};

Bid bid(std::int64_t watts = 4000, std::int64_t price = 10'000'000) {
  return {"k1", kGate, {{Watts{watts}, Price{price}}}};
}

struct Bench {
  Market market{MarketOptions{}, flat_prices()};
  MarketTime now = kDay + 11h;

  Json ask(unsigned status, std::string_view method, const std::string& target,
           const std::string& body = {}) {
    const Reply reply = answer(market, {{Instant{}, now, 60}, "EUR"}, {method, target, body});
    CAPTURE(target, reply.json);
    CHECK(reply.status == status);
    return Json::parse(reply.json);
  }
  /// What must not change when the market is killed and started again.
  Market reborn(std::vector<std::string>& lines) {
    for (auto& line : market.take_lines()) lines.push_back(line);
    Market other{MarketOptions{}, flat_prices()};
    for (const auto& line : lines) REQUIRE(other.restore(line));
    return other;
  }
};

}  // namespace

TEST_CASE("gates are told while they are open and their price exists", "[market]") {
  Bench bench;
  const auto gates = bench.market.gates(bench.now);
  REQUIRE_FALSE(gates.empty());
  CHECK(gates.front().from == bench.now + 15min);  // 11:00 closed at 10:55
  CHECK(gates.back().from == bench.now + 4h);
  for (const Gate& gate : gates) {
    CHECK(gate.closes > bench.now);
    CHECK(gate.until - gate.from == 15min);
  }
  CHECK(bench.market.gates(kDay + 35h).back().until == kDay + 36h);
  CHECK(bench.market.gates(kDay + 40h).empty());
}

TEST_CASE("future prices are not told", "[market]") {
  Bench bench;
  const auto prices = bench.market.prices(bench.now, kDay, kDay + 48h);
  REQUIRE(prices.size() == 45);
  CHECK(prices.back().from == bench.now);
}

TEST_CASE("a bid is taken once, repeated the same, and stands against another content",
          "[market]") {
  Bench bench;
  CHECK(bench.market.submit(bench.now, bid()).outcome == Outcome::kAccepted);
  CHECK(bench.market.submit(bench.now, bid()).outcome == Outcome::kRepeated);
  const auto conflict = bench.market.submit(bench.now, bid(4001));
  CHECK(conflict.outcome == Outcome::kConflict);
  CHECK(conflict.standing == bid());
  // Repeating is harmless even after the gate.
  CHECK(bench.market.submit(kGate.closes, bid()).outcome == Outcome::kRepeated);
  Bid late = bid();
  late.key = "k2";
  CHECK(bench.market.submit(kGate.closes, late).outcome == Outcome::kLate);
  CHECK(bench.market.counters().bids_repeated == 2);
  CHECK(bench.market.counters().bids_conflicting == 1);
  CHECK(bench.market.counters().bids_late == 1);
  CHECK(bench.market.counters().bids_second == 0);
}

TEST_CASE("a second bid for a gate is visible", "[market]") {
  Bench bench;
  (void)bench.market.submit(bench.now, bid());
  Bid other = bid();
  other.key = "k2";
  CHECK(bench.market.submit(bench.now, other).outcome == Outcome::kAccepted);
  CHECK(bench.market.counters().bids_second == 1);
  CHECK(bench.ask(200, "GET", "/v1/state")["double_bids"] == 1);
}

TEST_CASE("a bid that makes no sense is refused", "[market]") {
  Bench bench;
  Bid wrong = bid();
  SECTION("no key") {
    wrong.key.clear();
  }
  SECTION("a comma in the key") {
    wrong.key = "a,b";
  }
  SECTION("no such gate") {
    wrong.gate.from += 1min;
  }
  SECTION("another closing time") {
    wrong.gate.closes += 1min;
  }
  SECTION("no segment") {
    wrong.segments.clear();
  }
  SECTION("no power") {
    wrong.segments[0].power = Watts{0};
  }
  SECTION("falling prices") {
    wrong.segments.push_back({Watts{1}, Price{9'999'999}});
  }
  SECTION("too many segments") {
    wrong.segments.resize(11, wrong.segments[0]);
  }
  SECTION("absurd time") {
    wrong.gate = {MarketTime::min(), MarketTime::min(), MarketTime::min()};
  }
  SECTION("a time beyond all years") {
    wrong.gate.from = MarketTime::max();
  }
  CHECK(bench.market.submit(bench.now, wrong).outcome == Outcome::kInvalid);
  CHECK(bench.market.bids().empty());
}

TEST_CASE("an award comes with the gate's closing, of the segments at or below the price",
          "[market]") {
  Bench bench;
  Bid three = bid();
  three.segments = {
      {Watts{100}, Price{0}}, {Watts{30}, Price{50'000'000}}, {Watts{5}, Price{50'000'001}}};
  (void)bench.market.submit(bench.now, three);
  CHECK(bench.market.awards(kGate.closes - 1ms, {"k1"}).empty());
  const auto awards = bench.market.awards(kGate.closes, {"k1", "strange"});
  REQUIRE(awards.size() == 1);
  CHECK(awards[0].power == Watts{130});
  CHECK(awards[0].clearing == Price{50'000'000});
}

TEST_CASE("with rivals the bid is cleared by merit order", "[market]") {
  MarketOptions options;
  options.rivals = {{Watts{50}, Price{50}}, {Watts{30}, Price{55}}, {Watts{10}, Price{80}}};
  options.demand = Watts{115};
  Market market{options, flat_prices()};
  Bid ours{"a", kGate, {{Watts{20}, Price{50}}, {Watts{20}, Price{60}}, {Watts{5}, Price{100}}}};
  (void)market.submit(kDay + 11h, ours);
  const auto awards = market.awards(kGate.closes, {"a"});
  REQUIRE(awards.size() == 1);
  CHECK(awards[0].power == Watts{35});
  CHECK(awards[0].clearing == Price{60});
}

TEST_CASE("what is not delivered is charged dearer than it was paid", "[market]") {
  Bench bench;
  (void)bench.market.submit(bench.now, bid(4000));
  const Delivery half{"k1", kGate, Joules{4000 * 450}};
  CHECK(bench.market.deliver(kGate.closes, half).outcome == Outcome::kInvalid);  // not over
  const auto result = bench.market.deliver(kGate.until, half);
  REQUIRE(result.settlement.has_value());
  CHECK(result.settlement->awarded == to_joules({1000}));
  CHECK(result.settlement->revenue == Amount{50'000});  // 1 kWh at 50 per MWh
  CHECK(result.settlement->penalty == Amount{31'250});  // half of it, times 1.25

  CHECK(bench.market.deliver(kGate.until + 1h, half).outcome == Outcome::kRepeated);
  Delivery other = half;
  other.delivered += Joules{1};
  const auto conflict = bench.market.deliver(kGate.until + 1h, other);
  CHECK(conflict.outcome == Outcome::kConflict);
  CHECK(conflict.settlement == result.settlement);
  CHECK(bench.market.counters().deliveries_conflicting == 1);
}

TEST_CASE("a bid that lost has nothing to deliver", "[market]") {
  Bench bench;
  (void)bench.market.submit(bench.now, bid(4000, 50'000'001));
  CHECK(bench.market.awards(kGate.closes, {"k1"}).at(0).power == Watts{0});
  CHECK(bench.market.deliver(kGate.until, {"k1", kGate, Joules{0}}).outcome == Outcome::kInvalid);
}

TEST_CASE("killed at any time, the market goes on from its journal", "[market][journal]") {
  Bench bench;
  std::vector<std::string> lines;
  (void)bench.market.submit(bench.now, bid());
  bench.market = bench.reborn(lines);
  CHECK(bench.market.submit(bench.now, bid()).outcome == Outcome::kRepeated);
  bench.market = bench.reborn(lines);
  const auto awards = bench.market.awards(kGate.closes, {"k1"});
  REQUIRE(awards.size() == 1);
  bench.market = bench.reborn(lines);
  CHECK(bench.market.awards(kGate.closes, {"k1"}) == awards);
  CHECK(bench.market.take_lines().empty());  // awarded once
  const Delivery delivery{"k1", kGate, Joules{7}};
  const auto settlement = bench.market.deliver(kGate.until, delivery).settlement;
  bench.market = bench.reborn(lines);
  CHECK(bench.market.deliver(kGate.until, delivery).outcome == Outcome::kRepeated);
  CHECK(bench.market.bids().at("k1").settlement == settlement);
  CHECK(bench.market.counters().bids_repeated == 1);
  CHECK_FALSE(bench.market.restore("{\"event\":\"award\""));
}

TEST_CASE("the API answers as its documentation says", "[market][api]") {
  Bench bench;
  CHECK(bench.ask(200, "GET", "/v1/clock")["speed"] == 60);
  const auto gates = bench.ask(200, "GET", "/v1/gates")["gates"];
  const auto from = std::to_string(kDay.time_since_epoch().count());
  CHECK(bench.ask(200, "GET", "/v1/prices?from_ms=" + from + "&until_ms=4102444800000")["prices"]
            .size() == 45);
  bench.ask(400, "GET", "/v1/prices");
  bench.ask(400, "GET", "/v1/prices?from_ms=x&until_ms=9999999999999999999999");
  bench.ask(400, "GET", "/v1/awards");
  CHECK(bench.ask(200, "GET", "/v1/awards?keys=")["awards"].empty());

  const std::string body = to_json_value(bid()).dump();
  bench.ask(201, "POST", "/v1/bids", body);
  bench.ask(200, "POST", "/v1/bids", body);
  CHECK(bench.ask(409, "POST", "/v1/bids", to_json_value(bid(1)).dump())["standing"]["key"] ==
        "k1");
  bench.ask(400, "POST", "/v1/bids", "{\"key\":1");
  bench.ask(400, "POST", "/v1/bids", "{}");
  Bid odd = bid();
  odd.key = "k3";
  odd.gate.from += 1ms;
  bench.ask(422, "POST", "/v1/bids", to_json_value(odd).dump());
  bench.now = kGate.closes;
  Bid late = bid();
  late.key = "k2";
  bench.ask(410, "POST", "/v1/bids", to_json_value(late).dump());
  CHECK(bench.ask(200, "GET", "/v1/awards?keys=k1,k2")["awards"].size() == 1);
  const std::string delivery = to_json_value(Delivery{"k1", kGate, Joules{1}}).dump();
  bench.ask(422, "POST", "/v1/deliveries", delivery);
  bench.now = kGate.until;
  CHECK(bench.ask(201, "POST", "/v1/deliveries", delivery)["settlement"]["delivered_j"] == 1);
  bench.ask(200, "POST", "/v1/deliveries", delivery);
  CHECK(bench.ask(200, "GET", "/v1/settlements")["settlements"].size() == 1);
  CHECK(bench.ask(200, "GET", "/v1/state")["counters"]["bids_late"] == 1);
  bench.ask(404, "GET", "/");
  bench.ask(405, "DELETE", "/v1/bids");
}
