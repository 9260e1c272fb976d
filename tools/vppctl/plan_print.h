// How `vppctl plan` shows its answers.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <vector>

#include "aggregation/plan.h"
#include "aggregation/response.h"
#include "tools/vppctl/plan_cases.h"
#include "tools/vppctl/plan_input.h"

namespace vpp::ctl {

struct PlanReport {
  const PlanInput& input;
  const PlanSelection& select;
  aggregation::PerMillion shortfall;  ///< of what is firm, if that was asked
  std::int64_t step_s;
  std::vector<PlanCase> cases;   ///< the first is the fleet as it is
  aggregation::TwoWayPlan plan;  ///< not begun

  /// The plan's joules per watt over a slot, and per watt-hour.
  [[nodiscard]] std::int64_t per_watt() const { return step_s * input.parts; }
  [[nodiscard]] std::int64_t per_watt_hour() const { return kJoulesPerWattHour * input.parts; }
};

/// Writes step by step: a hundred thousand sites over a day are half a gigabyte of set points.
void print_plan_json(PlanReport& report, std::ostream& out);
void print_plan_table(PlanReport& report, std::ostream& out);

}  // namespace vpp::ctl
