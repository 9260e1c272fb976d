#include "aggregation/order.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>

#include "config/rng.h"

namespace vpp::aggregation {
namespace {

using namespace std::chrono_literals;

Now at(std::chrono::minutes minute) {
  return {Instant{minute}, MarketTime{minute}, 1};
}

Order order(std::string key, OrderSource source, std::chrono::minutes from,
            std::chrono::minutes until) {
  return {.id = kNoOrder,
          .key = std::move(key),
          .source = source,
          .power = Watts{1000},
          .from = MarketTime{from},
          .until = MarketTime{until},
          .issued = MarketTime{}};
}

std::optional<OrderId> active_at(OrderBook& book, std::chrono::minutes minute) {
  std::vector<Order> changed;
  const auto active = book.active(at(minute), changed);
  REQUIRE(active.size() <= 1);
  return active.empty() ? std::nullopt : std::optional{active.front().id};
}

std::vector<OrderId> all_active_at(OrderBook& book, std::chrono::minutes minute) {
  std::vector<Order> changed;
  std::vector<OrderId> out;
  for (const Order& order : book.active(at(minute), changed)) out.push_back(order.id);
  return out;
}

Order for_scope(Order order, Scope scope) {
  order.scope = std::move(scope);
  return order;
}

OrderState state_of(const OrderBook& book, OrderId id) {
  return book.all().at(id).state;
}

TEST_CASE("an order is in force from its begin until just before its end", "[aggregation][order]") {
  OrderBook book;
  const auto id = book.add(at(0min), order("a", OrderSource::kOperator, 10min, 20min)).id;
  CHECK(active_at(book, 9min) == std::nullopt);
  CHECK(state_of(book, id) == OrderState::kScheduled);
  CHECK(active_at(book, 10min) == id);
  CHECK(state_of(book, id) == OrderState::kActive);
  CHECK(active_at(book, 19min) == id);
  CHECK(active_at(book, 20min) == std::nullopt);
  CHECK(state_of(book, id) == OrderState::kDone);
}

TEST_CASE("the same key never makes a second order", "[aggregation][order]") {
  OrderBook book;
  const auto first = book.add(at(0min), order("a", OrderSource::kOperator, 10min, 20min));
  const auto again = book.add(at(5min), order("a", OrderSource::kOperator, 30min, 40min));
  CHECK(again == first);
  CHECK(book.all().size() == 1);
  OrderBook recovered{{first}};
  CHECK(recovered.add(at(6min), order("a", OrderSource::kMarket, 0min, 90min)) == first);
}

TEST_CASE("ids rise, over recovery too", "[aggregation][order]") {
  OrderBook book;
  auto first = book.add(at(0min), order("a", OrderSource::kOperator, 1min, 2min));
  first.id = OrderId{41};
  OrderBook recovered{{first}};
  CHECK(recovered.add(at(0min), order("b", OrderSource::kOperator, 1min, 2min)).id == OrderId{42});
}

TEST_CASE("an operator's order goes before a market's, however new", "[aggregation][order]") {
  OrderBook book;
  const auto by_operator = book.add(at(0min), order("a", OrderSource::kOperator, 0min, 60min)).id;
  const auto by_market = book.add(at(1min), order("b", OrderSource::kMarket, 0min, 60min)).id;
  CHECK(active_at(book, 1min) == by_operator);
  CHECK(state_of(book, by_market) == OrderState::kSuperseded);
}

TEST_CASE("a superseded order does not come back when the newer one ends", "[aggregation][order]") {
  OrderBook book;
  const auto older = book.add(at(0min), order("a", OrderSource::kOperator, 0min, 60min)).id;
  CHECK(active_at(book, 0min) == older);
  const auto newer = book.add(at(5min), order("b", OrderSource::kOperator, 5min, 15min)).id;
  CHECK(active_at(book, 5min) == newer);
  CHECK(state_of(book, older) == OrderState::kSuperseded);
  CHECK(active_at(book, 15min) == std::nullopt);
}

TEST_CASE("a newer order does not touch an older one before it begins", "[aggregation][order]") {
  OrderBook book;
  const auto older = book.add(at(0min), order("a", OrderSource::kOperator, 0min, 60min)).id;
  book.add(at(1min), order("b", OrderSource::kOperator, 30min, 40min));
  CHECK(active_at(book, 29min) == older);
}

TEST_CASE("a cancelled order ends at once and cannot be cancelled twice", "[aggregation][order]") {
  OrderBook book;
  const auto id = book.add(at(0min), order("a", OrderSource::kOperator, 0min, 60min)).id;
  CHECK(active_at(book, 0min) == id);
  CHECK(book.cancel(at(1min), id)->state == OrderState::kCancelled);
  CHECK(active_at(book, 1min) == std::nullopt);
  CHECK_FALSE(book.cancel(at(2min), id));
  CHECK_FALSE(book.cancel(at(2min), OrderId{99}));
}

TEST_CASE("an order that is over cannot be cancelled even if nobody looked at the end",
          "[aggregation][order]") {
  OrderBook book;
  const auto id = book.add(at(0min), order("a", OrderSource::kOperator, 0min, 10min)).id;
  CHECK_FALSE(book.cancel(at(10min), id));
}

TEST_CASE("an order whose window is over or empty is booked as done", "[aggregation][order]") {
  OrderBook book;
  CHECK(book.add(at(10min), order("a", OrderSource::kMarket, 0min, 10min)).state ==
        OrderState::kDone);
  CHECK(book.add(at(10min), order("b", OrderSource::kMarket, 30min, 20min)).state ==
        OrderState::kDone);
  CHECK(active_at(book, 25min) == std::nullopt);
}

TEST_CASE("each change of state is told once", "[aggregation][order]") {
  OrderBook book;
  book.add(at(0min), order("a", OrderSource::kOperator, 10min, 20min));
  const auto changes = [&](std::chrono::minutes minute) {
    std::vector<Order> changed;
    (void)book.active(at(minute), changed);
    return changed.size();
  };
  CHECK(changes(5min) == 0);
  CHECK(changes(10min) == 1);
  CHECK(changes(11min) == 0);
  CHECK(changes(21min) == 1);
  CHECK(changes(22min) == 0);
}

TEST_CASE("after looking at the book its next change lies ahead", "[aggregation][order]") {
  OrderBook book;
  CHECK(book.next_change(at(0min)) == kEndOfTime);
  book.add(at(0min), order("a", OrderSource::kMarket, 10min, 40min));
  book.add(at(0min), order("b", OrderSource::kOperator, 20min, 30min));
  CHECK(book.next_change(at(0min)) == MarketTime{10min});
  std::vector<MarketTime> seen;
  for (auto minute = 0min; minute < 60min; minute += 1min) {
    active_at(book, minute);
    const MarketTime next = book.next_change(at(minute));
    REQUIRE(next > at(minute).market);
    if (seen.empty() || seen.back() != next) seen.push_back(next);
  }
  CHECK(seen == std::vector{MarketTime{10min}, MarketTime{20min}, MarketTime{30min}, kEndOfTime});
}

TEST_CASE("orders for disjoint programs and groups are in force side by side",
          "[aggregation][order]") {
  OrderBook book;
  const auto add = [&](const char* program, const char* group) {
    return book
        .add(at(0min), for_scope(order("", OrderSource::kOperator, 0min, 60min), {program, group}))
        .id;
  };
  const auto north = add("energy", "region=north");
  const auto south = add("energy", "region=south");
  const auto other = add("emergency", "region=north");
  CHECK(all_active_at(book, 1min) == std::vector{other, north, south});
  SECTION("one of another key may have sites of both") {
    const auto feeder = add("energy", "feeder=F12");
    CHECK(all_active_at(book, 1min) == std::vector{other, feeder});
    CHECK(state_of(book, north) == OrderState::kSuperseded);
  }
  SECTION("and one for everybody has all of them") {
    const auto all = add("energy", "");
    CHECK(all_active_at(book, 1min) == std::vector{other, all});
    CHECK(state_of(book, south) == OrderState::kSuperseded);
  }
}

const std::vector<Scope> kScopes{
    {}, {"energy", "a=1"}, {"energy", "a=2"}, {"energy", "b=1"}, {"emergency", ""}};

const std::vector<OrderSource> kPrecedence{OrderSource::kOperator, OrderSource::kOpenAdr,
                                           OrderSource::kMarket};

auto place_of(OrderSource source) {
  return std::ranges::find(kPrecedence, source) - kPrecedence.begin();
}

OrderBook random_book(Rng& rng) {
  OrderBook book;
  for (std::uint64_t i = rng.below(8); i > 0; --i) {
    const std::chrono::minutes from{rng.below(70)};
    const std::chrono::minutes until = from + std::chrono::minutes{1 + rng.below(30)};
    const OrderSource source = kPrecedence[rng.below(kPrecedence.size())];
    const Scope& scope = kScopes[rng.below(kScopes.size())];
    const auto booked = book.add(at(0min), for_scope(order("", source, from, until), scope));
    if (rng.below(6) == 0) book.cancel(at(0min), booked.id);
  }
  return book;
}

TEST_CASE("no two orders in force may ask the same site, and none is passed over",
          "[aggregation][order]") {
  Rng rng{20261126};
  for (int round = 0; round < 300; ++round) {
    OrderBook book = random_book(rng);
    for (auto minute = 0min; minute < 100min; minute += 5min) {
      const auto open_before = book.all();
      const std::vector<OrderId> active = all_active_at(book, minute);
      for (const auto& [id, each] : open_before) {
        const bool may = is_open(each.state) && each.from <= MarketTime{minute} &&
                         MarketTime{minute} < each.until;
        const bool is = std::ranges::find(active, id) != active.end();
        REQUIRE(is <= may);
        // Who is passed over is so for one that goes before it.
        const auto goes_before = [&](OrderId other) {
          const Order& by = open_before.at(other);
          const bool first =
              by.source != each.source ? place_of(by.source) < place_of(each.source) : other > id;
          return first && overlap(by.scope, each.scope);
        };
        const bool beaten = std::ranges::any_of(active, goes_before);
        if (may) REQUIRE(is == !beaten);
      }
    }
  }
}

TEST_CASE("the schedule is what the book will say minute by minute", "[aggregation][order]") {
  Rng rng{20261125};
  for (int round = 0; round < 300; ++round) {
    OrderBook book = random_book(rng);
    const std::chrono::minutes now{rng.below(10)};
    if (rng.below(2) == 0) all_active_at(book, now);
    const auto plan = book.schedule(at(now), MarketTime{60min}, 99);
    for (const auto& [scope, begun] : book.schedule(at(now), MarketTime{60min}, 2)) {
      const auto& all = plan.at(scope);
      REQUIRE(begun.size() == std::min<std::size_t>(all.size(), 2));
      REQUIRE(std::equal(begun.begin(), begun.end(), all.begin()));
    }
    for (auto minute = now; minute < 60min; minute += 1min) {
      std::vector<OrderId> planned;
      for (const auto& [scope, steps] : plan) {
        for (const Order& step : steps) {
          if (step.from <= MarketTime{minute} && MarketTime{minute} < step.until) {
            planned.push_back(step.id);
          }
        }
      }
      REQUIRE(all_active_at(book, minute) == planned);
    }
  }
}

Order ramped(std::int64_t power, std::chrono::minutes from, std::chrono::minutes until,
             Duration ramp) {
  Order out = order("", OrderSource::kOperator, from, until);
  out.power = Watts{power};
  out.ramp = ramp;
  return out;
}

TEST_CASE("an order without a ramp asks its power throughout", "[aggregation][order]") {
  const Order flat = ramped(-3'000, 10min, 20min, 0s);
  for (const auto minute : {10min, 15min, 19min}) {
    CHECK(power_at(flat, {Watts{700}, false}, MarketTime{minute}) == Watts{-3'000});
  }
}

TEST_CASE("an order ramps up from what was before it, and down unless another one follows",
          "[aggregation][order]") {
  const Order up = ramped(6'000, 10min, 20min, 2min);
  const auto power = [&](Neighbours neighbours, std::chrono::seconds at) {
    return power_at(up, neighbours, MarketTime{at}).count;
  };
  CHECK(power({}, 600s) == 0);
  CHECK(power({}, 630s) == 1'500);
  CHECK(power({}, 720s) == 6'000);
  CHECK(power({}, 1'080s) == 6'000);
  CHECK(power({}, 1'170s) == 1'500);
  CHECK(power({Watts{-2'000}, false}, 600s) == -2'000);
  CHECK(power({Watts{-2'000}, false}, 660s) == 2'000);
  CHECK(power({Watts{0}, true}, 1'170s) == 6'000);
}

TEST_CASE("a ramped order never goes beyond its power and the one before, nor jumps",
          "[aggregation][order]") {
  Rng rng{51};
  for (int round = 0; round < 200; ++round) {
    const auto minutes = std::chrono::minutes{1 + rng.below(20)};
    const Order one = ramped(static_cast<std::int64_t>(rng.below(20'001)) - 10'000, 10min,
                             10min + minutes, std::chrono::seconds{1 + rng.below(900)});
    const Neighbours around{Watts{static_cast<std::int64_t>(rng.below(20'001)) - 10'000},
                            rng.below(2) == 0};
    const std::int64_t low = std::min({Watts{0}, one.power, around.preceding}).count;
    const std::int64_t high = std::max({Watts{0}, one.power, around.preceding}).count;
    const std::int64_t step = 2 * (high - low) * 1000 / one.ramp.count() + 2;
    std::int64_t before = power_at(one, around, one.from).count;
    for (MarketTime at = one.from + 1s; at < one.until; at += 1s) {
      const std::int64_t power = power_at(one, around, at).count;
      REQUIRE(power >= low);
      REQUIRE(power <= high);
      REQUIRE(std::abs(power - before) <= step);
      before = power;
    }
  }
}

TEST_CASE("an order's neighbours are those in force right before and right after it",
          "[aggregation][order]") {
  OrderBook book;
  const auto first = book.add(at(0min), ramped(2'000, 10min, 20min, 0s));
  const auto second = book.add(at(0min), ramped(5'000, 20min, 30min, 60s));
  const auto apart = book.add(at(0min), ramped(7'000, 31min, 40min, 60s));
  CHECK(neighbours_of(first, book.all()).preceding == Watts{0});
  CHECK(neighbours_of(first, book.all()).followed);
  CHECK(neighbours_of(second, book.all()).preceding == Watts{2'000});
  CHECK_FALSE(neighbours_of(second, book.all()).followed);
  CHECK(neighbours_of(apart, book.all()).preceding == Watts{0});
  // An order that takes the place of another begins from its power.
  const auto instead = book.add(at(12min), ramped(-1'000, 15min, 18min, 60s));
  CHECK(neighbours_of(instead, book.all()).preceding == Watts{2'000});
  (void)book.cancel(at(13min), first.id);
  CHECK(neighbours_of(instead, book.all()).preceding == Watts{0});
  CHECK(neighbours_of(second, book.all()).preceding == Watts{0});
}

}  // namespace
}  // namespace vpp::aggregation
