// What became of something that was sent to the market.
#pragma once

#include <cstdint>

namespace vpp::market {

enum class Outcome : std::uint8_t {
  kAccepted,
  kRepeated,  ///< the same again: the same answer
  kConflict,  ///< the same key with another content; the earlier one stands
  kLate,      ///< after the gate
  kInvalid,
};

}  // namespace vpp::market
