// Admits at a steady rate with a bounded burst. Pure.
#pragma once

#include <algorithm>
#include <cstdint>

#include "config/time.h"

namespace vpp::mesh {

class TokenBucket {
 public:
  /// Starts full. `burst` is how many may pass at once.
  constexpr TokenBucket(std::int64_t per_second, std::int64_t burst)
      : per_second_{per_second}, full_{burst * kMilli}, tokens_{full_} {}

  bool take(Instant now) {
    // A bucket that was idle for long is full: no need for products that could overflow.
    const std::int64_t idle = std::clamp<std::int64_t>((now - filled_).count(), 0, kIdleMax);
    tokens_ = std::min(full_, tokens_ + idle * per_second_);
    filled_ = std::max(filled_, now);
    if (tokens_ < kMilli) return false;
    tokens_ -= kMilli;
    return true;
  }

 private:
  static constexpr std::int64_t kMilli = 1000;
  static constexpr std::int64_t kIdleMax = 3'600'000;

  std::int64_t per_second_;
  std::int64_t full_;  ///< thousandths of a token
  std::int64_t tokens_;
  Instant filled_{};
};

}  // namespace vpp::mesh
