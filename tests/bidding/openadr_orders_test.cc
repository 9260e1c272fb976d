#include "bidding/openadr_orders.h"

#include <catch2/catch.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding::openadr;
using aggregation::Order;
using aggregation::OrderBook;
using aggregation::OrderSource;
using namespace std::chrono_literals;

namespace {

MarketTime minute(std::int64_t n) {
  return MarketTime{std::chrono::minutes{n}};
}

/// What becomes of wishes in a real book, minute by minute.
struct Desk {
  OrderBook book{};
  std::set<OrderId> withdrawn{};
  std::vector<Wish> wishes{};
  MarketTime now{};
  std::size_t booked = 0;

  void look() {
    const Changes changes = compare(now, wishes, resolve(wishes), book.all(), withdrawn);
    for (const OrderId id : changes.cancel) {
      book.cancel(clock(), id);
      withdrawn.insert(id);
    }
    for (const Booking& each : changes.book) {
      const Order order = book.add(clock(), {.id = kNoOrder,
                                             .key = each.key,
                                             .source = OrderSource::kOpenAdr,
                                             .scope = each.wish.scope,
                                             .power = each.wish.power,
                                             .from = each.wish.from,
                                             .until = each.wish.until,
                                             .issued = now});
      REQUIRE(order.issued == now);  // a key is booked once
      ++booked;
    }
  }
  /// What is in force, once nothing changes any more at this moment.
  std::vector<Order> in_force() {
    std::vector<Order> changed;
    std::vector<Order> out;
    do {
      changed.clear();
      look();
      out = book.active(clock(), changed);
    } while (!changed.empty());
    return out;
  }
  [[nodiscard]] Now clock() const { return {Instant{}, now, 1}; }
  void by_operator(MarketTime from, MarketTime until, Scope scope = {}) {
    book.add(clock(), {.id = kNoOrder,
                       .key = "op" + std::to_string(book.all().size()),
                       .source = OrderSource::kOperator,
                       .scope = scope,
                       .power = Watts{-1},
                       .from = from,
                       .until = until,
                       .issued = now});
  }
};

Wish wish_of(std::string event, std::int64_t version, MarketTime from, MarketTime until,
             Watts power, std::int64_t priority = 0) {
  return {.key = key_prefix(event) + std::to_string(version) + "/0/0/" +
                 std::to_string(from.time_since_epoch().count()) + "/" +
                 std::to_string(power.count),
          .event = event,
          .priority = priority,
          .modified = minute(version),
          .scope = {},
          .power = power,
          .charge = {},
          .from = from,
          .until = until};
}

/// Nobody else's: the wish that goes before the others at that moment.
std::optional<Watts> naive_power(const Desk& desk, const std::vector<Order>& operators) {
  for (const Order& order : operators) {
    const bool open = aggregation::is_open(order.state);  // a superseded one never comes back
    if (open && order.from <= desk.now && desk.now < order.until) return order.power;
  }
  const Wish* best = nullptr;
  for (const Wish& wish : desk.wishes) {
    if (desk.now < wish.from || wish.until <= desk.now) continue;
    const auto place = [](const Wish& w) {
      return std::tuple{w.priority, -w.modified.time_since_epoch().count(), w.event};
    };
    if (best == nullptr || place(wish) < place(*best)) best = &wish;
  }
  return best == nullptr ? std::nullopt : std::optional{best->power};
}

}  // namespace

TEST_CASE("whatever events come, change and go, what is in force is the wish that goes first",
          "[openadr][orders]") {
  Rng rng{20261126};
  for (int run = 0; run < 400; ++run) {
    Desk desk;
    std::int64_t version = 1;
    for (; desk.now < minute(120); desk.now += 1min) {
      if (rng.below(6) == 0) {  // an event comes or changes
        const std::string event(1, static_cast<char>('a' + rng.below(4)));
        std::erase_if(desk.wishes, [&](const Wish& each) { return each.event == event; });
        const auto from = desk.now + std::chrono::minutes{rng.below(20)} - 5min;
        const MarketTime until = from + std::chrono::minutes{1 + rng.below(40)};
        const Watts power{static_cast<std::int64_t>(100 + rng.below(5))};
        desk.wishes.push_back(wish_of(event, ++version, std::max(from, MarketTime{}), until, power,
                                      static_cast<std::int64_t>(rng.below(3))));
      }
      if (rng.below(12) == 0 && !desk.wishes.empty()) desk.wishes.erase(desk.wishes.begin());
      if (rng.below(25) == 0) {
        desk.by_operator(desk.now, desk.now + std::chrono::minutes{1 + rng.below(9)});
      }
      if (rng.below(10) == 0) {  // another root takes the journal over
        std::vector<Order> journal;
        for (const auto& [id, order] : desk.book.all()) journal.push_back(order);
        desk.book = OrderBook{journal};
      }
      const std::vector<Order> force = desk.in_force();
      std::vector<Order> operators;
      for (const auto& [id, order] : desk.book.all()) {
        if (order.source == OrderSource::kOperator) operators.insert(operators.begin(), order);
      }
      INFO("run " << run << " minute " << desk.now.time_since_epoch() / 1min);
      const auto expected = naive_power(desk, operators);
      REQUIRE(force.size() == (expected ? 1U : 0U));
      if (expected) REQUIRE(force.front().power == *expected);
    }
  }
}

TEST_CASE("looked at again nothing is booked twice, by another root neither", "[openadr][orders]") {
  Desk desk;
  desk.wishes = {wish_of("a", 1, minute(5), minute(30), Watts{7})};
  desk.in_force();
  CHECK(desk.booked == 1);
  for (; desk.now < minute(40); desk.now += 1min) {
    std::vector<Order> journal;
    for (const auto& [id, order] : desk.book.all()) journal.push_back(order);
    desk.book = OrderBook{journal};
    desk.withdrawn.clear();
    desk.in_force();
  }
  CHECK(desk.booked == 1);
}

TEST_CASE("an order that an operator cancelled is not booked again", "[openadr][orders]") {
  Desk desk;
  desk.wishes = {wish_of("a", 1, minute(0), minute(30), Watts{7})};
  const auto first = desk.in_force();
  REQUIRE(first.size() == 1);
  desk.now = minute(10);
  desk.book.cancel(desk.clock(), first.front().id);
  CHECK(desk.in_force().empty());
  desk.wishes = {wish_of("a", 2, minute(0), minute(30), Watts{8})};  // the event was changed
  REQUIRE(desk.in_force().size() == 1);
  CHECK(desk.in_force().front().power == Watts{8});
}

TEST_CASE("an event that comes back unchanged is obeyed again", "[openadr][orders]") {
  Desk desk;
  const std::vector<Wish> event{wish_of("a", 1, minute(20), minute(30), Watts{7})};
  for (int i = 0; i < 3; ++i) {
    desk.wishes = event;
    desk.in_force();
    desk.wishes.clear();
    desk.in_force();
  }
  desk.wishes = event;
  desk.now = minute(20);
  CHECK(desk.in_force().size() == 1);
}

TEST_CASE("a wish without end is booked a day at a time", "[openadr][orders]") {
  Desk desk;
  desk.wishes = {wish_of("a", 1, minute(0), kEndOfTime, Watts{7})};
  for (; desk.now < minute(3 * 24 * 60); desk.now += 30min) REQUIRE(desk.in_force().size() == 1);
  CHECK(desk.booked <= 5);
  for (const auto& [id, order] : desk.book.all()) CHECK(order.until - order.from <= kOrderMost);
}

TEST_CASE("a state of charge is booked only when its interval begins", "[openadr][orders]") {
  Desk desk;
  Wish wish = wish_of("a", 1, minute(10), minute(30), Watts{0});
  wish.charge = ChargeTarget{500, Joules{0}};
  desk.wishes = {wish};
  desk.in_force();
  CHECK(desk.booked == 0);
  CHECK(next_booking(desk.now, resolve(desk.wishes)) == minute(10));
  desk.now = minute(10);
  CHECK(desk.in_force().size() == 1);
}

TEST_CASE("programs that share no site are obeyed side by side", "[openadr][orders]") {
  Desk desk;
  Wish other = wish_of("b", 1, minute(0), minute(30), Watts{9});
  other.scope = {"peak", ""};
  desk.wishes = {wish_of("a", 1, minute(0), minute(30), Watts{7}), other};
  CHECK(desk.in_force().size() == 2);
}
