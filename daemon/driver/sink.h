// Where notices go: the log, the ring behind `vppctl events`, and counters.
#pragma once

#include <array>
#include <cstdint>
#include <functional>

#include "config/time.h"
#include "daemon/driver/event_ring.h"
#include "daemon/driver/log.h"
#include "daemon/node/node.h"

namespace vpp::driver {

/// One thread. Repeats of a code are logged at a bounded rate; the ring and the counters see all.
class NoticeSink {
 public:
  /// `added` tells readers of the ring.
  NoticeSink(EventRing& ring, std::function<void()> added)
      : ring_{ring}, added_{std::move(added)} {}

  void take(const Now& now, std::int64_t utc_ms, const node::Notice& notice);

  [[nodiscard]] const std::array<std::uint64_t, 3>& counts() const { return counts_; }

 private:
  EventRing& ring_;
  std::function<void()> added_;
  log::Limiter limiter_;
  std::array<std::uint64_t, 3> counts_{};
};

}  // namespace vpp::driver
