// A linear program solved by COIN-OR Clp: the dual simplex, and never its barrier, which takes
// minutes where this takes a second (../docs/bidding.md). One thread; not for use by several.
#pragma once

#include <memory>

#include "bidding/linear_program.h"

namespace vpp::bidding {

/// Empty.
[[nodiscard]] std::unique_ptr<LinearProgram> clp_program();

}  // namespace vpp::bidding
