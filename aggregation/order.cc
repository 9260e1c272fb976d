#include "aggregation/order.h"

#include <algorithm>
#include <utility>

namespace vpp::aggregation {
namespace {

/// Which of two orders that are both in their window is in force.
bool beats(const Order& a, const Order& b) {
  if (a.source != b.source) return a.source == OrderSource::kOperator;
  return a.id > b.id;
}

}  // namespace

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

std::optional<Order> OrderBook::active(const Now& now, std::vector<Order>& changed) {
  Order* winner = nullptr;
  for (auto& [id, order] : orders_) {
    const bool in_window = order.from <= now.market && now.market < order.until;
    if (!is_open(order.state) || !in_window) continue;
    if (winner == nullptr || beats(order, *winner)) winner = &order;
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
      move_to(order, &order == winner ? OrderState::kActive : OrderState::kSuperseded);
    }
  }
  return winner == nullptr ? std::nullopt : std::optional{*winner};
}

std::vector<Order> OrderBook::schedule(const Now& now, MarketTime horizon, std::size_t most) const {
  std::vector<Order> open;
  for (const auto& [id, order] : orders_) {
    if (is_open(order.state)) open.push_back(order);
  }
  OrderBook rehearsal{std::move(open)};
  std::vector<Order> out;
  std::vector<Order> changed;
  Now then = now;
  while (true) {
    const auto active = rehearsal.active(then, changed);
    const bool goes_on = active && !out.empty() && out.back().id == active->id;
    if (!goes_on && !out.empty()) out.back().until = std::min(out.back().until, then.market);
    if (active && !goes_on) {
      if (out.size() == most) break;
      out.push_back(*active);
    }
    const MarketTime next = rehearsal.next_change(then);
    if (next >= horizon || next == kEndOfTime) break;
    then.market = next;
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
