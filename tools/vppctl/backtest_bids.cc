#include "tools/vppctl/backtest_bids.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "bidding/arbitrage.h"
#include "bidding/error_quantiles.h"
#include "bidding/risk_plan.h"
#include "tools/vppctl/backtest_days.h"
#include "tools/vppctl/backtest_files.h"
#include "tools/vppctl/backtest_fleet.h"
#include "tools/vppctl/backtest_input.h"
#include "tools/vppctl/backtest_real_time.h"
#include "tools/vppctl/backtest_risk.h"
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
using bidding::kDayHours;

/// What is told of a whole test.
struct BidsScore {
  std::size_t days = 0;        ///< tested
  std::size_t left_out = 0;    ///< of the test, some price unknown
  std::size_t unforecast = 0;  ///< of those tested
  Earnings forecast;
  Earnings perfect;
  Earnings week;                         ///< on the mean of the seven days before
  std::optional<Earnings> told;          ///< real time only
  std::optional<std::size_t> weighed{};  ///< days that were planned over paths, at risk only
  std::vector<EarningsLine> course{{"forecast", "#d62728", {}},
                                   {"seven-day mean", "#3182bd", {}},
                                   {"perfect foresight", "black", {}}};

  /// The mean of the worst days of a line of the course.
  [[nodiscard]] double worst_days(std::size_t line, double tail) const {
    std::vector<double> earned;
    double before = 0;
    for (const double sum : course[line].sums) {
      earned.push_back(sum - before);
      before = sum;
    }
    return bidding::mean_of_worst(std::move(earned), tail);
  }
  [[nodiscard]] double part_of_perfect(const Earnings& earned) const {
    return static_cast<double>(earned.revenue.count) / static_cast<double>(perfect.revenue.count);
  }
};

double tail_of(const BacktestBidsArguments& arguments) {
  return arguments.risk_level_pct / 100;
}

double money(Amount amount) {
  return static_cast<double>(amount.count) / kMicro;
}

Earnings traded(const BacktestFleet& fleet, const std::string& strategy,
                std::span<const Price> expected, std::span<const Price> real) {
  if (strategy == "schedule") return schedule_day(fleet, kHour, expected, real);
  return sell_day(fleet, *parse_bid_strategy(strategy), expected, real);
}

BidsScore score_bids(const BacktestFleet& fleet, const std::string& strategy,
                     std::optional<RiskSchedule> at_risk, const bidding::MarketDays& market,
                     const BacktestForecasts& forecasts, std::size_t first) {
  BidsScore score;
  for (std::size_t day = 0; at_risk && day < first; ++day) {
    const auto& forecast = forecasts.days[day];
    if (forecast) at_risk->learn(*forecast, market.days[day].price);
  }
  for (std::size_t day = first; day < market.days.size(); ++day) {
    if (!bidding::is_known(market.days[day].price)) {
      ++score.left_out;
      continue;
    }
    ++score.days;
    const auto real = prices_of(market.days[day].price);
    const auto earns = [&](const DayValues& expected) {
      return traded(fleet, strategy, prices_of(expected), real);
    };
    // Who knows the prices bids them as a segment: a curve doubts its forecast.
    score.perfect += traded(fleet, strategy == "curve" ? "segment" : strategy, real, real);
    if (const auto mean = bidding::week_before(market, day)) score.week += earns(*mean);
    if (const auto& forecast = forecasts.days[day]) {
      bidding::DayForecast planned = *forecast;
      if (strategy == "schedule") {
        planned.price = bidding::planning_prices(market, day, forecast->price);
      }
      score.forecast +=
          at_risk ? bidding::earned(kHour, at_risk->plan(planned), real) : earns(planned.price);
      if (at_risk) at_risk->learn(*forecast, market.days[day].price);
    } else {
      ++score.unforecast;
    }
    score.course[0].sums.push_back(money(score.forecast.revenue));
    score.course[1].sums.push_back(money(score.week.revenue));
    score.course[2].sums.push_back(money(score.perfect.revenue));
  }
  if (at_risk) score.weighed = at_risk->weighed();
  return score;
}

/// One column for each; nothing: there are others, or not all is known.
std::optional<bidding::DayQuantiles> quantiles_of(std::span<const DayValues> columns) {
  if (columns.size() != bidding::kQuantiles) return std::nullopt;
  bidding::DayQuantiles out{};
  for (std::size_t i = 0; i < columns.size(); ++i) {
    if (!bidding::is_known(columns[i])) return std::nullopt;
    for (std::size_t hour = 0; hour < out.size(); ++hour) out[hour][i] = columns[i][hour];
  }
  return out;
}

/// Forecasts of the days of `market` that another run left in a file; its other columns are, in
/// this order, the forecast and its quantiles.
std::optional<BacktestForecasts> read_forecasts(const std::string& file,
                                                const bidding::MarketDays& market,
                                                bool with_quantiles, std::ostream& err) {
  const auto input = read_backtest_input(file);
  if (!input) {
    for (const auto& line : input.error()) err << line << '\n';
    return std::nullopt;
  }
  BacktestForecasts out;
  out.days.resize(market.days.size());
  const auto offset = (input->market.first - market.first).count();
  for (std::size_t day = 0; day < input->market.days.size(); ++day) {
    const auto& from = input->market.days[day].exogenous;
    const auto to = static_cast<std::ptrdiff_t>(day) + offset;
    if (from.empty()) {
      err << file << ":1: no column with a forecast; hint: as written by backtest forecast --out\n";
      return std::nullopt;
    }
    if (with_quantiles && from.size() != 1 + bidding::kQuantiles) {
      err << fmt::format(
          "{}:1: {} columns after the forecast, --risk needs {} of quantiles; hint: as "
          "written by backtest forecast --out\n",
          file, from.size() - 1, bidding::kQuantiles);
      return std::nullopt;
    }
    if (to < 0 || to >= std::ssize(out.days) || !bidding::is_known(from[0])) continue;
    out.days[static_cast<std::size_t>(to)] =
        bidding::DayForecast{from[0], quantiles_of(std::span{from}.subspan(1))};
  }
  return out;
}

/// Or what is wrong with the arguments.
std::optional<BacktestFleet> fleet_of(const BacktestBidsArguments& arguments, std::ostream& err) {
  const auto within = [&](const char* option, double value, double least, double most,
                          const char* unit) {
    if (value >= least && value <= most) return true;
    err << fmt::format("vppctl backtest: {} {}: is not within {} to {}{}; hint: of one battery\n",
                       option, value, least, most, unit);
    return false;
  };
  bool usable = within("--efficiency", arguments.efficiency, 1e-3, 1, "");
  usable &= within("--wear", arguments.wear_per_mwh, 0, 1e5, " per MWh");
  usable &= within("--risk", arguments.risk.value_or(0), 0, 1, "");
  usable &= within("--risk-level", arguments.risk_level_pct, 0.1, 100, " %");
  if (arguments.fleet.empty()) {
    usable &= within("--power-kw", arguments.power_kw, 1e-3, kPowerMostKw, " kW");
    usable &= within("--energy-kwh", arguments.energy_kwh, 1e-3, kPowerMostKw * 24, " kWh");
  } else if (arguments.power_kw != 0 || arguments.energy_kwh != 0) {
    err << "vppctl backtest: --fleet: says power and energy itself; hint: leave out --power-kw and "
           "--energy-kwh\n";
    usable = false;
  }
  if (arguments.strategy != "schedule" && !parse_bid_strategy(arguments.strategy)) {
    err << fmt::format(
        "vppctl backtest: --strategy {}: is unknown; hint: schedule, curve or segment\n",
        arguments.strategy);
    usable = false;
  }
  if (arguments.real_time && (!arguments.fleet.empty() || arguments.strategy != "schedule")) {
    err << "vppctl backtest: --real-time: is of one battery and has a strategy of its own; hint: "
           "leave out --fleet and --strategy\n";
    usable = false;
  }
  if (arguments.risk &&
      (arguments.real_time || !arguments.fleet.empty() || arguments.strategy != "schedule")) {
    err << "vppctl backtest: --risk: is of one battery's schedule; hint: leave out --fleet, "
           "--strategy and --real-time\n";
    usable = false;
  }
  if (!usable) return std::nullopt;
  const Battery kind{.power = {std::llround(arguments.power_kw * kPermille)},
                     .energy = {std::llround(arguments.energy_kwh * kPermille)},
                     .round_trip_permille =
                         static_cast<std::int32_t>(std::lround(arguments.efficiency * kPermille)),
                     .wear = {std::llround(arguments.wear_per_mwh * kMicro)}};
  if (arguments.fleet.empty()) return BacktestFleet{{kind, 1}};
  auto fleet = read_backtest_fleet(arguments.fleet, kind);
  if (fleet) return *std::move(fleet);
  for (const auto& line : fleet.error()) err << line << '\n';
  return std::nullopt;
}

void print_json(const BacktestBidsArguments& arguments, const Battery& battery,
                const BidsScore& score, std::ostream& out) {
  Json document{{"schema", "vppctl/v1"},
                {"prices", arguments.prices},
                {"strategy", arguments.real_time ? "real-time" : arguments.strategy},
                {"revenue", money(score.forecast.revenue)},
                {"perfect_foresight", money(score.perfect.revenue)},
                {"capture", or_null(score.part_of_perfect(score.forecast))},
                {"cycles", score.forecast.cycles(battery)},
                {"after_wear", money(score.forecast.after_wear(battery))},
                {"seven_day_mean_revenue", money(score.week.revenue)},
                {"seven_day_mean_capture", or_null(score.part_of_perfect(score.week))},
                {"perfect_cycles", score.perfect.cycles(battery)},
                {"worst_days_pct", arguments.risk_level_pct},
                {"worst_days_mean", score.worst_days(0, tail_of(arguments))},
                {"seven_day_mean_worst_days_mean", score.worst_days(1, tail_of(arguments))},
                {"days_tested", score.days},
                {"days_without_forecast", score.unforecast},
                {"days_left_out", score.left_out}};
  if (score.weighed) {
    document["risk"] = *arguments.risk;
    document["days_weighed"] = *score.weighed;
  }
  if (score.told) {
    document["told_price_revenue"] = money(score.told->revenue);
    document["told_price_capture"] = or_null(score.part_of_perfect(*score.told));
  }
  out << document.dump() << '\n';
}

void print_table(const BacktestBidsArguments& arguments, const Battery& battery,
                 const BidsScore& score, std::ostream& out) {
  const auto line = [&](const char* name, const Earnings& earned) {
    out << fmt::format("{:<18}{:>14.2f}{:>8.1f} %{:>9.1f} cycles\n", name, money(earned.revenue),
                       100 * score.part_of_perfect(earned), earned.cycles(battery));
  };
  line(score.told ? "bids" : "forecast", score.forecast);
  if (score.told) line("told the price", *score.told);
  line("seven-day mean", score.week);
  line("perfect foresight", score.perfect);
  out << fmt::format("worst {} % of days, mean: {:.2f}; of the seven-day mean: {:.2f}\n",
                     arguments.risk_level_pct, score.worst_days(0, tail_of(arguments)),
                     score.worst_days(1, tail_of(arguments)));
  if (score.weighed) out << fmt::format("{} days planned over paths\n", *score.weighed);
  out << fmt::format("{} days; {} without a forecast, {} left out\n", score.days, score.unforecast,
                     score.left_out);
}

/// Nothing: what is wrong is on `err`.
std::optional<BidsScore> score_hourly(const BacktestBidsArguments& arguments,
                                      const BacktestFleet& fleet, std::ostream& err) {
  const auto input = read_backtest_input(arguments.prices);
  if (!input) {
    for (const auto& line : input.error()) err << line << '\n';
    return std::nullopt;
  }
  for (const auto& warning : input->warnings) err << warning << '\n';
  const auto from = first_test_hour(*input, arguments.test_hours, err);
  if (!from) return std::nullopt;
  // A day is traded as a whole: one that begins before the test does not belong to it.
  const auto& hour = input->hours[*from];
  const std::size_t first = hour.hour == 0 ? hour.day : hour.day + 1;
  if (first >= input->market.days.size()) {
    err << "vppctl backtest: no whole day is in the test; hint: test more hours\n";
    return std::nullopt;
  }
  std::optional<BacktestForecasts> forecasts;
  if (!arguments.forecasts.empty()) {
    forecasts = read_forecasts(arguments.forecasts, input->market, arguments.risk.has_value(), err);
  } else if (arguments.risk) {
    forecasts = forecast_days_with_quantiles(input->market, first, {}, err);
  } else {
    forecasts = forecast_days(input->market, first, {}, err);
  }
  if (!forecasts) return std::nullopt;
  std::optional<RiskSchedule> at_risk;
  if (arguments.risk) {
    at_risk.emplace(total(fleet), RiskOptions{*arguments.risk, tail_of(arguments)});
  }
  return score_bids(fleet, arguments.strategy, std::move(at_risk), input->market, *forecasts,
                    first);
}

std::optional<BidsScore> score_intervals(const BacktestBidsArguments& arguments,
                                         const Battery& battery, std::ostream& err) {
  const auto input = read_real_time(arguments.prices);
  if (!input) {
    for (const auto& line : input.error()) err << line << '\n';
    return std::nullopt;
  }
  for (const auto& warning : input->warnings) err << warning << '\n';
  const auto a_day = static_cast<std::size_t>(std::chrono::days{1} / input->slot);
  const std::size_t days = input->slots.size() / a_day;
  if (days <= kRealTimeDaysBefore || arguments.test_hours < kDayHours) {
    err << fmt::format(
        "vppctl backtest: {} whole days, {} of which come before the test: nothing to test\n", days,
        kRealTimeDaysBefore);
    return std::nullopt;
  }
  const std::size_t tested = std::min(arguments.test_hours / kDayHours, days - kRealTimeDaysBefore);
  RealTimeScore of = score_real_time(battery, *input, days - tested);
  BidsScore score{.days = tested,
                  .forecast = of.bid,
                  .perfect = of.perfect,
                  .week = of.week,
                  .told = of.told,
                  .course = {{"bids", "#d62728", std::move(of.bid_sums)},
                             {"seven-day mean", "#3182bd", std::move(of.week_sums)}}};
  return score;
}

}  // namespace

int run_backtest_bids(const BacktestBidsArguments& arguments, std::ostream& out,
                      std::ostream& err) {
  const auto fleet = fleet_of(arguments, err);
  if (!fleet) return kBacktestMisused;
  const Battery battery = total(*fleet);
  const auto score = arguments.real_time ? score_intervals(arguments, battery, err)
                                         : score_hourly(arguments, *fleet, err);
  if (!score) return kBacktestMisused;
  if (score->days == 0) {
    err << "vppctl backtest: no day of the test has all its prices\n";
    return kBacktestFailed;
  }
  if (!write_earnings_plot(arguments.plot, score->course, err)) return kBacktestFailed;
  if (arguments.json) {
    print_json(arguments, battery, *score, out);
  } else {
    print_table(arguments, battery, *score, out);
  }
  return out.flush() ? 0 : kBacktestFailed;
}

}  // namespace vpp::ctl
