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
  std::optional<Told>& told = told_[node];
  if (told && rank(arrival.dispatch) <= rank(told->arrival.dispatch)) return;  // refused
  told = Told{.is_leaf = false, .arrival = arrival};
}

void NeverOver::follows(NodeIndex leaf) {
  VPP_CHECK(heard_.first == leaf);
  told_[leaf] = Told{.is_leaf = true, .arrival = heard_.second};
}

void NeverOver::died(NodeIndex node) {
  let_go(node);
  for (auto& told : told_) {
    if (told && told->arrival.from == node) told->forgotten = true;
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

Watts NeverOver::may_do(WorldTime at, MarketTime market, NodeIndex node, std::int64_t sign) const {
  const auto& told = told_[node];
  if (told && told->is_leaf) {
    if (told->arrival.expires <= at + kClocks) return Watts{0};
    return may_do_itself(market, told->arrival.dispatch, sign);
  }
  Watts sum{0};
  for (NodeIndex below = 0; below < told_.size(); ++below) {
    if (told_[below] && told_[below]->arrival.from == node && !told_[below]->forgotten) {
      const bool elsewhere = parents_[below] != kNobody && parents_[below] != node;
      if (!elsewhere) sum += may_do(at, market, below, sign);
    }
  }
  return sum;
}

void NeverOver::sent(WorldTime at, MarketTime market, NodeIndex node, Incarnation incarnation,
                     Watts asked, const std::map<NodeIndex, Watts>& shares,
                     const std::set<NodeIndex>& addressed) {
  const std::int64_t sign = asked < Watts{0} ? -1 : 1;
  Watts lost{0};
  std::string who;
  for (NodeIndex child = 0; child < told_.size(); ++child) {
    const auto& told = told_[child];
    if (!told || addressed.contains(child) || told->arrival.from != node) continue;
    const bool forgotten = told->arrival.from_incarnation != incarnation;
    const bool elsewhere = parents_[child] != kNobody && parents_[child] != node;
    if (forgotten || elsewhere || at - told->arrival.at < leases_[child] + kAware) continue;
    const Watts may = may_do(at, market, child, sign);
    if (may > Watts{0}) {
      who += " " + std::to_string(child) + ":" + std::to_string(may.count) + "W";
    }
    lost += may;
  }
  if (lost == Watts{0}) return;
  ++checked_;
  Watts sum{0};
  for (const auto& [child, share] : shares) sum += share * sign;
  if (sum + lost <= std::max(asked * sign, lost)) return;
  findings_.report(Invariant::kPartsWithinOrder, node, at,
                   "asks " + std::to_string(sum.count) + " W of others for " +
                       std::to_string(asked.count * sign) + " W while out of contact may do" + who);
}

}  // namespace vpp::sim
