// An aggregator: children below, a parent above. It is to its parent what a leaf is to it. Pure.
//
// Cut off   when nothing newer comes from above, it goes on closing the loop over its children with
//           what it was told, from one step to the next, until that ends or expires. What it sends
//           then carries the tick it had from the root and a `repeat` that rises: whatever the root
//           sends later is newer.
#pragma once

#include <cstdint>
#include <optional>

#include "daemon/node/group.h"
#include "daemon/node/role_node.h"
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
  void go_on(const Now& now);
  void let_go(const Now& now);
  void pass_on(const Now& now);
  void report(const Now& now);
  void hurry_report(const Now& now);
  void drain(const Now& now, const DrainAsked& asked);
  void stop(const Now& now);
  void collect(const Now& now);

  NodeOptions options_;
  mesh::Uplink uplink_;
  Group group_;
  OrderFence fence_;
  /// Newest accepted, its stamp on this node's clock; nothing: released or never asked.
  std::optional<mesh::Dispatch> order_;
  Allegiance allegiance_;
  Instant go_on_due_ = kNever;  ///< nothing newer has come by then
  Watts told_measured_;
  Watts told_shortfall_;
  Instant reported_at_{};
  Instant report_due_{};
};

}  // namespace vpp::node
