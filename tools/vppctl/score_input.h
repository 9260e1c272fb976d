// The files of `vppctl score`, read, checked and brought to the same times.
#pragma once

#include <expected>
#include <string>
#include <vector>

namespace vpp::ctl {

/// Every 10 s, from `from_s` of the files' clock.
struct ScoreInput {
  double from_s = 0;
  std::vector<double> signal;
  std::vector<double> response;       ///< as long as the signal
  std::vector<std::string> warnings;  ///< what was ignored, or held for long
};

/// Or every error of both files, one line each.
[[nodiscard]] std::expected<ScoreInput, std::vector<std::string>> read_score_input(
    const std::string& signal_file, const std::string& response_file);

}  // namespace vpp::ctl
