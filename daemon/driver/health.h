// Every health code in one place. Pure.
#pragma once

#include <string>
#include <vector>

#include "daemon/driver/snapshot.h"
#include "daemon/node/node.h"

namespace vpp::driver {

struct HealthCode {
  std::string code;  ///< VPP_..., stable: people mute and alert on it
  node::Severity severity = node::Severity::kWarning;
  std::string text;
  friend bool operator==(const HealthCode&, const HealthCode&) = default;
};

/// What is wrong now, worst first; empty: ok. docs/control-api.md lists the codes.
[[nodiscard]] std::vector<HealthCode> health_of(const Snapshot& snapshot);

/// "ok", "degraded" (a warning is the worst) or "error".
[[nodiscard]] std::string_view health_state(const std::vector<HealthCode>& codes);

}  // namespace vpp::driver
