// What a node can know of its parent's clock. A beacon goes one way and is late by what nobody who
// hears it can tell, so that a moment on that clock is certain only up to the least lateness heard:
// whoever asks that a time to live is kept to the millisecond asks for more than there is to know
// (seed 20031207: a leaf that was frozen after a single beacon took up an order a moment after its
// end).
#pragma once

#include <algorithm>
#include <cstddef>
#include <deque>

#include "config/time.h"
#include "mesh/messages.h"

namespace vpp::sim {

class HeardClock {
 public:
  /// A beacon, or the answer to the Hello, is read at `at` of the node's own clock.
  void heard(Instant at, mesh::Stamp stamp) {
    late_.push_back(at - Instant{Duration{stamp}});
    if (late_.size() > kRemembered) late_.pop_front();
  }
  [[nodiscard]] bool unknown() const { return late_.empty(); }

  /// Not before this can the node be sure that `stamp` has come to pass, on its own clock.
  [[nodiscard]] Instant certain(mesh::Stamp stamp) const {
    return Instant{Duration{stamp}} + *std::ranges::min_element(late_);
  }

 private:
  static constexpr std::size_t kRemembered = 64;  ///< as few as any node, see mesh/parent_clock.h

  std::deque<Duration> late_;
};

}  // namespace vpp::sim
