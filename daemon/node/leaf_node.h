// A leaf: one site below, a parent above. Pure.
//
// One order  a site serves one order at a time. While it does, it offers nothing to other programs,
//            and takes no share of theirs, but for a program that its owner gave a higher priority.
//            A share of nothing commits it to nothing.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "daemon/node/owner_account.h"
#include "daemon/node/owner_rates.h"
#include "daemon/node/role_node.h"
#include "daemon/node/scoped.h"
#include "daemon/node/subscriptions.h"
#include "daemon/node/value_home.h"
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
  [[nodiscard]] bool takes_over(const std::string& program) const;
  [[nodiscard]] std::string why_refused(const Now& now, const mesh::Dispatch& dispatch) const;
  void obey(const Now& now, const mesh::Dispatch& dispatch, Instant expires);
  void instruct(const SiteInstruction& instruction);
  void release(const Now& now);
  void stop_where_not_served(const Now& now);
  void opt_out(const Now& now, const OptOutAsked& asked);
  [[nodiscard]] bool serves_frequency(const Now& now) const;
  [[nodiscard]] Offer offer_of(const Now& now, const std::string& program) const;
  [[nodiscard]] mesh::SiteSummary summary(const Now& now) const;
  void keep_accounts(const Now& now, const device::SiteStatus& status);
  void report(const Now& now);
  [[nodiscard]] Duration report_interval() const;
  [[nodiscard]] bool answers_beacon(const Now& now) const;
  [[nodiscard]] const LinkProfile& line() const { return profile_of(options_.link); }
  [[nodiscard]] Duration gather() const;
  void collect(const Now& now);
  void collect_values(const Now& now);
  void be_paid();

  NodeOptions options_;
  mesh::Uplink uplink_;
  /// The newest dispatch that is carried out.
  struct Serving {
    mesh::Dispatch told;
    Instant expires{};
  };
  /// It moves the battery for somebody, or will by itself.
  [[nodiscard]] bool commits(const Now& now) const;
  [[nodiscard]] bool goes_on(const Now& now) const;

  OrderFences fences_;
  Allegiance allegiance_;
  Subscriptions subscriptions_;
  ValueHome values_;
  OwnerAccount owner_;  ///< durable
  OwnerRates owner_rates_;
  std::optional<Serving> serving_;
  SiteInstruction told_;             ///< the newest
  std::map<OrderId, Scope> scopes_;  ///< of the newest orders carried out
  OrderId refused_;                  ///< told of already
  std::optional<device::SiteStatus> site_;
  std::optional<device::SiteStatus> reported_;
  SiteAccounts kept_;  ///< durable
  Instant keep_due_{};
  Instant reported_at_{};
  Instant report_due_{};
  std::optional<Instant> beacon_seen_;
};

}  // namespace vpp::node
