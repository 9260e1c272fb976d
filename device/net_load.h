// Load minus PV behind the meter over a window that has passed. Pure.
//
// A promise that depends on it takes the least (export) or the most (import) of the window: the
// minimum over a window is safe, a median over-promises in a fifth of the cases (design:
// flexibility, "One site, one direction"). The window is the leaf's forecast: what was the worst in
// the last quarter of an hour will not be exceeded in the next.
//
// What was not watched may have held anything: until the better part of a window (four fifths) has
// been watched, and after a gap of two fifths of it, nothing is known. A shorter gap may go unseen.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>

#include "config/time.h"
#include "device/capability.h"

namespace vpp::device {

class NetLoadWindow {
 public:
  /// `window` >= 1 s. What is looked at is between one window and six fifths of it.
  explicit NetLoadWindow(Duration window);

  /// `vouched`: the time since the reading before, if no longer than this, counts as watched.
  void add(MarketTime at, Watts net_load, Duration vouched);
  /// The extremes of the window that ends with the newest reading; nothing: a part of it was not
  /// watched.
  [[nodiscard]] std::optional<NetLoad> over_window() const;

 private:
  static constexpr std::int64_t kParts = 5;
  static constexpr std::int64_t kBuckets = kParts + 1;
  struct Bucket {
    std::int64_t number = -1;  ///< since 1970
    NetLoad load;
  };
  struct Last {
    MarketTime at{};
    Watts net_load;
  };
  [[nodiscard]] std::int64_t number_of(MarketTime at) const;
  void note(std::int64_t number, Watts net_load);

  Duration width_;
  std::optional<Last> last_;
  std::array<Bucket, kBuckets> buckets_{};
};

}  // namespace vpp::device
