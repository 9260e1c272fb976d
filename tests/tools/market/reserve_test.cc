// Reserve: power kept free for a price of its own, and called by the seed.
#include <algorithm>
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
using bidding::Gate;
using bidding::Json;
using bidding::Product;
using bidding::Session;

namespace {

constexpr MarketTime kSunrise{std::chrono::days{17'500}};

/// The same price for so many days.
bidding::PriceSeries steady(std::int64_t micro, int days) {
  bidding::PriceSeries series;
  for (int hour = 0; hour < 24 * days; ++hour) {
    const MarketTime at = kSunrise + 1h * hour;
    series.emplace(at, bidding::PricePoint{at, at + 1h, Price{micro}});
  }
  return series;
}

/// Energy at 50 per MWh, reserve at 12 per MW and hour.
MarketOptions with_reserve(std::int64_t called_permille, std::uint64_t seed = 1) {
  MarketOptions options;
  options.reserve.emplace();
  options.reserve->prices = steady(12'000'000, 40);
  options.reserve->called_permille = called_permille;
  options.reserve->seed = seed;
  return options;
}

Market market_with(std::int64_t called_permille, std::uint64_t seed = 1) {
  return {with_reserve(called_permille, seed), steady(50'000'000, 40)};
}

std::vector<Gate> reserve_gates(const Market& market, MarketTime now) {
  auto gates = market.gates(now);
  std::erase_if(gates, [](const Gate& gate) { return gate.product == Product::kEnergy; });
  return gates;
}

Bid reserve_bid(const Gate& gate, std::int64_t watts = 6000, std::int64_t micro = 10'000'000) {
  return {"r" + std::to_string(gate.from.time_since_epoch().count()),
          gate,
          {{Watts{watts}, Price{micro}}}};
}

constexpr Gate kNoon{kSunrise + 12h, kSunrise + 13h, kSunrise + 11h + 30min, Session::kRealTime,
                     Product::kReserveUp};

}  // namespace

TEST_CASE("reserve has gates and prices of its own, and energy's stay as they were",
          "[market][reserve]") {
  const Market market = market_with(100);
  const Market energy{MarketOptions{}, steady(50'000'000, 40)};
  const MarketTime now = kSunrise + 11h;
  const auto gates = reserve_gates(market, now);
  REQUIRE_FALSE(gates.empty());
  CHECK(gates.front() == kNoon);
  auto others = market.gates(now);
  std::erase_if(others, [](const Gate& gate) { return gate.product != Product::kEnergy; });
  CHECK(others == energy.gates(now));
  CHECK(market.prices(now, kSunrise, now) == energy.prices(now, kSunrise, now));
  // A capacity price is told once its gate has closed, before its time.
  const auto told =
      market.prices(now, kSunrise, kSunrise + 24h, Session::kRealTime, Product::kReserveUp);
  REQUIRE(told.size() == 12);
  CHECK(told.back().from == kSunrise + 11h);
  CHECK(told.back().price == Price{12'000'000});
  CHECK(energy.prices(now, kSunrise, now, Session::kRealTime, Product::kReserveUp).empty());
}

TEST_CASE("reserve can be sold the day before", "[market][reserve]") {
  MarketOptions options = with_reserve(100);
  options.reserve->rules = {
      .session = Session::kDayAhead, .interval = 4h, .closing = bidding::ClosesDayBefore{12h}};
  const Market market{options, steady(50'000'000, 40)};
  const auto gates = reserve_gates(market, kSunrise + 11h);
  REQUIRE(gates.size() == 6);
  for (const Gate& gate : gates) CHECK(gate.closes == kSunrise + 12h);
  CHECK(gates.front().from == kSunrise + 24h);
}

TEST_CASE("keeping reserve is paid for, whether it is called or not", "[market][reserve]") {
  Market market = market_with(0);
  const Bid bid = reserve_bid(kNoon);
  REQUIRE(market.submit(kSunrise + 11h, bid).outcome == Outcome::kAccepted);
  CHECK(market.submit(kSunrise + 11h, bid).outcome == Outcome::kRepeated);
  REQUIRE(market.awards(kNoon.closes, {bid.key}).at(0).power == Watts{6000});
  CHECK(market.calls(kNoon.until - 1ms, {bid.key}).empty());  // it might still be called
  const auto calls = market.calls(kNoon.until, {bid.key, "strange"});
  REQUIRE(calls.size() == 1);
  CHECK(calls[0].power == Watts{0});
  const auto settled = market.deliver(kNoon.until, {bid.key, kNoon, Joules{0}}).settlement;
  REQUIRE(settled.has_value());
  CHECK(settled->awarded == Joules{0});
  CHECK(settled->availability == Amount{72'000});  // 6 kW for an hour at 12 per MW
  CHECK(settled->revenue == settled->availability);
  CHECK(settled->penalty == Amount{0});
}

TEST_CASE("what is called is paid as energy, and what is missing of it is charged",
          "[market][reserve]") {
  Market market = market_with(1000);
  const Bid bid = reserve_bid(kNoon);
  (void)market.submit(kSunrise + 11h, bid);
  const MarketTime told = kNoon.from - market.options().reserve->notice;
  CHECK(market.calls(told - 1ms, {bid.key}).empty());
  const auto calls = market.calls(told, {bid.key});
  REQUIRE(calls.size() == 1);
  CHECK(calls[0] == bidding::ReserveCall{bid.key, Watts{6000}, kNoon.from, kNoon.until});
  const Joules half{6000 * 1800};
  const auto settled = market.deliver(kNoon.until, {bid.key, kNoon, half}).settlement;
  REQUIRE(settled.has_value());
  CHECK(settled->awarded == Joules{6000 * 3600});
  CHECK(settled->availability == Amount{72'000});
  CHECK(settled->revenue == Amount{72'000 + 300'000});  // 6 kWh at 50
  CHECK(settled->penalty == Amount{187'500});           // 3 kWh at 50, times 1.25
}

TEST_CASE("rivals of reserve are cleared with it by merit order", "[market][reserve]") {
  MarketOptions options = with_reserve(100);
  options.reserve->rivals = {{Watts{1000}, Price{5'000'000}}, {Watts{9000}, Price{11'000'000}}};
  options.reserve->demand = Watts{4000};
  Market market{options, steady(50'000'000, 40)};
  const Bid bid = reserve_bid(kNoon);
  (void)market.submit(kSunrise + 11h, bid);
  const auto award = market.awards(kNoon.closes, {bid.key}).at(0);
  CHECK(award.power == Watts{3000});
  CHECK(award.clearing == Price{10'000'000});
}

TEST_CASE("reserve is called for the part of its energy that the option says, by the seed alone",
          "[market][reserve]") {
  const auto permille = GENERATE(std::int64_t{50}, std::int64_t{300}, std::int64_t{700});
  Market market = market_with(permille, 7);
  Market again = market_with(permille, 7);
  Joules called;
  Joules kept;
  std::vector<std::string> keys;
  for (MarketTime now = kSunrise + 1h; now < kSunrise + 24h * 39; now += 1h) {
    for (const Gate& gate : reserve_gates(market, now)) {
      const Bid bid = reserve_bid(gate);
      if (market.submit(now, bid).outcome != Outcome::kAccepted) continue;
      (void)again.submit(now, bid);
      keys.push_back(bid.key);
    }
  }
  const MarketTime end = kSunrise + 24h * 40;
  const auto calls = market.calls(end, keys);
  CHECK(calls == again.calls(end, keys));
  REQUIRE(calls.size() == keys.size());
  for (const auto& call : calls) {
    const Gate& gate = market.bids().at(call.key).bid.gate;
    CAPTURE(call.key);
    if (call.power > Watts{0}) {
      CHECK((gate.from <= call.from && call.from < call.until && call.until <= gate.until));
    }
    called += Joules{call.power.count * ((call.until - call.from) / 1s)};
    kept += Joules{6000 * 3600};
  }
  const auto part = static_cast<double>(called.count) / static_cast<double>(kept.count) * 1000;
  CHECK(part == Approx(static_cast<double>(permille)).margin(50));
}

TEST_CASE("killed at any time, the market calls and settles reserve as it would have",
          "[market][reserve][journal]") {
  Market market = market_with(1000);
  std::vector<std::string> lines;
  // Started again, it may have been told another seed: what was told stands.
  const auto reborn = [&] {
    for (auto& line : market.take_lines()) lines.push_back(line);
    market = market_with(0, 99);
    for (const auto& line : lines) REQUIRE(market.restore(line));
  };
  const Bid bid = reserve_bid(kNoon);
  (void)market.submit(kSunrise + 11h, bid);
  const auto awards = market.awards(kNoon.closes, {bid.key});
  const auto calls = market.calls(kNoon.from, {bid.key});
  REQUIRE(calls.size() == 1);
  reborn();
  CHECK(market.awards(kNoon.from, {bid.key}) == awards);
  CHECK(market.calls(kNoon.from, {bid.key}) == calls);
  const bidding::Delivery delivery{bid.key, kNoon, Joules{6000 * 3600}};
  const auto settled = market.deliver(kNoon.until, delivery).settlement;
  reborn();
  CHECK(market.deliver(kNoon.until, delivery).outcome == Outcome::kRepeated);
  CHECK(market.bids().at(bid.key).settlement == settled);
}

TEST_CASE("a journal of before there was reserve is read as ever", "[market][reserve][journal]") {
  Market market = market_with(1000);
  CHECK(market.restore(R"({"event":"bid","at_ms":1,"outcome":"accepted","bid":{"key":"a","gate":)"
                       R"({"from_ms":2,"until_ms":3,"closes_ms":1},"segments":[]}})"));
  CHECK(market.restore(
      R"({"event":"award","at_ms":1,"award":{"key":"a","gate":)"
      R"({"from_ms":2,"until_ms":3,"closes_ms":1},"power_w":4,"clearing_micro_per_mwh":5}})"));
  CHECK(market.restore(R"({"event":"settlement","at_ms":1,"settlement":{"key":"a","awarded_j":1,)"
                       R"("delivered_j":1,"revenue_micro":2,"penalty_micro":0}})"));
  CHECK(market.bids().at("a").settlement->availability == Amount{0});
  CHECK_FALSE(market.bids().at("a").call.has_value());
}

TEST_CASE("the API tells reserve's prices and calls", "[market][reserve][api]") {
  Market market = market_with(1000);
  const auto ask = [&](unsigned status, MarketTime now, std::string_view method,
                       const std::string& target, const std::string& body = {}) {
    const Reply reply = answer(market, {{Instant{}, now, 60}, "EUR"}, {method, target, body});
    CAPTURE(target, reply.json);
    CHECK(reply.status == status);
    return Json::parse(reply.json);
  };
  const Bid bid = reserve_bid(kNoon);
  const MarketTime before = kSunrise + 11h;
  ask(201, before, "POST", "/v1/bids", to_json_value(bid).dump());
  const std::string span = "/v1/prices?from_ms=0&until_ms=4102444800000&product=";
  const auto prices = ask(200, before, "GET", span + "reserve_up")["prices"];
  REQUIRE(prices.size() == 12);
  CHECK(prices[0]["product"] == "reserve_up");
  ask(400, before, "GET", span + "water");
  ask(400, before, "GET", "/v1/calls");
  CHECK(ask(200, before, "GET", "/v1/calls?keys=" + bid.key)["calls"].empty());
  const auto calls = ask(200, kNoon.from, "GET", "/v1/calls?keys=" + bid.key)["calls"];
  REQUIRE(calls.size() == 1);
  CHECK(calls[0]["power_w"] == 6000);
  CHECK(ask(200, kNoon.from, "GET", "/v1/state")["calls"].size() == 1);
}
