// Products and quotients of whole numbers whose intermediate result may pass 64 bits.
#pragma once

#include <cstdint>

#include "config/check.h"

namespace vpp::device {

__extension__ using Int128 = __int128;

/// floor(a * b / c) for a, b >= 0 and c > 0; the result must fit.
constexpr std::int64_t mul_div_floor(std::int64_t a, std::int64_t b, std::int64_t c) {
  VPP_CHECK(a >= 0 && b >= 0 && c > 0);
  const Int128 quotient = static_cast<Int128>(a) * b / c;
  VPP_CHECK(quotient <= INT64_MAX);
  return static_cast<std::int64_t>(quotient);
}

/// ceil(a * b / c), likewise.
constexpr std::int64_t mul_div_ceil(std::int64_t a, std::int64_t b, std::int64_t c) {
  VPP_CHECK(a >= 0 && b >= 0 && c > 0);
  const Int128 quotient = (static_cast<Int128>(a) * b + (c - 1)) / c;
  VPP_CHECK(quotient <= INT64_MAX);
  return static_cast<std::int64_t>(quotient);
}

}  // namespace vpp::device
