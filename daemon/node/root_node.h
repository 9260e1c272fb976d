// The root: children below, markets and operators above. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aggregation/order.h"
#include "bidding/workflow.h"
#include "daemon/node/group.h"
#include "daemon/node/role_node.h"

namespace vpp::node {

class RootNode final : public RoleNode {
 public:
  RootNode(const NodeOptions& options, Rng rng, const Now& now, const Recovered& recovered);

  void step(const Now& now, const Event& event) override;
  void advance(const Now& now) override;
  [[nodiscard]] Instant next_deadline(const Now& now) const override;
  [[nodiscard]] NodeStatus status(const Now& now) const override;
  [[nodiscard]] std::optional<std::vector<bidding::Fact>> trace(
      const std::string& key) const override;

 private:
  void on_operator(const Now& now, const OperatorAsked& asked);
  [[nodiscard]] Reply send_order(const Now& now, const SendOrder& command);
  [[nodiscard]] Reply cancel_order(const Now& now, OrderId id);
  void tick(const Now& now);
  void activate(const Now& now, const std::optional<aggregation::Order>& active);
  [[nodiscard]] mesh::Dispatch form(const Now& now) const;
  void say_shortfall(Watts asked, Watts shortfall);
  void run_workflow(const Now& now);
  void collect(const Now& now);

  NodeOptions options_;
  std::uint64_t term_;
  Group group_;
  aggregation::OrderBook orders_;
  bidding::Workflow workflow_;
  std::optional<aggregation::Order> active_;
  std::uint64_t sequence_ = 0;  ///< of activations in this term
  std::uint64_t tick_ = 0;
  Instant activated_at_{};
  Instant tick_due_{};
  Watts told_shortfall_;
};

}  // namespace vpp::node
