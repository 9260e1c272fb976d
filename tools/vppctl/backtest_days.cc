#include "tools/vppctl/backtest_days.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <ostream>
#include <span>
#include <thread>

#include "bidding/error_quantiles.h"

namespace vpp::ctl {
namespace {

using bidding::DayForecast;
using bidding::kDayHours;

constexpr unsigned kThreads = 2;
constexpr std::size_t kErrorDaysBefore = 182 + bidding::kErrorSizeDays;
/// Calibration and the longest lag: before, no day can be forecast.
constexpr std::size_t kDaysBeforeMin = bidding::kCalibrationDaysMin + 7;

/// Each day's quantiles from the errors of the days before it.
void add_quantiles(const bidding::MarketDays& market, std::size_t first,
                   BacktestForecasts& forecasts) {
  std::vector<bidding::DayValues> errors;
  for (std::size_t day = first; day < market.days.size(); ++day) {
    auto& forecast = forecasts.days[day];
    errors.push_back(bidding::unknown_day());
    if (!forecast) continue;
    forecast->quantiles =
        bidding::error_quantiles(std::span{errors}.first(errors.size() - 1), forecast->price);
    for (std::size_t hour = 0; hour < kDayHours; ++hour) {
      errors.back()[hour] = market.days[day].price[hour] - forecast->price[hour];
    }
  }
}

}  // namespace

std::vector<Price> prices_of(std::span<const double> values) {
  constexpr double kMicroUnits = 1e6;
  std::vector<Price> out;
  for (const double value : values) out.push_back({std::llround(value * kMicroUnits)});
  return out;
}

std::optional<std::size_t> first_test_hour(const BacktestInput& input, std::size_t test_hours,
                                           std::ostream& err) {
  const std::size_t count = input.hours.size();
  if (test_hours > 0 && test_hours < count &&
      input.hours[count - test_hours].day >= kDaysBeforeMin) {
    return count - test_hours;
  }
  err << fmt::format(
      "vppctl backtest: --test-hours {}: the file has {} hours, and {} days must come before the "
      "test; hint: test fewer hours\n",
      test_hours, count, kDaysBeforeMin);
  return std::nullopt;
}

BacktestForecasts forecast_days(const bidding::MarketDays& market, std::size_t first,
                                const bidding::DayAheadOptions& options, std::ostream& err) {
  using Clock = std::chrono::steady_clock;
  BacktestForecasts out;
  out.days.resize(market.days.size());
  const std::size_t count = market.days.size() - first;
  std::atomic<std::size_t> next{0};
  std::mutex progress;
  std::size_t done = 0;
  Clock::duration busy{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      const auto begin = Clock::now();
      const auto forecast = bidding::day_ahead_forecast(market, first + i, options);
      if (forecast) out.days[first + i] = DayForecast{*forecast, std::nullopt};
      const std::scoped_lock lock{progress};
      busy += Clock::now() - begin;
      ++done;
      if (done * 20 / count != (done - 1) * 20 / count) {
        err << fmt::format("forecast {} of {} days\n", done, count) << std::flush;
      }
    }
  };
  const auto begin = Clock::now();
  {
    std::vector<std::jthread> threads;
    for (unsigned i = 1; i < kThreads; ++i) threads.emplace_back(work);
    work();
  }
  using Milliseconds = std::chrono::duration<double, std::milli>;
  out.ms_per_day = Milliseconds{busy}.count() / static_cast<double>(count);
  out.seconds = Milliseconds{Clock::now() - begin}.count() / 1e3;
  return out;
}

BacktestForecasts forecast_days_with_quantiles(const bidding::MarketDays& market,
                                               std::size_t tested,
                                               const bidding::DayAheadOptions& options,
                                               std::ostream& err) {
  const std::size_t first = std::max(tested, kErrorDaysBefore + kDaysBeforeMin) - kErrorDaysBefore;
  BacktestForecasts forecasts = forecast_days(market, first, options, err);
  add_quantiles(market, first, forecasts);
  return forecasts;
}

}  // namespace vpp::ctl
