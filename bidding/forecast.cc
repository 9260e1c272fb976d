#include "bidding/forecast.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <iterator>

#include "config/check.h"

namespace vpp::bidding {
namespace {

using std::chrono::days;

constexpr int kDaysPerWeek = 7;

/// Towards minus infinity, so that the rounding of a mean does not depend on its sign.
[[nodiscard]] std::int64_t floor_div(std::int64_t dividend, std::int64_t divisor) {
  const std::int64_t quotient = dividend / divisor;
  return quotient - (dividend % divisor < 0 ? 1 : 0);
}

/// The first point that ends after `at`.
[[nodiscard]] PriceSeries::const_iterator first_after(const PriceSeries& series, MarketTime at) {
  auto it = series.upper_bound(at);
  if (it != series.begin() && std::prev(it)->second.until > at) --it;
  return it;
}

void replace(PriceSeries& series, const PricePoint& point) {
  auto it = first_after(series, point.from);
  while (it != series.end() && it->first < point.until) it = series.erase(it);
  series.emplace(point.from, point);
}

}  // namespace

bool plausible(const PricePoint& point) {
  if (!is_sane(point.from) || !is_sane(point.until)) return false;
  const auto length = point.until - point.from;
  return length >= std::chrono::minutes{1} && length <= days{1} && point.price <= kPriceMax &&
         point.price >= -kPriceMax;
}

std::vector<PricePoint> merge(PriceSeries& series, const std::vector<PricePoint>& points) {
  std::vector<PricePoint> taken;
  for (const PricePoint& point : points) {
    if (!plausible(point)) continue;
    const auto known = series.find(point.from);
    if (known != series.end() && known->second == point) continue;
    replace(series, point);
    taken.push_back(point);
  }
  return taken;
}

std::optional<Price> mean_price(const PriceSeries& series, MarketTime from, MarketTime until) {
  // A longer slot at kPriceMax would overflow `total`.
  VPP_CHECK(from < until && until - from <= days{1});
  std::int64_t total = 0;
  MarketTime at = from;
  for (auto it = first_after(series, from); at < until; ++it) {
    if (it == series.end() || it->first > at) return std::nullopt;
    const MarketTime end = std::min(until, it->second.until);
    total += it->second.price.count * (end - at).count();
    at = end;
  }
  return Price{floor_div(total, (until - from).count())};
}

std::optional<Price> same_hour_last_week(const PriceSeries& series, MarketTime from,
                                         MarketTime until) {
  return mean_price(series, from - days{kDaysPerWeek}, until - days{kDaysPerWeek});
}

std::optional<Price> seven_day_mean(const PriceSeries& series, MarketTime from, MarketTime until) {
  std::int64_t total = 0;
  for (int day = 1; day <= kDaysPerWeek; ++day) {
    const auto price = mean_price(series, from - days{day}, until - days{day});
    if (!price) return std::nullopt;
    total += price->count;
  }
  return Price{floor_div(total, kDaysPerWeek)};
}

std::optional<Price> forecast(const PriceSeries& series, MarketTime from, MarketTime until) {
  const auto week = same_hour_last_week(series, from, until);
  const auto mean = seven_day_mean(series, from, until);
  if (!week || !mean) return week ? week : mean;
  return Price{floor_div(week->count + mean->count, 2)};
}

}  // namespace vpp::bidding
