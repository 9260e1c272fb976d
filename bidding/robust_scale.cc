#include "bidding/robust_scale.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr double kNormalQuartile = 0.6744897501960817;
/// Below this part of the magnitude a width is what rounding left.
constexpr double kNoSpread = 1e-12;

/// Of an even number the mean of the two in the middle.
double median(std::vector<double>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

}  // namespace

RobustScale RobustScale::of(std::span<const double> values) {
  VPP_CHECK(!values.empty());
  std::vector<double> work{values.begin(), values.end()};
  const double centre = median(work);
  double sum = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    work[i] = std::abs(values[i] - centre);
    sum += work[i];
  }
  const double least = kNoSpread * std::abs(centre);
  const double deviation = median(work);
  if (deviation > least) return {centre, deviation / kNormalQuartile};
  const double mean = sum / static_cast<double>(values.size());
  return {centre, mean > least ? mean : 0};
}

double RobustScale::scaled(double value) const {
  if (is_constant()) return 0;
  const double x = (value - centre_) / width_;
  return std::copysign(std::log(std::abs(x) + std::sqrt(x * x + 1)), x);
}

double RobustScale::value(double scaled) const {
  const double grown = std::exp(scaled);
  return centre_ + width_ * (grown - 1 / grown) / 2;
}

}  // namespace vpp::bidding
