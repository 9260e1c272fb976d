// 128-bit integers, for products of two quantities that are compared or divided exactly.
#pragma once

namespace vpp::aggregation {

__extension__ typedef __int128 Int128;

}  // namespace vpp::aggregation
