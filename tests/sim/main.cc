// vpp_sim: runs seeds of the deterministic simulator.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <string>

#include "tests/sim/runner.h"

namespace {

using vpp::sim::Outcome;
using vpp::sim::Overrides;

struct Arguments {
  std::string range;
  std::uint64_t seed = 0;
  bool has_seed = false;
  bool trace = false;
  std::string format = "table";
  Overrides overrides;
};

struct Totals {
  std::uint64_t seeds = 0;
  std::uint64_t failed = 0;
  std::uint64_t steps = 0;
  std::uint64_t crashes = 0;
  std::uint64_t partitions = 0;
  std::uint64_t bids = 0;
  std::int64_t healed_ms_max = 0;
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
                               const Outcome& outcome) {
  nlohmann::ordered_json out;
  out["seed"] = seed;
  out["hash"] = outcome.hash;
  out["events"] = outcome.events;
  out["steps"] = outcome.steps;
  out["simulated_ms"] = outcome.simulated.count();
  out["whole_after_ms"] = nullptr;
  if (outcome.whole_after) out["whole_after_ms"] = outcome.whole_after->count();
  out["frames"] = outcome.network.frames;
  out["crashes"] = outcome.crashes;
  out["pauses"] = outcome.pauses;
  out["partitions"] = outcome.partitions;
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
  totals.bids += outcome.market.bids;
  if (outcome.whole_after) {
    totals.healed_ms_max = std::max(totals.healed_ms_max, outcome.whole_after->count());
  }
}

void run_seed(std::uint64_t seed, const Arguments& arguments, Totals& totals) {
  if (arguments.trace) {
    vpp::sim::name_on_abort(seed, arguments.overrides);
    vpp::sim::World world{make_scenario(seed, arguments.overrides), SIZE_MAX};
    add(totals, world.run());
    for (const auto& line : world.trace().last(vpp::sim::kNobody, SIZE_MAX)) {
      std::cout << line << '\n';
    }
    return;
  }
  const Outcome outcome = run_twice(seed, arguments.overrides);
  add(totals, outcome);
  if (arguments.format == "json") {
    std::cout << to_json(seed, arguments.overrides, outcome).dump() << '\n';
  } else if (outcome.violation || arguments.has_seed) {
    std::cout << explain(seed, arguments.overrides, outcome);
  }
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  std::string bug = "none";
  CLI::App app{"Runs seeds of the deterministic simulator, each twice."};
  auto* seeds = app.add_option("--seeds", arguments.range, "A..B, both included");
  auto* seed = app.add_option("--seed", arguments.seed, "one seed, with its story if it fails");
  seed->excludes(seeds);
  app.add_option("--leaves", arguments.overrides.leaves)->check(CLI::Range(1, 1'000'000));
  app.add_option("--aggregators", arguments.overrides.aggregators)->check(CLI::Range(0, 10'000));
  app.add_option("--plant", bug, "a deliberate mistake of the world; the checkers must find it");
  app.add_flag("--trace", arguments.trace, "print every event");
  app.add_option("-o,--output", arguments.format)->check(CLI::IsMember({"table", "json"}));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : 2;
  }
  arguments.has_seed = seed->count() > 0;
  const auto planted = vpp::sim::parse_planted_bug(bug);
  std::uint64_t from = arguments.seed;
  std::uint64_t to = arguments.seed;
  const bool ranged = seeds->count() > 0;
  if (!planted || (ranged && !parse_range(arguments.range, from, to)) ||
      (!ranged && !arguments.has_seed)) {
    std::cerr << "vpp_sim: give --seed N or --seeds A..B, and --plant a known bug\n";
    return 2;
  }
  arguments.overrides.bug = *planted;
  Totals totals;
  for (std::uint64_t at = from; at <= to; ++at) run_seed(at, arguments, totals);
  std::cerr << totals.seeds << " seeds, " << totals.failed << " failed; " << totals.steps
            << " steps, " << totals.crashes << " crashes, " << totals.partitions << " partitions, "
            << totals.bids << " bids; slowest healing " << totals.healed_ms_max << " ms\n";
  return totals.failed == 0 ? 0 : 1;
}
