// vppsim: runs seeds of the deterministic simulator.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "config/limits.h"
#include "tests/sim/runner.h"

namespace {

using vpp::sim::Outcome;
using vpp::sim::Overrides;

/// A run of a plant so large is not repeated unless asked to.
constexpr std::uint32_t kTwiceMax = 2'000;

struct Arguments {
  std::string range;
  std::uint64_t seed = 0;
  bool has_seed = false;
  bool trace = false;
  bool once = false;
  std::string faults;
  std::string workloads;
  std::int64_t safety_s = 0;
  std::int64_t liveness_s = 0;
  std::string programs;
  std::string values;
  std::string bug = "none";
  std::string format = "table";
  Overrides overrides;
};

struct Totals {
  std::uint64_t seeds = 0;
  std::uint64_t failed = 0;
  std::uint64_t steps = 0;
  std::uint64_t crashes = 0;
  std::uint64_t partitions = 0;
  std::uint64_t disk_errors = 0;
  std::uint64_t damaged = 0;
  std::uint64_t bids = 0;
  std::int64_t healed_ms_max = 0;
};

struct Cost {
  double wall_ms = 0;
  long peak_rss_kib = 0;
};

bool parse_range(const std::string& text, std::uint64_t& from, std::uint64_t& to) {
  const auto dots = text.find("..");
  if (dots == std::string::npos) return false;
  char* end = nullptr;
  from = std::strtoull(text.c_str(), &end, 10);
  if (end != text.c_str() + dots) return false;
  to = std::strtoull(text.c_str() + dots + 2, &end, 10);
  return *end == '\0' && from <= to;
}

nlohmann::ordered_json to_json(std::uint64_t seed, const Overrides& overrides,
                               const Outcome& outcome, const Cost& cost) {
  nlohmann::ordered_json out;
  out["seed"] = seed;
  out["hash"] = outcome.hash;
  out["events"] = outcome.events;
  out["steps"] = outcome.steps;
  out["simulated_ms"] = outcome.simulated.count();
  out["wall_ms_per_simulated_s"] =
      cost.wall_ms * 1000 /
      static_cast<double>(std::max<std::int64_t>(outcome.simulated.count(), 1));
  out["peak_memory_kib"] = cost.peak_rss_kib;
  out["joined_after_ms"] = nullptr;
  if (outcome.joined_at) out["joined_after_ms"] = outcome.joined_at->count();
  out["whole_after_ms"] = nullptr;
  if (outcome.whole_after) out["whole_after_ms"] = outcome.whole_after->count();
  out["asked_w"] = outcome.asked_w;
  out["delivered_w"] = outcome.delivered_w;
  out["frames"] = outcome.network.frames;
  out["crashes"] = outcome.crashes;
  out["pauses"] = outcome.pauses;
  out["partitions"] = outcome.partitions;
  out["disk_errors"] = outcome.disk_errors;
  out["damaged"] = outcome.damaged;
  out["take_overs"] = outcome.take_overs;
  out["orders"] = outcome.orders;
  out["bids"] = outcome.market.bids;
  out["violation"] = nullptr;
  if (outcome.violation) {
    out["violation"] = {{"invariant", static_cast<int>(outcome.violation->invariant)},
                        {"at_ms", outcome.violation->at.time_since_epoch().count()},
                        {"node", outcome.violation->node},
                        {"what", outcome.violation->what}};
    out["replay"] = replay_command(make_scenario(seed, overrides), overrides);
  }
  return out;
}

void add(Totals& totals, const Outcome& outcome) {
  ++totals.seeds;
  if (outcome.violation) ++totals.failed;
  totals.steps += outcome.steps;
  totals.crashes += outcome.crashes;
  totals.partitions += outcome.partitions;
  totals.disk_errors += outcome.disk_errors;
  totals.damaged += outcome.damaged;
  totals.bids += outcome.market.bids;
  if (outcome.whole_after) {
    totals.healed_ms_max = std::max(totals.healed_ms_max, outcome.whole_after->count());
  }
}

void trace_seed(std::uint64_t seed, const Arguments& arguments, Totals& totals) {
  vpp::sim::name_on_abort(seed, arguments.overrides);
  vpp::sim::World world{make_scenario(seed, arguments.overrides), SIZE_MAX};
  add(totals, world.run());
  for (const auto& line : world.trace().last(vpp::sim::kNobody, SIZE_MAX))
    std::cout << line << '\n';
}

long peak_rss_kib() {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return used.ru_maxrss;
}

/// A large plant takes minutes: a line every two simulated seconds.
vpp::sim::World::Watcher say_progress(std::chrono::steady_clock::time_point began) {
  return [began](vpp::sim::WorldTime at, std::size_t counted) {
    const auto passed = std::chrono::steady_clock::now() - began;
    std::cerr << at.time_since_epoch() / std::chrono::seconds{1} << " s: " << counted
              << " leaves counted, " << passed / std::chrono::seconds{1} << " s of real time, "
              << peak_rss_kib() / 1024 << " MiB\n";
  };
}

void run_seed(std::uint64_t seed, const Arguments& arguments, Totals& totals) {
  if (arguments.trace) return trace_seed(seed, arguments, totals);
  const auto began = std::chrono::steady_clock::now();
  const bool twice = !arguments.once;
  const Outcome outcome = twice ? run_twice(seed, arguments.overrides)
                                : run_once(seed, arguments.overrides, say_progress(began));
  Cost cost;
  cost.wall_ms =
      std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count() /
      (twice ? 2 : 1);
  cost.peak_rss_kib = peak_rss_kib();
  add(totals, outcome);
  if (arguments.format == "json") {
    std::cout << to_json(seed, arguments.overrides, outcome, cost).dump() << std::endl;
  } else if (outcome.violation || arguments.has_seed) {
    std::cout << explain(seed, arguments.overrides, outcome);
  }
}

void declare(CLI::App& app, Arguments& arguments) {
  auto* seeds = app.add_option("--seeds", arguments.range, "A..B, both included");
  app.add_option("--seed", arguments.seed, "one seed, with its story if it fails")->excludes(seeds);
  auto* depth = app.add_option("--depth", arguments.overrides.depth,
                               "levels of the tree, root and leaves included");
  depth->check(CLI::Range(std::size_t{2}, vpp::limits::kDepthMax));
  app.add_option("--leaves", arguments.overrides.leaves)->check(CLI::Range(1, 1'000'000));
  app.add_option("--aggregators", arguments.overrides.aggregators, "in one level")
      ->check(CLI::Range(0, 10'000))
      ->excludes(depth);
  app.add_option("--roots", arguments.overrides.roots,
                 "one, or three that share an etcd; without it each seed draws its own")
      ->check(CLI::IsMember({1, 3}));
  app.add_flag("--lines", arguments.overrides.lines,
               "links of every kind, lan, wan and cellular, instead of LANs only");
  app.add_option("--programs", arguments.programs,
                 "on: homes in programs and groups, orders for them, owners who opt out; without "
                 "it each seed draws its own")
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option("--values", arguments.values,
                 "on: value signals, which most homes follow; without it each seed draws its own")
      ->check(CLI::IsMember({"on", "off"}));
  app.add_option(
      "--faults", arguments.faults,
      "some of the table in docs/simulation.md, by name: a,b,c, all or none; without it each "
      "seed draws its own");
  app.add_option(
      "--workload", arguments.workloads,
      "some of dispatch, join-storm, regional-outage, rolling-upgrade, root-failover, or "
      "all or none; without it each seed draws its own");
  app.add_option("--safety", arguments.safety_s, "seconds of faults; without it 45 to 75")
      ->check(CLI::Range(1, 86'400));
  app.add_option("--liveness", arguments.liveness_s, "seconds without; without it 60")
      ->check(CLI::Range(1, 86'400));
  app.add_option("--plant", arguments.bug,
                 "a deliberate mistake of the world; the checkers must find it");
  app.add_flag("--once", arguments.once, "run each seed once and not twice");
  app.add_flag("--trace", arguments.trace, "print every event");
  app.add_option("-o,--output", arguments.format)->check(CLI::IsMember({"table", "json"}));
}

/// What is wrong with the arguments; empty when nothing is.
std::string understand(Arguments& arguments) {
  if (!arguments.faults.empty()) {
    auto faults = vpp::sim::parse_faults(arguments.faults);
    if (!faults) return "--faults: " + faults.error();
    arguments.overrides.faults = *std::move(faults);
  }
  if (!arguments.workloads.empty()) {
    auto workloads = vpp::sim::parse_workloads(arguments.workloads);
    if (!workloads) return "--workload: " + workloads.error();
    arguments.overrides.workloads = *std::move(workloads);
  }
  if (!arguments.programs.empty()) arguments.overrides.programs = arguments.programs == "on";
  if (!arguments.values.empty()) arguments.overrides.values = arguments.values == "on";
  if (arguments.safety_s > 0) arguments.overrides.safety = std::chrono::seconds{arguments.safety_s};
  if (arguments.liveness_s > 0) {
    arguments.overrides.liveness = std::chrono::seconds{arguments.liveness_s};
  }
  if (arguments.overrides.leaves.value_or(0) > kTwiceMax) arguments.once = true;
  const auto planted = vpp::sim::parse_planted_bug(arguments.bug);
  if (!planted) return "--plant: '" + arguments.bug + "' is no known bug";
  arguments.overrides.bug = *planted;
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  CLI::App app{"Runs seeds of the deterministic simulator, each twice. Exit code 1: some failed."};
  declare(app, arguments);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  arguments.has_seed = app.count("--seed") > 0;
  std::uint64_t from = arguments.seed;
  std::uint64_t to = arguments.seed;
  const bool ranged = app.count("--seeds") > 0;
  std::string wrong = understand(arguments);
  if (ranged && !parse_range(arguments.range, from, to)) wrong = "--seeds: give A..B, A <= B";
  if (!ranged && !arguments.has_seed) wrong = "give --seed N or --seeds A..B";
  if (!wrong.empty()) {
    std::cerr << "vppsim: " << wrong << '\n';
    return 2;
  }
  Totals totals;
  for (std::uint64_t at = from; at <= to; ++at) run_seed(at, arguments, totals);
  std::cerr << totals.seeds << " seeds, " << totals.failed << " failed; " << totals.steps
            << " steps, " << totals.crashes << " crashes, " << totals.partitions << " partitions, "
            << totals.disk_errors << " disk errors, " << totals.damaged << " damaged stores, "
            << totals.bids << " bids; slowest healing " << totals.healed_ms_max << " ms\n";
  return totals.failed == 0 ? 0 : 1;
}
