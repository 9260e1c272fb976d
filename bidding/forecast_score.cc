#include "bidding/forecast_score.h"

#include <algorithm>
#include <cmath>

#include "bidding/lear_features.h"

namespace vpp::bidding {
namespace {

double pinball(const Quantiles& quantiles, double price) {
  double sum = 0;
  for (std::size_t place = 0; place < kQuantiles; ++place) {
    const double level = quantile_level(place);
    const double above = price - quantiles[place];
    sum += std::max(level * above, (level - 1) * above);
  }
  return sum / static_cast<double>(kQuantiles);
}

/// 1 within the quantile of that place and its counterpart from above.
double inside(const Quantiles& quantiles, std::size_t place, double price) {
  return price >= quantiles[place] && price <= quantiles[kQuantiles - 1 - place] ? 1 : 0;
}

double share(double sum, std::size_t count) {
  return count == 0 ? kUnknown : sum / static_cast<double>(count);
}

}  // namespace

ForecastScore score_forecasts(const MarketDays& market,
                              std::span<const std::optional<DayForecast>> forecasts,
                              std::span<const PastHour> hours) {
  ForecastScore out;
  double with_naive = 0;  // errors of the forecasts that the naive ones are compared with
  for (const auto& [day, hour, price] : hours) {
    const auto& forecast = forecasts[day];
    if (!forecast || !std::isfinite(price)) {
      ++out.left_out;
      continue;
    }
    ++out.tested;
    const double error = std::abs(price - forecast->price[hour]);
    out.mae += error;
    const double naive = day < kLongestLag ? kUnknown : market.days[day - kLongestLag].price[hour];
    if (std::isfinite(naive)) {
      ++out.with_naive;
      out.naive_mae += std::abs(price - naive);
      with_naive += error;
    }
    if (!forecast->quantiles) continue;
    const Quantiles& quantiles = (*forecast->quantiles)[hour];
    ++out.with_quantiles;
    out.pinball += pinball(quantiles, price);
    out.inside_50 += inside(quantiles, 4, price);  // 25 to 75 %
    out.inside_80 += inside(quantiles, 1, price);
    out.inside_90 += inside(quantiles, 0, price);
  }
  out.rmae = out.naive_mae > 0 ? with_naive / out.naive_mae : kUnknown;
  out.mae = share(out.mae, out.tested);
  out.naive_mae = share(out.naive_mae, out.with_naive);
  for (double* sum : {&out.pinball, &out.inside_50, &out.inside_80, &out.inside_90}) {
    *sum = share(*sum, out.with_quantiles);
  }
  return out;
}

}  // namespace vpp::bidding
