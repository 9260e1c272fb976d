// The files of `vppctl plan`, read and checked.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "config/units.h"
#include "device/site.h"

namespace vpp::ctl {

/// Amounts are in 1/parts of a watt and of a joule: 1, or 1000 when a file has decimals.
struct PlanInput {
  std::int64_t parts = 1;
  std::vector<std::string> ids;
  std::vector<std::string> parents;  ///< one per site; empty when the file has no such column
  std::vector<device::Capability> sites;
  std::vector<Watts> request;
  std::vector<std::string> warnings;  ///< what was ignored
};

/// Or every error of both files, one line each.
[[nodiscard]] std::expected<PlanInput, std::vector<std::string>> read_plan_input(
    const std::string& fleet_file, const std::string& request_file);

}  // namespace vpp::ctl
