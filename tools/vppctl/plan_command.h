// `vppctl plan`: offline what-if over a fleet and a request, without a daemon.
//
// FLEET.csv    header id,power_w,energy_wh[,parent] in any order: one site per line, what it can
//              discharge at its connection point, losses and reserve taken off.
// REQUEST.csv  header with power_w: one step per line, in the order of time.
// Numbers      decimals allowed; digits beyond a thousandth of a watt are cut off, energy is cut to
//              whole joules (it never promises more than the file says).
// Charging     a negative request is refused: the fleet file says what is in the batteries, not
//              what still fits into them.
// Parents      group the sites of a tree. They change no set point: a tree dispatches as a flat
//              fleet would; the sum of each group is reported beside its sites.
#pragma once

#include <chrono>
#include <expected>
#include <iosfwd>
#include <string>
#include <string_view>

namespace vpp::ctl {

struct PlanArguments {
  std::string fleet;    ///< path of FLEET.csv
  std::string request;  ///< path of REQUEST.csv
  std::string step;     ///< length of a step: 30s, 5m, 1h
  bool json = false;
};

/// "90s", "5m", "1h": whole, 1 s to 24 h. Otherwise what is wrong with it.
[[nodiscard]] std::expected<std::chrono::seconds, std::string> parse_step(std::string_view text);

/// 0: planned, feasible or not (the document says which). 2: the files or the step are unusable;
/// every error is on `err` with file:line:column.
int run_plan(const PlanArguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace vpp::ctl
