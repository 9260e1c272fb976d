#include "bidding/lear.h"

#include <cstddef>
#include <vector>

#include "bidding/lasso_path.h"
#include "bidding/matrix.h"

namespace vpp::bidding {
namespace {

double forecast_hour(const Calibration& calibration, const Matrix& products, std::size_t hour) {
  const Matrix& x = calibration.features();
  std::vector<double> with_target(x.columns());
  double square = 0;
  for (std::size_t i = 0; i < x.rows(); ++i) {
    const double target = calibration.prices()[i][hour];
    square += target * target;
    for (std::size_t j = 0; j < x.columns(); ++j) with_target[j] += target * x[i][j];
  }
  const LassoFit fit = lasso_by_aic({products, with_target, square, x.rows()});
  double out = 0;
  for (std::size_t j = 0; j < x.columns(); ++j) out += fit.weights[j] * calibration.day()[j];
  return out;
}

}  // namespace

DayValues lear(const Calibration& calibration) {
  const Matrix products = gram(calibration.features());
  DayValues out{};
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    out[hour] = calibration.price(hour, forecast_hour(calibration, products, hour));
  }
  return out;
}

}  // namespace vpp::bidding
