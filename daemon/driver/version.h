// The version of this build; CMake's project() knows it.
#pragma once

namespace vpp::driver {

inline constexpr const char* kVersion = VPP_VERSION;

}  // namespace vpp::driver
