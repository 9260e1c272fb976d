// Invariants 2 and 3, from the outside: what may be asked of whom, and what may be executed.
//
// 2  at every hop the shares that a node sends for one tick, now and for every step ahead, never
//    sum to more than what it was asked for that tick, nor have another sign; over all leaves,
//    never to more than the order.
//    An aggregator's own order is its to give, and is within what it gives.
// 3  a leaf executes a share only within the order's window and its time to live, only if it was
//    sent so, and never an older (term, sequence, tick) than before, restarts included; a root
//    never dispatches an order that is over.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "aggregation/order.h"
#include "daemon/node/node.h"
#include "mesh/messages.h"
#include "tests/sim/findings.h"

namespace vpp::sim {

/// Of the control loop at the root, and of an aggregator that goes on by itself.
struct Tick {
  std::uint64_t term = 0;
  std::uint64_t sequence = 0;
  std::uint64_t tick = 0;
  std::uint32_t repeat = 0;
  friend auto operator<=>(const Tick&, const Tick&) = default;
};

struct SentShare {
  NodeIndex to = kNobody;
  bool to_leaf = false;
  mesh::Dispatch dispatch;
};

[[nodiscard]] Tick tick_of(const mesh::Dispatch& dispatch);

class OrderRules {
 public:
  OrderRules(const Roots& roots, std::size_t nodes, Findings& findings);

  /// The root that leads has made this durable, or has taken it over.
  void booked(const aggregation::Order& order);
  /// A dispatch is about to be handed to `node`; at the world time `expires` it must know that the
  /// dispatch is past its time to live.
  void arrives(NodeIndex node, bool is_leaf, Incarnation incarnation,
               const mesh::Dispatch& dispatch, WorldTime expires);
  /// `node` begins a tick of an order of its own, for that share.
  void gives(NodeIndex node, const mesh::Dispatch& dispatch);
  /// All shares of one batch of effects.
  void sent(WorldTime at, NodeIndex node, const std::vector<SentShare>& shares);
  /// The leaf tells its device thread to follow an order, in the step that `arrives` began.
  void instructed(WorldTime at, MarketTime market, NodeIndex leaf,
                  const node::SiteInstruction& instruction);
  /// The device thread's status, on its own clocks.
  void executing(WorldTime at, NodeIndex leaf, const Now& now, const device::SiteStatus& status);

  [[nodiscard]] const std::map<OrderId, aggregation::Order>& orders() const { return orders_; }
  /// What `node` was asked for that tick of that order; nothing, and a finding, when it never was.
  [[nodiscard]] std::optional<Watts> asked_of(WorldTime at, NodeIndex node, Tick tick,
                                              OrderId order);

 private:
  struct Arrival {
    Incarnation incarnation = 0;
    mesh::Dispatch dispatch;
    WorldTime expires{};
  };
  struct Executed {
    struct Newest {
      Tick tick;
      Incarnation incarnation = 0;
    };
    std::map<Scope, Newest> newest;
    std::vector<device::SiteOrder> plan;  ///< the order, and what follows it
  };

  void check_hop(WorldTime at, NodeIndex node, Tick tick, Watts asked,
                 const std::vector<SentShare>& shares);
  void check_leaves(WorldTime at, NodeIndex node, const SentShare& share);
  void check_ahead(WorldTime at, NodeIndex node, const std::vector<SentShare>& parts);
  [[nodiscard]] const mesh::Dispatch* told_by(NodeIndex node, Tick tick) const;

  const Roots& roots_;
  Findings& findings_;
  std::map<OrderId, aggregation::Order> orders_;
  std::vector<std::map<Tick, mesh::Dispatch>> asked_;  ///< per node, newest ticks
  struct LeafShares {
    std::map<NodeIndex, Watts> of;
    std::int64_t sum_w = 0;
  };
  std::map<std::pair<Tick, OrderId>, LeafShares> leaf_shares_;  ///< newest ticks
  std::size_t leaf_ticks_;  ///< how many: fewer in a large plant
  std::vector<std::optional<Arrival>> arrived_;
  std::vector<Executed> executed_;
};

}  // namespace vpp::sim
