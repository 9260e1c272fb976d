// `vppctl baseline`: what was delivered in an event, by the days before it, from files.
//
// Files     tools/vppctl/baseline_input.h says what they hold.
// Baseline  bidding/baseline.h says what is computed; docs/settlement.md where it comes from.
// Output    per interval baseline, adjusted, metered and delivered in watt-hours; the days used,
// and
//           those left out with the reason. Unknown is `-`, in JSON null.
#pragma once

#include <iosfwd>
#include <string>

namespace vpp::ctl {

struct BaselineArguments {
  std::string meter;  ///< path of the meter's CSV
  std::string event;  ///< its begin: "2017-07-12 18:00"
  int event_hours = 1;
  std::string events;    ///< path of the CSV of days with an event; may be empty
  std::string holidays;  ///< likewise
  int rest_days = 10;    ///< how many count where the event is on one
  bool unadjusted = false;
  bool json = false;
};

/// 0: it is known what was delivered. 1: not all of it, the output says why. 2: the files or
/// arguments are unusable; every error is on `err`, those of files with file:line:column.
int run_baseline(const BaselineArguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace vpp::ctl
