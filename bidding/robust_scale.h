// The asinh-median transformation: prices with spikes made fit for least squares. Pure.
//
// Source     Uniejewski, Weron, Ziel, "Variance stabilizing transformations for electricity spot
//            price forecasting", IEEE Trans. Power Systems 33 (2018).
#pragma once

#include <span>

namespace vpp::bidding {

/// asinh((x - centre) / width): linear near the centre, logarithmic far out.
class RobustScale {
 public:
  /// Centre: the median. Width: the median absolute deviation over that of a standard normal; where
  /// more than half of the values are one (the sun at night) the mean absolute deviation. Takes at
  /// least one finite value.
  [[nodiscard]] static RobustScale of(std::span<const double> values);

  /// All values were the same: they say nothing.
  [[nodiscard]] bool is_constant() const { return width_ <= 0; }

  /// 0 if constant.
  [[nodiscard]] double scaled(double value) const;
  [[nodiscard]] double value(double scaled) const;

 private:
  RobustScale(double centre, double width) : centre_{centre}, width_{width} {}

  double centre_;
  double width_;
};

}  // namespace vpp::bidding
