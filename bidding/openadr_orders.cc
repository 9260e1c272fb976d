#include "bidding/openadr_orders.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <tuple>
#include <utility>

#include "bidding/openadr_time.h"

namespace vpp::bidding::openadr {
namespace {

using aggregation::Order;
using aggregation::OrderSource;
using aggregation::OrderState;

struct Window {
  MarketTime from{};
  MarketTime until{};
};

void take_out(std::vector<Window>& windows, const Window& hole) {
  std::vector<Window> left;
  for (const Window& each : windows) {
    if (hole.until <= each.from || each.until <= hole.from) {
      left.push_back(each);
      continue;
    }
    if (each.from < hole.from) left.push_back({each.from, hole.from});
    if (hole.until < each.until) left.push_back({hole.until, each.until});
  }
  windows = std::move(left);
}

/// The wish that an order was booked for.
std::string_view wish_key(std::string_view order_key) {
  return order_key.substr(0, std::min(order_key.rfind('/'), order_key.size()));
}

/// What an order of the book has of a wish, whether it will be, is or was carried out.
bool stands_for(const Order& order, const Wish& wish) {
  if (order.source != OrderSource::kOpenAdr) {
    const bool first = order.source == OrderSource::kOperator && is_open(order.state);
    return first && overlap(order.scope, wish.scope);
  }
  if (order.scope != wish.scope || wish_key(order.key) != wish.key) return false;
  return order.state != OrderState::kSuperseded;
}

}  // namespace

std::vector<Wish> resolve(std::vector<Wish> wishes) {
  // The earlier one of two that are alike otherwise, whatever order they come in.
  std::ranges::stable_sort(wishes, {}, [](const Wish& wish) {
    return std::tuple{wish.priority, -wish.modified.time_since_epoch().count(), wish.event};
  });
  std::vector<Wish> out;
  for (const Wish& wish : wishes) {
    std::vector<Window> left{{wish.from, wish.until}};
    for (const Wish& first : out) {
      if (overlap(first.scope, wish.scope)) take_out(left, {first.from, first.until});
    }
    for (const Window& each : left) {
      if (each.until <= each.from) continue;
      Wish part = wish;
      part.from = each.from;
      part.until = each.until;
      out.push_back(std::move(part));
    }
  }
  std::ranges::stable_sort(out, {}, &Wish::from);
  return out;
}

Changes compare(MarketTime now, const std::vector<Wish>& wishes, const std::vector<Wish>& resolved,
                const std::map<OrderId, Order>& book, const std::set<OrderId>& withdrawn) {
  Changes out;
  std::set<std::string_view> taken;
  for (const auto& [id, order] : book) taken.insert(order.key);
  std::set<std::pair<std::string_view, Scope>> wished;
  for (const Wish& wish : wishes) wished.emplace(wish.key, wish.scope);
  for (const auto& [id, order] : book) {
    if (order.source != OrderSource::kOpenAdr || !is_open(order.state)) continue;
    if (order.until <= now) continue;
    if (!wished.contains({wish_key(order.key), order.scope})) out.cancel.push_back(id);
  }
  for (const Wish& wish : resolved) {
    std::vector<Window> left{{std::max(now, wish.from), wish.until}};
    if (left.front().from >= left.front().until) continue;
    for (const auto& [id, order] : book) {
      if (withdrawn.contains(id) || !stands_for(order, wish)) continue;
      take_out(left, {order.from, order.until});
    }
    const MarketTime horizon = wish.charge ? now + Duration{1} : now + kAheadMost;
    for (const Window& each : left) {
      if (each.from >= horizon) continue;
      Booking booking{wish, {}};
      booking.wish.from = each.from;
      booking.wish.until = std::min(each.until, plus(each.from, kOrderMost));
      const std::string key = wish.key + "/" + std::to_string(each.from.time_since_epoch().count());
      booking.key = key;
      for (int again = 2; taken.contains(booking.key); ++again) {
        booking.key = key + "~" + std::to_string(again);  // wished for again after it was withdrawn
      }
      out.book.push_back(std::move(booking));
    }
  }
  return out;
}

MarketTime next_booking(MarketTime now, const std::vector<Wish>& resolved) {
  MarketTime next = kEndOfTime;
  for (const Wish& wish : resolved) {
    if (wish.until <= now) continue;
    const MarketTime first = wish.charge ? wish.from : wish.from - kAheadMost;
    if (first > now) next = std::min(next, first);
    if (wish.until > now + kAheadMost) next = std::min(next, now + std::chrono::minutes{1});
  }
  return next;
}

}  // namespace vpp::bidding::openadr
