// How late this node itself runs, so that it does not accuse others of its own slowness (Lifeguard,
// Dadgar et al. 2018). Pure.
//
// A node that was due at one time and runs much later was starved or stopped: what others said
// meanwhile may still wait in its sockets. Its patience grows with what it was late, 1 to 8 times,
// and shrinks again by one for every second that it runs in time.
//
// Only the child's patience stretches. A parent's lease must end on time: the bound after which a
// node may be counted elsewhere (`hold`, mesh/uplink.h) is made of leases.
#pragma once

#include <algorithm>
#include <cstdint>

#include "config/time.h"

namespace vpp::mesh {

class Lateness {
 public:
  /// The owner runs at `now`, and was to run at `due`.
  void ran(Instant now, Instant due) {
    if (due != kNever && now - due >= kStep) {
      extra_ = std::min(kExtraMax, extra_ + (now - due) / kStep);
      eased_at_ = now;
      return;
    }
    const auto eased = (now - eased_at_) / kEase;
    if (eased <= 0) return;
    extra_ = std::max<Duration::rep>(0, extra_ - eased);
    eased_at_ = now;
  }

  [[nodiscard]] Duration stretch(Duration span) const { return span * (1 + extra_); }

 private:
  static constexpr Duration kStep{500};
  static constexpr Duration kEase{1'000};
  static constexpr Duration::rep kExtraMax = 7;

  Duration::rep extra_ = 0;
  Instant eased_at_{};
};

}  // namespace vpp::mesh
