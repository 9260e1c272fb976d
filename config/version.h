// The version of this project, as `--version` and every status document tell it.
#pragma once

#include <string_view>

namespace vpp {

inline constexpr std::string_view kVersion = "0.1.0";

}  // namespace vpp
