#include "tests/sim/scenario.h"

#include <algorithm>
#include <array>
#include <utility>

#include "config/limits.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr std::array kBugNames{
    std::pair{PlantedBug::kNone, "none"},
    std::pair{PlantedBug::kHoldForgotten, "hold-forgotten"},
    std::pair{PlantedBug::kSessionForgotten, "session-forgotten"},
    std::pair{PlantedBug::kTermForgotten, "term-forgotten"},
    std::pair{PlantedBug::kOrderForgotten, "order-forgotten"},
    std::pair{PlantedBug::kShareInflated, "share-inflated"},
    std::pair{PlantedBug::kReportInflated, "report-inflated"},
    std::pair{PlantedBug::kSlowParentClock, "slow-parent-clock"},
    std::pair{PlantedBug::kUnseededRandomness, "unseeded-randomness"},
    std::pair{PlantedBug::kFenceForgotten, "fence-forgotten"},
    std::pair{PlantedBug::kBidForgotten, "bid-forgotten"},
};

std::uint32_t up_to(Rng& rng, std::uint32_t most) {
  return 1 + static_cast<std::uint32_t>(rng.below(most));
}

/// Each fault with probability one half, at a rate from its range.
Faults draw_faults(Rng& rng) {
  const auto on = [&] { return rng.below(2) == 0; };
  Faults faults;
  if (on()) faults.drop_permille = up_to(rng, 300);
  if (on()) faults.duplicate_permille = up_to(rng, 500);
  if (on()) faults.reorder_permille = up_to(rng, 500);
  if (on()) faults.delay_mean = Duration{up_to(rng, 100)};
  if (on()) {
    faults.clog_permille = up_to(rng, 20);
    faults.clog_max = 5s;
  }
  if (on()) {
    faults.partition_permille_per_s = up_to(rng, 100);  // a short run needs more of them
    faults.partition_max = rng.below(4) == 0 ? 300s : 30s;
  }
  if (on()) {
    faults.crash_permille_per_minute = up_to(rng, 1000);
    faults.down_max = rng.below(2) == 0 ? 3s : 30s;
  }
  if (on()) {
    faults.pause_permille_per_minute = up_to(rng, 1000);
    faults.pause_max = rng.below(2) == 0 ? 6s : 60s;
  }
  if (on()) faults.wall_clock_error_max = 1h;
  if (on()) faults.market_failure_permille = up_to(rng, 300);
  faults.leave_some_dead = rng.below(4) == 0;
  return faults;
}

}  // namespace

std::optional<PlantedBug> parse_planted_bug(const std::string& name) {
  for (const auto& [bug, bug_name] : kBugNames) {
    if (name == bug_name) return bug;
  }
  return std::nullopt;
}

std::string to_string(PlantedBug bug) {
  for (const auto& [candidate, name] : kBugNames) {
    if (candidate == bug) return name;
  }
  return "unknown";
}

Scenario make_scenario(std::uint64_t seed, const Overrides& overrides) {
  Rng rng{seed};
  Scenario scenario;
  scenario.seed = seed;
  scenario.leaves = 12 + static_cast<std::uint32_t>(rng.below(13));
  scenario.aggregators = 3;
  scenario.nested = rng.below(3) == 0;
  scenario.market = rng.below(2) == 0;
  scenario.speed = std::array{1, 1, 10, 60}[rng.below(4)];
  scenario.safety = 45s + rng.up_to(30s);
  scenario.liveness = 60s;
  scenario.faults = draw_faults(rng);
  scenario.bug = overrides.bug;
  scenario.random = rng.next();
  scenario.leaves = overrides.leaves.value_or(scenario.leaves);
  scenario.aggregators = overrides.aggregators.value_or(scenario.aggregators);
  return scenario;
}

std::string describe(const Scenario& scenario) {
  const Faults& faults = scenario.faults;
  std::string out = "1 root, " + std::to_string(scenario.aggregators) +
                    (scenario.nested ? " nested aggregators, " : " aggregators, ") +
                    std::to_string(scenario.leaves) + " leaves, market " +
                    (scenario.market ? "on" : "off") + " at " + std::to_string(scenario.speed) +
                    "x, " + std::to_string(scenario.safety / 1s) + " s of faults:";
  const auto add = [&](const char* name, std::int64_t value) {
    if (value != 0) out += std::string{" "} + name + "=" + std::to_string(value);
  };
  add("drop", faults.drop_permille);
  add("duplicate", faults.duplicate_permille);
  add("reorder", faults.reorder_permille);
  add("delay_ms", faults.delay_mean.count());
  add("clog", faults.clog_permille);
  add("partition_per_s", faults.partition_permille_per_s);
  add("partition_max_ms", faults.partition_max.count());
  add("crash_per_min", faults.crash_permille_per_minute);
  add("down_max_ms", faults.down_max.count());
  add("pause_per_min", faults.pause_permille_per_minute);
  add("pause_max_ms", faults.pause_max.count());
  add("wall_clock_error_ms", faults.wall_clock_error_max.count());
  add("market_failure", faults.market_failure_permille);
  add("leave_some_dead", faults.leave_some_dead ? 1 : 0);
  return out;
}

std::string replay_command(const Scenario& scenario, const Overrides& overrides) {
  std::string out = "build/dev/tests/sim/vpp_sim --seed " + std::to_string(scenario.seed);
  if (overrides.leaves) out += " --leaves " + std::to_string(*overrides.leaves);
  if (overrides.aggregators) out += " --aggregators " + std::to_string(*overrides.aggregators);
  if (overrides.bug != PlantedBug::kNone) out += " --plant " + to_string(overrides.bug);
  return out;
}

}  // namespace vpp::sim
