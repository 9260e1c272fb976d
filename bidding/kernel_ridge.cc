#include "bidding/kernel_ridge.h"

#include <cmath>
#include <cstddef>
#include <vector>

#include "bidding/matrix.h"

namespace vpp::bidding {
namespace {

constexpr double kNoise = 0.03;

double square_of(const std::vector<double>& values) {
  double out = 0;
  for (const double value : values) out += value * value;
  return out;
}

}  // namespace

std::optional<DayValues> kernel_ridge(const Calibration& calibration) {
  const Matrix& x = calibration.features();
  const std::size_t n = x.rows();
  // The lower triangle: products of days, then kernel, then its factor.
  Matrix kernel{n, n};
  add_products(kernel, transposed(x), x.columns(), 1);
  std::vector<double> squares(n);
  double mean = 0;
  for (std::size_t i = 0; i < n; ++i) {
    squares[i] = kernel[i][i];
    mean += squares[i] / static_cast<double>(n);
  }
  if (mean <= 0) return std::nullopt;
  // Of centred features the mean squared distance is twice the mean square.
  const auto alike = [&](double square, double other, double product) {
    return std::exp(-(square + other - 2 * product) / (2 * mean) / 2);
  };
  const double day_square = square_of(calibration.day());
  std::vector<double> to_day(n);
  for (std::size_t i = 0; i < n; ++i) {
    double product = 0;
    for (std::size_t j = 0; j < x.columns(); ++j) product += x[i][j] * calibration.day()[j];
    to_day[i] = alike(squares[i], day_square, product);
    for (std::size_t j = 0; j < i; ++j) {
      kernel[i][j] = alike(squares[i], squares[j], kernel[i][j]);
    }
    kernel[i][i] = 1 + kNoise;
  }
  if (!factorise(kernel)) return std::nullopt;
  Matrix weights = calibration.prices();
  solve(kernel, weights);
  DayValues out{};
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    double forecast = 0;
    for (std::size_t i = 0; i < n; ++i) forecast += to_day[i] * weights[i][hour];
    out[hour] = calibration.price(hour, forecast);
  }
  return out;
}

}  // namespace vpp::bidding
