#include "bidding/price_outlook.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bidding/day_ahead.h"
#include "bidding/error_quantiles.h"
#include "bidding/market_days.h"

namespace vpp::bidding {
namespace {

using std::chrono::days;

constexpr double kMicro = 1e6;
constexpr std::size_t kSteps = kForecastHours / kDayHours;
static_assert(kSteps == 2 && kForecastQuantiles == kQuantiles);

using TwoDays = std::array<std::optional<DayValues>, kSteps>;

/// The days before `ask.from`, and the two to forecast.
[[nodiscard]] MarketDays days_of(const ForecastAsk& ask) {
  const std::size_t count = ask.history.size() / kDayHours;
  const auto first = ask.from - days{static_cast<int>(count)};
  const auto date = std::chrono::floor<days>(first.time_since_epoch());
  MarketDays out{std::chrono::local_days{date}, std::vector<MarketDay>(count + kSteps)};
  const std::size_t left_out = ask.history.size() - count * kDayHours;
  for (std::size_t i = left_out; i < ask.history.size(); ++i) {
    if (!ask.history[i]) continue;
    const std::size_t hour = i - left_out;
    out.days[hour / kDayHours].price[hour % kDayHours] =
        static_cast<double>(ask.history[i]->count) / kMicro;
  }
  return out;
}

/// Of `day` and the one after it, by what was known before `day`.
[[nodiscard]] TwoDays two_days(MarketDays market, std::size_t day, const DayAheadOptions& options) {
  TwoDays out;
  for (std::size_t step = 0; step < kSteps; ++step) {
    market.days.at(day + step).price = unknown_day();
    out[step] = day_ahead_forecast(market, day + step, options);
    if (!out[step]) break;
    market.days[day + step].price = *out[step];
  }
  return out;
}

/// Price less forecast of the last days, for each step; unknown where there was none.
[[nodiscard]] std::array<std::vector<DayValues>, kSteps> past_errors(
    const MarketDays& market, std::size_t known, const DayAheadOptions& options) {
  std::array<std::vector<DayValues>, kSteps> out;
  const std::size_t most = std::min(kOutlookErrorDays, known);
  for (auto& errors : out) errors.assign(most, unknown_day());
  for (std::size_t i = 0; i < most; ++i) {
    const std::size_t day = known - most + i;
    const TwoDays forecast = two_days(market, day, options);
    for (std::size_t step = 0; step < kSteps && i + step < most; ++step) {
      if (!forecast[step]) continue;
      for (std::size_t hour = 0; hour < kDayHours; ++hour) {
        out[step][i + step][hour] = market.days[day + step].price[hour] - (*forecast[step])[hour];
      }
    }
  }
  return out;
}

[[nodiscard]] Price to_price(double value) {
  return Price{static_cast<std::int64_t>(std::llround(value * kMicro))};
}

void append_day(ForecastAnswer& answer, const DayValues& day,
                const std::optional<DayQuantiles>& quantiles) {
  for (std::size_t hour = 0; hour < kDayHours; ++hour) {
    ForecastHour& out = answer.hours.emplace_back();
    out.price = to_price(day[hour]);
    if (!quantiles) continue;
    for (const double value : (*quantiles)[hour]) out.quantiles.push_back(to_price(value));
  }
}

[[nodiscard]] std::optional<DayAheadOptions> options_of(const std::string& model) {
  if (model == "lear") return published_lear();
  if (model == "ensemble") return DayAheadOptions{};
  return std::nullopt;
}

}  // namespace

std::expected<ForecastAnswer, std::string> price_outlook(const ForecastAsk& ask) {
  const auto options = options_of(ask.model);
  if (!options) {
    return std::unexpected{"model '" + ask.model + "' is unknown; one of lear, ensemble"};
  }
  const MarketDays market = days_of(ask);
  const std::size_t known = market.days.size() - kSteps;
  const TwoDays forecast = two_days(market, known, *options);
  if (!forecast[0]) {
    return std::unexpected{
        "too little is known of the past: the model needs whole days, the last "
        "seven among them, and " +
        std::to_string(kCalibrationDaysMin) + " to learn from"};
  }
  const auto errors = past_errors(market, known, *options);
  ForecastAnswer out{ask.model, {}};
  for (std::size_t step = 0; step < kSteps && forecast[step]; ++step) {
    append_day(out, *forecast[step], error_quantiles(errors[step], *forecast[step]));
  }
  return out;
}

}  // namespace vpp::bidding
