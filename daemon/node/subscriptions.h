// Which programs a site serves, and when: what its owner subscribed to and opted out of. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "config/scope.h"
#include "config/time.h"
#include "daemon/node/node.h"

namespace vpp::node {

class Subscriptions {
 public:
  Subscriptions(std::vector<Subscription> programs, std::vector<std::string> groups,
                OptOuts recovered);

  /// By the owner's config, whatever the date.
  [[nodiscard]] bool has(std::string_view program) const { return find(program) != nullptr; }
  /// Subscribed, within its dates, and not opted out.
  [[nodiscard]] bool serves(std::string_view program, MarketTime now) const;
  [[nodiscard]] bool serves(const Scope& scope, MarketTime now) const;
  [[nodiscard]] std::int64_t priority(std::string_view program) const;
  [[nodiscard]] std::int32_t reserve(std::string_view program) const;
  /// When serves() of some program changes next; kEndOfTime: never.
  [[nodiscard]] MarketTime next_change(MarketTime now) const;

  void opt_out(std::string_view program, MarketTime until);
  /// Of all programs where none is named. False: there was nothing to take back.
  bool opt_in(std::string_view program);
  /// Those that still hold, to be persisted.
  [[nodiscard]] OptOuts opt_outs(MarketTime now) const;

  [[nodiscard]] const std::vector<Subscription>& programs() const { return programs_; }
  [[nodiscard]] const std::vector<std::string>& groups() const { return groups_; }

 private:
  [[nodiscard]] const Subscription* find(std::string_view program) const;

  std::vector<Subscription> programs_;
  std::vector<std::string> groups_;
  std::vector<OptOut> opted_out_;
};

}  // namespace vpp::node
