// What `vppctl plan` answers beside the set points: the fleet as it is and with parts of it left
// out, nominal and firm. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "aggregation/plan.h"
#include "aggregation/response.h"
#include "tools/vppctl/plan_input.h"

namespace vpp::ctl {

/// The most constant power that can be held that long, rounded down.
struct HeldPower {
  std::chrono::seconds duration;
  Watts nominal;
  Watts firm;
};

/// What is firm of a fleet, as a root of its sites and uplinks would say.
struct FirmAnswer {
  aggregation::TwoWaySummary summary;  ///< of Omega_firm, in whole watts; unserved in joules
  std::vector<HeldPower> discharge;
  std::vector<HeldPower> charge;
};

struct PlanCase {
  std::vector<std::string> without;  ///< what is left out; empty: nothing
  std::size_t sites = 0;
  aggregation::TwoWaySummary nominal;  ///< exact; unserved in the input's parts of a joule
  std::optional<FirmAnswer> firm;      ///< when a shortfall was named
};

/// The fleet as it is, then each group of `select.without` left out, then all of them if there are
/// several. Nothing: too large for exact sums. `shortfall`: how often less than what is firm may be
/// delivered.
[[nodiscard]] std::optional<std::vector<PlanCase>> plan_cases(
    const PlanInput& input, const PlanSelection& select, std::chrono::seconds step,
    std::optional<aggregation::PerMillion> shortfall);

}  // namespace vpp::ctl
