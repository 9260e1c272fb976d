// The files of `vppctl plan`, read and checked.
#pragma once

#include <cstdint>
#include <expected>
#include <map>
#include <string>
#include <vector>

#include "aggregation/response.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::ctl {

/// Which sites of the fleet, and what else of its file is wanted.
struct PlanSelection {
  std::vector<std::string> groups{};   ///< "region=north": only these; several values of a column
                                       ///< are alternatives, several columns must all hold
  std::vector<std::string> without{};  ///< what-if: each of these sites left out
  std::string uplink{};                ///< column whose values each stand behind one uplink
  bool reliability = false;            ///< that column matters
};

/// Which site stands behind what.
struct PlanUplinks {
  std::vector<std::string> of_site;  ///< one per site; empty text: behind none but its own
  std::map<std::string, aggregation::PerMillion> availability;  ///< of each that is named there
};

/// Amounts are in 1/parts of a watt and of a joule: 1, or 1000 when a file has decimals.
struct PlanInput {
  std::int64_t parts = 1;
  std::vector<std::string> ids;
  std::vector<std::string> parents;        ///< one per site; empty when the file has no such column
  std::vector<device::Capability> energy;  ///< to discharge
  std::vector<device::Capability> room;    ///< to charge
  std::vector<std::int32_t> response_permille;  ///< one per site
  PlanUplinks uplinks;
  std::vector<std::vector<bool>> without;  ///< one per PlanSelection::without: who is left out
  std::vector<Watts> request;
  std::vector<std::string> warnings;  ///< what was ignored
};

/// Or every error of both files and of the selection, one line each.
[[nodiscard]] std::expected<PlanInput, std::vector<std::string>> read_plan_input(
    const std::string& fleet_file, const std::string& request_file, const PlanSelection& select);

}  // namespace vpp::ctl
