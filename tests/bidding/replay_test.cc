#include "bidding/replay.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "bidding/clp_solver.h"
#include "bidding/compaction.h"
#include "bidding/workflow.h"
#include "config/rng.h"
#include "tests/bidding/fake_market.h"

using namespace vpp;
using namespace vpp::bidding;
using namespace vpp::bidding::test;

namespace {

constexpr MarketTime kLifeBegin = kStart + 6h;
MakeLinearProgram* const kSolver = [] { return clp_program().release(); };

/// Of whoever advises: often more than there is, sometimes nothing.
BidAdvised random_advice(const AdviceAsk& ask, Rng& rng) {
  BidAdvised out{bid_key(ask.gate),
                 ask.gate,
                 {rng.next()},
                 "m",
                 "w",
                 outlook_name(ask.price_min, ask.slots),
                 {},
                 "better none"};
  Price price = ask.price_min;
  for (std::uint64_t i = rng.below(4); i > 0; --i) {
    price.count += static_cast<std::int64_t>(rng.below(30'000'000));
    const auto most = static_cast<std::uint64_t>(ask.most.count);
    out.segments.push_back({Watts{static_cast<std::int64_t>(1 + rng.below(most))}, price});
  }
  return out;
}

/// Three days of a bidder whose plant changes, whose market corrects prices, whom an operator takes
/// power from, and whom an optimiser advises on some bids.
std::vector<Fact> lived(Rng& rng, MarketTime until) {
  WorkflowOptions options;
  options.price_min = Price{10'000'000};
  options.horizon = 2h;
  options.reserve = true;
  options.solver = kSolver;
  options.optimiser = "m";
  Workflow workflow{options, {}};
  FakeMarket market;
  market.reserve = true;
  FakePlant plant;
  std::vector<Fact> disk;
  MarketTime at = kLifeBegin;
  while (at < until) {
    const Now now{Instant{}, at, 60};
    PlantState state = plant.state(at);
    state.firm = aggregation::DurationCurve::of_site(
        {Watts{static_cast<std::int64_t>(rng.below(100'000))}, to_joules({100'000})});
    state.committed.push_back({Watts{7'000}, at + 10min, at + 70min});
    workflow.advance(now, state);
    for (bool more = true; more;) {
      auto effects = workflow.take_effects();
      more = !effects.calls.empty() || !effects.orders.empty() || !effects.persist.empty();
      disk.insert(disk.end(), effects.persist.begin(), effects.persist.end());
      for (const AdviceAsk& ask : effects.asks) {
        if (rng.below(2) == 0) workflow.advised(now, random_advice(ask, rng));
      }
      for (const auto& wanted : effects.orders) {
        workflow.scheduled(now, wanted.key, plant.add(wanted));
      }
      for (const auto& call : effects.calls) {
        MarketAnswer answer = market(at, call);
        if (auto* told = std::get_if<PricesFetched>(&answer)) {
          for (auto& point : told->prices) point.price.count += rng.below(3) == 0 ? 1'000'000 : 0;
        }
        workflow.answered(now, answer);
      }
    }
    if (rng.below(12) == 0) {  // a worker made a forecast, of some hours or a day
      ForecastKnown foreseen{{rng.next()}, "m", "w", at - at.time_since_epoch() % 1h, {}};
      for (std::uint64_t i = 1 + rng.below(kForecastHours); i > 0; --i) {
        foreseen.hours.push_back(
            {Price{static_cast<std::int64_t>(rng.below(200)) * 1'000'000}, {}});
      }
      workflow.foreseen(now, foreseen);
      auto effects = workflow.take_effects();
      disk.insert(disk.end(), effects.persist.begin(), effects.persist.end());
    }
    // What was told of the last day is told again, corrected.
    if (rng.below(15) == 0) {
      const MarketTime from = at - 24h - at.time_since_epoch() % 1h;
      const Price corrected{static_cast<std::int64_t>(rng.below(200)) * 1'000'000};
      workflow.answered(now, PricesFetched{{{from, from + 1h, corrected}}});
      auto effects = workflow.take_effects();
      disk.insert(disk.end(), effects.persist.begin(), effects.persist.end());
    }
    at = std::max(at + 1ms, workflow.next_deadline());
  }
  return disk;
}

std::size_t count(const Replay& replay, Again again) {
  return static_cast<std::size_t>(
      std::ranges::count(replay.decisions, again, &DecisionAgain::again));
}

/// Whether some times together ask for more than the curve gives: power piece by piece.
bool keeps_all(MarketTime now, const std::vector<Commitment>& promises, const FirmCurve& curve) {
  std::set<MarketTime> edges{now};
  for (const Commitment& each : promises) {
    edges.insert({std::max(each.from, now), std::max(each.until, now)});
  }
  std::vector<std::pair<std::int64_t, Duration>> pieces;
  for (auto edge = edges.begin(); std::next(edge) != edges.end(); ++edge) {
    std::int64_t watts = 0;
    for (const Commitment& each : promises) {
      if (each.from <= *edge && *edge < each.until) watts += each.power.count;
    }
    pieces.emplace_back(watts, *std::next(edge) - *edge);
  }
  std::ranges::sort(pieces, std::greater{});
  Duration length{0};
  std::int64_t asked_mj = 0;
  for (const auto& [watts, lasts] : pieces) {
    length += lasts;
    asked_mj += watts * lasts.count();
    if (asked_mj > curve.at(length).count * 1000) return false;
  }
  return true;
}

/// What bids may still have to deliver, told from facts alone: all that is offered until it is
/// awarded, then the award, until it was measured; each for its whole time.
class PromiseBook {
 public:
  void add(const Fact& fact) {
    if (const auto* decided = as<BidDecided>(fact)) {
      Watts all{0};
      for (const BidSegment& segment : decided->bid.segments) all += segment.power;
      const Gate& gate = decided->bid.gate;
      open_[decided->bid.key] = {all, gate.from, gate.until};
    } else if (const auto* known = as<AwardKnown>(fact)) {
      open_.at(known->award.key).power = known->award.power;
    } else if (const auto* measured = as<DeliveryMeasured>(fact)) {
      open_.erase(measured->delivery.key);
    }
  }
  [[nodiscard]] std::vector<Commitment> all() const {
    std::vector<Commitment> out;
    for (const auto& [key, each] : open_) out.push_back(each);
    return out;
  }

 private:
  std::map<std::string, Commitment> open_;
};

}  // namespace

TEST_CASE("energy, by any advice, and reserve together never ask for more than is firm",
          "[bidding][workflow][reserve]") {
  Rng rng{GENERATE(range(30U, 34U))};
  const std::vector<Fact> disk = lived(rng, kLifeBegin + std::chrono::days{3});
  PromiseBook book;
  std::size_t reserves = 0;
  std::size_t beside = 0;  // decisions on energy while reserve was promised
  std::size_t advised = 0;
  for (const Fact& fact : disk) {
    book.add(fact);
    const auto* decided = as<BidDecided>(fact);
    if (decided == nullptr) continue;
    const Gate& gate = decided->bid.gate;
    CAPTURE(decided->bid.key);
    auto promises = book.all();
    // No two orders of one market at one time.
    const auto same_time = std::ranges::count_if(promises, [&](const Commitment& each) {
      return each.power > Watts{0} && each.from < gate.until && gate.from < each.until;
    });
    CHECK(same_time == 1);
    promises.push_back({Watts{7'000}, fact.at + 10min, fact.at + 70min});  // an operator's
    const auto firm =
        aggregation::DurationCurve::from_wire(aggregation::kGridId, decided->firm_curve);
    REQUIRE(firm.has_value());
    CHECK(keeps_all(fact.at, promises, FirmCurve{*firm, decided->firm_permille}));
    const bool reserve = gate.product == Product::kReserveUp;
    reserves += reserve ? 1U : 0U;
    const bool promised = std::ranges::any_of(promises, [&](const Commitment& each) {
      return each.until - each.from == 1h && each.until > fact.at && each.power > Watts{7'000};
    });
    beside += !reserve && promised ? 1U : 0U;
    advised += decided->advised != TaskId{} ? 1U : 0U;
  }
  CHECK(reserves > 2);
  CHECK(beside > 0);
  CHECK(advised > 10);
}

TEST_CASE("every decision of a journal comes out again bit by bit", "[bidding][replay]") {
  Rng rng{GENERATE(range(1U, 6U))};
  const std::vector<Fact> disk = lived(rng, kLifeBegin + std::chrono::days{3});
  const Replay all = replay(disk, kEndOfTime, kSolver);
  REQUIRE(all.decisions.size() > 50);
  CHECK(count(all, Again::kSame) == all.decisions.size());
  CHECK(std::ranges::any_of(
      all.decisions, [](const DecisionAgain& each) { return each.was.advised != TaskId{}; }));
  CHECK(all.facts == disk.size());
  CHECK_FALSE(all.passed.empty());
}

TEST_CASE("a replay at an instant knows what a bidder knew that was stopped then",
          "[bidding][replay]") {
  Rng rng{GENERATE(range(10U, 14U))};
  const std::vector<Fact> disk = lived(rng, kLifeBegin + std::chrono::days{2});
  const MarketTime at = kLifeBegin + Duration{static_cast<std::int64_t>(rng.below(48 * 3'600'000))};
  std::vector<Fact> then;
  std::ranges::copy_if(disk, std::back_inserter(then), [&](const Fact& f) { return f.at <= at; });
  const Replay known = replay(disk, at, kSolver);
  const Workflow stopped{{}, then};
  CHECK(known.facts == then.size());
  CHECK(known.prices == stopped.prices());
  const auto bids = stopped.bids();
  REQUIRE(known.bids.size() == bids.size());
  for (std::size_t i = 0; i < bids.size(); ++i) {
    CHECK(known.bids[i].bid == bids[i].bid);
    CHECK(known.bids[i].state == bids[i].state);
  }
  CHECK(count(known, Again::kSame) == known.decisions.size());
}

TEST_CASE("what a compacted journal keeps of decisions comes out again as well",
          "[bidding][replay]") {
  Rng rng{GENERATE(range(20U, 22U))};
  const MarketTime end = kLifeBegin + std::chrono::days{6};
  std::vector<Fact> disk;
  for (const Fact& fact : lived(rng, end)) {
    disk.push_back(fact);
    if (disk.size() % 500 != 0) continue;  // compacted again and again, as a daemon does
    const std::vector<bool> needed = needed_facts(disk, newest_time(disk));
    std::vector<Fact> kept;
    for (std::size_t i = 0; i < disk.size(); ++i) {
      if (needed[i]) kept.push_back(disk[i]);
    }
    disk = std::move(kept);
  }
  const Replay some = replay(disk, kEndOfTime, kSolver);
  REQUIRE(some.decisions.size() > 50);
  CHECK(count(some, Again::kSame) == some.decisions.size());
}

TEST_CASE("a price, a curve or a bid that was changed afterwards shows", "[bidding][replay]") {
  Rng rng{1};
  const std::vector<Fact> disk = lived(rng, kLifeBegin + std::chrono::days{1});
  const auto with = [&](auto&& change) {
    std::vector<Fact> changed = disk;
    for (Fact& fact : changed) change(fact.what);
    return replay(changed, kEndOfTime, kSolver);
  };
  SECTION("the prices, and the forecasts of them") {
    const Replay other = with([](auto& what) {
      if (auto* foreseen = std::get_if<ForecastKnown>(&what)) {
        for (auto& hour : foreseen->hours) hour.price.count += 1;
      }
      if (auto* known = std::get_if<PricesKnown>(&what)) {
        for (auto& point : known->prices) point.price.count += 1;
      }
    });
    CHECK(count(other, Again::kOther) == other.decisions.size());
  }
  SECTION("the power") {
    const Replay other = with([](auto& what) {
      if (auto* decided = std::get_if<BidDecided>(&what)) {
        decided->bid.segments.front().power += Watts{1};
      }
    });
    CHECK(count(other, Again::kOther) == other.decisions.size());
    REQUIRE(other.decisions.front().is.has_value());
    CHECK(other.decisions.front().is->bid.segments.front().power + Watts{1} ==
          other.decisions.front().was.bid.segments.front().power);
  }
  SECTION("nothing is known of the input") {
    const Replay other = with([](auto& what) {
      if (auto* decided = std::get_if<BidDecided>(&what)) decided->firm_permille = 0;
    });
    CHECK(count(other, Again::kNotKnown) == other.decisions.size());
  }
}
