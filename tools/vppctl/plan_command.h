// `vppctl plan`: offline what-if over a fleet and a request, without a daemon.
//
// FLEET.csv    header id,power_w,energy_wh in any order: one site per line, what it can discharge
//              at its connection point, losses and reserve taken off. More columns, if there are:
//                charge_power_w,charge_energy_wh   what it can charge
//                response_pct       how often it does what it is asked; blank: as a new site, 90
//                availability_pct   of the uplink it stands behind; blank: as a new uplink, 99
//                parent, region, feeder, ...       names to group by
// REQUEST.csv  header with power_w: one step per line, in the order of time; negative charges.
// Numbers      decimals allowed; digits beyond a thousandth of a watt are cut off, energy is cut to
//              whole joules (it never promises more than the file says).
// Both ways    discharges where the request is positive, charges where it is negative. Each way is
//              exact by itself. What was charged is not counted as energy to discharge later, nor
//              what was discharged as room: a request of both signs that is called feasible is.
// Firm         what is delivered with the confidence asked for, made as a root makes it
//              (aggregation/firm.h): every uplink is a block, every other site a child.
// Parents      group the sites of a tree. They change no set point: a tree dispatches as a flat
//              fleet would; the sum of each group is reported beside its sites.
#pragma once

#include <chrono>
#include <expected>
#include <iosfwd>
#include <string>
#include <string_view>

#include "aggregation/response.h"
#include "tools/vppctl/plan_input.h"

namespace vpp::ctl {

struct PlanArguments {
  std::string fleet;    ///< path of FLEET.csv
  std::string request;  ///< path of REQUEST.csv
  std::string step;     ///< length of a step: 30s, 5m, 1h
  bool json = false;
  PlanSelection select{};    ///< `reliability` follows from the confidence
  std::string confidence{};  ///< percent, of what is firm; empty: nominal only
};

/// "90s", "5m", "1h": whole, 1 s to 24 h. Otherwise what is wrong with it.
[[nodiscard]] std::expected<std::chrono::seconds, std::string> parse_step(std::string_view text);

/// "99", "99.9%": from 50 to 99.9, as the probability of less. Otherwise what is wrong with it.
[[nodiscard]] std::expected<aggregation::PerMillion, std::string> parse_confidence(
    std::string_view text);

/// 0: planned, feasible or not (the document says which). 2: the files or the options are unusable;
/// every error is on `err`, those of a file with file:line:column.
int run_plan(const PlanArguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace vpp::ctl
