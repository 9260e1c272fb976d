// Live values that differ in their number only.
#pragma once

#include <cstdint>

#include "mesh/messages.h"

namespace vpp::mesh::testing {

inline Beacon beacon_at(Stamp stamp) {
  Beacon out;
  out.stamp = stamp;
  return out;
}

inline Report report_at(std::uint64_t sequence, Session session = 1) {
  Report out;
  out.session = session;
  out.sequence = sequence;
  return out;
}

inline Dispatch share_at(std::uint64_t tick) {
  Dispatch out;
  out.order = OrderId{5};
  out.tick = tick;
  return out;
}

}  // namespace vpp::mesh::testing
