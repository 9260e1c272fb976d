// The bidder is killed at every boundary of carrying effects out: before and after each fact is
// durable, each order is booked and told, and each call is made and answered.
#include <algorithm>
#include <catch2/catch.hpp>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "bidding/clp_solver.h"
#include "bidding/replay.h"
#include "bidding/workflow.h"
#include "config/rng.h"
#include "tests/bidding/fake_market.h"

using namespace vpp;
using namespace vpp::bidding;
using namespace vpp::bidding::test;

namespace {

LinearProgram* solver() {
  return clp_program().release();
}

/// What happens to the bidder at an instant, whether it was killed or not.
struct Happening {
  enum class What : std::uint8_t {
    kOffered,    ///< by an operator, for the gate
    kTakenBack,  ///< by an operator, whatever is offered for the gate
    kForeseen,   ///< by a worker
    kAdvised,    ///< by a worker, on the bid at the gate, if it was asked
    kPlantGone,
    kPlantBack,
    kReceiptsLate,  ///< sites come back with receipts of their own
  };
  MarketTime at{};
  What what = What::kOffered;
  MarketTime gate_from{};
  std::int64_t amount = 0;
};

/// One bidder with its disk, its market, its network and its clock.
class World {
 public:
  explicit World(MarketTime begin, BidStrategy strategy = BidStrategy::kSegment,
                 bool reserve = false)
      : now_{begin}, strategy_{strategy} {
    market.reserve = reserve;
    start();
  }

  /// Dies at the `point`-th point from now, if there are so many.
  void kill_at(int point) { kill_in_ = point; }

  void run_until(MarketTime end) {
    while (now_ < end) {
      settle_down();
      const MarketTime due = std::min(workflow_->next_deadline(), next_arrival());
      REQUIRE(due > now_);                        // never a busy loop
      now_ = std::max(now_, std::min(due, end));  // it may have been away beyond the end
    }
    settle_down();
  }

  /// Whoever wanted it asks until it is answered, thus again if the bidder was killed meanwhile.
  void happen(const Happening& happening) {
    int before = 0;
    do {
      before = restarts;
      tell(happening);
      settle_down();
    } while (restarts != before);
  }

  int points = 0;
  int restarts = 0;
  Duration downtime{0};  ///< how long a restart takes
  bool was_away = false;
  bool was_slow = false;
  std::int64_t speed = 60;
  Rng network{1};
  std::uint64_t slow_permille = 0;  ///< calls that arrive after their answer was given up
  bool call_outlives_kill = false;  ///< the one that was being made arrives later
  FakeMarket market;
  FakePlant plant;
  std::vector<Fact> disk;
  std::vector<Fact> lost;  ///< not durable when it was killed
  std::string optimiser = "m";
  std::map<MarketTime, AdviceAsk> asked;  ///< by the begin of the gate; the newest

  [[nodiscard]] Workflow& workflow() { return *workflow_; }

 private:
  [[nodiscard]] Now now() const { return {Instant{}, now_, speed}; }

  void start() {
    WorkflowOptions options;
    options.price_min = Price{10'000'000};
    options.horizon = 3h;  // fewer slots, faster test
    options.strategy = strategy_;
    options.reserve = market.reserve;
    options.solver = solver;
    options.optimiser = optimiser;
    workflow_.emplace(options, disk);
  }

  void tell(const Happening& h) {
    using What = Happening::What;
    if (h.what == What::kOffered) {
      const OwnBid own{"op-" + std::to_string(h.gate_from.time_since_epoch() / 1s),
                       h.gate_from,
                       Session::kRealTime,
                       {{Watts{h.amount}, Price{20'000'000}}}};
      (void)workflow_->submit(now(), plant.state(now_), own);  // it may be too late for it
    }
    if (h.what == What::kTakenBack) {
      for (const BidView& view : workflow_->bids()) {
        if (view.bid.gate.from == h.gate_from) (void)workflow_->withdraw(now(), view.bid.key);
      }
    }
    if (h.what == What::kForeseen) {
      const MarketTime hour = now_ - now_.time_since_epoch() % 1h;
      const auto id = static_cast<std::uint64_t>(now_.time_since_epoch().count());
      workflow_->foreseen(now(), {{id}, "m", "w", hour, {{Price{h.amount}, {}}, {Price{90}, {}}}});
    }
    if (h.what == What::kAdvised && asked.contains(h.gate_from)) {
      const AdviceAsk& ask = asked.at(h.gate_from);
      const auto id = static_cast<std::uint64_t>(now_.time_since_epoch().count());
      workflow_->advised(now(), {bid_key(ask.gate),
                                 ask.gate,
                                 {id},
                                 "m",
                                 "w",
                                 outlook_name(ask.price_min, ask.slots),
                                 {{Watts{h.amount}, ask.price_min}},
                                 {}});
    }
    if (h.what == What::kPlantGone) plant.curve = {};
    if (h.what == What::kPlantBack) plant.curve = FakePlant{}.curve;
    if (h.what == What::kReceiptsLate) {
      for (const auto& [id, order] : plant.orders) plant.late[id] = Joules{h.amount};
    }
  }

  /// Carries out what there is until nothing is left.
  void settle_down() {
    for (int rounds = 0;; ++rounds) {
      REQUIRE(rounds < 1000);
      arrive();
      workflow_->advance(now(), plant.state(now_));
      WorkflowEffects effects = workflow_->take_effects();
      const bool idle = effects.persist.empty() && effects.orders.empty() && effects.calls.empty();
      if (idle && effects.asks.empty()) return;
      carry_out(effects);
    }
  }

  [[nodiscard]] bool dies() {
    ++points;
    return kill_in_ > 0 && --kill_in_ == 0;
  }

  void carry_out(const WorkflowEffects& effects) {
    for (auto fact = effects.persist.begin(); fact != effects.persist.end(); ++fact) {
      if (dies()) {
        lost.insert(lost.end(), fact, effects.persist.end());
        return restart();
      }
      disk.push_back(*fact);
    }
    for (const auto& wanted : effects.orders) {
      if (dies()) return restart();
      const OrderId order = plant.add(wanted);
      if (dies()) return restart();  // it is booked, and nobody told the workflow
      workflow_->scheduled(now(), wanted.key, order);
    }
    for (const AdviceAsk& ask : effects.asks) {
      if (dies()) return restart();
      asked.insert_or_assign(ask.gate.from, ask);
    }
    for (const auto& call : effects.calls) {
      if (dies()) {
        if (call_outlives_kill) send_slowly(call);
        return restart();
      }
      const MarketAnswer answer = made(call);
      if (dies()) return restart();
      workflow_->answered(now(), answer);
    }
    if (dies()) restart();
  }

  MarketAnswer made(const MarketCall& call) {
    if (network.below(1000) >= slow_permille) return market(now_, call);
    was_slow = true;
    send_slowly(call);
    return CallFailed{call, "time-out", {}};
  }

  /// It is under way for less than an answer is waited for.
  void send_slowly(const MarketCall& call) {
    on_their_way_.emplace(now_ + speed * Duration{1 + network.below(20'000)}, call);
  }
  [[nodiscard]] MarketTime next_arrival() const {
    return on_their_way_.empty() ? kEndOfTime : on_their_way_.begin()->first;
  }
  void arrive() {
    while (next_arrival() <= now_) {
      const int late = market.late;
      (void)market(now_, on_their_way_.begin()->second);
      market.late = late;  // the network's doing
      on_their_way_.erase(on_their_way_.begin());
    }
  }

  void restart() {
    ++restarts;
    const WorkflowEffects rest = workflow_->take_effects();
    lost.insert(lost.end(), rest.persist.begin(), rest.persist.end());
    now_ += downtime;
    was_away |= downtime > Duration{0};
    start();
  }

  MarketTime now_;
  BidStrategy strategy_;
  std::optional<Workflow> workflow_;
  std::multimap<MarketTime, MarketCall> on_their_way_;
  int kill_in_ = 0;
};

constexpr MarketTime kLifeBegins = kStart + 16h + 41min;
constexpr MarketTime kStopOffering = kStart + 17h + 46min;
constexpr MarketTime kEnd = kStart + 18h + 30min;
constexpr MarketTime kLateEnd = kStart + 21h;  ///< of one that was away, too

void finish(World& world, MarketTime end = kLateEnd, MarketTime stop = kStopOffering) {
  world.run_until(stop);
  world.market.gates_offered = false;  // the bids there are come to their end
  world.run_until(end);
}

/// Something of everything. What a decision looks at does not change in the two minutes before a
/// gate closes: a bidder that was killed looks once more, and would rightly decide otherwise.
std::vector<Happening> random_life(Rng& rng) {
  using What = Happening::What;
  std::vector<Happening> life;
  const auto seldom = [&](std::uint64_t one_in) { return rng.below(one_in) == 0; };
  const auto up_to = [&](std::uint64_t most) {
    return 1 + static_cast<std::int64_t>(rng.below(most));
  };
  bool gone = false;
  for (MarketTime closed = kStart + 16h + 40min; closed < kStopOffering; closed += kInterval) {
    const auto soon = [&] { return closed + 2min + Duration{up_to(480'000)}; };
    const MarketTime next = closed + kInterval + FakeMarket{}.gate_lead;
    if (seldom(2)) {
      life.push_back({soon(), What::kForeseen, {}, 1'000'000 * up_to(200)});
    }
    if (seldom(2)) {  // it is asked within 5 minutes, and at once when prices or promises change
      life.push_back(
          {closed + 6min + Duration{up_to(240'000)}, What::kAdvised, next, 1'000 * up_to(120)});
    }
    if (gone || seldom(4)) {
      gone = !gone;
      const MarketTime early = closed + 2min + Duration{up_to(60'000)};
      life.push_back({early, gone ? What::kPlantGone : What::kPlantBack, {}, 0});
    }
    const bool offered = seldom(2);
    if (offered) {
      life.push_back({soon(), What::kOffered, next, 1'000 * up_to(60)});
    }
    if (seldom(2)) {  // before the bidder decides, or while its bid may be on its way
      const std::int64_t after = up_to(seldom(2) ? 3'000 : 119'000);
      const MarketTime at = offered ? soon() : closed + 13min + Duration{after};
      life.push_back({at, What::kTakenBack, next, 0});
    }
  }
  life.push_back({kStart + 18h + 22min, What::kReceiptsLate, {}, 7'200});
  std::ranges::sort(life, {}, &Happening::at);
  return life;
}

void live(World& world, const std::vector<Happening>& life) {
  for (const Happening& each : life) {
    if (each.at >= kStopOffering) world.market.gates_offered = false;
    world.run_until(each.at);
    world.happen(each);
  }
  finish(world, kEnd);
}

template <class Kind>
std::vector<Kind> kept(const std::vector<Fact>& facts) {
  std::vector<Kind> out;
  for (const Fact& fact : facts) {
    if (const auto* is = as<Kind>(fact)) out.push_back(*is);
  }
  return out;
}

/// All that was ever known of each bid, but for the time.
std::map<std::string, std::vector<decltype(Fact::what)>> by_bid(const std::vector<Fact>& facts) {
  std::map<std::string, std::vector<decltype(Fact::what)>> out;
  for (const Fact& fact : facts) {
    const auto key = key_of(fact);
    if (key && as<GatePassed>(fact) == nullptr) out[*key].push_back(fact.what);
  }
  return out;
}

void check_end_of(const World& world, const BidView& view) {
  const auto bid = world.market.bids.find(view.bid.key);
  const bool there = bid != world.market.bids.end();
  if (view.state == "settled") {
    REQUIRE(there);
    CHECK(bid->second == view.bid);
    CHECK(view.credited.has_value());
    CHECK(view.settlement == world.market.settlements.at(view.bid.key));
  } else if (view.state == "lost") {
    CHECK((there ? world.market.award_of(bid->second).power == Watts{0}
                 : world.market.spent.contains(view.bid.key)));
  } else if (view.state == "withdrawn") {
    CHECK_FALSE(there);
  } else {  // it was down, or nobody reached, until the gate had closed: it never arrived
    CHECK((view.state == "decided" || view.state == "withdrawing" || view.state == "refused"));
    CHECK_FALSE(there);
    CHECK((world.was_away || world.was_slow));
  }
}

/// So that batteries move: of reserve once it is called.
bool moves(const FakeMarket& market, const Bid& bid) {
  if (market.award_of(bid).power <= Watts{0}) return false;
  if (bid.gate.product == Product::kEnergy) return true;
  return call_of(market.award_of(bid)).power > Watts{0};
}

void check_promises(World& world) {
  const FakeMarket& market = world.market;
  CHECK(market.conflicts == 0);  // no gate was bid for twice
  CHECK(market.late == 0);
  CHECK(market.premature == 0);
  CHECK(market.other_delivery == 0);
  std::size_t won = 0;
  std::size_t moving = 0;
  for (const auto& [key, bid] : market.bids) {
    CAPTURE(key);
    const bool wins = market.award_of(bid).power > Watts{0};
    won += wins ? 1U : 0U;
    moving += moves(market, bid) ? 1U : 0U;
    CHECK(world.plant.book.contains(key) == moves(market, bid));
    CHECK(market.settlements.contains(key) == wins);
  }
  CHECK(world.plant.book.size() == moving);
  CHECK(market.settlements.size() == won);
  std::set<std::string> credited;
  for (const OwnersCredited& each : kept<OwnersCredited>(world.disk)) {
    CAPTURE(each.key);
    CHECK(credited.insert(each.key).second);  // owners are paid once
    CHECK(market.settlements.contains(each.key));
  }
  for (const BidView& view : world.workflow().bids()) {
    CAPTURE(view.bid.key, view.state);
    check_end_of(world, view);
  }
  for (const DecisionAgain& decision : replay(world.disk, kEndOfTime, solver).decisions) {
    CAPTURE(decision.was.bid.key);
    CHECK((decision.again == Again::kSame || decision.again == Again::kAsked));
  }
}

/// Gates that passed are told for people alone: one that was not durable yet is not told again.
void check_same(World& world, World& calm) {
  CHECK(by_bid(world.disk) == by_bid(calm.disk));
  CHECK(kept<ForecastKnown>(world.disk) == kept<ForecastKnown>(calm.disk));
  CHECK(kept<BidAdvised>(world.disk) == kept<BidAdvised>(calm.disk));
  std::vector<GatePassed> passed = kept<GatePassed>(world.disk);
  std::ranges::copy(kept<GatePassed>(world.lost), std::back_inserter(passed));
  std::ranges::sort(passed, {}, &GatePassed::key);
  std::vector<GatePassed> expected = kept<GatePassed>(calm.disk);
  std::ranges::sort(expected, {}, &GatePassed::key);
  CHECK(passed == expected);
  CHECK(world.workflow().prices() == calm.workflow().prices());
  CHECK(world.workflow().owner_rates() == calm.workflow().owner_rates());
  CHECK(world.plant.book == calm.plant.book);
}

[[nodiscard]] World lively(std::uint64_t seed) {
  World world{kLifeBegins, seed % 2 == 0 ? BidStrategy::kCurve : BidStrategy::kSegment};
  world.market.meter_permille = seed % 3 == 0 ? 1000 : 990;  // the market's meter is another one
  return world;
}

/// Which kinds of facts there were.
[[nodiscard]] std::set<std::size_t> kinds(const std::vector<Fact>& facts) {
  std::set<std::size_t> out;
  for (const Fact& fact : facts) out.insert(fact.what.index());
  return out;
}

}  // namespace

TEST_CASE("undisturbed, every gate gets one bid, one order and one settlement",
          "[bidding][workflow]") {
  World world{kLifeBegins};
  finish(world);
  CHECK(world.market.bids.size() >= 3);
  CHECK(world.market.settlements.size() == world.market.bids.size());
  for (const auto& [key, settlement] : world.market.settlements) {
    CHECK(settlement.delivered == settlement.awarded);
  }
  check_promises(world);
}

TEST_CASE("killed at any boundary of any life, the bidder ends with the facts of one that was not",
          "[bidding][workflow][crash]") {
  std::set<std::size_t> seen;
  std::ptrdiff_t followed = 0;  // decisions, advice
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    Rng rng{seed};
    const std::vector<Happening> life = random_life(rng);
    World calm = lively(seed);
    live(calm, life);
    check_promises(calm);
    seen.merge(kinds(calm.disk));
    followed += std::ranges::count_if(kept<BidDecided>(calm.disk), [](const BidDecided& each) {
      return each.advised != TaskId{};
    });
    for (int point = 1; point <= calm.points; ++point) {
      CAPTURE(point);
      World world = lively(seed);
      world.kill_at(point);
      live(world, life);
      CHECK(world.restarts == 1);
      check_promises(world);
      check_same(world, calm);
    }
  }
  // Every kind of fact but the adopted bid, which takes a journal that was lost, calls (below), and
  // the two that rest on the homes' meters, which a root has (tests/daemon/root_meters_test.cc).
  CHECK(seen.size() == std::variant_size_v<decltype(Fact::what)> - 4);
  CHECK(followed > 0);
}

TEST_CASE("killed at a boundary, the bidder keeps its reserve and obeys each call once",
          "[bidding][workflow][crash][reserve]") {
  // Two hours of reserve, the first of which is called; energy is sold before and after.
  const auto sell = [](World& world) {
    const MarketTime stop = kStart + 18h + 31min;
    finish(world, stop + 150min, stop);
  };
  World calm{kLifeBegins, BidStrategy::kSegment, true};
  sell(calm);
  const auto reserves = std::ranges::count_if(calm.market.bids, [](const auto& entry) {
    return entry.second.gate.product == Product::kReserveUp;
  });
  REQUIRE(reserves == 2);
  REQUIRE(calm.market.bids.size() > 4);
  REQUIRE(kept<CallKnown>(calm.disk).size() == 2);
  check_promises(calm);
  for (int point = 1; point <= calm.points; point += 5) {  // comes by every kind
    CAPTURE(point);
    World world{kLifeBegins, BidStrategy::kSegment, true};
    world.kill_at(point);
    sell(world);
    CHECK(world.restarts == 1);
    CHECK(world.market.bids == calm.market.bids);
    check_promises(world);
    check_same(world, calm);
  }
}

TEST_CASE("killed again and again over a slow network, the bidder bids once and forgets no award",
          "[bidding][workflow][crash]") {
  const auto seed = GENERATE(range(1U, 80U));
  Rng rng{seed};
  const std::vector<Happening> life = random_life(rng);
  World world = lively(seed);
  world.network = rng.fork();
  world.speed = 1 + 59 * static_cast<std::int64_t>(rng.below(2));
  world.call_outlives_kill = true;
  world.slow_permille = 400 * rng.below(3);
  for (const Happening& each : life) {
    world.downtime = std::chrono::minutes{rng.below(2) * rng.below(40)};
    world.kill_at(1 + static_cast<int>(rng.below(20)));
    world.run_until(each.at);
    world.happen(each);
  }
  world.slow_permille = 0;
  finish(world);
  CHECK(world.restarts > 0);
  check_promises(world);
}

TEST_CASE("with its journal lost, the bidder stands by the bids the market holds",
          "[bidding][workflow][crash]") {
  World world{kLifeBegins};
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
