#include "tests/sim/never_over.h"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <tuple>

#include "config/check.h"
#include "config/limits.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

/// After a lease and this without a word both sides know.
constexpr Duration kAware = 3s;
/// Nodes differ by this much of protocol time in when a window begins or ends.
constexpr Duration kClocks = 1s;

auto rank(const mesh::Dispatch& told) {
  return std::tuple{told.term, told.sequence, told.tick, told.repeat};
}

}  // namespace

void NeverOver::arrives(NodeIndex node, bool is_leaf, const Arrival& arrival) {
  if (is_leaf) {
    heard_ = {node, arrival};
    return;
  }
  if (parents_[node] != arrival.from) return;  // not listened to
  auto& of_node = told_[node];
  const auto told = of_node.find(arrival.dispatch.scope);
  const bool known = told != of_node.end();
  if (known && rank(arrival.dispatch) <= rank(told->second.arrival.dispatch)) return;  // refused
  // Whatever a former parent told it is the new one's business by now.
  std::erase_if(of_node,
                [&](const auto& entry) { return entry.second.arrival.from != arrival.from; });
  of_node.insert_or_assign(arrival.dispatch.scope, Told{.is_leaf = false, .arrival = arrival});
}

void NeverOver::follows(NodeIndex leaf) {
  VPP_CHECK(heard_.first == leaf);
  told_[leaf].clear();
  told_[leaf].emplace(heard_.second.dispatch.scope,
                      Told{.is_leaf = true, .arrival = heard_.second});
}

void NeverOver::died(NodeIndex node) {
  let_go(node);
  for (auto& of_node : told_) {
    for (auto& [scope, told] : of_node) {
      if (told.arrival.from == node) told.forgotten = true;
    }
  }
}

Watts NeverOver::may_do_itself(MarketTime market, const mesh::Dispatch& told,
                               std::int64_t sign) const {
  const Duration margin = kClocks * speed_;
  Watts most{0};
  if (told.share && market + margin < told.until) most = std::max(most, *told.share * sign);
  for (const mesh::Step& step : told.ahead) {
    const bool runs = step.from + margin <= market && market + margin < step.until;
    if (runs) most = std::max(most, step.share * sign);
  }
  return most;
}

/// A node below, of the orders that overlap the round's. Two aggregators that give orders of their
/// own may each have been below the other: `above` are those between the round's node and this one.
Watts NeverOver::may_do(const Round& round, NodeIndex node, std::int64_t sign,
                        std::set<NodeIndex> above) const {
  if (!above.insert(node).second) return Watts{0};
  for (const auto& [scope, told] : told_[node]) {
    if (!told.is_leaf) break;
    if (!overlap(scope, round.scope)) return Watts{0};
    if (told.arrival.expires <= round.at + kClocks) return Watts{0};
    return may_do_itself(round.market, told.arrival.dispatch, sign);
  }
  Watts sum{0};
  for (NodeIndex below = 0; below < told_.size(); ++below) {
    const bool from_here = std::ranges::any_of(told_[below], [&](const auto& entry) {
      const Told& told = entry.second;
      return told.arrival.from == node && !told.forgotten && overlap(entry.first, round.scope);
    });
    const bool elsewhere = parents_[below] != kNobody && parents_[below] != node;
    if (from_here && !elsewhere) sum += may_do(round, below, sign, above);
  }
  return sum;
}

/// What a child may do that is out of contact with the round's node for certain.
Watts NeverOver::lost(const Round& round, NodeIndex child, std::int64_t sign) const {
  if (round.addressed.contains(child)) return Watts{0};
  const bool elsewhere = parents_[child] != kNobody && parents_[child] != round.node;
  if (elsewhere) return Watts{0};
  bool asked_here = false;
  for (const auto& [scope, told] : told_[child]) {
    const bool forgotten = told.arrival.from_incarnation != round.incarnation;
    if (told.arrival.from != round.node || forgotten || !overlap(scope, round.scope)) continue;
    if (round.at - told.arrival.at < leases_[child] + kAware) return Watts{0};
    asked_here = true;
  }
  return asked_here ? may_do(round, child, sign, {round.node}) : Watts{0};
}

void NeverOver::sent(const Round& round) {
  const std::int64_t sign = round.asked < Watts{0} ? -1 : 1;
  Watts lost_sum{0};
  std::string who;
  for (NodeIndex child = 0; child < told_.size(); ++child) {
    const Watts may = lost(round, child, sign);
    if (may > Watts{0}) {
      who += " " + std::to_string(child) + ":" + std::to_string(may.count) + "W";
    }
    lost_sum += may;
  }
  if (lost_sum == Watts{0}) return;
  ++checked_;
  Watts sum{0};
  for (const auto& [child, share] : round.shares) sum += share * sign;
  if (sum + lost_sum <= std::max(round.asked * sign, lost_sum)) return;
  findings_.report(Invariant::kPartsWithinOrder, round.node, round.at,
                   "asks " + std::to_string(sum.count) + " W of others for " +
                       std::to_string(round.asked.count * sign) + " W while out of contact may do" +
                       who);
}

}  // namespace vpp::sim
