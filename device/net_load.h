// Load minus PV behind the meter over the last quarter of an hour. Pure.
//
// A promise that depends on it takes the least (export) or the most (import) of the window: the
// minimum over a window is safe, a median over-promises in a fifth of the cases (design:
// flexibility, "One site, one direction").
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
  void add(MarketTime at, Watts net_load);
  /// Nothing: no value within the window.
  [[nodiscard]] std::optional<NetLoad> over_window(MarketTime now) const;

 private:
  static constexpr std::chrono::minutes kBucket{3};
  static constexpr std::size_t kBuckets = 5;
  struct Bucket {
    std::int64_t number = -1;  ///< since 1970
    NetLoad load;
  };
  [[nodiscard]] static std::int64_t number_of(MarketTime at);

  std::array<Bucket, kBuckets> buckets_{};
};

}  // namespace vpp::device
