#include "aggregation/order.h"

#include <algorithm>
#include <utility>

#include "aggregation/wide.h"

namespace vpp::aggregation {
namespace {

int rank_of(OrderSource source) {
  if (source == OrderSource::kOperator) return 0;
  return source == OrderSource::kOpenAdr ? 1 : 2;
}

/// Which of two orders that are both in their window is in force.
bool beats(const Order& a, const Order& b) {
  if (a.source != b.source) return rank_of(a.source) < rank_of(b.source);
  return a.id > b.id;
}

/// Of a whole, the part that has come in; rounded towards zero.
std::int64_t part_of(std::int64_t whole, Duration in, Duration of) {
  if (in >= of) return whole;
  return static_cast<std::int64_t>(Int128{whole} * std::max(in, Duration{0}).count() / of.count());
}

}  // namespace

Neighbours neighbours_of(const Order& order, const std::map<OrderId, Order>& all) {
  Neighbours out;
  const Order* before = nullptr;
  for (const auto& [id, other] : all) {
    if (id == order.id || other.state == OrderState::kCancelled) continue;
    if (other.scope != order.scope || other.service != order.service) continue;
    const bool was_there = other.from < order.from && order.from <= other.until;
    if (was_there && (before == nullptr || beats(other, *before))) before = &other;
    const bool goes_on = other.from <= order.until && order.until < other.until;
    out.followed = out.followed || (goes_on && is_open(other.state));
  }
  if (before != nullptr) out.preceding = power_at(*before, {Watts{0}, true}, order.from);
  return out;
}

Watts power_at(const Order& order, const Neighbours& neighbours, MarketTime now) {
  const std::int64_t rise = order.power.count - neighbours.preceding.count;
  const std::int64_t risen =
      neighbours.preceding.count + part_of(rise, now - order.from, order.ramp);
  if (neighbours.followed) return {risen};
  return {part_of(risen, order.until - now, order.ramp)};
}

OrderBook::OrderBook(std::vector<Order> recovered) {
  for (auto& order : recovered) {
    if (!order.key.empty()) by_key_[order.key] = order.id;
    orders_[order.id] = std::move(order);
  }
}

Order OrderBook::add(const Now& now, Order order) {
  if (const auto known = by_key_.find(order.key); known != by_key_.end()) {
    return orders_.at(known->second);
  }
  order.id = {orders_.empty() ? 1 : orders_.rbegin()->first.value + 1};
  const bool over = order.until <= now.market || order.until <= order.from;
  order.state = over ? OrderState::kDone : OrderState::kScheduled;
  if (!order.key.empty()) by_key_[order.key] = order.id;
  return orders_[order.id] = std::move(order);
}

std::optional<Order> OrderBook::cancel(const Now& now, OrderId id) {
  const auto it = orders_.find(id);
  if (it == orders_.end() || !is_open(it->second.state)) return std::nullopt;
  if (it->second.until <= now.market) return std::nullopt;
  it->second.state = OrderState::kCancelled;
  return it->second;
}

std::vector<Order> OrderBook::active(const Now& now, std::vector<Order>& changed) {
  std::vector<Order*> candidates;
  for (auto& [id, order] : orders_) {
    const bool in_window = order.from <= now.market && now.market < order.until;
    if (is_open(order.state) && in_window) candidates.push_back(&order);
  }
  std::ranges::sort(candidates, [](const Order* a, const Order* b) { return beats(*a, *b); });
  std::vector<Order*> winners;
  for (Order* order : candidates) {
    const bool taken = std::ranges::any_of(
        winners, [&](const Order* other) { return overlap(other->scope, order->scope); });
    if (!taken) winners.push_back(order);
  }
  const auto move_to = [&](Order& order, OrderState state) {
    if (order.state == state) return;
    order.state = state;
    changed.push_back(order);
  };
  for (auto& [id, order] : orders_) {
    if (!is_open(order.state) || now.market < order.from) continue;
    if (order.until <= now.market) {
      move_to(order, OrderState::kDone);
    } else {
      const bool wins = std::ranges::find(winners, &order) != winners.end();
      move_to(order, wins ? OrderState::kActive : OrderState::kSuperseded);
    }
  }
  std::vector<Order> out;
  for (const Order* winner : winners) out.push_back(*winner);
  std::ranges::sort(out, {}, &Order::scope);
  return out;
}

std::map<Scope, std::vector<Order>> OrderBook::schedule(const Now& now, MarketTime horizon,
                                                        std::size_t most) const {
  std::vector<Order> open;
  for (const auto& [id, order] : orders_) {
    if (is_open(order.state)) open.push_back(order);
  }
  OrderBook rehearsal{std::move(open)};
  std::map<Scope, std::vector<Order>> out;
  std::vector<Order> changed;
  Now then = now;
  while (true) {
    const std::vector<Order> active = rehearsal.active(then, changed);
    for (auto& [scope, orders] : out) {
      const auto at = std::ranges::find(active, scope, &Order::scope);
      const bool goes_on = at != active.end() && at->id == orders.back().id;
      if (!goes_on) orders.back().until = std::min(orders.back().until, then.market);
    }
    for (const Order& order : active) {
      auto& orders = out[order.scope];
      const bool goes_on = !orders.empty() && orders.back().id == order.id;
      if (!goes_on && orders.size() < most) orders.push_back(order);
    }
    const MarketTime next = rehearsal.next_change(then);
    if (next >= horizon || next == kEndOfTime) break;
    then.market = next;
  }
  return out;
}

std::set<Scope> OrderBook::open_scopes() const {
  std::set<Scope> out;
  for (const auto& [id, order] : orders_) {
    if (is_open(order.state)) out.insert(order.scope);
  }
  return out;
}

MarketTime OrderBook::next_change(const Now& now) const {
  MarketTime next = kEndOfTime;
  for (const auto& [id, order] : orders_) {
    if (!is_open(order.state)) continue;
    const bool to_begin = order.state == OrderState::kScheduled;
    next = std::min(next, std::max(to_begin ? order.from : order.until, now.market));
  }
  return next;
}

}  // namespace vpp::aggregation
