#include "bidding/lear.h"

#include <algorithm>
#include <array>
#include <span>

#include "bidding/lasso_path.h"
#include "bidding/lear_features.h"
#include "bidding/matrix.h"
#include "bidding/robust_scale.h"

namespace vpp::bidding {
namespace {

/// A forecast may leave the range that was seen by so much, on the scale of asinh: beyond, sinh
/// makes a small error of the fit an absurd price.
constexpr double kBeyond = 0.5;

/// The days that calibrate, oldest first; the last row is the day to forecast.
struct Rows {
  Matrix features;
  Matrix prices;  ///< one row less
};

/// Nothing: the day itself lacks a feature.
std::optional<Rows> rows_of(const MarketDays& market, std::size_t day, std::size_t window) {
  const std::size_t columns = feature_count(market.days[day].exogenous.size());
  std::vector<double> row(columns);
  std::vector<std::size_t> known;
  for (std::size_t at = day - std::min(window, day); at < day; ++at) {
    if (is_known(market.days[at].price) && fill_features(market, at, row)) known.push_back(at);
  }
  Rows out{Matrix{known.size() + 1, columns}, Matrix{known.size(), kDayHours}};
  for (std::size_t i = 0; i < known.size(); ++i) {
    (void)fill_features(market, known[i], out.features.row(i));
    std::ranges::copy(market.days[known[i]].price, out.prices[i]);
  }
  if (!fill_features(market, day, out.features.row(known.size()))) return std::nullopt;
  return out;
}

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

/// The last `count` rows.
Matrix tail(const Matrix& x, std::size_t count) {
  Matrix out{count, x.columns()};
  for (std::size_t i = 0; i < count; ++i) {
    std::ranges::copy(x.row(x.rows() - count + i), out[i]);
  }
  return out;
}

struct Target {
  RobustScale scale;
  double mean;
  double least;
  double most;
};

DayValues forecast_window(const Rows& rows, std::size_t window) {
  const std::size_t n = window;
  Matrix x = tail(rows.features, n + 1);
  Matrix y = tail(rows.prices, n);
  for (std::size_t j = 0; j + kWeekdays < x.columns(); ++j) (void)scale_column(x, j, n);
  (void)centre(x, n);
  const std::vector<double> day{x.row(n).begin(), x.row(n).end()};
  std::ranges::fill(x.row(n), 0.0);  // so that it takes no part
  const Matrix products = gram(x);
  DayValues out{};
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    const RobustScale scale = scale_column(y, hour, n);
    std::vector<double> with_target(x.columns());
    double mean = 0;
    double least = y[0][hour];
    double most = least;
    for (std::size_t i = 0; i < n; ++i) {
      mean += y[i][hour] / static_cast<double>(n);
      least = std::min(least, y[i][hour]);
      most = std::max(most, y[i][hour]);
    }
    double square = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double target = y[i][hour] - mean;
      square += target * target;
      for (std::size_t j = 0; j < x.columns(); ++j) with_target[j] += target * x[i][j];
    }
    const LassoFit fit = lasso_by_aic({products, with_target, square, n});
    double forecast = mean;
    for (std::size_t j = 0; j < day.size(); ++j) forecast += fit.weights[j] * day[j];
    out[hour] = scale.value(std::clamp(forecast, least - kBeyond, most + kBeyond));
  }
  return out;
}

}  // namespace

std::optional<DayValues> lear_forecast(const MarketDays& market, std::size_t day,
                                       const LearOptions& options) {
  if (day >= market.days.size() || options.windows.empty()) return std::nullopt;
  const auto rows = rows_of(market, day, std::ranges::max(options.windows));
  if (!rows || rows->prices.rows() < kLearRowsMin) return std::nullopt;
  DayValues sum{};
  for (const std::size_t window : options.windows) {
    const DayValues one = forecast_window(*rows, std::min(window, rows->prices.rows()));
    for (std::size_t h = 0; h < kDayHours; ++h) {
      sum[h] += one[h] / static_cast<double>(options.windows.size());
    }
  }
  return sum;
}

}  // namespace vpp::bidding
