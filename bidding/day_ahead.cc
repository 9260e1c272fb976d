#include "bidding/day_ahead.h"

#include <algorithm>
#include <map>

#include "bidding/calibration.h"
#include "bidding/kernel_ridge.h"
#include "bidding/lear.h"

namespace vpp::bidding {
namespace {

constexpr std::size_t kDaysOfWeek = 7;
constexpr double kOfTheWeekBefore = 0.1;

class Mean {
 public:
  void add(const DayValues& day) {
    ++count_;
    for (std::size_t hour = 0; hour < kDayHours; ++hour) sum_[hour] += day[hour];
  }
  [[nodiscard]] bool empty() const { return count_ == 0; }
  [[nodiscard]] DayValues value() const {
    DayValues out = sum_;
    for (double& value : out) value /= static_cast<double>(count_);
    return out;
  }

 private:
  DayValues sum_{};
  std::size_t count_ = 0;
};

/// Which windows there are, with who uses them: those that the history cuts to one are one.
struct Users {
  bool lear = false;
  bool kernel = false;
};

std::map<std::size_t, Users> windows_of(const DayAheadOptions& options, std::size_t known) {
  std::map<std::size_t, Users> out;
  for (const std::size_t window : options.lear) out[std::min(window, known)].lear = true;
  for (const std::size_t window : options.kernel) out[std::min(window, known)].kernel = true;
  return out;
}

}  // namespace

std::optional<DayValues> day_ahead_forecast(const MarketDays& market, std::size_t day,
                                            const DayAheadOptions& options) {
  if (day >= market.days.size()) return std::nullopt;
  std::size_t most = 0;
  for (const auto& windows : {options.lear, options.kernel}) {
    for (const std::size_t window : windows) most = std::max(most, window);
  }
  const auto known = known_days(market, day, most);
  if (!known || known->prices.rows() < kCalibrationDaysMin) return std::nullopt;
  Mean lasso;
  Mean alike;
  for (const auto& [window, users] : windows_of(options, known->prices.rows())) {
    const Calibration calibration{*known, window};
    if (users.lear) lasso.add(lear(calibration));
    const auto kernel = users.kernel ? kernel_ridge(calibration) : std::nullopt;
    if (kernel) alike.add(*kernel);
  }
  Mean out;
  for (const Mean* mean : {&lasso, &alike}) {
    if (!mean->empty()) out.add(mean->value());
  }
  return out.empty() ? std::nullopt : std::optional{out.value()};
}

std::optional<DayValues> week_before(const MarketDays& market, std::size_t day) {
  if (day < kDaysOfWeek) return std::nullopt;
  DayValues mean{};
  for (std::size_t back = 1; back <= kDaysOfWeek; ++back) {
    const DayValues& price = market.days[day - back].price;
    if (!is_known(price)) return std::nullopt;
    for (std::size_t hour = 0; hour < kDayHours; ++hour) mean[hour] += price[hour] / kDaysOfWeek;
  }
  return mean;
}

DayValues planning_prices(const MarketDays& market, std::size_t day, const DayValues& forecast) {
  const auto mean = week_before(market, day);
  if (!mean) return forecast;
  const DayValues& same_day = market.days[day - kDaysOfWeek].price;
  DayValues out{};
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    const double before = ((*mean)[hour] + same_day[hour]) / 2;
    out[hour] = forecast[hour] + kOfTheWeekBefore * (before - forecast[hour]);
  }
  return out;
}

}  // namespace vpp::bidding
