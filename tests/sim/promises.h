// Invariants 4 and 6, from the outside: what was promised stays, restarts included.
//
// Terms, sessions and fences never fall; nothing leaves a node before the record it rests on is
// durable; an order that was acknowledged to an operator is there after every restart; an owner is
// paid once for an order, at a rate that a root made durable.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "daemon/node/node.h"
#include "tests/sim/findings.h"

namespace vpp::sim {

class Promises {
 public:
  /// `copies`: further roots that must hold what is acknowledged.
  Promises(const Roots& roots, std::size_t copies, std::size_t nodes, Findings& findings)
      : roots_{roots}, copies_{copies}, findings_{findings}, nodes_(nodes) {}

  void persisted(WorldTime at, NodeIndex node, const std::vector<node::Record>& batch);
  void sent_up(WorldTime at, NodeIndex node, Incarnation incarnation, const mesh::SendUp& sent);
  /// What a restart reads back: also a write that a crash interrupted and that was whole all the
  /// same.
  void recovered(NodeIndex node, const node::Recovered& all);
  /// `durable`: nothing waits for the node's disk. While something does, a node may pass on a term
  /// that it would not remember; nobody was promised anything on its strength.
  void sent_down(WorldTime at, NodeIndex node, const mesh::Message& message, bool durable);
  void replied(WorldTime at, const node::Reply& reply);
  void viewed(WorldTime at, NodeIndex node, const node::NodeStatus& status, bool durable);
  /// Its store was put aside: it begins as new.
  void forgot_all(NodeIndex node) { nodes_[node] = {}; }

  [[nodiscard]] const std::map<OrderId, aggregation::Order>& acknowledged() const {
    return acknowledged_;
  }

 private:
  struct Promised {
    mesh::Session session = 0;
    mesh::Session hello_session = 0;
    Incarnation hello_incarnation = 0;
    mesh::LinkId hello_link = 0;
    std::uint64_t uplink_term = 0;
    std::uint64_t root_term = 0;  ///< root only
    node::Fence fence;
    std::uint64_t seen_term = 0;
    std::map<OrderId, aggregation::Order> orders;  ///< durable; root only
    std::map<std::string, OrderId> order_of_key;
    node::OwnerAccount owner;  ///< leaf only
  };

  void check(WorldTime at, NodeIndex node, const mesh::UplinkRecord& record);
  void check(WorldTime at, NodeIndex node, const node::Fence& record);
  void check(WorldTime at, NodeIndex node, const node::TermRecord& record);
  void check(WorldTime /*at*/, NodeIndex /*node*/, const node::DrainRecord& /*record*/) {}
  void check(WorldTime at, NodeIndex node, const aggregation::Order& record);
  void check(WorldTime at, NodeIndex node, const bidding::Fact& record);
  void check(WorldTime at, NodeIndex node, const node::JournalHead& record);
  void check(WorldTime at, NodeIndex node, const node::JournalCleared& record);
  void check(WorldTime /*at*/, NodeIndex /*node*/, const node::SiteAccounts& /*record*/) {}
  void check(WorldTime /*at*/, NodeIndex /*node*/, const node::OptOuts& /*record*/) {}
  void check(WorldTime /*at*/, NodeIndex /*node*/, const node::LearnedLoad& /*record*/) {}
  void check(WorldTime /*at*/, NodeIndex /*node*/, const node::ValueAccount& /*record*/) {}
  void check(WorldTime at, NodeIndex node, const node::OwnerAccount& record);
  void check(WorldTime /*at*/, NodeIndex /*node*/, const bidding::Task& /*record*/) {}
  void check(WorldTime /*at*/, NodeIndex /*node*/, const bidding::TaskGone& /*record*/) {}

  const Roots& roots_;
  std::size_t copies_;
  Findings& findings_;
  std::vector<Promised> nodes_;
  std::map<OrderId, aggregation::Order> acknowledged_;
  std::map<OrderId, std::set<Price>> credited_;  ///< durable at some root
};

}  // namespace vpp::sim
