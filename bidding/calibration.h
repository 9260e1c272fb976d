// The days a forecast learns from, on scales fit for least squares. Pure.
//
// Scale      asinh-median for each column but the days of the week, and for each hour's price; then
//            centred. Both by the days of the window alone.
// Unknown    days lacking any of their values are left out.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "bidding/market_days.h"
#include "bidding/matrix.h"
#include "bidding/robust_scale.h"

namespace vpp::bidding {

/// Known days before a day, oldest first, as they are.
struct KnownDays {
  Matrix features;  ///< lear_features.h; the last row is the day to forecast
  Matrix prices;    ///< by hour; one row less
};

/// Of the last `most` days. Nothing: the day itself lacks a feature.
[[nodiscard]] std::optional<KnownDays> known_days(const MarketDays& market, std::size_t day,
                                                  std::size_t most);

/// One calibration window.
class Calibration {
 public:
  /// The last `window` of the days, at least one.
  Calibration(const KnownDays& known, std::size_t window);

  [[nodiscard]] std::size_t rows() const { return prices_.rows(); }
  [[nodiscard]] const Matrix& features() const { return features_; }
  [[nodiscard]] const std::vector<double>& day() const {
    return day_;
  }  ///< features to forecast by
  [[nodiscard]] const Matrix& prices() const { return prices_; }

  /// The price that a scaled and centred forecast for the hour means; kept near what was seen.
  [[nodiscard]] double price(std::size_t hour, double forecast) const;

 private:
  struct Target {
    RobustScale scale;
    double mean;   ///< of the scaled
    double least;  ///< of the scaled and centred
    double most;
  };

  Matrix features_;
  std::vector<double> day_;
  Matrix prices_;
  std::vector<Target> targets_;
};

}  // namespace vpp::bidding
