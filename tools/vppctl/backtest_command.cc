#include "tools/vppctl/backtest_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <span>
#include <thread>
#include <vector>

#include "bidding/day_ahead.h"
#include "bidding/error_quantiles.h"
#include "bidding/forecast_score.h"
#include "tools/vppctl/backtest_files.h"
#include "tools/vppctl/backtest_input.h"

namespace vpp::ctl {
namespace {

using bidding::DayForecast;
using bidding::ForecastScore;
using bidding::kDayHours;
using Json = nlohmann::ordered_json;

constexpr int kFailure = 1;
constexpr int kUsage = 2;
constexpr unsigned kThreads = 2;
constexpr std::size_t kErrorDaysBefore = 182 + bidding::kErrorSizeDays;
/// Calibration and the longest lag: before, no day can be forecast.
constexpr std::size_t kDaysBeforeMin = bidding::kCalibrationDaysMin + 7;

struct Forecasts {
  std::vector<std::optional<DayForecast>> days;  ///< one per day of the market
  double ms_per_day = 0;                         ///< of one thread
  double seconds = 0;                            ///< altogether
};

/// Forecasts of the days from `first` on, in any order, on several threads.
Forecasts forecast_days(const bidding::MarketDays& market, std::size_t first,
                        const bidding::DayAheadOptions& options, std::ostream& err) {
  using Clock = std::chrono::steady_clock;
  Forecasts out;
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

/// Each day's quantiles from the errors of the days before it.
void add_quantiles(const bidding::MarketDays& market, std::size_t first, Forecasts& forecasts) {
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

/// null where there was nothing to measure: JSON knows no NaN.
Json number(double value) {
  return std::isfinite(value) ? Json(value) : Json(nullptr);
}

void print_json(const BacktestForecastArguments& arguments, const ForecastScore& score,
                const Forecasts& forecasts, std::ostream& out) {
  const Json document{{"schema", "vppctl/v1"},
                      {"prices", arguments.prices},
                      {"model", arguments.model},
                      {"mae", number(score.mae)},
                      {"rmae", number(score.rmae)},
                      {"naive_mae", number(score.naive_mae)},
                      {"pinball", number(score.pinball)},
                      {"coverage",
                       {{"50", number(score.inside_50)},
                        {"80", number(score.inside_80)},
                        {"90", number(score.inside_90)}}},
                      {"time_per_day_ms", forecasts.ms_per_day},
                      {"time_s", forecasts.seconds},
                      {"hours_tested", score.tested},
                      {"hours_left_out", score.left_out},
                      {"hours_with_quantiles", score.with_quantiles}};
  out << document.dump() << '\n';
}

void print_table(const ForecastScore& score, const Forecasts& forecasts, std::ostream& out) {
  out << fmt::format("HOURS TESTED    {}\n", score.tested)
      << fmt::format("HOURS LEFT OUT  {}\n", score.left_out)
      << fmt::format("MAE             {:.3f}\n", score.mae)
      << fmt::format("RMAE            {:.3f} (same hour last week: MAE {:.3f})\n", score.rmae,
                     score.naive_mae)
      << fmt::format("PINBALL         {:.3f}\n", score.pinball)
      << fmt::format("INSIDE 50 %     {:.1f} %\n", 100 * score.inside_50)
      << fmt::format("INSIDE 80 %     {:.1f} %\n", 100 * score.inside_80)
      << fmt::format("INSIDE 90 %     {:.1f} %\n", 100 * score.inside_90)
      << fmt::format("TIME PER DAY    {:.0f} ms\n", forecasts.ms_per_day);
}

/// The place of the first test hour, or what is wrong.
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

}  // namespace

int run_backtest_forecast(const BacktestForecastArguments& arguments, std::ostream& out,
                          std::ostream& err) {
  if (arguments.model != "ensemble" && arguments.model != "lear") {
    err << fmt::format("vppctl backtest: --model '{}' is unknown; hint: one of ensemble, lear\n",
                       arguments.model);
    return kUsage;
  }
  const auto input = read_backtest_input(arguments.prices);
  if (!input) {
    for (const auto& line : input.error()) err << line << '\n';
    return kUsage;
  }
  for (const auto& warning : input->warnings) err << warning << '\n';
  const auto from = first_test_hour(*input, arguments.test_hours, err);
  if (!from) return kUsage;
  const auto hours = std::span{input->hours}.subspan(*from);
  const std::size_t first =
      std::max(hours.front().day, kErrorDaysBefore + kDaysBeforeMin) - kErrorDaysBefore;
  const auto options =
      arguments.model == "lear" ? bidding::published_lear() : bidding::DayAheadOptions{};
  Forecasts forecasts = forecast_days(input->market, first, options, err);
  add_quantiles(input->market, first, forecasts);
  const ForecastScore score = score_forecasts(input->market, forecasts.days, hours);
  if (score.tested == 0) {
    err << "vppctl backtest: no hour could be tested; hint: every day needs its series and the "
           "prices of 1, 2, 3 and 7 days before, and so do the days it learns from\n";
    return kFailure;
  }
  if (arguments.json) {
    print_json(arguments, score, forecasts, out);
  } else {
    print_table(score, forecasts, out);
  }
  out.flush();
  const bool written = write_backtest_files(arguments.out, arguments.plot, input->market,
                                            forecasts.days, hours, err);
  return out && written ? 0 : kFailure;
}

}  // namespace vpp::ctl
