// Keeps the share of broken promises at its target, whatever is wrong with the moments behind them:
// adaptive conformal calibration of the level at which the fleet's quantile is taken.
//
//   q <- q + gamma * (epsilon - miss)         miss: 1 if a promise was broken, else 0
//
// Over T promises the share of misses differs from epsilon by less than (1 + gamma) / (gamma * T),
// for any sequence of events, as long as the level stays within its bounds; at the lower one the
// plant promises as little as the convolution can tell, not nothing.
//
// Units      millionths.
// Exactness  whole numbers; a promise is judged by the ratio delivered / promised.
// Source     Gibbs, Candes, "Adaptive conformal inference under distribution shift", NeurIPS 2021.
#pragma once

#include <algorithm>
#include <cstdint>

#include "aggregation/response.h"
#include "aggregation/wide.h"
#include "config/units.h"

namespace vpp::aggregation {

struct CalibrationOptions {
  PerMillion target{50'000};    ///< epsilon: promises that may be broken
  PerMillion step{5'000};       ///< gamma: each event moves the level by at most this
  PerMillion tolerance{5'000};  ///< missing that part of a promise does not break it
};

class Calibration {
 public:
  static constexpr PerMillion kLevelMin{100};
  static constexpr PerMillion kLevelMax{500'000};

  /// Values outside [0, kCertain] are clamped.
  explicit Calibration(const CalibrationOptions& options)
      : target_{clamped(options.target)},
        step_{clamped(options.step)},
        tolerance_{clamped(options.tolerance)},
        level_{target_.count * kCertain.count} {}

  /// One promise that is over. Nothing promised is no event; the wrong sign is a miss.
  void observe(Joules promised, Joules delivered) {
    if (promised == Joules{0}) return;
    const Int128 sign = promised < Joules{0} ? -1 : 1;
    const Int128 wanted = sign * promised.count * (kCertain - tolerance_).count;
    const bool miss = sign * delivered.count * kCertain.count < wanted;
    const PerMillion off = miss ? target_ - kCertain : target_;
    // A step beyond each bound, so that a miss at the bound still counts.
    const std::int64_t beyond = step_.count * kCertain.count;
    level_ = std::clamp(level_ + step_.count * off.count, kLevelMin.count * kCertain.count - beyond,
                        kLevelMax.count * kCertain.count + beyond);
  }

  /// The probability to take the quantile at.
  [[nodiscard]] PerMillion level() const {
    return std::clamp(PerMillion{level_ / kCertain.count}, kLevelMin, kLevelMax);
  }

 private:
  static PerMillion clamped(PerMillion value) { return std::clamp(value, PerMillion{0}, kCertain); }

  PerMillion target_;
  PerMillion step_;
  PerMillion tolerance_;
  std::int64_t level_;  ///< millionths of millionths: a step up is a small part of one
};

}  // namespace vpp::aggregation
