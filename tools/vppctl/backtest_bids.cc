#include "tools/vppctl/backtest_bids.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <span>
#include <vector>

#include "bidding/arbitrage.h"
#include "tools/vppctl/backtest_days.h"
#include "tools/vppctl/backtest_input.h"
#include "tools/vppctl/or_null.h"

namespace vpp::ctl {
namespace {

using bidding::Battery;
using bidding::DayValues;
using bidding::Earnings;
using Json = nlohmann::ordered_json;

constexpr double kMicro = 1e6;
constexpr double kPowerMostKw = 1e7;  // 10 GW, as of a group
constexpr double kPermille = 1000;
constexpr std::chrono::hours kHour{1};
constexpr std::size_t kWeek = 7;

/// What is told of a whole test.
struct BidsScore {
  std::size_t days = 0;        ///< tested
  std::size_t left_out = 0;    ///< of the test, some price unknown
  std::size_t unforecast = 0;  ///< of those tested
  Earnings forecast;
  Earnings perfect;
  Earnings week;  ///< on the mean of the seven days before

  [[nodiscard]] double part_of_perfect(const Earnings& earned) const {
    return static_cast<double>(earned.revenue.count) / static_cast<double>(perfect.revenue.count);
  }
};

std::vector<Price> prices_of(const DayValues& day) {
  std::vector<Price> out;
  for (const double value : day) out.push_back({std::llround(value * kMicro)});
  return out;
}

std::optional<DayValues> week_before(const bidding::MarketDays& market, std::size_t day) {
  if (day < kWeek) return std::nullopt;
  DayValues mean{};
  for (std::size_t back = 1; back <= kWeek; ++back) {
    const DayValues& price = market.days[day - back].price;
    if (!bidding::is_known(price)) return std::nullopt;
    for (std::size_t hour = 0; hour < mean.size(); ++hour) mean[hour] += price[hour] / kWeek;
  }
  return mean;
}

BidsScore score_bids(const Battery& battery, const bidding::MarketDays& market,
                     const BacktestForecasts& forecasts, std::size_t first) {
  BidsScore score;
  for (std::size_t day = first; day < market.days.size(); ++day) {
    if (!bidding::is_known(market.days[day].price)) {
      ++score.left_out;
      continue;
    }
    ++score.days;
    const auto real = prices_of(market.days[day].price);
    const auto earns = [&](const DayValues& expected) {
      return bidding::day_ahead(battery, kHour, prices_of(expected), real);
    };
    score.perfect += earns(market.days[day].price);
    if (const auto mean = week_before(market, day)) score.week += earns(*mean);
    if (const auto& forecast = forecasts.days[day]) {
      score.forecast += earns(forecast->price);
    } else {
      ++score.unforecast;
    }
  }
  return score;
}

/// Or what is wrong with the arguments.
std::optional<Battery> battery_of(const BacktestBidsArguments& arguments, std::ostream& err) {
  const auto within = [&](const char* option, double value, double least, double most,
                          const char* unit) {
    if (value >= least && value <= most) return true;
    err << fmt::format("vppctl backtest: {} {}: is not within {} to {}{}; hint: of one battery\n",
                       option, value, least, most, unit);
    return false;
  };
  bool usable = within("--power-kw", arguments.power_kw, 1e-3, kPowerMostKw, " kW");
  usable &= within("--energy-kwh", arguments.energy_kwh, 1e-3, kPowerMostKw * 24, " kWh");
  usable &= within("--efficiency", arguments.efficiency, 1e-3, 1, "");
  usable &= within("--wear", arguments.wear_per_mwh, 0, 1e5, " per MWh");
  if (!usable) return std::nullopt;
  return Battery{.power = {std::llround(arguments.power_kw * kPermille)},
                 .energy = {std::llround(arguments.energy_kwh * kPermille)},
                 .round_trip_permille =
                     static_cast<std::int32_t>(std::lround(arguments.efficiency * kPermille)),
                 .wear = {std::llround(arguments.wear_per_mwh * kMicro)}};
}

double money(Amount amount) {
  return static_cast<double>(amount.count) / kMicro;
}

void print_json(const BacktestBidsArguments& arguments, const Battery& battery,
                const BidsScore& score, std::ostream& out) {
  const Json document{{"schema", "vppctl/v1"},
                      {"prices", arguments.prices},
                      {"revenue", money(score.forecast.revenue)},
                      {"perfect_foresight", money(score.perfect.revenue)},
                      {"capture", or_null(score.part_of_perfect(score.forecast))},
                      {"cycles", score.forecast.cycles(battery)},
                      {"after_wear", money(score.forecast.after_wear(battery))},
                      {"seven_day_mean_revenue", money(score.week.revenue)},
                      {"seven_day_mean_capture", or_null(score.part_of_perfect(score.week))},
                      {"perfect_cycles", score.perfect.cycles(battery)},
                      {"days_tested", score.days},
                      {"days_without_forecast", score.unforecast},
                      {"days_left_out", score.left_out}};
  out << document.dump() << '\n';
}

void print_table(const Battery& battery, const BidsScore& score, std::ostream& out) {
  const auto line = [&](const char* name, const Earnings& earned) {
    out << fmt::format("{:<18}{:>14.2f}{:>8.1f} %{:>9.1f} cycles\n", name, money(earned.revenue),
                       100 * score.part_of_perfect(earned), earned.cycles(battery));
  };
  line("forecast", score.forecast);
  line("seven-day mean", score.week);
  line("perfect foresight", score.perfect);
  out << fmt::format("{} days; {} without a forecast, {} left out\n", score.days, score.unforecast,
                     score.left_out);
}

}  // namespace

int run_backtest_bids(const BacktestBidsArguments& arguments, std::ostream& out,
                      std::ostream& err) {
  const auto battery = battery_of(arguments, err);
  if (!battery) return kBacktestMisused;
  const auto input = read_backtest_input(arguments.prices);
  if (!input) {
    for (const auto& line : input.error()) err << line << '\n';
    return kBacktestMisused;
  }
  for (const auto& warning : input->warnings) err << warning << '\n';
  const auto from = first_test_hour(*input, arguments.test_hours, err);
  if (!from) return kBacktestMisused;
  // A day is traded as a whole: one that begins before the test does not belong to it.
  const auto& hour = input->hours[*from];
  const std::size_t first = hour.hour == 0 ? hour.day : hour.day + 1;
  if (first >= input->market.days.size()) {
    err << "vppctl backtest: no whole day is in the test; hint: test more hours\n";
    return kBacktestMisused;
  }
  const auto forecasts = forecast_days(input->market, first, {}, err);
  const BidsScore score = score_bids(*battery, input->market, forecasts, first);
  if (score.days == 0) {
    err << "vppctl backtest: no day of the test has all its prices\n";
    return kBacktestFailed;
  }
  if (arguments.json) {
    print_json(arguments, *battery, score, out);
  } else {
    print_table(*battery, score, out);
  }
  return out.flush() ? 0 : kBacktestFailed;
}

}  // namespace vpp::ctl
