// bench_regulation: how well simulated homes follow a real regulation signal, evening by evening.
//
// tests/sim/regulation_plant.h says what is simulated and which parts are the shipped ones;
// docs/regulation.md has the figures.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/regulation_data.h"
#include "bidding/performance_score.h"
#include "config/rng.h"
#include "tests/sim/regulation_plant.h"

namespace {

using namespace std::chrono_literals;
using namespace vpp;
using bench::SignalDay;
using Json = nlohmann::ordered_json;

constexpr Duration kSignalEvery = 4s;
constexpr std::chrono::seconds kStep{2};  ///< divides the steps of the signal and of the score
constexpr std::size_t kStepsOfScore = bidding::kScoreStep / kStep;

struct Options {
  std::string data = "../shared/data";
  std::string output = "table";
  std::string series;  ///< directory for the series of each day
  std::size_t sites = 1000;
  std::size_t aggregators = 20;
  std::int64_t responds_ms = 1000;  ///< at the most; a fifth of it at the least
  std::int64_t ignore_permille = 50;
  std::int64_t come_and_go_permille = 20;
  std::int64_t award_permille = 0;  ///< of all homes' power; 0: what they hold for the evening
  std::size_t first = 0;            ///< day, from 0
  std::size_t every = 1;            ///< days
  std::size_t days = 0;             ///< at most; 0: all
  std::uint64_t seed = 1;           ///< of the file's first day; each next has the next
  std::size_t jobs = std::max(1U, std::thread::hardware_concurrency());
};

struct DayResult {
  std::string date;
  bidding::PerformanceScore score;
  bidding::PerformanceScore by_series;  ///< with the day's mean as normaliser
  bidding::PerformanceScore exact;      ///< of the signal itself, kStep late: what can be reached
  std::int64_t award_w = 0;
  std::size_t doubted = 0;  ///< at the end
};

void write_series(const std::string& path, const std::vector<double>& values) {
  std::ofstream out{path};
  out << "seconds,value\n";
  for (std::size_t i = 0; i < values.size(); ++i) {
    out << fmt::format("{},{}\n", static_cast<std::int64_t>(i) * kStep.count(), values[i]);
  }
}

/// What the homes hold as long as the signal lasts, in the direction in which they hold less.
std::int64_t award_of(const std::vector<sim::RegulationHome>& homes, const SignalDay& day,
                      const Options& options) {
  if (options.award_permille > 0) {
    std::int64_t all_w = 0;
    for (const auto& home : homes) all_w += home.power.count;
    return all_w * options.award_permille / 1000;
  }
  const auto lasts = static_cast<Duration::rep>(day.permille.size()) * kSignalEvery;
  const auto [discharge, charge] = sim::flexibility_of(homes);
  return std::min(discharge.at(lasts), charge.at(lasts)).count * 1000 / Duration{lasts}.count();
}

/// Signal and response, every kStep.
struct Series {
  std::vector<double> signal;
  std::vector<double> response;
  std::size_t doubted = 0;
};

Series follow(const SignalDay& day, const std::vector<sim::RegulationHome>& homes,
              std::int64_t award_w, const Options& options, Rng rng) {
  sim::RegulationPlant plant{homes,
                             {.aggregators = options.aggregators,
                              .responds_min = Duration{options.responds_ms / 5},
                              .responds_max = Duration{options.responds_ms}},
                             rng};
  Series out;
  const auto end = static_cast<Duration::rep>(day.permille.size()) * kSignalEvery;
  for (Duration at{0}; at < end; at += kStep) {
    const auto place = static_cast<std::size_t>(at / kSignalEvery);
    const double permille = day.permille[place];
    const Watts target{std::llround(permille * static_cast<double>(award_w) / 1000)};
    if (at % kSignalEvery == 0ms) plant.order(target);
    out.signal.push_back(static_cast<double>(target.count));
    out.response.push_back(static_cast<double>(plant.power().count));
    plant.pass(kStep);
  }
  out.doubted = plant.doubted();
  return out;
}

std::vector<double> sampled(const std::vector<double>& values, std::size_t late = 0) {
  std::vector<double> out;
  for (std::size_t i = 0; i < values.size(); i += kStepsOfScore) {
    out.push_back(values[i < late ? 0 : i - late]);
  }
  return out;
}

DayResult score_of(const SignalDay& day, const std::vector<sim::RegulationHome>& ratings,
                   const Options& options, std::uint64_t seed) {
  Rng rng{seed};
  const auto homes = sim::draw_homes(ratings, options.sites, options.ignore_permille,
                                     options.come_and_go_permille, rng);
  const std::int64_t award_w = award_of(homes, day, options);
  const Series series = follow(day, homes, award_w, options, rng.fork());
  if (!options.series.empty()) {
    write_series(options.series + "/" + day.date + "-signal.csv", series.signal);
    write_series(options.series + "/" + day.date + "-response.csv", series.response);
  }
  const auto x = sampled(series.signal);
  const auto score = [&](const std::vector<double>& y, bidding::ScoreNormaliser normaliser) {
    return bidding::performance_score(x, y, {.normaliser = normaliser}).value();
  };
  const auto y = sampled(series.response);
  return {.date = day.date,
          .score = score(y, bidding::ScoreNormaliser::kWindow),
          .by_series = score(y, bidding::ScoreNormaliser::kSeries),
          .exact = score(sampled(series.signal, 1), bidding::ScoreNormaliser::kWindow),
          .award_w = award_w,
          .doubted = series.doubted};
}

std::vector<DayResult> follow_all(const std::vector<SignalDay>& days,
                                  const std::vector<sim::RegulationHome>& ratings,
                                  const Options& options) {
  std::vector<std::size_t> wanted;
  for (std::size_t i = options.first; i < days.size(); i += options.every) {
    if (options.days == 0 || wanted.size() < options.days) wanted.push_back(i);
  }
  std::vector<DayResult> out(wanted.size());
  std::atomic<std::size_t> next{0};
  const auto work = [&] {
    for (std::size_t i = next++; i < wanted.size(); i = next++) {
      out[i] = score_of(days[wanted[i]], ratings, options, options.seed + wanted[i]);
      std::cerr << fmt::format("{} {:.4f}\n", out[i].date, out[i].score.parts.score);
    }
  };
  std::vector<std::jthread> workers;
  for (std::size_t i = 0; i < options.jobs; ++i) workers.emplace_back(work);
  workers.clear();  // joins
  return out;
}

bidding::ScoreParts mean_of(const std::vector<DayResult>& days,
                            bidding::PerformanceScore DayResult::* which) {
  bidding::ScoreParts out;
  const auto count = static_cast<double>(days.size());
  for (const auto& day : days) {
    const auto& parts = (day.*which).parts;
    out.score += parts.score / count;
    out.delay += parts.delay / count;
    out.correlation += parts.correlation / count;
    out.precision += parts.precision / count;
  }
  return out;
}

Json parts_json(const bidding::ScoreParts& parts) {
  return {{"score", parts.score},
          {"delay", parts.delay},
          {"correlation", parts.correlation},
          {"precision", parts.precision}};
}

void print_json(const std::vector<DayResult>& days, const Options& options) {
  Json out{{"schema", "vppbench/v1"},
           {"sites", options.sites},
           {"aggregators", options.aggregators},
           {"responds_ms", options.responds_ms},
           {"ignore_permille", options.ignore_permille},
           {"come_and_go_permille", options.come_and_go_permille},
           {"award_permille", options.award_permille},
           {"seed", options.seed},
           {"mean", parts_json(mean_of(days, &DayResult::score))},
           {"mean_by_series", parts_json(mean_of(days, &DayResult::by_series))},
           {"mean_exact_2s_late", parts_json(mean_of(days, &DayResult::exact))},
           {"days", Json::array()}};
  for (const auto& day : days) {
    Json row{{"date", day.date}, {"award_w", day.award_w}};
    row.update(parts_json(day.score.parts));
    row["score_by_series"] = day.by_series.parts.score;
    row["score_exact_2s_late"] = day.exact.parts.score;
    row["doubted"] = day.doubted;
    out["days"].push_back(std::move(row));
  }
  std::cout << out.dump(2) << '\n';
}

void print_row(const std::string& name, const bidding::ScoreParts& parts, double by_series,
               double exact, const std::string& award, const std::string& doubted) {
  std::cout << fmt::format(
      "{:10}  {:>8}  {:6.4f}  {:6.4f}  {:11.4f}  {:9.4f}  {:9.4f}  {:9.4f}  {:>7}\n", name, award,
      parts.score, parts.delay, parts.correlation, parts.precision, by_series, exact, doubted);
}

void print_table(const std::vector<DayResult>& days) {
  std::cout << "DAY         AWARD_KW   SCORE   DELAY  CORRELATION  PRECISION  BY_SERIES  EXACT_2S  "
               "DOUBTED\n";
  for (const auto& day : days) {
    print_row(day.date, day.score.parts, day.by_series.parts.score, day.exact.parts.score,
              std::to_string(day.award_w / 1000), std::to_string(day.doubted));
  }
  print_row("mean", mean_of(days, &DayResult::score), mean_of(days, &DayResult::by_series).score,
            mean_of(days, &DayResult::exact).score, "", "");
}

int run(const Options& options) {
  auto days = bench::read_signal(options.data + "/agc/caiso_regulation_4s.csv");
  const auto ratings = bench::read_ratings(options.data + "/fleet/fleet_ratings.csv");
  if (!days || !ratings) {
    std::cerr << "bench_regulation: " << (days ? ratings.error() : days.error()) << '\n';
    return 2;
  }
  const auto results = follow_all(*days, *ratings, options);
  if (results.empty()) {
    std::cerr << "bench_regulation: --first is beyond the file's days\n";
    return 2;
  }
  options.output == "json" ? print_json(results, options) : print_table(results);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  CLI::App app{"bench_regulation - simulated homes follow a real regulation signal"};
  app.add_option("--data", o.data, "directory with agc/ and fleet/");
  app.add_option("-o,--output", o.output, "table or json")->check(CLI::IsMember({"table", "json"}));
  app.add_option("--series", o.series, "directory for the series, for `vppctl score`");
  app.add_option("--sites", o.sites, "homes")->check(CLI::Range(1, 100'000));
  app.add_option("--aggregators", o.aggregators, "between them and the root")
      ->check(CLI::Range(1, 1'000));
  app.add_option("--responds-ms", o.responds_ms, "until the slowest battery does as it is told")
      ->check(CLI::Range(100, 10'000));
  app.add_option("--ignore", o.ignore_permille, "permille that do nothing")
      ->check(CLI::Range(0, 400));
  app.add_option("--come-and-go", o.come_and_go_permille, "permille that come and go")
      ->check(CLI::Range(0, 400));
  app.add_option("--award", o.award_permille,
                 "permille of all homes' power; 0: what they hold for the evening")
      ->check(CLI::Range(0, 1'000));
  app.add_option("--first", o.first, "day to begin with, from 0");
  app.add_option("--every", o.every, "only each so many-th day from there")
      ->check(CLI::PositiveNumber);
  app.add_option("--days", o.days, "so many at the most");
  app.add_option("--seed", o.seed, "of the file's first day; each next has the next");
  app.add_option("--jobs", o.jobs, "threads")->check(CLI::Range(1, 64));
  try {
    app.parse(argc, argv);
    return run(o);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  } catch (const std::exception& error) {
    std::cerr << "bench_regulation: " << error.what() << '\n';
    return 1;
  }
}
