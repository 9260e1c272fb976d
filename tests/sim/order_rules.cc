#include "tests/sim/order_rules.h"

#include <algorithm>
#include <cstdlib>

namespace vpp::sim {
namespace {

constexpr std::size_t kTicksRemembered = 512;

Tick tick_of(const mesh::Dispatch& dispatch) {
  return {dispatch.term, dispatch.sequence, dispatch.tick};
}

std::string text(Tick tick) {
  return std::to_string(tick.term) + "/" + std::to_string(tick.sequence) + "/" +
         std::to_string(tick.tick);
}

constexpr std::size_t kLeafSharesRemembered = 4'000'000;  // in all; 48 B each

template <class Map>
void keep_newest(Map& map, std::size_t most = kTicksRemembered) {
  if (map.size() > most) map.erase(map.begin());
}

/// Same sign, and not more.
bool within(std::int64_t part, std::int64_t whole) {
  return whole >= 0 ? part >= 0 && part <= whole : part <= 0 && part >= whole;
}

bool is_over(aggregation::OrderState state) {
  return state != aggregation::OrderState::kScheduled && state != aggregation::OrderState::kActive;
}

}  // namespace

OrderRules::OrderRules(std::size_t nodes, Findings& findings)
    : findings_{findings}, asked_(nodes), arrived_(nodes), executed_(nodes) {
  leaf_ticks_ = std::clamp<std::size_t>(kLeafSharesRemembered / nodes, 4, kTicksRemembered);
}

void OrderRules::booked(const aggregation::Order& order) {
  orders_[order.id] = order;
}

void OrderRules::arrives(NodeIndex node, bool is_leaf, Incarnation incarnation,
                         const mesh::Dispatch& dispatch, WorldTime expires) {
  arrived_[node] = Arrival{incarnation, dispatch, expires};
  if (!dispatch.share || is_leaf) return;
  asked_[node][tick_of(dispatch)] = *dispatch.share;
  keep_newest(asked_[node]);
}

std::optional<Watts> OrderRules::asked_of(WorldTime at, NodeIndex node,
                                          const mesh::Dispatch& dispatch) {
  if (node != kRootIndex) {
    const auto found = asked_[node].find(tick_of(dispatch));
    if (found != asked_[node].end()) return found->second;
    findings_.report(Invariant::kPartsWithinOrder, node, at,
                     "dispatches tick " + text(tick_of(dispatch)) + " that it was never asked");
    return std::nullopt;
  }
  const auto order = orders_.find(dispatch.order);
  if (order == orders_.end()) {
    findings_.report(
        Invariant::kAcknowledgedSurvives, node, at,
        "dispatches order " + std::to_string(dispatch.order.value) + " that is not durable");
    return std::nullopt;
  }
  if (is_over(order->second.state)) {
    findings_.report(Invariant::kNoStaleOrder, node, at,
                     "dispatches order " + std::to_string(dispatch.order.value) + " that is over");
  }
  return order->second.power;
}

void OrderRules::sent(WorldTime at, NodeIndex node, const std::vector<SentShare>& shares) {
  std::map<Tick, std::vector<SentShare>> per_tick;
  for (const SentShare& share : shares) {
    if (share.dispatch.share) per_tick[tick_of(share.dispatch)].push_back(share);
  }
  for (const auto& [tick, parts] : per_tick) {
    const auto asked = asked_of(at, node, parts.front().dispatch);
    if (!asked) return;
    check_hop(at, node, tick, *asked, parts);
    for (const SentShare& part : parts) {
      if (part.to_leaf) check_leaves(at, node, part);
    }
  }
}

void OrderRules::check_hop(WorldTime at, NodeIndex node, Tick tick, Watts asked,
                           const std::vector<SentShare>& shares) {
  std::map<NodeIndex, std::int64_t> newest;
  for (const SentShare& share : shares) newest[share.to] = share.dispatch.share->count;
  std::int64_t sum = 0;
  for (const auto& [child, watts] : newest) {
    sum += watts;
    if (within(watts, asked.count)) continue;
    findings_.report(Invariant::kPartsWithinOrder, node, at,
                     "asks " + std::to_string(watts) + " W of node " + std::to_string(child) +
                         " for " + std::to_string(asked.count) + " W");
  }
  if (!within(sum, asked.count)) {
    findings_.report(Invariant::kPartsWithinOrder, node, at,
                     "shares of tick " + text(tick) + " sum to " + std::to_string(sum) + " W for " +
                         std::to_string(asked.count) + " W");
  }
}

void OrderRules::check_leaves(WorldTime at, NodeIndex node, const SentShare& share) {
  const auto order = orders_.find(share.dispatch.order);
  if (order == orders_.end()) {
    findings_.report(Invariant::kPartsWithinOrder, node, at, "asks for an order that is none");
    return;
  }
  LeafShares& leaves = leaf_shares_[tick_of(share.dispatch)];
  const Watts before = std::exchange(leaves.of[share.to], *share.dispatch.share);
  const std::int64_t sum = leaves.sum_w += share.dispatch.share->count - before.count;
  if (!within(sum, order->second.power.count)) {
    findings_.report(Invariant::kPartsWithinOrder, node, at,
                     "over all leaves tick " + text(tick_of(share.dispatch)) + " sums to " +
                         std::to_string(sum) + " W for " +
                         std::to_string(order->second.power.count) + " W");
  }
  keep_newest(leaf_shares_, leaf_ticks_);
}

void OrderRules::instructed(WorldTime at, MarketTime market, NodeIndex leaf,
                            const device::SiteOrder& order) {
  const auto fail = [&](const std::string& what) {
    findings_.report(Invariant::kNoStaleOrder, leaf, at,
                     "order " + std::to_string(order.order.value) + " " + what);
  };
  const auto& arrival = arrived_[leaf];
  if (!arrival || arrival->dispatch.order != order.order ||
      arrival->dispatch.share != order.power || arrival->dispatch.until != order.until) {
    fail("is executed as it was never sent");
    return;
  }
  const auto booked = orders_.find(order.order);
  if (booked == orders_.end()) fail("is executed but was never booked");
  if (arrival->expires <= at) fail("is executed past its time to live");
  if (order.until <= market) fail("is executed past its end");
  Executed& before = executed_[leaf];
  const Tick tick = tick_of(arrival->dispatch);
  const bool restarted = before.incarnation != arrival->incarnation;
  const bool older = restarted ? std::pair{tick.term, tick.sequence} <
                                     std::pair{before.tick.term, before.tick.sequence}
                               : tick <= before.tick;
  if (older) fail("is executed at " + text(tick) + " after " + text(before.tick));
  before = {tick, arrival->incarnation, order, true};
}

void OrderRules::released(NodeIndex leaf) {
  executed_[leaf].following = false;
}

void OrderRules::executing(WorldTime at, NodeIndex leaf, const Now& now,
                           const device::SiteStatus& status) {
  if (status.mode != device::Mode::kDispatched) return;
  const Executed& told = executed_[leaf];
  const auto fail = [&](const std::string& what) {
    findings_.report(Invariant::kNoStaleOrder, leaf, at,
                     "its device follows order " + std::to_string(status.order.value) + " " + what);
  };
  if (!told.following || told.order.order != status.order) {
    fail("that it was not told");
  } else if (told.order.expires <= now.protocol) {
    fail("past its time to live");
  } else if (told.order.until <= now.market) {
    fail("past its end");
  }
}

}  // namespace vpp::sim
