#include "bidding/calibration.h"

#include <algorithm>
#include <limits>

#include "bidding/lear_features.h"
#include "config/check.h"

namespace vpp::bidding {
namespace {

/// A forecast may leave the range that was seen by so much, on the scale of asinh: beyond, sinh
/// makes a small error of the fit an absurd price.
constexpr double kBeyond = 0.5;

/// Scales by the first `rows`.
RobustScale scale_column(Matrix& x, std::size_t column, std::size_t rows) {
  std::vector<double> values(rows);
  for (std::size_t i = 0; i < rows; ++i) values[i] = x[i][column];
  const RobustScale scale = RobustScale::of(values);
  for (std::size_t i = 0; i < x.rows(); ++i) x[i][column] = scale.scaled(x[i][column]);
  return scale;
}

/// Takes each column's mean over the first `rows` off all rows; returns the means.
std::vector<double> centre(Matrix& x, std::size_t rows) {
  std::vector<double> means(x.columns());
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t j = 0; j < x.columns(); ++j) means[j] += x[i][j];
  }
  for (double& mean : means) mean /= static_cast<double>(rows);
  for (std::size_t i = 0; i < x.rows(); ++i) {
    for (std::size_t j = 0; j < x.columns(); ++j) x[i][j] -= means[j];
  }
  return means;
}

Matrix rows_from(const Matrix& x, std::size_t first, std::size_t count) {
  Matrix out{count, x.columns()};
  for (std::size_t i = 0; i < count; ++i) std::ranges::copy(x.row(first + i), out[i]);
  return out;
}

}  // namespace

std::optional<KnownDays> known_days(const MarketDays& market, std::size_t day, std::size_t most) {
  const std::size_t columns = feature_count(market.days[day].exogenous.size());
  std::vector<double> row(columns);
  if (!fill_features(market, day, row)) return std::nullopt;
  std::vector<std::size_t> known;
  for (std::size_t at = day - std::min(most, day); at < day; ++at) {
    if (is_known(market.days[at].price) && fill_features(market, at, row)) known.push_back(at);
  }
  KnownDays out{Matrix{known.size() + 1, columns}, Matrix{known.size(), kDayHours}};
  for (std::size_t i = 0; i < known.size(); ++i) {
    (void)fill_features(market, known[i], out.features.row(i));
    std::ranges::copy(market.days[known[i]].price, out.prices[i]);
  }
  (void)fill_features(market, day, out.features.row(known.size()));
  return out;
}

Calibration::Calibration(const KnownDays& known, std::size_t window) {
  VPP_CHECK(window > 0 && window <= known.prices.rows());
  Matrix x = rows_from(known.features, known.prices.rows() - window, window + 1);
  for (std::size_t j = 0; j + kWeekdays < x.columns(); ++j) (void)scale_column(x, j, window);
  (void)centre(x, window);
  features_ = rows_from(x, 0, window);
  day_.assign(x.row(window).begin(), x.row(window).end());
  prices_ = rows_from(known.prices, known.prices.rows() - window, window);
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    targets_.push_back({scale_column(prices_, hour, window), 0, kInfinity, -kInfinity});
  }
  const std::vector<double> means = centre(prices_, window);
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    Target& target = targets_[hour];
    target.mean = means[hour];
    for (std::size_t i = 0; i < window; ++i) {
      target.least = std::min(target.least, prices_[i][hour]);
      target.most = std::max(target.most, prices_[i][hour]);
    }
  }
}

double Calibration::price(std::size_t hour, double forecast) const {
  const Target& target = targets_[hour];
  const double near = std::clamp(forecast, target.least - kBeyond, target.most + kBeyond);
  return target.scale.value(target.mean + near);
}

}  // namespace vpp::bidding
