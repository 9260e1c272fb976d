// FLEET.csv of `vppctl plan`: sites, what they can do, and by which names they are grouped.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/vppctl/csv.h"
#include "tools/vppctl/plan_input.h"

namespace vpp::ctl {

/// One direction of every site that was selected.
struct MilliSites {
  std::vector<std::int64_t> powers;    ///< milliwatts
  std::vector<std::int64_t> energies;  ///< milliwatt-hours
};

struct MilliFleet {
  MilliSites discharge{};
  MilliSites charge{};
  bool charges = false;  ///< the file says what the sites can charge
};

/// All of `input` but its amounts and the request, which are in `milli`. What is wrong with the
/// file goes to `errors`, what is wrong with the selection to `misuse`, one line each.
void read_fleet(const std::string& text, const PlanSelection& select, PlanInput& input,
                MilliFleet& milli, CsvErrors& errors, std::vector<std::string>& misuse);

}  // namespace vpp::ctl
