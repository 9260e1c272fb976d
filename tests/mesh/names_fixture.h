// Names that both sides of a link share in tests.
#pragma once

#include "config/ids.h"

namespace vpp::mesh::testing {

inline constexpr NodeId kSelf{5, 5};
inline constexpr NodeId kRoot{9, 9};

}  // namespace vpp::mesh::testing
