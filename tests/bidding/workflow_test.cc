#include "bidding/workflow.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <variant>
#include <vector>

#include "bidding/compaction.h"
#include "bidding/settlement.h"
#include "config/rng.h"
#include "tests/bidding/fake_market.h"

using namespace vpp;
using namespace vpp::bidding;
using namespace vpp::bidding::test;

namespace {

constexpr Gate kGate{kStart + 17h, kStart + 17h + 15min, kStart + 16h + 55min};
const std::string kKey = bid_key(kGate);

/// A workflow with two weeks of prices, driven by hand.
struct Bench {
  explicit Bench(const WorkflowOptions& options = {}) : workflow{options, history()} {}

  static std::vector<Fact> history() {
    PricesKnown known;
    for (MarketTime at = kStart - std::chrono::days{9}; at < kStart + 16h + 45min;
         at += kInterval) {
      known.prices.push_back({at, at + kInterval, price_at(at)});
    }
    return {Fact{known}};
  }

  [[nodiscard]] Now now() const { return {Instant{}, at, speed}; }
  void answer(const MarketAnswer& a) { workflow.answered(now(), a); }
  WorkflowEffects advance() {
    workflow.advance(now(), plant.state(at));
    return workflow.take_effects();
  }
  WorkflowEffects advance_to(MarketTime to) {
    at = to;
    return advance();
  }
  /// Bid decided and sent; returns it.
  Bid bid() {
    answer(GatesFetched{{kGate}});
    const auto effects = advance_to(kStart + 16h + 53min);
    REQUIRE(std::ranges::count_if(effects.persist,
                                  [](const Fact& f) { return as<BidDecided>(f) != nullptr; }) == 1);
    return as<BidDecided>(workflow.trace(kKey).value().front())->bid;
  }
  Award win() {
    const Bid b = bid();
    answer(BidAccepted{kKey});
    at = kGate.closes;
    advance();
    return {kKey, kGate, b.segments.front().power, price_at(kGate.from)};
  }
  std::string state() {
    const auto views = workflow.bids();
    REQUIRE(views.size() == 1);
    return views.front().state;
  }

  MarketTime at = kStart + 16h + 46min;
  std::int64_t speed = 60;
  FakePlant plant;
  Workflow workflow;
};

template <class T>
int count_of(const std::vector<MarketCall>& calls) {
  return static_cast<int>(std::ranges::count_if(
      calls, [](const MarketCall& c) { return std::holds_alternative<T>(c); }));
}
template <class T>
int count_of(const std::vector<Fact>& facts) {
  return static_cast<int>(
      std::ranges::count_if(facts, [](const Fact& f) { return as<T>(f) != nullptr; }));
}

}  // namespace

TEST_CASE("at first eight days of prices are fetched, then only what is new",
          "[bidding][workflow]") {
  Workflow workflow{{}, {}};
  const Now now{Instant{}, kStart, 1};
  workflow.advance(now, {});
  const auto first = workflow.take_effects();
  REQUIRE(count_of<FetchPrices>(first.calls) == 1);
  CHECK(std::get<FetchPrices>(first.calls.front()) ==
        FetchPrices{kStart - std::chrono::days{8}, kStart});
  CHECK(count_of<FetchGates>(first.calls) == 1);

  FakeMarket market;
  workflow.answered(now, market(now.market, first.calls.front()));
  CHECK(count_of<PricesKnown>(workflow.take_effects().persist) == 1);
  CHECK(workflow.prices().size() == 8 * 24);
  const Now later{Instant{}, kStart + 16min, 1};
  workflow.advance(later, {});
  const auto second = workflow.take_effects();
  REQUIRE(count_of<FetchPrices>(second.calls) == 1);
  CHECK(std::get<FetchPrices>(second.calls.front()).from == kStart);
}

TEST_CASE("a bid is durable in the batch in which it leaves", "[bidding][workflow]") {
  Bench bench;
  bench.answer(GatesFetched{{kGate}});
  CHECK(count_of<SubmitBid>(bench.advance_to(kStart + 16h + 52min).calls) == 0);
  const auto effects = bench.advance_to(kStart + 16h + 53min);
  REQUIRE(count_of<BidDecided>(effects.persist) == 1);
  REQUIRE(count_of<SubmitBid>(effects.calls) == 1);
  const auto trace = bench.workflow.trace(kKey).value();
  const auto& decided = *as<BidDecided>(trace.front());
  CHECK(decided.bid.segments.front().power == Watts{90'000});  // 90% of 100 kW, a dear hour
  CHECK(decided.forecast.front() == PricePoint{kGate.from, kGate.until, Price{90'000'000}});
  CHECK(decided.firm_curve.size() == aggregation::kGridPoints);
}

TEST_CASE("a worker's forecast decides where it reaches, the naive one elsewhere",
          "[bidding][workflow]") {
  Bench bench;
  ForecastKnown known{{7}, "mine", "py", kStart + 16h, {}};
  SECTION("the hour of the gate is cheap by it: no bid") {
    known.hours = {{Price{50'000'000}, {}}, {Price{-1'000'000}, {}}};
    bench.workflow.foreseen(bench.now(), known);
    CHECK(count_of<ForecastKnown>(bench.workflow.take_effects().persist) == 1);
    bench.workflow.foreseen(bench.now(), known);  // again: nothing new
    CHECK(bench.workflow.take_effects().persist.empty());
    bench.answer(GatesFetched{{kGate}});
    CHECK(count_of<BidDecided>(bench.advance_to(kStart + 16h + 53min).persist) == 0);
  }
  SECTION("it says what the bid was decided by, and the hour's price is the gate's") {
    known.hours = {{Price{50'000'000}, {}}, {Price{123'000'000}, {}}};
    bench.workflow.foreseen(bench.now(), known);
    bench.bid();
    const auto trace = bench.workflow.trace(kKey).value();
    const auto& decided = *as<BidDecided>(trace.front());
    CHECK(decided.model == "mine");
    CHECK(decided.foreseen == TaskId{7});
    CHECK(decided.forecast.front().price == Price{123'000'000});
    CHECK(decided.forecast.back().price != Price{123'000'000});
    CHECK(decided.forecast.size() > 4);
  }
  SECTION("one that ends before the gate, or knows less than the one before, does nothing") {
    known.hours = {{Price{-1'000'000}, {}}};
    bench.workflow.foreseen(bench.now(), known);
    bench.workflow.foreseen(bench.now(), {{8}, "older", "py", kStart + 15h, known.hours});
    CHECK(bench.workflow.forecast()->model == "mine");
    bench.bid();
    const auto trace = bench.workflow.trace(kKey).value();
    CHECK(as<BidDecided>(trace.front())->model == kNaiveModel);
  }
}

TEST_CASE("no forecast, no battery or a better hour to come: no bid", "[bidding][workflow]") {
  SECTION("no forecast") {
    Bench bench;
    bench.workflow = Workflow{{}, {}};
    bench.answer(GatesFetched{{kGate}});
    CHECK(bench.advance_to(kStart + 16h + 53min).persist.empty());
  }
  SECTION("no battery, until one joins") {
    Bench bench;
    const auto curve = std::exchange(bench.plant.curve, {});
    bench.answer(GatesFetched{{kGate}});
    CHECK(bench.advance_to(kStart + 16h + 53min).persist.empty());
    bench.plant.curve = curve;
    CHECK(count_of<BidDecided>(bench.advance_to(kStart + 16h + 54min).persist) == 1);
  }
  SECTION("a better hour to come") {
    Bench bench;
    bench.plant.curve = aggregation::DurationCurve::of_site({Watts{1000}, to_joules({1000})});
    const Gate cheap{kStart + 16h + 45min, kStart + 17h, kStart + 16h + 40min};
    bench.at = kStart + 16h + 30min;
    bench.answer(GatesFetched{{cheap}});
    CHECK(count_of<BidDecided>(bench.advance_to(kStart + 16h + 39min).persist) == 0);
  }
  SECTION("the bidder is off") {
    WorkflowOptions off;
    off.enabled = false;
    Bench bench{off};
    bench.answer(GatesFetched{{kGate}});
    const auto effects = bench.advance_to(kStart + 16h + 53min);
    CHECK(effects.persist.empty());
    CHECK(effects.calls.empty());
  }
}

TEST_CASE("what is promised already is not sold twice", "[bidding][workflow]") {
  Bench bench;
  bench.plant.curve = aggregation::DurationCurve::of_site({Watts{100'000}, to_joules({30'000})});
  bench.bid();
  const Gate next{kGate.until, kGate.until + 15min, kGate.closes + 1min};
  bench.answer(GatesFetched{{kGate, next}});
  const auto effects = bench.advance_to(next.closes - 2min);
  // 27 kWh firm, of which the first gate took 22.5.
  REQUIRE(count_of<BidDecided>(effects.persist) == 1);
  const auto trace = bench.workflow.trace(bid_key(next)).value();
  CHECK(as<BidDecided>(trace.front())->bid.segments.front().power == Watts{18'000});
}

TEST_CASE("a bid goes out again with the same key until it is acknowledged or the gate closed",
          "[bidding][workflow]") {
  Bench bench;
  const Bid bid = bench.bid();
  int sent = 0;
  while (bench.at < kGate.closes) {
    bench.answer(CallFailed{SubmitBid{bid}, "connection refused"});
    const MarketTime due = bench.workflow.next_deadline();
    REQUIRE(due > bench.at);
    for (const auto& call : bench.advance_to(due).calls) {
      if (const auto* submit = std::get_if<SubmitBid>(&call)) {
        CHECK(submit->bid == bid);
        CHECK(bench.at < kGate.closes);
        ++sent;
      }
    }
  }
  CHECK(sent >= 2);
  CHECK(sent < 20);
  CHECK(bench.state() == "decided");
  // Nobody knows whether one of them arrived: the awards tell.
  bench.answer(CallFailed{FetchAwards{{kKey}}, "connection refused"});
  const auto effects = bench.advance_to(kGate.closes + 10min);
  CHECK(count_of<SubmitBid>(effects.calls) == 0);
  CHECK(count_of<FetchAwards>(effects.calls) == 1);
}

TEST_CASE("an award is durable in the batch in which its order is wanted", "[bidding][workflow]") {
  Bench bench;
  const Award award = bench.win();
  bench.answer(AwardsFetched{{award}});
  const auto effects = bench.workflow.take_effects();
  CHECK(count_of<AwardKnown>(effects.persist) == 1);
  REQUIRE(effects.orders.size() == 1);
  CHECK(effects.orders.front().key == kKey);
  CHECK(effects.orders.front().power == award.power);
  CHECK(bench.state() == "awarded");

  SECTION("it is wanted again until it is booked") {
    const auto again = bench.advance_to(bench.at + 1min);
    REQUIRE(again.orders.size() == 1);
    bench.workflow.scheduled(bench.now(), kKey, OrderId{4});
    CHECK(count_of<OrderScheduled>(bench.workflow.take_effects().persist) == 1);
    CHECK(bench.state() == "scheduled");
    CHECK(bench.advance_to(bench.at + 10min).orders.empty());
    bench.workflow.scheduled(bench.now(), kKey, OrderId{5});
    CHECK(bench.workflow.bids().front().order == OrderId{4});
  }
  SECTION("told twice, it changes nothing") {
    bench.answer(AwardsFetched{{award}});
    const auto again = bench.workflow.take_effects();
    CHECK(again.persist.empty());
    CHECK(again.orders.empty());
  }
}

TEST_CASE("an award that was not bid for is no fact", "[bidding][workflow][adversary]") {
  Bench bench;
  const Award award = bench.win();
  Award wrong = award;
  SECTION("another key") {
    wrong.key = "bid-1";
  }
  SECTION("more power") {
    wrong.power += Watts{1};
  }
  SECTION("charge") {
    wrong.power = Watts{-1};
  }
  SECTION("another gate") {
    wrong.gate.until += 1ms;
  }
  SECTION("below our price") {
    wrong.clearing = Price{-1};
  }
  bench.answer(AwardsFetched{{wrong}});
  const auto effects = bench.workflow.take_effects();
  CHECK(effects.persist.empty());
  CHECK(effects.orders.empty());
  bench.answer(AwardsFetched{{award}});
  CHECK(bench.workflow.take_effects().orders.size() == 1);
}

TEST_CASE("a lost bid ends, and its power is free again", "[bidding][workflow]") {
  Bench bench;
  Award award = bench.win();
  award.power = Watts{0};
  bench.answer(AwardsFetched{{award}});
  CHECK(bench.workflow.take_effects().orders.empty());
  CHECK(bench.state() == "lost");
}

TEST_CASE("a refusal for good ends a bid, another one does not", "[bidding][workflow]") {
  Bench bench;
  bench.bid();
  bench.answer(BidRefused{kKey, "try later", false, {}});
  CHECK(bench.state() == "decided");
  bench.answer(BidRefused{kKey, "not a member", true, {}});
  CHECK(bench.state() == "refused");
  CHECK(count_of<SubmitBid>(bench.advance_to(bench.at + 1min).calls) == 0);
}

TEST_CASE("an award that comes during delivery is still booked", "[bidding][workflow]") {
  Bench bench;
  const Award award = bench.win();
  bench.at = kGate.from + 5min;
  bench.answer(AwardsFetched{{award}});
  CHECK(bench.workflow.take_effects().orders.size() == 1);
}

TEST_CASE("a delivery is reported once its receipts had time to come, durable first",
          "[bidding][workflow]") {
  Bench bench;
  const Award award = bench.win();
  bench.answer(AwardsFetched{{award}});
  for (const auto& wanted : bench.workflow.take_effects().orders) {
    bench.workflow.scheduled(bench.now(), wanted.key, bench.plant.add(wanted));
  }
  (void)bench.workflow.take_effects();
  CHECK(count_of<SubmitDelivery>(bench.advance_to(kGate.until + 2min).calls) == 0);

  SECTION("with receipts") {
    const auto effects = bench.advance_to(kGate.until + 3min);
    REQUIRE(count_of<DeliveryMeasured>(effects.persist) == 1);
    REQUIRE(count_of<SubmitDelivery>(effects.calls) == 1);
    CHECK(bench.workflow.bids().front().delivered == Joules{award.power.count * 900});
    const Settlement settlement{kKey, Joules{1}, Joules{1}, Amount{5}, Amount{0}};
    bench.answer(bidding::Settled{settlement});
    CHECK(bench.state() == "settled");
    CHECK(bench.workflow.bids().front().settlement == settlement);
    (void)bench.workflow.take_effects();
    bench.answer(bidding::Settled{settlement});
    CHECK(bench.workflow.take_effects().persist.empty());
  }
  SECTION("without any receipt it waits, then says that nothing was counted") {
    bench.plant.receipts = false;
    CHECK(bench.advance_to(kGate.until + 5min).persist.empty());
    const auto effects = bench.advance_to(kGate.until + 13min);
    REQUIRE(count_of<DeliveryMeasured>(effects.persist) == 1);
    const auto facts = bench.workflow.trace(kKey).value();
    const auto& measured = *as<DeliveryMeasured>(facts.back());
    CHECK(measured.sites_counted == 0);
    CHECK(measured.sites_enrolled == 4);
    CHECK_FALSE(bench.workflow.bids().front().delivered);  // unknown is not zero
  }
  SECTION("receipts that come late are waited for") {
    bench.plant.receipts = false;
    bench.advance_to(kGate.until + 5min);
    bench.plant.receipts = true;
    CHECK(count_of<DeliveryMeasured>(bench.advance_to(kGate.until + 7min).persist) == 1);
  }
}

TEST_CASE("what was settled is shared out, and what is disagreed on is a fact, once",
          "[bidding][workflow][settlement]") {
  WorkflowOptions options;
  options.owner_share_permille = 800;
  Bench bench{options};
  const Award award = bench.win();
  bench.answer(AwardsFetched{{award}});
  OrderId order;
  for (const auto& wanted : bench.workflow.take_effects().orders) {
    order = bench.plant.add(wanted);
    bench.workflow.scheduled(bench.now(), wanted.key, order);
  }
  (void)bench.advance_to(kGate.until + 3min);
  const Joules delivered = bench.workflow.bids().front().delivered.value();
  const Amount revenue = worth(awarded_energy(award), award.clearing);
  const Settlement right{kKey, awarded_energy(award), delivered, revenue, Amount{0}};
  const auto view = [&] { return bench.workflow.bids().front(); };

  SECTION("as we know it") {
    bench.answer(bidding::Settled{right});
    REQUIRE(view().credited.has_value());
    CHECK(view().disagreements.empty());
    CHECK(view().credited->receipts == delivered);
    CHECK(view().credited->per_mwh.count == award.clearing.count * 8 / 10);
    CHECK(bench.workflow.owner_rates().at(order) == view().credited->per_mwh);
    // The same after a restart, and another share does not change what was said.
    std::vector<Fact> disk = Bench::history();
    const auto trace = bench.workflow.trace(kKey).value();
    disk.insert(disk.end(), trace.begin(), trace.end());
    CHECK(Workflow{{}, disk}.owner_rates() == bench.workflow.owner_rates());
  }
  SECTION("with less energy, and then again with a penalty") {
    Settlement other = right;
    other.delivered = delivered - Joules{36'000};
    bench.answer(bidding::Settled{other});
    REQUIRE(view().disagreements.size() == 1);
    CHECK(view().disagreements[0].about == "delivered_j");
    other.penalty = Amount{1'000};
    for (int again = 0; again < 3; ++again) bench.answer(bidding::Settled{other});
    REQUIRE(view().disagreements.size() == 2);
    CHECK(view().disagreements[1].about == "settled_again_penalty_micro");
    CHECK(view().settlement->penalty == Amount{0});  // the first stands
  }
  SECTION("a site comes back with a receipt of its own") {
    bench.answer(bidding::Settled{right});
    (void)bench.workflow.take_effects();
    bench.plant.late[order] = Joules{7'200};
    const auto effects = bench.advance_to(kGate.until + 20min);
    REQUIRE(count_of<Disagreement>(effects.persist) == 1);
    CHECK(view().disagreements[0] ==
          Disagreement{kKey, "receipts_j", delivered.count, delivered.count + 7'200});
    CHECK(count_of<Disagreement>(bench.advance_to(kGate.until + 30min).persist) == 0);
  }
}

TEST_CASE("an operator offers what is firm and free, once, and takes it back",
          "[bidding][workflow]") {
  Bench bench;
  bench.answer(GatesFetched{{kGate}});
  const OwnBid own{"op-1", kGate.from, Session::kRealTime, {{Watts{40'000}, {50'000'000}}}};
  const auto submit = [&](const OwnBid& bid) {
    return bench.workflow.submit(bench.now(), bench.plant.state(bench.at), bid);
  };
  OwnBid greedy = own;
  greedy.segments.front().power = Watts{90'001};  // 90 % of 100 kW
  CHECK_THAT(submit(greedy).error(), Catch::Contains("90000 W"));
  OwnBid stranger = own;
  stranger.from += 1min;
  CHECK_FALSE(submit(stranger).has_value());
  OwnBid falling = own;
  falling.segments.push_back({Watts{1}, {40'000'000}});
  CHECK_FALSE(submit(falling).has_value());
  OwnBid bidders = own;
  bidders.key = bid_key(kGate);
  CHECK_FALSE(submit(bidders).has_value());

  REQUIRE(submit(own).has_value());
  CHECK(count_of<BidDecided>(bench.workflow.take_effects().persist) == 1);
  CHECK(submit(own).has_value());  // the same again
  CHECK(bench.workflow.take_effects().persist.empty());
  OwnBid other = own;
  other.segments.front().power += Watts{1};
  CHECK_FALSE(submit(other).has_value());  // its key is taken
  other.key = "op-2";
  CHECK_THAT(submit(other).error(), Catch::Contains("op-1"));

  const auto sent = bench.advance_to(kStart + 16h + 53min);  // when the bidder would decide
  CHECK(count_of<BidDecided>(sent.persist) == 0);
  REQUIRE(count_of<SubmitBid>(sent.calls) == 1);
  bench.answer(BidAccepted{"op-1"});
  REQUIRE(bench.workflow.withdraw(bench.now(), "op-1").has_value());
  CHECK(bench.state() == "withdrawing");
  const auto back = bench.advance();
  CHECK(count_of<WithdrawalAsked>(back.persist) == 1);
  REQUIRE(count_of<WithdrawBid>(back.calls) == 1);

  SECTION("the market lets it go, and another one can be made") {
    bench.answer(WithdrawalAnswered{"op-1", Withdrawal::kDone, {}});
    CHECK(bench.state() == "withdrawn");
    CHECK(submit(other).has_value());
  }
  SECTION("it was too late: what is won is delivered") {
    bench.answer(WithdrawalAnswered{"op-1", Withdrawal::kStands, "late"});
    bench.at = kGate.closes;
    bench.advance();
    bench.answer(AwardsFetched{{{"op-1", kGate, Watts{40'000}, price_at(kGate.from)}}});
    CHECK(bench.workflow.take_effects().orders.size() == 1);
  }
  SECTION("the answer is lost: it is asked again, and after the gate for its award") {
    bench.answer(CallFailed{WithdrawBid{"op-1"}, "time-out", std::nullopt});
    int asked = 0;
    while (bench.at < kGate.closes) {
      const int now = count_of<WithdrawBid>(bench.advance().calls);
      asked += now;
      if (now > 0) bench.answer(CallFailed{WithdrawBid{"op-1"}, "time-out", std::nullopt});
      bench.at = std::max(bench.at + 1ms, bench.workflow.next_deadline());
    }
    CHECK(asked > 0);
    CHECK(count_of<FetchAwards>(bench.advance_to(kGate.closes + 10min).calls) == 1);
    bench.answer(AwardsFetched{{{"op-1", kGate, Watts{40'000}, price_at(kGate.from)}}});
    CHECK(bench.workflow.take_effects().orders.size() == 1);
  }
}

TEST_CASE("a bid that nobody acknowledged is withdrawn once it cannot arrive any more",
          "[bidding][workflow]") {
  Bench bench;
  bench.speed = 1;
  bench.bid();
  REQUIRE(bench.workflow.withdraw(bench.now(), kKey).has_value());
  const MarketTime asked_at = bench.at;
  REQUIRE(count_of<WithdrawBid>(bench.advance().calls) == 1);
  const auto not_known = [&] {
    bench.answer(WithdrawalAnswered{kKey, Withdrawal::kNotKnown, "no bid has this key"});
  };
  not_known();
  CHECK(bench.state() == "withdrawing");

  SECTION("its acknowledgement comes late: the market is asked again at once") {
    bench.answer(BidAccepted{kKey});
    CHECK(bench.state() == "withdrawing");
    const auto again = bench.advance();
    CHECK(count_of<BidAcknowledged>(again.persist) == 1);
    REQUIRE(count_of<WithdrawBid>(again.calls) == 1);
    not_known();  // it was, thus it is gone
    CHECK(bench.state() == "withdrawn");
  }
  SECTION("it is refused after all") {
    bench.answer(BidRefused{kKey, "not a member", true, {}});
    CHECK(bench.state() == "refused");
  }
  SECTION("the market is asked for as long as a call may be under way, also by a heir") {
    std::vector<Fact> disk = Bench::history();
    const auto trace = bench.workflow.trace(kKey).value();
    disk.insert(disk.end(), trace.begin(), trace.end());
    if (GENERATE(false, true)) bench.workflow = Workflow{{}, disk};
    int asked = 0;
    while (bench.state() == "withdrawing") {
      const int calls = count_of<WithdrawBid>(bench.advance().calls);
      asked += calls;
      if (calls > 0) not_known();
      bench.at = std::max(bench.at + 1ms, bench.workflow.next_deadline());
    }
    CHECK(bench.state() == "withdrawn");
    CHECK(asked >= 5);
    CHECK(bench.at >= asked_at + 30s);
    CHECK(bench.at < kGate.closes);
  }
}

TEST_CASE("owners are paid for a settlement whose other facts were lost", "[bidding][workflow]") {
  Bench bench;
  const Award award = bench.win();
  bench.answer(AwardsFetched{{award}});
  for (const auto& wanted : bench.workflow.take_effects().orders) {
    bench.workflow.scheduled(bench.now(), wanted.key, bench.plant.add(wanted));
  }
  (void)bench.advance_to(kGate.until + 3min);
  Settlement less{kKey, awarded_energy(award), Joules{36'000}, Amount{5}, Amount{0}};
  bench.answer(bidding::Settled{less});
  const BidView whole = bench.workflow.bids().front();
  REQUIRE(whole.credited);
  REQUIRE(whole.disagreements.size() > 1);
  std::vector<Fact> disk = Bench::history();
  const std::vector<Fact> trace = bench.workflow.trace(kKey).value();
  for (const Fact& fact : trace) {
    disk.push_back(fact);
    if (as<SettlementKnown>(fact) != nullptr) break;
  }
  bench.workflow = Workflow{{}, disk};
  const auto effects = bench.advance();
  CHECK(count_of<OwnersCredited>(effects.persist) == 1);
  CHECK(bench.workflow.bids().front().credited == whole.credited);
  CHECK(bench.workflow.bids().front().disagreements == whole.disagreements);
  CHECK(bench.workflow.owner_rates().contains(whole.order));
}

TEST_CASE("a dead market is asked at a bounded rate", "[bidding][workflow]") {
  const std::int64_t speed = GENERATE(1, 60, 1000);
  Bench bench;
  bench.speed = speed;
  bench.bid();
  const MarketTime begin = bench.at;
  int calls = 0;
  const Duration span = 60s * speed;  // a minute of real time
  while (bench.at < begin + span) {
    const auto effects = bench.advance();
    for (const auto& call : effects.calls) bench.answer(CallFailed{call, "no route"});
    calls += static_cast<int>(effects.calls.size());
    REQUIRE(bench.workflow.next_deadline() > bench.at);
    bench.at = bench.workflow.next_deadline();
  }
  CHECK(calls > 5);
  CHECK(calls < 100);  // three needs, each every four seconds once it is slow
}

TEST_CASE("an answer that never comes is given up in the end", "[bidding][workflow]") {
  Bench bench;
  bench.advance();
  int fetches = 0;
  for (int i = 0; i < 200; ++i) {
    bench.at = bench.workflow.next_deadline();
    fetches += count_of<FetchPrices>(bench.advance().calls);
  }
  CHECK(fetches > 1);
}

TEST_CASE("a market that says anything at all is survived", "[bidding][workflow][adversary]") {
  Rng rng{GENERATE(range(1U, 60U))};
  Bench bench;
  bench.plant.curve = aggregation::DurationCurve::of_site({Watts{5000}, to_joules({9000})});
  const auto time = [&] {
    if (rng.below(20) == 0) return rng.below(2) == 0 ? MarketTime::min() : MarketTime::max();
    return bench.at + std::chrono::minutes{rng.below(300)} - 100min;
  };
  const auto key = [&] { return rng.below(3) == 0 ? std::string{"?"} : kKey; };
  const auto gate = [&] {
    if (rng.below(2) == 0) return kGate;
    const MarketTime from = time();
    return Gate{from, rng.below(2) == 0 ? time() : from, time()};
  };
  const auto whole = [&] { return static_cast<std::int64_t>(rng.next() >> rng.below(64)); };
  std::vector<MarketCall> calls;
  for (int i = 0; i < 400; ++i) {
    switch (rng.below(7)) {
      case 0:
        bench.answer(PricesFetched{{{time(), time(), Price{whole()}}}});
        break;
      case 1:
        bench.answer(GatesFetched{{gate(), gate(), gate()}});
        break;
      case 2:
        bench.answer(BidAccepted{key()});
        break;
      case 3:
        bench.answer(BidRefused{key(), "?", rng.below(2) == 0,
                                Bid{key(), gate(), {{Watts{whole()}, Price{whole()}}}}});
        break;
      case 4:
        bench.answer(AwardsFetched{{{key(), gate(), Watts{whole()}, Price{whole()}}}});
        break;
      case 5:
        bench.answer(bidding::Settled{{key(), {}, {}, {}, {}}});
        break;
      default:
        if (!calls.empty()) bench.answer(CallFailed{calls[rng.below(calls.size())], "?"});
        break;
    }
    auto effects = bench.advance();
    REQUIRE(bench.workflow.next_deadline() > bench.at);
    for (const auto& wanted : effects.orders) {
      CHECK(wanted.power > Watts{0});
      bench.workflow.scheduled(bench.now(), wanted.key, bench.plant.add(wanted));
    }
    calls.insert(calls.end(), effects.calls.begin(), effects.calls.end());
    bench.at += std::chrono::seconds{rng.below(60)};
  }
}

TEST_CASE("a long history becomes several facts of bounded size", "[bidding][workflow][limits]") {
  Bench bench;
  PricesFetched answer;
  for (MarketTime at = bench.at - 100h; at < bench.at; at += 5min) {
    answer.prices.push_back({at, at + 5min, Price{1}});
  }
  bench.answer(answer);
  std::size_t points = 0;
  for (const Fact& fact : bench.workflow.take_effects().persist) {
    points += as<PricesKnown>(fact)->prices.size();
    CHECK(as<PricesKnown>(fact)->prices.size() <= kPricesPerFact);
  }
  CHECK(points == 1200);
}

TEST_CASE("what is over is forgotten, so that memory stays bounded", "[bidding][workflow]") {
  WorkflowOptions options;
  options.horizon = 1h;
  Bench bench{options};
  FakeMarket market;
  std::vector<Fact> disk = Bench::history();
  while (bench.at < kStart + std::chrono::days{18}) {
    auto effects = bench.advance();
    disk.insert(disk.end(), effects.persist.begin(), effects.persist.end());
    while (!effects.calls.empty() || !effects.orders.empty()) {
      for (const auto& wanted : effects.orders) {
        bench.workflow.scheduled(bench.now(), wanted.key, bench.plant.add(wanted));
      }
      for (const auto& call : effects.calls) bench.answer(market(bench.at, call));
      effects = bench.advance();
      disk.insert(disk.end(), effects.persist.begin(), effects.persist.end());
    }
    bench.at = bench.workflow.next_deadline();
  }
  CHECK(market.bids.size() > 1000);
  CHECK(bench.workflow.bids().size() < 3 * 96);
  CHECK(bench.workflow.prices().size() <= 15 * 24 + 8 * 96);

  // The journal may forget as well, and gives the same bidder back.
  CHECK(newest_time(disk) <= bench.at);
  CHECK(newest_time(disk) > bench.at - 3h);
  const std::vector<bool> needed = needed_facts(disk, bench.at);
  std::vector<Fact> kept;
  for (std::size_t i = 0; i < disk.size(); ++i) {
    if (needed.at(i)) kept.push_back(disk[i]);
  }
  CHECK(kept.size() < disk.size() / 3);
  Workflow whole{options, disk};
  Workflow less{options, kept};
  whole.advance(bench.now(), bench.plant.state(bench.at));
  less.advance(bench.now(), bench.plant.state(bench.at));
  CHECK(whole.prices() == less.prices());
  REQUIRE(whole.bids().size() == less.bids().size());
  const auto all = whole.bids();
  const auto some = less.bids();
  for (std::size_t i = 0; i < some.size(); ++i) {
    CHECK(all[i].bid == some[i].bid);
    CHECK(all[i].state == some[i].state);
    CHECK(all[i].settlement == some[i].settlement);
  }
  CHECK(whole.next_deadline() == less.next_deadline());
}
