// The last events of this node, for `vppctl events`: JSON lines with rising numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "config/time.h"
#include "daemon/node/node.h"

namespace vpp::driver {

/// Any thread may call anything. Bounded: the oldest line goes first; a reader that falls behind
/// sees a gap in the numbers.
class EventRing {
 public:
  static constexpr std::size_t kEventsMax = 1'000;

  struct Line {
    std::uint64_t sequence = 0;
    std::int64_t utc_ms = 0;
    std::string json;  ///< with its newline
  };

  /// Returns its number.
  std::uint64_t add(std::int64_t utc_ms, MarketTime market, const node::Notice& notice);

  /// Of those kept, oldest first: numbers above `after`, not older than `since_utc_ms`.
  [[nodiscard]] std::vector<Line> read(std::uint64_t after, std::int64_t since_utc_ms,
                                       std::size_t most) const;

 private:
  mutable std::mutex mutex_;
  std::deque<Line> lines_;
  std::uint64_t last_ = 0;
};

}  // namespace vpp::driver
