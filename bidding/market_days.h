// A market's past by days of its local time: what a day-ahead forecast is made from.
//
// Units      of the price: the market's currency per MWh; of the other series: any.
// Unknown    is NaN. A day of a clock change has 24 hours here as well: whoever fills it in decides
//            what the missing or the doubled hour holds.
#pragma once

#include <array>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <limits>
#include <vector>

namespace vpp::bidding {

inline constexpr std::size_t kDayHours = 24;
inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

using DayValues = std::array<double, kDayHours>;

[[nodiscard]] constexpr DayValues unknown_day() {
  DayValues day{};
  day.fill(kUnknown);
  return day;
}

[[nodiscard]] inline bool is_known(const DayValues& day) {
  for (const double value : day) {
    if (!std::isfinite(value)) return false;
  }
  return true;
}

struct MarketDay {
  DayValues price = unknown_day();
  std::vector<DayValues> exogenous;  ///< as known the day before, e.g. forecasts of load and wind
};

/// Consecutive days; each has as many exogenous series as the first.
struct MarketDays {
  std::chrono::local_days first;
  std::vector<MarketDay> days;

  [[nodiscard]] std::chrono::weekday weekday(std::size_t day) const {
    return std::chrono::weekday{first + std::chrono::days{static_cast<int>(day)}};
  }
};

}  // namespace vpp::bidding
