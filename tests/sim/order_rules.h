// Invariants 2 and 3, from the outside: what may be asked of whom, and what may be executed.
//
// 2  at every hop the shares that a node sends for one tick never sum to more than what it was
//    asked for that tick, nor have another sign; over all leaves, never to more than the order.
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
#include "device/site.h"
#include "mesh/messages.h"
#include "tests/sim/findings.h"

namespace vpp::sim {

/// Of the control loop at the root.
struct Tick {
  std::uint64_t term = 0;
  std::uint64_t sequence = 0;
  std::uint64_t tick = 0;
  friend auto operator<=>(const Tick&, const Tick&) = default;
};

struct SentShare {
  NodeIndex to = kNobody;
  bool to_leaf = false;
  mesh::Dispatch dispatch;
};

class OrderRules {
 public:
  OrderRules(std::size_t nodes, Findings& findings);

  /// The root has made this durable.
  void booked(const aggregation::Order& order);
  /// A dispatch is about to be handed to `node`; its stamp means `expires` in world time.
  void arrives(NodeIndex node, bool is_leaf, Incarnation incarnation,
               const mesh::Dispatch& dispatch, WorldTime expires);
  /// All shares of one batch of effects.
  void sent(WorldTime at, NodeIndex node, const std::vector<SentShare>& shares);
  /// The leaf tells its device thread to follow an order, in the step that `arrives` began.
  void instructed(WorldTime at, MarketTime market, NodeIndex leaf, const device::SiteOrder& order);
  void released(NodeIndex leaf);
  /// The device thread's status, on its own clocks.
  void executing(WorldTime at, NodeIndex leaf, const Now& now, const device::SiteStatus& status);

  [[nodiscard]] const std::map<OrderId, aggregation::Order>& orders() const { return orders_; }

 private:
  struct Arrival {
    Incarnation incarnation = 0;
    mesh::Dispatch dispatch;
    WorldTime expires{};
  };
  struct Executed {
    Tick tick;
    Incarnation incarnation = 0;
    device::SiteOrder order;
    bool following = false;
  };

  void check_hop(WorldTime at, NodeIndex node, Tick tick, Watts asked,
                 const std::vector<SentShare>& shares);
  void check_leaves(WorldTime at, NodeIndex node, const SentShare& share);
  [[nodiscard]] std::optional<Watts> asked_of(WorldTime at, NodeIndex node,
                                              const mesh::Dispatch& dispatch);

  Findings& findings_;
  std::map<OrderId, aggregation::Order> orders_;
  std::vector<std::map<Tick, Watts>> asked_;  ///< per node, newest ticks
  struct LeafShares {
    std::map<NodeIndex, Watts> of;
    std::int64_t sum_w = 0;
  };
  std::map<Tick, LeafShares> leaf_shares_;  ///< newest ticks
  std::size_t leaf_ticks_;                  ///< how many: fewer in a large plant
  std::vector<std::optional<Arrival>> arrived_;
  std::vector<Executed> executed_;
};

}  // namespace vpp::sim
