#include "bidding/advice_task.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "bidding/workflow.h"
#include "config/rng.h"
#include "tests/bidding/fake_market.h"

using namespace vpp;
using namespace vpp::bidding;
using namespace vpp::bidding::test;

namespace {

constexpr Gate kAdvisedGate{kStart + 17h, kStart + 17h + 15min, kStart + 16h + 55min};

AdviceAsk an_ask() {
  AdviceAsk ask;
  ask.model = "m";
  ask.gate = kAdvisedGate;
  ask.price_min = Price{10};
  ask.slots = {{kAdvisedGate.from, kAdvisedGate.until, Price{90}, {}}};
  ask.most = Watts{1'000};
  ask.limits = {3, Price{5}, Price{500}};
  return ask;
}

std::string fault_of_advice(std::vector<BidSegment> segments, std::string why = {}) {
  const auto sound = check({"m", std::move(segments), std::move(why)}, an_ask());
  return sound ? "" : sound.error();
}

/// A bidder with nine days of prices, that asks an optimiser; driven by hand.
struct AdvisedBidder {
  AdvisedBidder() {
    PricesKnown known;
    for (MarketTime hour = kStart - std::chrono::days{9}; hour < kStart + 16h + 30min;
         hour += kInterval) {
      known.prices.push_back({hour, hour + kInterval, price_at(hour)});
    }
    workflow.answered(now(), GatesFetched{{kAdvisedGate}});
    workflow.answered(now(), PricesFetched{known.prices});
    (void)workflow.take_effects();
  }

  [[nodiscard]] Now now() const { return {Instant{}, at, 1}; }
  WorkflowEffects until(MarketTime end) {
    WorkflowEffects all;
    for (; at < end; at += 10s) {
      workflow.advance(now(), plant.state(at));
      WorkflowEffects some = workflow.take_effects();
      all.persist.insert(all.persist.end(), some.persist.begin(), some.persist.end());
      all.asks.insert(all.asks.end(), some.asks.begin(), some.asks.end());
    }
    return all;
  }
  void advise(const AdviceAsk& ask, std::vector<BidSegment> segments, std::uint64_t task = 7) {
    const std::string outlook = outlook_name(ask.price_min, ask.slots);
    workflow.advised(now(), {bid_key(ask.gate),
                             ask.gate,
                             {task},
                             "m",
                             "w",
                             outlook,
                             std::move(segments),
                             "it is better so"});
  }
  void foresee(Price price) {
    workflow.foreseen(now(), {{9}, "f", "w", kStart + 16h, {{price, {}}, {price, {}}}});
  }

  static WorkflowOptions options() {
    WorkflowOptions out;
    out.optimiser = "m";
    return out;
  }

  MarketTime at = kStart + 16h + 40min;
  FakePlant plant;
  Workflow workflow{options(), {}};
};

template <class Kind>
std::vector<Kind> facts_of(const std::vector<Fact>& facts) {
  std::vector<Kind> out;
  for (const Fact& fact : facts) {
    if (const auto* is = as<Kind>(fact)) out.push_back(*is);
  }
  return out;
}

constexpr MarketTime kDecidedBy = kStart + 16h + 53min + 30s;

}  // namespace

TEST_CASE("advice that breaks a rule is refused by the name of the rule", "[bidding][advice]") {
  CHECK(fault_of_advice({{Watts{600}, Price{10}}, {Watts{400}, Price{500}}}).empty());
  CHECK(fault_of_advice({}, "dearer later").empty());
  CHECK(fault_of_advice({}) == "there is neither a segment nor a why");
  const BidSegment one{Watts{1}, Price{20}};
  CHECK(fault_of_advice({one, one, one, one}) == "4 segments; the market takes 3");
  CHECK(fault_of_advice({{Watts{0}, Price{20}}}).find("without power") != std::string::npos);
  CHECK(fault_of_advice({{Watts{1}, Price{30}}, one}).find("falls") != std::string::npos);
  CHECK(fault_of_advice({{Watts{1}, Price{INT64_MAX}}}).find("absurd") != std::string::npos);
  CHECK(fault_of_advice({{Watts{1}, Price{9}}}) == "a price below price_min_micro_per_mwh");
  CHECK(fault_of_advice({{Watts{1}, Price{501}}}) == "a price that the market does not take");
  CHECK(fault_of_advice({{Watts{INT64_MAX}, Price{20}}}).find("without") != std::string::npos);
  CHECK(fault_of_advice({{Watts{600}, Price{20}}, {Watts{401}, Price{20}}}) ==
        "1001 W is more than the 1000 W that are firm and free then");
}

TEST_CASE("of random advice just that is believed which keeps to every rule", "[bidding][advice]") {
  Rng rng{GENERATE(range(1U, 20U))};
  const AdviceAsk ask = an_ask();
  int believed = 0;
  for (int i = 0; i < 500; ++i) {
    AdviceAnswer answer{"m", {}, "w"};
    for (std::uint64_t n = 1 + rng.below(4); n > 0; --n) {
      answer.segments.push_back({Watts{static_cast<std::int64_t>(rng.below(500)) - 20},
                                 Price{static_cast<std::int64_t>(rng.below(600))}});
    }
    if (rng.below(2) == 0) std::ranges::sort(answer.segments, {}, &BidSegment::price);
    // Each price on its own: what is offered at most there, and nothing that is not there.
    bool sound = answer.segments.size() <= 3;
    std::int64_t all = 0;
    for (std::size_t s = 0; s < answer.segments.size(); ++s) {
      const auto [power, price] = answer.segments[s];
      all += power.count;
      sound &= power.count > 0 && price.count >= 10 && price.count <= 500;
      sound &= s == 0 || answer.segments[s - 1].price <= price;
    }
    sound &= all <= 1'000;
    believed += sound ? 1 : 0;
    CHECK(check(answer, ask).has_value() == sound);
  }
  CHECK(believed > 0);
}

TEST_CASE("every price, time and quantile of an outlook is in its name", "[bidding][advice]") {
  const std::vector<AdviceSlot> slots{{kStart, kStart + 1h, Price{1}, {Price{2}}},
                                      {kStart + 1h, kStart + 2h, Price{3}, {}}};
  const auto name = outlook_name(Price{0}, slots);
  CHECK(outlook_name(Price{0}, slots) == name);
  CHECK(outlook_name(Price{1}, slots) != name);
  for (int what = 0; what < 5; ++what) {
    auto other = slots;
    if (what == 0) other[0].price.count += 1;
    if (what == 1) other[0].quantiles[0].count += 1;
    if (what == 2) other[1].until += 1ms;
    if (what == 3) other[1].quantiles = {Price{3}};
    if (what == 4) other.pop_back();
    CAPTURE(what);
    CHECK(outlook_name(Price{0}, other) != name);
  }
}

TEST_CASE("an optimiser is asked once ahead of a gate, and again when what it was told changed",
          "[bidding][advice]") {
  AdvisedBidder bidder;
  CHECK(bidder.until(kStart + 16h + 47min).asks.empty());
  const auto asks = bidder.until(kStart + 16h + 50min).asks;
  REQUIRE(asks.size() == 1);
  CHECK(asks.front().gate == kAdvisedGate);
  CHECK(asks.front().slots.front().price == Price{90'000'000});
  CHECK(asks.front().most == Watts{90'000});
  CHECK(asks.front().firm.size() == aggregation::kGridPoints);
  bidder.foresee(Price{50'000'000});
  const auto again = bidder.until(bidder.at + 10s).asks;
  REQUIRE(again.size() == 1);
  CHECK(again.front().slots.front().price == Price{50'000'000});
  bidder.plant.curve = aggregation::DurationCurve::of_site({Watts{30'000}, to_joules({200'000})});
  const auto smaller = bidder.until(bidder.at + 40s).asks;
  REQUIRE(smaller.size() == 1);
  CHECK(smaller.front().most == Watts{27'000});
  CHECK_FALSE(alike(again.front(), smaller.front()));
  CHECK(bidder.until(kDecidedBy).asks.empty());
}

TEST_CASE("a decision follows advice on the present prices, as far as the curve gives",
          "[bidding][advice]") {
  AdvisedBidder bidder;
  const AdviceAsk ask = bidder.until(kStart + 16h + 50min).asks.at(0);
  bidder.advise(ask, {{Watts{20'000}, Price{30'000'000}}, {Watts{40'000}, Price{80'000'000}}});
  bidder.plant.curve = aggregation::DurationCurve::of_site({Watts{50'000}, to_joules({200'000})});
  (void)bidder.until(kDecidedBy);
  const std::string key = bid_key(kAdvisedGate);
  const auto trace = bidder.workflow.trace(key).value();
  REQUIRE(trace.size() == 2);
  CHECK(as<BidAdvised>(trace.front())->worker == "w");
  const auto& decided = *as<BidDecided>(trace.back());
  CHECK(decided.advised == TaskId{7});
  CHECK(decided.optimiser == "m");
  CHECK(decided.bid.segments == std::vector<BidSegment>{{Watts{20'000}, Price{30'000'000}},
                                                        {Watts{25'000}, Price{80'000'000}}});
}

TEST_CASE("without advice on the present prices the bidder decides by itself and records it",
          "[bidding][advice]") {
  AdvisedBidder bidder;
  const AdviceAsk ask = bidder.until(kStart + 16h + 50min).asks.at(0);
  const bool stale = GENERATE(true, false);
  if (stale) {
    bidder.advise(ask, {{Watts{20'000}, Price{30'000'000}}});
    bidder.foresee(Price{95'000'000});
  }
  (void)bidder.until(kDecidedBy);
  const auto decided = *as<BidDecided>(bidder.workflow.trace(bid_key(kAdvisedGate)).value().back());
  CHECK(decided.advised == TaskId{});
  CHECK(decided.optimiser == "m");
  CHECK(decided.bid.segments.front().power == Watts{90'000});
}

TEST_CASE("advised against, a gate passes without a bid, and it is known why",
          "[bidding][advice]") {
  AdvisedBidder bidder;
  const AdviceAsk ask = bidder.until(kStart + 16h + 50min).asks.at(0);
  bidder.advise(ask, {});
  const auto facts = bidder.until(kStart + 16h + 56min).persist;
  CHECK(facts_of<BidDecided>(facts).empty());
  REQUIRE(facts_of<GatePassed>(facts).size() == 1);
  CHECK(facts_of<GatePassed>(facts).front().why == no_bid::kAdvisedAgainst);
  CHECK(facts_of<BidAdvised>(facts).size() == 1);
}

TEST_CASE("the newest advice on a bid counts, and none after it was decided", "[bidding][advice]") {
  AdvisedBidder bidder;
  const AdviceAsk ask = bidder.until(kStart + 16h + 50min).asks.at(0);
  bidder.advise(ask, {{Watts{20'000}, Price{30'000'000}}}, 7);
  bidder.advise(ask, {{Watts{10'000}, Price{30'000'000}}}, 8);
  bidder.advise(ask, {{Watts{10'000}, Price{30'000'000}}}, 8);
  CHECK(facts_of<BidAdvised>(bidder.until(kDecidedBy).persist).size() == 2);
  const auto trace = bidder.workflow.trace(bid_key(kAdvisedGate)).value();
  CHECK(as<BidDecided>(trace.back())->advised == TaskId{8});
  bidder.advise(ask, {{Watts{20'000}, Price{30'000'000}}}, 9);
  CHECK(bidder.workflow.take_effects().persist.empty());
}
