#include "tests/sim/order_rules.h"

#include <algorithm>
#include <cstdlib>

namespace vpp::sim {
namespace {

constexpr std::size_t kTicksRemembered = 512;

std::string text(Tick tick) {
  return std::to_string(tick.term) + "/" + std::to_string(tick.sequence) + "/" +
         std::to_string(tick.tick) + "+" + std::to_string(tick.repeat);
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

Tick tick_of(const mesh::Dispatch& dispatch) {
  return {dispatch.term, dispatch.sequence, dispatch.tick, dispatch.repeat};
}

OrderRules::OrderRules(const Roots& roots, std::size_t nodes, Findings& findings)
    : roots_{roots}, findings_{findings}, asked_(nodes), arrived_(nodes), executed_(nodes) {
  leaf_ticks_ = std::clamp<std::size_t>(kLeafSharesRemembered / nodes, 4, kTicksRemembered);
}

void OrderRules::booked(const aggregation::Order& order) {
  orders_[order.id] = order;
}

void OrderRules::arrives(NodeIndex node, bool is_leaf, Incarnation incarnation,
                         const mesh::Dispatch& dispatch, WorldTime expires) {
  arrived_[node] = Arrival{incarnation, dispatch, expires};
  if (is_leaf || (!dispatch.share && dispatch.ahead.empty())) return;
  asked_[node][tick_of(dispatch)] = dispatch;
  keep_newest(asked_[node]);
}

void OrderRules::gives(NodeIndex node, const mesh::Dispatch& dispatch) {
  asked_[node][tick_of(dispatch)] = dispatch;
  keep_newest(asked_[node]);
}

/// The newest of that tick that came before: a node that goes on by itself repeats what it has.
const mesh::Dispatch* OrderRules::told_by(NodeIndex node, Tick tick) const {
  auto found = asked_[node].upper_bound(tick);
  if (found == asked_[node].begin()) return nullptr;
  --found;
  Tick of = found->first;
  of.repeat = tick.repeat;
  return of == tick ? &found->second : nullptr;
}

std::optional<Watts> OrderRules::asked_of(WorldTime at, NodeIndex node, Tick tick, OrderId order) {
  const std::string name = "order " + std::to_string(order.value);
  if (!roots_.has(node)) {
    if (const mesh::Dispatch* told = told_by(node, tick)) {
      if (told->share && told->order == order) return told->share;
      for (const mesh::Step& step : told->ahead) {
        if (step.order == order) return step.share;
      }
    }
    findings_.report(Invariant::kPartsWithinOrder, node, at,
                     "dispatches " + name + " of tick " + text(tick) + " that it was never asked");
    return std::nullopt;
  }
  const auto booked = orders_.find(order);
  if (booked == orders_.end()) {
    findings_.report(Invariant::kAcknowledgedSurvives, node, at,
                     "dispatches " + name + " that is not durable");
    return std::nullopt;
  }
  // Of several roots the leader goes on with an order until standbys hold the one that follows it.
  const bool goes_on =
      roots_.several() && booked->second.state == aggregation::OrderState::kSuperseded;
  if (is_over(booked->second.state) && !goes_on) {
    findings_.report(Invariant::kNoStaleOrder, node, at, "dispatches " + name + " that is over");
  }
  return booked->second.power;
}

void OrderRules::sent(WorldTime at, NodeIndex node, const std::vector<SentShare>& shares) {
  std::map<Tick, std::vector<SentShare>> per_tick;
  std::map<Tick, std::vector<SentShare>> ahead;
  for (const SentShare& share : shares) {
    const Tick tick = tick_of(share.dispatch);
    if (share.dispatch.share) per_tick[tick].push_back(share);
    if (!share.dispatch.ahead.empty()) ahead[tick].push_back(share);
  }
  for (const auto& [tick, parts] : per_tick) {
    const auto asked = asked_of(at, node, tick, parts.front().dispatch.order);
    if (!asked) return;
    check_hop(at, node, tick, *asked, parts);
    // Who goes on by itself does so in its own time: nothing adds up over all leaves then.
    for (const SentShare& part : parts) {
      const bool adds_up = tick.repeat == 0 && !is_local(part.dispatch.order);
      if (part.to_leaf && adds_up) check_leaves(at, node, part);
    }
  }
  for (const auto& [tick, parts] : ahead) check_ahead(at, node, parts);
}

void OrderRules::check_ahead(WorldTime at, NodeIndex node, const std::vector<SentShare>& parts) {
  const Tick tick = tick_of(parts.front().dispatch);
  std::map<OrderId, std::vector<SentShare>> per_order;
  for (const SentShare& part : parts) {
    for (const mesh::Step& step : part.dispatch.ahead) {
      SentShare later = part;
      later.dispatch.share = step.share;
      per_order[step.order].push_back(std::move(later));
    }
  }
  for (const auto& [order, later] : per_order) {
    const auto asked = asked_of(at, node, tick, order);
    if (asked) check_hop(at, node, tick, *asked, later);
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
  LeafShares& leaves = leaf_shares_[{tick_of(share.dispatch), share.dispatch.order}];
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
                            const node::SiteInstruction& instruction) {
  Executed& before = executed_[leaf];
  before.plan = instruction.ahead;
  if (instruction.order) before.plan.insert(before.plan.begin(), *instruction.order);
  if (before.plan.empty()) return;
  const auto fail = [&](const std::string& what) {
    findings_.report(Invariant::kNoStaleOrder, leaf, at,
                     "order " + std::to_string(before.plan.front().order.value) + " " + what);
  };
  const auto& arrival = arrived_[leaf];
  std::vector<mesh::Step> sent;
  if (arrival) sent = arrival->dispatch.ahead;
  if (arrival && arrival->dispatch.share) {
    const mesh::Dispatch& told = arrival->dispatch;
    sent.insert(sent.begin(), {told.order, *told.share, told.from, told.until});
  }
  const bool as_sent = std::ranges::equal(before.plan, sent, [](const auto& a, const auto& b) {
    return a.order == b.order && a.power == b.share && a.from == b.from && a.until == b.until;
  });
  if (!as_sent) return fail("is executed as it was never sent");
  for (const device::SiteOrder& order : before.plan) {
    const bool known = orders_.contains(order.order) || is_local(order.order);
    if (!known) fail("is executed but was never booked");
  }
  if (arrival->expires <= at) fail("is executed past its time to live");
  if (instruction.order && instruction.order->until <= market) fail("is executed past its end");
  const Tick tick = tick_of(arrival->dispatch);
  Executed::Newest& newest = before.newest[arrival->dispatch.scope];
  const bool restarted = newest.incarnation != arrival->incarnation;
  const bool older = restarted ? std::pair{tick.term, tick.sequence} <
                                     std::pair{newest.tick.term, newest.tick.sequence}
                               : tick <= newest.tick;
  if (older) fail("is executed at " + text(tick) + " after " + text(newest.tick));
  newest = {tick, arrival->incarnation};
}

void OrderRules::executing(WorldTime at, NodeIndex leaf, const Now& now,
                           const device::SiteStatus& status) {
  if (status.mode != device::Mode::kDispatched) return;
  const auto& plan = executed_[leaf].plan;
  const auto told = std::ranges::find(plan, status.order, &device::SiteOrder::order);
  const auto fail = [&](const std::string& what) {
    findings_.report(Invariant::kNoStaleOrder, leaf, at,
                     "its device follows order " + std::to_string(status.order.value) + " " + what);
  };
  if (told == plan.end()) {
    fail("that it was not told");
  } else if (told->expires <= now.protocol) {
    fail("past its time to live");
  } else if (told->until <= now.market) {
    fail("past its end");
  } else if (now.market < told->from) {
    fail("before its begin");
  }
}

}  // namespace vpp::sim
