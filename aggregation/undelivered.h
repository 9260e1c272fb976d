// Watts that were asked and do not come, by name.
#pragma once

#include <cstdint>

#include "config/units.h"

namespace vpp::aggregation {

enum class UndeliveredReason : std::uint8_t {
  kNone,
  kUnseen,        ///< no new measurement for long
  kMeasuredLess,  ///< than it was asked
  kTold,          ///< it said itself what it cannot
  kCapability,    ///< by its own account it can do less now than it was asked before
  kNodeCap,       ///< a limit of this node, its feeder's or transformer's
  kNotPlaced,     ///< all who respond give all they can
};

/// Of one child, or of a node as a whole.
struct Undelivered {
  UndeliveredReason reason = UndeliveredReason::kNone;
  Watts power;  ///< of the target's sign; 0: nothing is missing
  friend bool operator==(const Undelivered&, const Undelivered&) = default;
};

}  // namespace vpp::aggregation
