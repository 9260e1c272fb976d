// The files of `vppctl baseline`, read and checked.
//
// Meter     CSV with a header: time_local (YYYY-MM-DD HH:MM[:SS], days rising), load_wh (taken from
//           the grid in the interval that begins then; negative: given to it; decimals down to the
//           joule). The interval is the most frequent distance of two lines: 5, 15, 30 or 60 min.
// Days      CSV with a column day (YYYY-MM-DD): those with an event, holidays. Any order.
// Unknown   a line that is missing, an empty cell, a number not finite or absurd, two lines of one
//           time that differ: all told, nothing is put in their place.
// Clock     on a Sunday of spring or autumn one hour from 1 to 3 may be missing as a whole, or be
//           there twice as a whole: that day had 23 or 25 hours.
#pragma once

#include <chrono>
#include <expected>
#include <set>
#include <string>
#include <vector>

#include "bidding/baseline.h"

namespace vpp::ctl {

struct MeterInput {
  bidding::Meter meter;
  std::vector<std::string> warnings;  ///< what is unknown or ignored, and where
};

/// Or every error, one line each.
[[nodiscard]] std::expected<MeterInput, std::vector<std::string>> read_meter(
    const std::string& file);

/// An empty path is no day. Or every error, one line each.
[[nodiscard]] std::expected<std::set<std::chrono::local_days>, std::vector<std::string>> read_days(
    const std::string& file);

}  // namespace vpp::ctl
