// Orders at the root: what the plant was told to do, by whom, when. Pure.
//
// At any market time, of orders whose scopes overlap at most one is in force: the newest accepted
// one whose window holds it, an operator's before one of an OpenADR event, that one before a
// market's. Orders for disjoint scopes (two
// programs, or two regions) are in force side by side. A superseded or cancelled order never comes
// back.
//
//   scheduled -> active -> done          the window [from, until) came and went
//   scheduled | active -> superseded     another order whose scope overlaps was in force within it
//   scheduled | active -> cancelled      somebody withdrew it
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/ids.h"
#include "config/scope.h"
#include "config/service.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::aggregation {

/// As stored: new ones come last. Precedence is another matter: see above.
enum class OrderSource : std::uint8_t { kOperator, kMarket, kOpenAdr };
enum class OrderState : std::uint8_t { kScheduled, kActive, kDone, kCancelled, kSuperseded };

/// It can still be in force.
[[nodiscard]] constexpr bool is_open(OrderState state) {
  return state == OrderState::kScheduled || state == OrderState::kActive;
}

struct Order {
  OrderId id;
  std::string key;  ///< idempotency key: the same key never makes a second order
  OrderSource source = OrderSource::kOperator;
  Scope scope = {};
  Service service = Service::kEnergy;
  Watts power;  ///< discharge > 0; for the frequency, both ways and > 0
  MarketTime from{};
  MarketTime until{};
  MarketTime issued{};
  OrderState state = OrderState::kScheduled;
  Duration ramp{0};  ///< of market time, at its begin and at its end; >= 0
  friend bool operator==(const Order&, const Order&) = default;
};

/// What an order's ramps lead from and to, of the same scope and service.
struct Neighbours {
  Watts preceding;        ///< of the order in force until this one begins; 0: none
  bool followed = false;  ///< another one is in force when this one ends
};
[[nodiscard]] Neighbours neighbours_of(const Order& order, const std::map<OrderId, Order>& all);

/// What an order asks at `now`, within its window: up from the preceding power, and down to 0 at
/// the end unless another order goes on from there, along straight lines `ramp` long. An order
/// shorter than its ramps does not get as far as its power.
[[nodiscard]] Watts power_at(const Order& order, const Neighbours& neighbours, MarketTime now);

/// Every change to an order is a fact of its own and durable before it takes effect.
class OrderBook {
 public:
  OrderBook() = default;
  /// From the store; in any order.
  explicit OrderBook(std::vector<Order> recovered);

  /// The order as booked, to be persisted; the earlier one if the key is known (an empty key never
  /// is). Gets the next id. One whose window is over or empty is booked as done.
  Order add(const Now& now, Order order);
  /// Nothing: no such order, or it is over.
  std::optional<Order> cancel(const Now& now, OrderId id);

  /// The orders in force, in order of scope; moves states on. `changed` are to be persisted.
  [[nodiscard]] std::vector<Order> active(const Now& now, std::vector<Order>& changed);

  /// What will be in force from now until `horizon` if nothing is booked or cancelled until then:
  /// at most `most` orders of each scope that begin before it, oldest first, each with the window
  /// in which it will be in force. The order in force now comes first.
  [[nodiscard]] std::map<Scope, std::vector<Order>> schedule(const Now& now, MarketTime horizon,
                                                             std::size_t most) const;

  /// Scopes that orders are open for.
  [[nodiscard]] std::set<Scope> open_scopes() const;

  /// Market time of the next begin or end; kEndOfTime when none. Later than now once active() was
  /// called for now.
  [[nodiscard]] MarketTime next_change(const Now& now) const;

  [[nodiscard]] const std::map<OrderId, Order>& all() const { return orders_; }

 private:
  std::map<OrderId, Order> orders_;
  std::map<std::string, OrderId> by_key_;
};

}  // namespace vpp::aggregation
