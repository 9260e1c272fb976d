// `vppctl score`: how well a response followed a regulation signal, from two files.
//
// Files     CSV with a header, columns seconds,value in any order: one sample per line, seconds
//           rising, decimals allowed. Both by the same clock and in the same unit.
// Sampling  every 10 s from the signal's first sample on, as far as both files go: the newest value
//           by then, as a meter that is polled. A value holds until the next; gaps beyond a minute
//           are told.
// Score     bidding/performance_score.h says what is computed.
#pragma once

#include <chrono>
#include <iosfwd>
#include <string>

namespace vpp::ctl {

struct ScoreArguments {
  std::string signal;                  ///< path of the signal's CSV
  std::string response;                ///< path of the response's CSV
  std::string method = "correlation";  ///< or "sum"
  std::string normaliser = "window";   ///< or "series", "peak"
  std::chrono::seconds latency{0};     ///< allowed, >= 0
  bool json = false;
};

/// 0: scored, however badly. 2: the files or arguments are unusable; every error is on `err`, those
/// of files with file:line:column.
int run_score(const ScoreArguments& arguments, std::ostream& out, std::ostream& err);

}  // namespace vpp::ctl
