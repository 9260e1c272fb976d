#include "tools/vppctl/backtest_load.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <ostream>
#include <vector>

#include "bidding/load_forecast.h"
#include "tools/battery/home_profile.h"
#include "tools/vppctl/backtest_days.h"
#include "tools/vppctl/or_null.h"

namespace vpp::ctl {
namespace {

using bidding::LoadForecaster;
using LoadJson = nlohmann::ordered_json;

constexpr std::array<std::size_t, 5> kLeads{0, 2, 5, 11, 23};
constexpr std::size_t kDay = 24;
constexpr std::size_t kHoursOfWeek = 168;
constexpr std::size_t kLowQuantile = 1;  ///< of the quantiles 5, 10, ..., 95 %
constexpr std::size_t kHighQuantile = 17;

/// Sums over the hours tested of one lead.
struct LoadScore {
  double error = 0;
  double yesterday = 0;
  double last_week = 0;
  std::size_t hours = 0;
  std::size_t inside = 0;  ///< the middle 80 %
  std::size_t with_quantiles = 0;

  void operator+=(const LoadScore& other) {
    error += other.error;
    yesterday += other.yesterday;
    last_week += other.last_week;
    hours += other.hours;
    inside += other.inside;
    with_quantiles += other.with_quantiles;
  }
};
using LoadScores = std::array<LoadScore, kLeads.size()>;

void score_hour(const std::vector<double>& load, std::size_t hour, const bidding::LoadHour& said,
                LoadScore& score) {
  score.error += std::abs(load[hour] - said.expected);
  score.yesterday += std::abs(load[hour] - load[hour - kDay]);
  score.last_week += std::abs(load[hour] - load[hour - kHoursOfWeek]);
  ++score.hours;
  if (!said.quantiles) return;
  ++score.with_quantiles;
  const auto& quantiles = *said.quantiles;
  const bool inside =
      quantiles.at(kLowQuantile) <= load[hour] && load[hour] <= quantiles.at(kHighQuantile);
  score.inside += inside ? 1 : 0;
}

LoadScores score_series(const std::vector<double>& load, std::size_t warm) {
  LoadScores scores;
  LoadForecaster forecaster;
  for (std::size_t now = 0; now < load.size(); ++now) {  // `now` is the next hour
    for (std::size_t i = 0; i < kLeads.size() && now >= warm; ++i) {
      const std::size_t hour = now + kLeads.at(i);
      if (hour >= load.size()) continue;
      if (const auto said = forecaster.at(kLeads.at(i)))
        score_hour(load, hour, *said, scores.at(i));
    }
    forecaster.add(load[now]);
  }
  return scores;
}

double mean_of(double sum, std::size_t count) {
  return count > 0 ? sum / static_cast<double>(count) : std::nan("");
}

LoadJson to_json(const LoadScores& scores) {
  LoadJson list = LoadJson::array();
  for (std::size_t i = 0; i < kLeads.size(); ++i) {
    const LoadScore& score = scores.at(i);
    list.push_back(
        {{"hours_ahead", kLeads.at(i) + 1},
         {"mae_w", or_null(mean_of(score.error, score.hours))},
         {"same_hour_yesterday_mae_w", or_null(mean_of(score.yesterday, score.hours))},
         {"same_hour_last_week_mae_w", or_null(mean_of(score.last_week, score.hours))},
         {"coverage_80", or_null(mean_of(static_cast<double>(score.inside), score.with_quantiles))},
         {"hours_tested", score.hours}});
  }
  return list;
}

void print_load_table(const char* title, const LoadScores& scores, std::ostream& out) {
  out << fmt::format("{}\n{:>12}{:>12}{:>14}{:>14}{:>12}\n", title, "HOURS AHEAD", "MAE W",
                     "YESTERDAY W", "LAST WEEK W", "IN 80 %");
  for (std::size_t i = 0; i < kLeads.size(); ++i) {
    const LoadScore& score = scores.at(i);
    out << fmt::format("{:>12}{:>12.0f}{:>14.0f}{:>14.0f}{:>10.1f} %\n", kLeads.at(i) + 1,
                       mean_of(score.error, score.hours), mean_of(score.yesterday, score.hours),
                       mean_of(score.last_week, score.hours),
                       100 * mean_of(static_cast<double>(score.inside), score.with_quantiles));
  }
}

}  // namespace

int run_backtest_load(const BacktestLoadArguments& arguments, std::ostream& out,
                      std::ostream& err) {
  const auto homes = battery::read_homes(arguments.homes);
  if (!homes) {
    err << "vppctl backtest: " << homes.error() << '\n';
    return kBacktestMisused;
  }
  if (homes->empty() || arguments.warm_hours < kHoursOfWeek ||
      arguments.warm_hours >= homes->front().load_w.size()) {
    err << fmt::format("vppctl backtest: --warm-hours {}: at least 168, and fewer than there are\n",
                       arguments.warm_hours);
    return kBacktestMisused;
  }
  std::vector<double> all(homes->front().load_w.size());
  LoadScores each{};
  for (const battery::HomeProfile& home : *homes) {
    std::vector<double> net(home.load_w.size());
    for (std::size_t i = 0; i < net.size(); ++i) {
      net[i] = home.load_w[i] - home.pv_w[i];
      all[i] += net[i];
    }
    const LoadScores scores = score_series(net, arguments.warm_hours);
    for (std::size_t i = 0; i < scores.size(); ++i) each.at(i) += scores.at(i);
  }
  const LoadScores together = score_series(all, arguments.warm_hours);
  if (arguments.json) {
    out << LoadJson{{"schema", "vppctl/v1"},
                    {"homes", homes->size()},
                    {"together", to_json(together)},
                    {"each", to_json(each)}}
               .dump()
        << '\n';
  } else {
    print_load_table(fmt::format("ALL {} HOMES TOGETHER", homes->size()).c_str(), together, out);
    print_load_table("EACH HOME BY ITSELF", each, out);
  }
  return out ? 0 : kBacktestFailed;
}

}  // namespace vpp::ctl
