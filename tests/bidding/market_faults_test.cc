// The bidder under a market that does everything wrong that a market can.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bidding/workflow.h"
#include "config/rng.h"
#include "tests/bidding/fake_market.h"

using namespace vpp;
using namespace vpp::bidding;
using namespace vpp::bidding::test;

namespace {

constexpr std::int64_t kFaultySpeed = 60;
constexpr Price kTooHigh{10'000'000};
/// In market time at this speed.
constexpr Duration kBusyWait = 20s * kFaultySpeed;

/// What goes wrong, each in so many of a thousand cases.
struct FakeFaults {
  std::uint64_t lost = 0;    ///< the call
  std::uint64_t broken = 0;  ///< carried out, but its answer is a 500 or half a body
  std::uint64_t busy = 0;    ///< 429, to be asked again after 20 s
  std::uint64_t gap = 0;     ///< prices, this time
  std::uint64_t odd = 0;     ///< prices that are none, or absurd, this time
  std::uint64_t wrong = 0;   ///< prices that are corrected within two hours
  Duration late{0};          ///< prices
  Duration shift{0};         ///< of the market's clock
  bool awards_twice = false;
  bool awards_changed = false;
};

/// A good market behind bad manners. Its books are right.
struct FaultyFakeMarket {
  FakeMarket market;
  FakeFaults faults;
  Rng rng{1};
  int odd_told = 0;
  int wrong_told = 0;
  int changed_told = 0;

  bool strikes(std::uint64_t permille) { return rng.below(1000) < permille; }

  MarketAnswer operator()(MarketTime now, const MarketCall& call) {
    if (strikes(faults.lost)) return CallFailed{call, "connection refused", {}};
    if (strikes(faults.busy)) return busy(call);
    MarketAnswer answer = market(now + faults.shift, call);
    if (strikes(faults.broken)) return CallFailed{call, "HTTP 500", {}};
    if (auto* prices = std::get_if<PricesFetched>(&answer)) spoil(now, *prices);
    if (auto* awards = std::get_if<AwardsFetched>(&answer)) spoil(*awards);
    return answer;
  }

 private:
  static MarketAnswer busy(const MarketCall& call) {
    if (const auto* submit = std::get_if<SubmitBid>(&call)) {
      return BidRefused{submit->bid.key, "HTTP 429", false, {}, 20s};
    }
    return CallFailed{call, "HTTP 429", 20s};
  }
  void spoil(MarketTime now, PricesFetched& answer) {
    std::vector<PricePoint> told;
    for (PricePoint point : answer.prices) {
      const bool begun = point.from <= now - faults.late;
      if ((answer.session == Session::kRealTime && !begun) || strikes(faults.gap)) continue;
      if (strikes(faults.odd)) {
        ++odd_told;
        if (rng.below(2) == 0) {
          ++answer.unreadable;
          continue;
        }
        point.price = Price{rng.below(2) == 0 ? INT64_MAX : INT64_MIN};
      } else if (point.from > now - 2h && strikes(faults.wrong)) {
        ++wrong_told;
        point.price += kTooHigh;
      }
      told.push_back(point);
    }
    answer.prices = std::move(told);
  }
  void spoil(AwardsFetched& answer) {
    const auto awards = answer.awards;
    if (faults.awards_twice)
      answer.awards.insert(answer.awards.end(), awards.begin(), awards.end());
    if (!faults.awards_changed) return;
    for (Award award : awards) {
      award.power = Watts{award.power.count / 2};
      answer.awards.push_back(award);
      ++changed_told;
    }
  }
};

class FaultyWorld {
 public:
  explicit FaultyWorld(MarketTime begin) : now_{begin} {
    market.market.day_ahead = true;
    start();
  }

  void start() {
    WorkflowOptions options;
    options.price_min = Price{1'000'000};
    options.horizon = 3h;  // fewer slots, faster test
    workflow.emplace(options, disk);
    busy_until_ = {};  // that alone it forgets
  }

  void run_until(MarketTime end) {
    while (now_ < end) {
      for (int rounds = 0; step(); ++rounds) REQUIRE(rounds < 1000);
      const MarketTime due = workflow->next_deadline();
      REQUIRE(due > now_);  // never a busy loop
      now_ = std::min(due, end);
    }
  }

  [[nodiscard]] Now now() const { return {Instant{}, now_, kFaultySpeed}; }
  [[nodiscard]] MarketHealth health() const { return workflow->health(now()); }

  FaultyFakeMarket market;
  FakePlant plant;
  std::vector<Fact> disk;
  std::optional<Workflow> workflow;
  int calls = 0;
  int calls_while_busy = 0;
  std::map<std::string, MarketTime> decided;

 private:
  bool step() {
    workflow->advance(now(), plant.state(now_));
    const WorkflowEffects effects = workflow->take_effects();
    disk.insert(disk.end(), effects.persist.begin(), effects.persist.end());
    for (const Fact& fact : effects.persist) {
      if (const auto* made = as<BidDecided>(fact)) {
        CHECK(decided.emplace(made->bid.key, now_).second);  // once
      }
    }
    for (const auto& wanted : effects.orders) {
      workflow->scheduled(now(), wanted.key, plant.add(wanted));
    }
    const bool was_busy = now_ < busy_until_;
    for (const auto& call : effects.calls) {
      ++calls;
      calls_while_busy += was_busy ? 1 : 0;
      const MarketAnswer answer = market(now_, call);
      const auto* failed = std::get_if<CallFailed>(&answer);
      const auto* refused = std::get_if<BidRefused>(&answer);
      const bool busy = (failed != nullptr && failed->retry_after) ||
                        (refused != nullptr && refused->retry_after);
      if (busy) busy_until_ = now_ + kBusyWait;
      workflow->answered(now(), answer);
    }
    return !effects.persist.empty() || !effects.orders.empty() || !effects.calls.empty();
  }

  MarketTime now_;
  MarketTime busy_until_{};
};

/// Nothing twice, nothing late, nothing beyond what is there, and every award an order.
void check_kept(FaultyWorld& world) {
  const FakeMarket& market = world.market.market;
  CHECK(market.conflicts == 0);
  CHECK(market.late == 0);
  CHECK(market.premature == 0);
  CHECK(market.other_delivery == 0);
  CHECK(world.calls_while_busy == 0);
  for (const auto& [key, bid] : market.bids) {
    CAPTURE(key);
    CHECK((market.award_of(bid).power == Watts{0} || world.plant.book.contains(key)));
    CHECK((market.award_of(bid).power == Watts{0} || market.settlements.contains(key)));
  }
  const auto& orders = world.plant.orders;
  for (auto a = orders.begin(); a != orders.end(); ++a) {
    CHECK(a->second.power <= Watts{90'000});
    for (auto b = std::next(a); b != orders.end(); ++b) {
      const bool overlap = a->second.from < b->second.until && b->second.from < a->second.until;
      if (overlap) FAIL_CHECK("two orders at once: " << a->second.key << ", " << b->second.key);
    }
  }
}

void finish(FaultyWorld& world, MarketTime at) {
  world.market.faults = {};
  world.run_until(at + 2h);
  world.market.market.gates_offered = false;
  // What was sold the day before is delivered by then, and settled.
  world.run_until(at + 40h);
}

}  // namespace

TEST_CASE("a good market with two sessions gets one bid for an interval, and one order",
          "[bidding][faults]") {
  FaultyWorld world{kStart + 10h};
  world.run_until(kStart + 34h);
  finish(world, kStart + 34h);
  check_kept(world);
  const auto& bids = world.market.market.bids;
  const auto day_ahead = std::ranges::count_if(
      bids, [](const auto& bid) { return bid.second.gate.session == Session::kDayAhead; });
  CHECK(day_ahead > 0);
  CHECK(std::ssize(bids) > day_ahead);
  const MarketHealth health = world.health();
  CHECK(health.failures == 0);
  CHECK(health.prices_refused == 0);
  CHECK(health.corrections.all == 0);
  CHECK(health.clock_ahead == Duration{0});
  CHECK(health.real_time.gaps == 0);
  CHECK(health.day_ahead.last);
}

TEST_CASE("whatever a market does wrong, the bidder does nothing twice and forgets no award",
          "[bidding][faults]") {
  Rng rng{GENERATE(range(1U, 11U))};
  FaultyWorld world{kStart + 10h};
  world.market.rng = rng.fork();
  const bool restarts = rng.below(2) == 0;
  for (MarketTime at = kStart + 10h; at < kStart + 40h; at += 3h) {
    FakeFaults& faults = world.market.faults;
    const auto some = [&](std::uint64_t most) { return rng.below(3) == 0 ? rng.below(most) : 0; };
    faults = {.lost = some(1000),
              .broken = some(600),
              .busy = some(200),
              .gap = some(300),
              .odd = some(300),
              .wrong = some(300),
              .late = 1min * some(120),
              .shift = Duration{0},
              .awards_twice = rng.below(2) == 0,
              .awards_changed = rng.below(2) == 0};
    if (restarts) world.start();
    world.run_until(at + 3h);
  }
  finish(world, kStart + 40h);
  check_kept(world);
  // What was told wrong is right in the end.
  const auto& prices = world.workflow->prices();
  for (MarketTime at = kStart + 60h; at < kStart + 78h; at += 1h) {
    REQUIRE(prices.contains(at));
    CHECK(prices.at(at).price == price_at(at));
  }
  const MarketHealth health = world.health();
  CHECK(health.corrections.all <= static_cast<std::uint64_t>(2 * world.market.wrong_told));
  if (restarts) return;
  CHECK(health.prices_refused == static_cast<std::uint64_t>(world.market.odd_told));
  CHECK((health.awards_contradicted > 0) == (world.market.changed_told > 0));
  CHECK((world.market.wrong_told == 0 || health.corrections.all > 0));
}

TEST_CASE("a market whose clock is in another zone is told apart, and not bid to",
          "[bidding][faults]") {
  const Duration shift = 1min * GENERATE(-600, -60, 60, 570);
  FaultyWorld world{kStart + 10h};
  world.run_until(kStart + 17h);
  REQUIRE(world.health().clock_agrees);
  const std::size_t before = world.decided.size();
  REQUIRE(before > 0);
  const auto prices = world.workflow->prices();

  world.market.faults.shift = shift;
  world.run_until(kStart + 17h + 10min);  // asked once more by then
  const std::size_t then = world.decided.size();
  world.run_until(kStart + 20h);
  CHECK(world.decided.size() == then);
  CHECK(world.health().clock_ahead == shift);
  CHECK_FALSE(world.health().clock_agrees);
  CHECK_FALSE(world.health().next_gate);
  CHECK(world.workflow->prices().rbegin()->first < kStart + 18h);

  world.market.faults.shift = Duration{0};
  world.run_until(kStart + 21h);
  CHECK(world.health().clock_agrees);
  CHECK(world.decided.size() > then);
}

TEST_CASE("a price that changes after its settlement is a fact, and told", "[bidding][faults]") {
  FaultyWorld world{kStart + 10h};
  world.run_until(kStart + 18h + 45min);
  const auto& settlements = world.market.market.settlements;
  REQUIRE_FALSE(settlements.empty());
  const MarketTime from = kStart + 17h;
  const PricePoint corrected{from, from + 1h, Price{85'000'000}};
  world.workflow->answered(world.now(), PricesFetched{{corrected}, Session::kRealTime, 0, {}});
  const auto effects = world.workflow->take_effects();
  REQUIRE(effects.persist.size() == 1);
  CHECK(as<PricesKnown>(effects.persist.front())->prices == std::vector{corrected});
  const Corrections corrections = world.health().corrections;
  CHECK(corrections.all == 1);
  CHECK(corrections.after_settlement == 1);
  CHECK(corrections.before == Price{90'000'000});
  // A restart knows it still.
  world.disk.insert(world.disk.end(), effects.persist.begin(), effects.persist.end());
  world.start();
  CHECK(world.health().corrections.after_settlement == 1);
}
