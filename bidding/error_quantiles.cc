#include "bidding/error_quantiles.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace vpp::bidding {
namespace {

/// Mean magnitude over the days just before `day`. Nothing: none of them is known.
std::optional<double> size_before(std::span<const DayValues> errors, std::size_t day) {
  double sum = 0;
  double count = 0;
  for (std::size_t at = day - std::min(day, kErrorSizeDays); at < day; ++at) {
    for (const double error : errors[at]) {
      if (!std::isfinite(error)) continue;
      sum += std::abs(error);
      ++count;
    }
  }
  if (count == 0 || sum <= 0) return std::nullopt;
  return sum / count;
}

/// Of sorted values, by Hyndman and Fan's rule 6: the one that the next of n + 1 exchangeable ones
/// stays below with that probability.
double quantile(const std::vector<double>& sorted, double level) {
  const double last = static_cast<double>(sorted.size()) - 1;
  const double place = std::clamp(level * (last + 2) - 1, 0.0, last);
  const auto below = static_cast<std::size_t>(place);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (place - std::floor(place)) * (sorted[above] - sorted[below]);
}

}  // namespace

std::optional<DayQuantiles> error_quantiles(std::span<const DayValues> errors,
                                            const DayValues& forecast) {
  const auto size = size_before(errors, errors.size());
  if (!size) return std::nullopt;
  std::array<std::vector<double>, kDayHours> relative;
  std::size_t days = 0;
  for (std::size_t day = errors.size() - std::min(errors.size(), kErrorDays); day < errors.size();
       ++day) {
    const auto then = size_before(errors, day);
    if (!then || !is_known(errors[day])) continue;
    ++days;
    for (std::size_t hour = 0; hour < kDayHours; ++hour) {
      const double error = errors[day][hour] / *then;
      if (hour > 0) relative[hour - 1].push_back(error);
      relative[hour].push_back(error);
      if (hour + 1 < kDayHours) relative[hour + 1].push_back(error);
    }
  }
  if (days < kErrorDaysMin) return std::nullopt;
  DayQuantiles out{};
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    std::ranges::sort(relative[hour]);
    for (std::size_t place = 0; place < kQuantiles; ++place) {
      out[hour][place] = forecast[hour] + *size * quantile(relative[hour], quantile_level(place));
    }
  }
  return out;
}

}  // namespace vpp::bidding
