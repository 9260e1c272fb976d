#include "tests/sim/promises.h"

#include <algorithm>
#include <utility>
#include <variant>

namespace vpp::sim {

void Promises::persisted(WorldTime at, NodeIndex node, const std::vector<node::Record>& batch) {
  for (const auto& record : batch) {
    std::visit([&](const auto& typed) { check(at, node, typed); }, record);
  }
}

void Promises::recovered(NodeIndex node, const node::Recovered& all) {
  Promised& promised = nodes_[node];
  if (all.uplink) {
    promised.session = std::max(promised.session, all.uplink->session);
    promised.uplink_term = std::max(promised.uplink_term, all.uplink->term);
  }
  promised.owner = all.owner;
  if (all.fence) promised.fence = std::max(promised.fence, *all.fence);
  if (all.term) promised.root_term = std::max(promised.root_term, all.term->term);
  if (roots_.several()) {  // what an interrupted write cleared is gone
    promised.orders.clear();
    promised.order_of_key.clear();
  }
  for (const auto& order : all.orders) {
    promised.orders.try_emplace(order.id, order);
    promised.order_of_key.try_emplace(order.key, order.id);
  }
}

void Promises::check(WorldTime at, NodeIndex node, const mesh::UplinkRecord& record) {
  Promised& promised = nodes_[node];
  if (record.session < promised.session) {
    findings_.report(Invariant::kAcknowledgedSurvives, node, at,
                     "session fell from " + std::to_string(promised.session) + " to " +
                         std::to_string(record.session));
  }
  if (record.term < promised.uplink_term) {
    findings_.report(Invariant::kOneTerm, node, at,
                     "term fell from " + std::to_string(promised.uplink_term) + " to " +
                         std::to_string(record.term));
  }
  if (record.alternates.size() > limits::kAlternatesMax) {
    findings_.report(Invariant::kBounded, node, at, "persists too many alternates");
  }
  promised.session = record.session;
  promised.uplink_term = record.term;
}

void Promises::check(WorldTime at, NodeIndex node, const node::Fence& record) {
  if (record <= nodes_[node].fence) {
    findings_.report(Invariant::kNoStaleOrder, node, at, "its fence did not rise");
  }
  nodes_[node].fence = record;
}

void Promises::check(WorldTime at, NodeIndex node, const node::TermRecord& record) {
  if (record.term <= nodes_[node].root_term) {
    findings_.report(Invariant::kOneTerm, node, at,
                     "root term " + std::to_string(record.term) + " after " +
                         std::to_string(nodes_[node].root_term));
  }
  nodes_[node].root_term = record.term;
}

void Promises::check(WorldTime at, NodeIndex node, const aggregation::Order& record) {
  Promised& promised = nodes_[node];
  const auto [it, is_new] = promised.orders.try_emplace(record.id, record);
  if (!is_new && (it->second.key != record.key || it->second.power != record.power)) {
    findings_.report(Invariant::kAcknowledgedSurvives, node, at,
                     "order id " + std::to_string(record.id.value) + " is used again");
  }
  const auto [key, is_new_key] = promised.order_of_key.try_emplace(record.key, record.id);
  if (!is_new_key && key->second != record.id) {
    findings_.report(Invariant::kAcknowledgedSurvives, node, at,
                     "key " + record.key + " made a second order");
  }
  it->second = record;
}

void Promises::check(WorldTime /*at*/, NodeIndex /*node*/, const bidding::Fact& record) {
  const auto* credited = bidding::as<bidding::OwnersCredited>(record);
  if (credited != nullptr) credited_[credited->order].insert(credited->per_mwh);
}

void Promises::check(WorldTime at, NodeIndex node, const node::OwnerAccount& record) {
  node::OwnerAccount& before = nodes_[node].owner;
  Amount news = record.paid - before.paid;
  for (const node::OwnerPayment& each : record.newest) {
    const auto credited = credited_.find(each.order);
    if (credited == credited_.end() || !credited->second.contains(each.per_mwh)) {
      findings_.report(Invariant::kAcknowledgedSurvives, node, at,
                       "is paid for order " + std::to_string(each.order.value) +
                           " at a rate that no root made durable");
    }
    const auto known = std::ranges::find(before.newest, each.order, &node::OwnerPayment::order);
    if (known == before.newest.end()) news -= each.paid;
    if (known != before.newest.end() && *known != each) {
      findings_.report(Invariant::kAcknowledgedSurvives, node, at,
                       "order " + std::to_string(each.order.value) + " is paid a second time");
    }
  }
  if (news != Amount{0}) {
    findings_.report(Invariant::kEnergyConserved, node, at,
                     "what it was paid is not the sum of its orders");
  }
  before = record;
}

void Promises::check(WorldTime /*at*/, NodeIndex /*node*/, const node::JournalHead& /*record*/) {}
void Promises::check(WorldTime /*at*/, NodeIndex node, const node::JournalCleared& /*record*/) {
  nodes_[node].orders.clear();
  nodes_[node].order_of_key.clear();
}

void Promises::sent_up(WorldTime at, NodeIndex node, Incarnation incarnation,
                       const mesh::SendUp& sent) {
  const auto* hello = std::get_if<mesh::Hello>(&sent.message);
  if (hello == nullptr) return;
  Promised& promised = nodes_[node];
  if (hello->session != promised.session) {
    findings_.report(Invariant::kAcknowledgedSurvives, node, at,
                     "says Hello with session " + std::to_string(hello->session) + ", durable is " +
                         std::to_string(promised.session));
  }
  const bool same_attempt =
      promised.hello_incarnation == incarnation && promised.hello_link == sent.link;
  if (!same_attempt && hello->session <= promised.hello_session) {
    findings_.report(Invariant::kCountedOnce, node, at,
                     "uses session " + std::to_string(hello->session) + " again");
  }
  promised.hello_session = hello->session;
  promised.hello_incarnation = incarnation;
  promised.hello_link = sent.link;
}

void Promises::sent_down(WorldTime at, NodeIndex node, const mesh::Message& message, bool durable) {
  std::uint64_t term = 0;
  if (const auto* beacon = std::get_if<mesh::Beacon>(&message)) term = beacon->term;
  if (const auto* ack = std::get_if<mesh::HelloAck>(&message)) term = ack->term;
  if (const auto* dispatch = std::get_if<mesh::Dispatch>(&message)) {
    term = dispatch->term;
    const node::Fence order{dispatch->term, dispatch->sequence};
    const bool asks = dispatch->share.has_value();  // a release can only make things safer
    if (!roots_.has(node) && asks && order > nodes_[node].fence) {
      findings_.report(Invariant::kNoStaleOrder, node, at, "passes on what its fence lacks");
    }
  }
  const bool is_root = roots_.has(node);
  std::uint64_t written = is_root ? nodes_[node].root_term : nodes_[node].uplink_term;
  // An order may overtake the first beacon of its term: the fence is what it is durable in.
  if (std::holds_alternative<mesh::Dispatch>(message) && !is_root) {
    written = std::max(written, nodes_[node].fence.term);
  }
  if (term > written && (durable || is_root)) {
    findings_.report(Invariant::kOneTerm, node, at,
                     "tells term " + std::to_string(term) + " before it is durable");
  }
}

void Promises::replied(WorldTime at, const node::Reply& reply) {
  if (!reply.order) return;
  const auto holders = std::ranges::count_if(nodes_, [&](const Promised& root) {
    const auto held = root.orders.find(reply.order->id);
    return held != root.orders.end() && held->second.key == reply.order->key;
  });
  if (static_cast<std::size_t>(holders) < 1 + copies_) {
    findings_.report(Invariant::kAcknowledgedSurvives, kRootIndex, at,
                     "acknowledges an order before it is durable");
  }
  const auto [it, is_new] = acknowledged_.try_emplace(reply.order->id, *reply.order);
  if (!is_new && it->second.key != reply.order->key) {
    findings_.report(Invariant::kAcknowledgedSurvives, kRootIndex, at,
                     "acknowledges two orders with id " + std::to_string(reply.order->id.value));
  }
  it->second = *reply.order;
}

void Promises::viewed(WorldTime at, NodeIndex node, const node::NodeStatus& status, bool durable) {
  Promised& promised = nodes_[node];
  if (status.term < promised.seen_term) {
    findings_.report(Invariant::kOneTerm, node, at,
                     "obeys term " + std::to_string(status.term) + " after " +
                         std::to_string(promised.seen_term));
  }
  if (durable) promised.seen_term = status.term;
  // Who does not lead has no orders, only a journal.
  const bool serves = !status.path.empty() && (!status.root || status.root->serves);
  if (!roots_.has(node) || !serves) return;
  for (const auto& [id, order] : acknowledged_) {
    const bool known = std::ranges::any_of(
        status.orders, [&](const auto& o) { return o.id == id && o.key == order.key; });
    if (known) continue;
    findings_.report(Invariant::kAcknowledgedSurvives, node, at,
                     "forgot the acknowledged order " + std::to_string(id.value));
  }
}

}  // namespace vpp::sim
