// A leaf: one site below, a parent above. Pure.
#pragma once

#include <optional>

#include "daemon/node/role_node.h"
#include "mesh/uplink.h"

namespace vpp::node {

class LeafNode final : public RoleNode {
 public:
  LeafNode(const NodeOptions& options, Rng rng, const Recovered& recovered);

  void step(const Now& now, const Event& event) override;
  void advance(const Now& now) override;
  [[nodiscard]] Instant next_deadline(const Now& now) const override;
  [[nodiscard]] NodeStatus status(const Now& now) const override;
  [[nodiscard]] Now corrected(const Now& now) const override;

 private:
  void on_site(const Now& now, const device::SiteStatus& status);
  void on_dispatch(const Now& now, const mesh::Dispatch& dispatch);
  void keep_accounts(const Now& now, const device::SiteStatus& status);
  void report(const Now& now);
  [[nodiscard]] Duration report_interval() const;
  [[nodiscard]] bool answers_beacon(const Now& now) const;
  [[nodiscard]] const LinkProfile& line() const { return profile_of(options_.link); }
  [[nodiscard]] Duration gather() const;
  void collect(const Now& now);

  NodeOptions options_;
  mesh::Uplink uplink_;
  OrderFence fence_;
  Allegiance allegiance_;
  std::optional<device::SiteStatus> site_;
  std::optional<device::SiteStatus> reported_;
  SiteAccounts kept_;  ///< durable
  Instant keep_due_{};
  Instant reported_at_{};
  Instant report_due_{};
  std::optional<Instant> beacon_seen_;
};

}  // namespace vpp::node
