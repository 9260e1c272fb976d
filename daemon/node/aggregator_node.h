// An aggregator: children below, a parent above. It is to its parent what a leaf is to it. Pure.
//
// Cut off   when nothing newer comes from above, it goes on closing the loop over its children with
//           what it was told, from one step to the next, until that ends or expires. What it sends
//           then carries the tick it had from the root and a `repeat` that rises: whatever the root
//           sends later is newer.
// Peaks     with a target of its own (peak.h) it gives orders of its own, in a scope of their own;
//           what comes from above for that scope is refused.
#pragma once

#include <map>

#include "daemon/node/group.h"
#include "daemon/node/owner_rates.h"
#include "daemon/node/peak.h"
#include "daemon/node/role_node.h"
#include "daemon/node/value_group.h"
#include "mesh/uplink.h"

namespace vpp::node {

class AggregatorNode final : public RoleNode {
 public:
  AggregatorNode(const NodeOptions& options, Rng rng, const Recovered& recovered);

  void step(const Now& now, const Event& event) override;
  void advance(const Now& now) override;
  [[nodiscard]] Instant next_deadline(const Now& now) const override;
  [[nodiscard]] NodeStatus status(const Now& now) const override;
  [[nodiscard]] Now corrected(const Now& now) const override;

 private:
  void on_parent_message(const Now& now, const mesh::Message& message);
  void on_dispatch(const Now& now, const mesh::Dispatch& dispatch);
  /// Newest accepted of one scope.
  struct Told {
    mesh::Dispatch order;        ///< its stamp on this node's clock
    Instant go_on_due = kNever;  ///< nothing newer has come by then
    Watts shortfall;             ///< as last reported
  };
  void go_on(const Now& now, Told& told);
  void go_on_where_due(const Now& now);
  void let_go(const Now& now, Told& told) const;
  [[nodiscard]] bool pass_on(const Now& now, Told& told);
  void shave(const Now& now);
  void say_peak(const PeakStatus& before, const PeakStatus& after);
  void report(const Now& now);
  void hurry_report(const Now& now);
  void drain(const Now& now, const DrainAsked& asked);
  void stop(const Now& now);
  void collect_values(const Now& now, mesh::ChildrenEffects& down);
  void collect(const Now& now);

  NodeOptions options_;
  mesh::Uplink uplink_;
  Group group_;
  ValueGroup values_;
  OwnerRates owner_rates_;
  OrderFences fences_;
  std::map<Scope, Told> told_;  ///< without those released or never asked
  std::optional<Peak> peak_;
  Instant peak_due_ = kNever;
  Allegiance allegiance_;
  Instant reported_at_{};
  Instant report_due_{};
};

}  // namespace vpp::node
