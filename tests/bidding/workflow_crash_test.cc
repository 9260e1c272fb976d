// The bidder is killed at every boundary of carrying effects out, in every way.
#include <algorithm>
#include <catch2/catch.hpp>
#include <optional>
#include <vector>

#include "bidding/clp_solver.h"
#include "bidding/workflow.h"
#include "config/rng.h"
#include "tests/bidding/fake_market.h"

using namespace vpp;
using namespace vpp::bidding;
using namespace vpp::bidding::test;

namespace {

/// How far a batch of effects gets before the process dies.
enum class Blow {
  kNothingDone,
  kFactsDurable,
  kOrdersBooked,   ///< but nobody told the workflow
  kFirstCallMade,  ///< the others not, and its answer is lost
  kCallsMade,      ///< all answers are lost
  kNone,
};
constexpr int kBlows = 5;  ///< but for none

/// One bidder with its disk, its market and its clock.
class World {
 public:
  explicit World(MarketTime begin, bool reserve = false) : now_{begin} {
    market.reserve = reserve;
    start();
  }

  /// Dies at the `boundary`-th batch from now, if there are so many.
  void kill_at(int boundary, Blow blow) {
    kill_in_ = boundary;
    blow_ = blow;
  }

  void run_until(MarketTime end) {
    while (now_ < end) {
      settle_down();
      const MarketTime due = workflow_->next_deadline();
      REQUIRE(due > now_);  // never a busy loop
      now_ = std::min(due, end);
    }
    settle_down();
  }

  int boundaries = 0;
  int restarts = 0;
  Duration downtime{0};  ///< how long a restart takes
  bool was_away = false;
  FakeMarket market;
  FakePlant plant;
  std::vector<Fact> disk;

  [[nodiscard]] Workflow& workflow() { return *workflow_; }

 private:
  [[nodiscard]] Now now() const { return {Instant{}, now_, 60}; }

  void start() {
    WorkflowOptions options;
    options.price_min = Price{10'000'000};
    options.horizon = 3h;  // fewer slots, faster test
    options.reserve = market.reserve;
    options.solver = [] { return clp_program().release(); };
    workflow_.emplace(options, disk);
  }

  /// Carries out what there is until nothing is left.
  void settle_down() {
    for (int rounds = 0;; ++rounds) {
      REQUIRE(rounds < 1000);
      workflow_->advance(now(), plant.state(now_));
      WorkflowEffects effects = workflow_->take_effects();
      if (effects.persist.empty() && effects.orders.empty() && effects.calls.empty()) return;
      carry_out(std::move(effects));
    }
  }

  void carry_out(WorkflowEffects effects) {
    ++boundaries;
    const Blow blow = kill_in_ > 0 && --kill_in_ == 0 ? blow_ : Blow::kNone;
    if (blow == Blow::kNothingDone) return restart();
    disk.insert(disk.end(), effects.persist.begin(), effects.persist.end());
    if (blow == Blow::kFactsDurable) return restart();
    for (const auto& wanted : effects.orders) {
      const OrderId order = plant.add(wanted);
      if (blow != Blow::kOrdersBooked) workflow_->scheduled(now(), wanted.key, order);
    }
    if (blow == Blow::kOrdersBooked) return restart();
    for (const auto& call : effects.calls) {
      const MarketAnswer answer = market(now_, call);
      if (blow == Blow::kFirstCallMade) return restart();
      if (blow == Blow::kNone) workflow_->answered(now(), answer);
    }
    if (blow != Blow::kNone) restart();
  }

  void restart() {
    ++restarts;
    now_ += downtime;
    was_away |= downtime > Duration{0};
    start();
  }

  MarketTime now_;
  std::optional<Workflow> workflow_;
  int kill_in_ = 0;
  Blow blow_ = Blow::kNothingDone;
};

constexpr MarketTime kBegin = kStart + 16h + 41min;
constexpr MarketTime kStopOffering = kStart + 17h + 31min;
constexpr MarketTime kEnd = kStart + 20h;

void finish(World& world) {
  // Two hours of reserve, the first of which is called.
  world.run_until(world.market.reserve ? kStopOffering + 1h : kStopOffering);
  world.market.gates_offered = false;  // the bids there are come to their end
  world.run_until(world.market.reserve ? kEnd + 1h : kEnd);
}

/// So that batteries move: of reserve once it is called.
bool moves(const Bid& bid) {
  if (bid.gate.product == Product::kEnergy) return true;
  return call_of({bid.key, bid.gate, Watts{1}, Price{}}).power > Watts{0};
}

void check_promises(World& world) {
  CHECK(world.market.conflicts == 0);
  CHECK(world.market.late == 0);
  CHECK(world.market.premature == 0);
  CHECK(world.market.other_delivery == 0);
  // Each of them won.
  std::size_t moving = 0;
  for (const auto& [key, bid] : world.market.bids) moving += moves(bid) ? 1U : 0U;
  CHECK(world.plant.book.size() == moving);
  CHECK(world.market.settlements.size() == world.market.bids.size());
  for (const auto& [key, settlement] : world.market.settlements) {
    CAPTURE(key);
    CHECK(world.plant.book.contains(key) == moves(world.market.bids.at(key)));
    if (!world.was_away) CHECK(settlement.delivered == settlement.awarded);
  }
  for (const BidView& view : world.workflow().bids()) {
    CAPTURE(view.bid.key);
    if (!world.market.bids.contains(view.bid.key)) {
      CHECK(view.state == "decided");  // down until the gate had closed: never sent
      CHECK(world.was_away);
      continue;
    }
    CHECK(view.state == "settled");
    CHECK(world.market.bids.at(view.bid.key) == view.bid);
  }
}

}  // namespace

TEST_CASE("undisturbed, every gate gets one bid, one order and one settlement",
          "[bidding][workflow]") {
  World world{kBegin};
  finish(world);
  CHECK(world.market.bids.size() >= 3);
  check_promises(world);
}

TEST_CASE("killed at any boundary, the bidder bids once and forgets no award",
          "[bidding][workflow][crash]") {
  World calm{kBegin};
  finish(calm);
  REQUIRE(calm.boundaries > 20);
  for (int boundary = 1; boundary <= calm.boundaries; ++boundary) {
    for (int blow = 0; blow < kBlows; ++blow) {
      CAPTURE(boundary, blow);
      World world{kBegin};
      world.kill_at(boundary, static_cast<Blow>(blow));
      finish(world);
      CHECK(world.restarts == 1);
      CHECK(world.market.bids.size() == calm.market.bids.size());
      check_promises(world);
    }
  }
}

TEST_CASE("killed at any boundary, the bidder keeps its reserve and obeys each call once",
          "[bidding][workflow][crash][reserve]") {
  World calm{kBegin, true};
  finish(calm);
  const auto reserves = std::ranges::count_if(calm.market.bids, [](const auto& entry) {
    return entry.second.gate.product == Product::kReserveUp;
  });
  REQUIRE(reserves == 2);
  REQUIRE(calm.market.bids.size() > 4);  // energy is sold before and after
  check_promises(calm);
  for (int boundary = 1; boundary <= calm.boundaries; ++boundary) {
    const int blow = boundary % kBlows;  // each kind of boundary comes again and again
    CAPTURE(boundary, blow);
    World world{kBegin, true};
    world.kill_at(boundary, static_cast<Blow>(blow));
    finish(world);
    CHECK(world.restarts == 1);
    CHECK(world.market.bids == calm.market.bids);
    check_promises(world);
  }
}

TEST_CASE("killed again and again, the bidder bids once and forgets no award",
          "[bidding][workflow][crash]") {
  Rng rng{GENERATE(range(1U, 40U))};
  World world{kBegin};
  for (MarketTime at = kBegin; at < kStopOffering; at += 7min) {
    world.downtime = std::chrono::minutes{rng.below(2) * rng.below(40)};
    world.kill_at(1 + static_cast<int>(rng.below(4)), static_cast<Blow>(rng.below(kBlows)));
    world.run_until(at);
  }
  finish(world);
  CHECK(world.restarts > 0);
  check_promises(world);
}

TEST_CASE("with its journal lost, the bidder stands by the bids the market holds",
          "[bidding][workflow][crash]") {
  World world{kBegin};
  world.run_until(kStart + 17h + 9min);
  const auto before = world.market.bids;
  REQUIRE_FALSE(before.empty());

  World heir{kStart + 17h + 9min};
  heir.market = world.market;
  heir.plant.curve = aggregation::DurationCurve::of_site({Watts{9'000}, to_joules({70'000})});
  // The next gate's bid is already with the market, made of another curve.
  const Gate gate{kStart + 17h + 15min, kStart + 17h + 30min, kStart + 17h + 10min};
  REQUIRE(heir.market.bids.contains(bid_key(gate)));
  finish(heir);
  CHECK(heir.market.conflicts == 1);  // asked once, answered with what stands
  CHECK(heir.market.late == 0);
  CHECK(heir.market.bids.at(bid_key(gate)) == before.at(bid_key(gate)));
  CHECK(heir.plant.book.contains(bid_key(gate)));
  CHECK(heir.market.settlements.contains(bid_key(gate)));
}
