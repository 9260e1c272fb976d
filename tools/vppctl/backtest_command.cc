#include "tools/vppctl/backtest_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <span>

#include "bidding/day_ahead.h"
#include "bidding/forecast_score.h"
#include "tools/vppctl/backtest_days.h"
#include "tools/vppctl/backtest_files.h"
#include "tools/vppctl/backtest_input.h"
#include "tools/vppctl/or_null.h"

namespace vpp::ctl {
namespace {

using bidding::ForecastScore;
using Json = nlohmann::ordered_json;

void print_json(const BacktestForecastArguments& arguments, const ForecastScore& score,
                const BacktestForecasts& forecasts, std::ostream& out) {
  const Json document{{"schema", "vppctl/v1"},
                      {"prices", arguments.prices},
                      {"model", arguments.model},
                      {"mae", or_null(score.mae)},
                      {"rmae", or_null(score.rmae)},
                      {"naive_mae", or_null(score.naive_mae)},
                      {"pinball", or_null(score.pinball)},
                      {"coverage",
                       {{"50", or_null(score.inside_50)},
                        {"80", or_null(score.inside_80)},
                        {"90", or_null(score.inside_90)}}},
                      {"time_per_day_ms", forecasts.ms_per_day},
                      {"time_s", forecasts.seconds},
                      {"hours_tested", score.tested},
                      {"hours_left_out", score.left_out},
                      {"hours_with_quantiles", score.with_quantiles}};
  out << document.dump() << '\n';
}

void print_table(const ForecastScore& score, const BacktestForecasts& forecasts,
                 std::ostream& out) {
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

}  // namespace

int run_backtest_forecast(const BacktestForecastArguments& arguments, std::ostream& out,
                          std::ostream& err) {
  if (arguments.model != "ensemble" && arguments.model != "lear") {
    err << fmt::format("vppctl backtest: --model '{}' is unknown; hint: one of ensemble, lear\n",
                       arguments.model);
    return kBacktestMisused;
  }
  const auto input = read_backtest_input(arguments.prices);
  if (!input) {
    for (const auto& line : input.error()) err << line << '\n';
    return kBacktestMisused;
  }
  for (const auto& warning : input->warnings) err << warning << '\n';
  const auto from = first_test_hour(*input, arguments.test_hours, err);
  if (!from) return kBacktestMisused;
  const auto hours = std::span{input->hours}.subspan(*from);
  const auto options =
      arguments.model == "lear" ? bidding::published_lear() : bidding::DayAheadOptions{};
  const auto forecasts =
      forecast_days_with_quantiles(input->market, hours.front().day, options, err);
  const ForecastScore score = score_forecasts(input->market, forecasts.days, hours);
  if (score.tested == 0) {
    err << "vppctl backtest: no hour could be tested; hint: every day needs its series and the "
           "prices of 1, 2, 3 and 7 days before, and so do the days it learns from\n";
    return kBacktestFailed;
  }
  if (arguments.json) {
    print_json(arguments, score, forecasts, out);
  } else {
    print_table(score, forecasts, out);
  }
  out.flush();
  const bool written = write_backtest_files(arguments.out, arguments.plot, input->market,
                                            forecasts.days, hours, err);
  return out && written ? 0 : kBacktestFailed;
}

}  // namespace vpp::ctl
