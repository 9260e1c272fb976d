#include "bidding/forecast_task.h"

#include <algorithm>
#include <chrono>

#include "bidding/forecast.h"

namespace vpp::bidding {
namespace {

[[nodiscard]] bool within_bounds(Price price) {
  return price <= kPriceMax && price >= -kPriceMax;
}

}  // namespace

std::optional<Price> price_of_hours(MarketTime first, const std::vector<ForecastHour>& hours,
                                    MarketTime from, MarketTime until) {
  constexpr Duration kHour = std::chrono::hours{1};
  if (from < first || until > first + kHour * static_cast<std::int64_t>(hours.size())) {
    return std::nullopt;
  }
  PriceSeries series;
  for (auto at = (from - first) / kHour; first + kHour * at < until; ++at) {
    const MarketTime begin = first + kHour * at;
    series[begin] = {begin, begin + kHour, hours[static_cast<std::size_t>(at)].price};
  }
  return mean_price(series, from, until);
}

const ForecastHour* hour_of(MarketTime first, const std::vector<ForecastHour>& hours,
                            MarketTime from, MarketTime until) {
  constexpr Duration kHour = std::chrono::hours{1};
  if (from < first || from >= first + kHour * static_cast<std::int64_t>(hours.size())) {
    return nullptr;
  }
  const auto at = (from - first) / kHour;
  return until <= first + kHour * (at + 1) ? &hours[static_cast<std::size_t>(at)] : nullptr;
}

std::expected<void, std::string> check(const ForecastAnswer& answer) {
  if (answer.hours.empty()) return std::unexpected{"no hour is forecast"};
  if (answer.hours.size() > kForecastHours) return std::unexpected{"more hours than were asked"};
  for (std::size_t i = 0; i < answer.hours.size(); ++i) {
    const auto& [price, quantiles] = answer.hours[i];
    const std::string hour = "hour " + std::to_string(i);
    if (!quantiles.empty() && quantiles.size() != kForecastQuantiles) {
      return std::unexpected{hour + " has " + std::to_string(quantiles.size()) +
                             " quantiles; it must have 19 or none"};
    }
    if (!std::ranges::is_sorted(quantiles)) {
      return std::unexpected{hour + " has quantiles that fall"};
    }
    if (!within_bounds(price) || !std::ranges::all_of(quantiles, within_bounds)) {
      return std::unexpected{hour + " has an absurd price"};
    }
  }
  return {};
}

}  // namespace vpp::bidding
