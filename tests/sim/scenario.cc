#include "tests/sim/scenario.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>
#include <utility>

#include "config/limits.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

/// A minute, the longest lease, and the hold of one that lost its store.
constexpr Duration kLinesLiveness = 5min;

constexpr std::uint32_t kLargePlant = 2'000;  // leaves; larger ones come one after the other
constexpr Duration kLargeStart = 10s;
constexpr std::uint32_t kSeveralRoots = 3;

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
    std::pair{PlantedBug::kSyncForgotten, "sync-forgotten"},
    std::pair{PlantedBug::kTornInPlace, "torn-in-place"},
};

constexpr std::array kFaultNames{
    std::pair{Fault::kDrop, "drop"},
    std::pair{Fault::kDuplicate, "duplicate"},
    std::pair{Fault::kReorder, "reorder"},
    std::pair{Fault::kDelay, "delay"},
    std::pair{Fault::kClog, "clog"},
    std::pair{Fault::kPartition, "partition"},
    std::pair{Fault::kSwizzle, "swizzle"},
    std::pair{Fault::kCrash, "crash"},
    std::pair{Fault::kLostWrites, "lost-writes"},
    std::pair{Fault::kPause, "pause"},
    std::pair{Fault::kDiskError, "disk-error"},
    std::pair{Fault::kDiskFull, "disk-full"},
    std::pair{Fault::kBitFlip, "bit-flip"},
    std::pair{Fault::kWallClock, "wall-clock"},
    std::pair{Fault::kDrift, "drift"},
    std::pair{Fault::kBoot1970, "boot-1970"},
    std::pair{Fault::kSlowNode, "slow-node"},
    std::pair{Fault::kFlap, "flap"},
    std::pair{Fault::kMarketFailure, "market-failure"},
    std::pair{Fault::kEtcd, "etcd"},
    std::pair{Fault::kDead, "dead"},
    std::pair{Fault::kLyingLeaf, "lying-leaf"},
    std::pair{Fault::kLyingAggregator, "lying-aggregator"},
};
constexpr std::array kWorkloadNames{
    std::pair{Workload::kDispatch, "dispatch"},
    std::pair{Workload::kJoinStorm, "join-storm"},
    std::pair{Workload::kRegionalOutage, "regional-outage"},
    std::pair{Workload::kRollingUpgrade, "rolling-upgrade"},
    std::pair{Workload::kRootFailover, "root-failover"},
};

bool is_there(Fault fault) {
  return fault != Fault::kLyingLeaf && fault != Fault::kLyingAggregator;
}
bool is_there(Workload) {
  return true;
}

template <class Kind, class Names>
std::expected<std::set<Kind>, std::string> parse_list(const std::string& list, const Names& names) {
  std::set<Kind> out;
  if (list == "none") return out;
  std::istringstream words{list};
  for (std::string word; std::getline(words, word, ',');) {
    const auto named =
        std::ranges::find_if(names, [&](const auto& entry) { return entry.second == word; });
    if (word == "all") {
      for (const auto& [kind, name] : names) {
        if (is_there(kind)) out.insert(kind);
      }
    } else if (named == names.end()) {
      std::string known;
      for (const auto& [kind, name] : names) known += std::string{" "} + name;
      return std::unexpected{"'" + word + "' is not known; hint: all, none, or some of" + known};
    } else if (!is_there(named->first)) {
      return std::unexpected{"'" + word + "' is not there yet: it waits for signed messages"};
    } else {
      out.insert(named->first);
    }
  }
  return out;
}

template <class Kind, class Names>
std::string list_of(const std::set<Kind>& some, const Names& names) {
  std::string out;
  for (const auto& [kind, name] : names) {
    if (some.contains(kind)) out += (out.empty() ? "" : ",") + std::string{name};
  }
  return out.empty() ? "none" : out;
}

std::uint32_t up_to(Rng& rng, std::uint32_t most) {
  return 1 + static_cast<std::uint32_t>(rng.below(most));
}

/// Each with probability one half, but for those of which the table says something else.
FaultSet draw_set(Rng& rng) {
  FaultSet out;
  for (const auto& [fault, name] : kFaultNames) {
    std::uint64_t chance_permille = 500;
    if (fault == Fault::kSwizzle) chance_permille = 100;
    if (fault == Fault::kBoot1970) chance_permille = 300;
    if (fault == Fault::kDead || fault == Fault::kBitFlip) chance_permille = 250;
    if (fault == Fault::kFlap || fault == Fault::kSlowNode) chance_permille = 250;
    if (fault == Fault::kDiskError || fault == Fault::kDiskFull) chance_permille = 250;
    if (fault == Fault::kEtcd) continue;  // drawn with the roots
    if (rng.below(1000) < chance_permille && is_there(fault)) out.insert(fault);
  }
  return out;
}

/// Rates from the ranges of the table. Every number is drawn whether it is used or not, so that a
/// seed with fewer faults stays the same in the rest.
void draw_network(Rng& rng, const FaultSet& on, Faults& faults) {
  const auto if_on = [&](Fault fault, auto value) {
    return on.contains(fault) ? value : decltype(value){};
  };
  faults.drop_permille = if_on(Fault::kDrop, up_to(rng, 300));
  faults.duplicate_permille = if_on(Fault::kDuplicate, up_to(rng, 500));
  faults.reorder_permille = if_on(Fault::kReorder, up_to(rng, 500));
  faults.delay_mean = std::max<Duration>(if_on(Fault::kDelay, Duration{up_to(rng, 100)}), 1ms);
  faults.clog_permille = if_on(Fault::kClog, up_to(rng, 20));
  faults.clog_max = if_on(Fault::kClog, Duration{5s});
  // A short run needs more of them than the table's.
  faults.partition_permille_per_s = if_on(Fault::kPartition, up_to(rng, 100));
  faults.partition_max = if_on(Fault::kPartition, Duration{rng.below(4) == 0 ? 300s : 30s});
  faults.swizzle = on.contains(Fault::kSwizzle);
}

void draw_hosts(Rng& rng, const FaultSet& on, Faults& faults) {
  const auto if_on = [&](Fault fault, auto value) {
    return on.contains(fault) ? value : decltype(value){};
  };
  faults.crash_permille_per_minute = if_on(Fault::kCrash, up_to(rng, 1000));
  faults.down_max = if_on(Fault::kCrash, Duration{rng.below(2) == 0 ? 3s : 30s});
  faults.lost_sector_permille = if_on(Fault::kLostWrites, 800 + up_to(rng, 200));
  faults.pause_permille_per_minute = if_on(Fault::kPause, up_to(rng, 1000));
  faults.pause_max = if_on(Fault::kPause, Duration{rng.below(2) == 0 ? 6s : 60s});
  faults.disk_error_permille = if_on(Fault::kDiskError, up_to(rng, 100));
  faults.disk_full = on.contains(Fault::kDiskFull);
  faults.bit_flip_permille = if_on(Fault::kBitFlip, up_to(rng, 100));
  faults.wall_clock_error_max = if_on(Fault::kWallClock, Duration{1h});
  faults.drift_ppm_max = if_on(Fault::kDrift, std::int64_t{1000});
  faults.boot_1970_permille = if_on(Fault::kBoot1970, up_to(rng, 300));
  faults.slow_max = if_on(Fault::kSlowNode, Duration{up_to(rng, 50)});
  faults.flap = on.contains(Fault::kFlap);
  faults.market_failure_permille = if_on(Fault::kMarketFailure, up_to(rng, 300));
  faults.leave_some_dead = on.contains(Fault::kDead);
}

WorkloadSet draw_workloads(Rng& rng) {
  WorkloadSet out{Workload::kDispatch};
  for (const auto& [workload, name] : kWorkloadNames) {
    if (rng.below(8) == 0) out.insert(workload);
  }
  return out;
}

/// The same fan-out at every level, but no more aggregators than a handful of leaves each.
std::vector<std::uint32_t> levels_for(std::uint32_t leaves, std::uint32_t depth) {
  const double fan_out = std::ceil(std::pow(leaves, 1.0 / (depth - 1)) - 1e-9);
  const std::uint32_t most = std::max(2U, leaves / 8);
  std::vector<std::uint32_t> out;
  double wanted = 1;
  for (std::uint32_t level = 2; level < depth; ++level) {
    wanted *= std::max(2.0, fan_out);
    out.push_back(static_cast<std::uint32_t>(std::min<double>(wanted, most)));
  }
  return out;
}

std::vector<std::uint32_t> draw_levels(Rng& rng) {
  const std::uint64_t shape = rng.below(8);
  if (shape < 3) return {3};
  if (shape < 6) return {2, 1};
  std::vector<std::uint32_t> out(2 + rng.below(limits::kDepthMax - 3));
  for (std::uint32_t& level : out) level = 1 + static_cast<std::uint32_t>(rng.below(2));
  out.front() = 2;
  return out;
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

std::expected<FaultSet, std::string> parse_faults(const std::string& list) {
  return parse_list<Fault>(list, kFaultNames);
}
std::expected<WorkloadSet, std::string> parse_workloads(const std::string& list) {
  return parse_list<Workload>(list, kWorkloadNames);
}

/// Drawn after everything else: a plant with one root is the same whatever the odds here.
void draw_roots(Rng& rng, const Overrides& overrides, Scenario& scenario) {
  const bool drawn = scenario.does(Workload::kRootFailover) || rng.below(4) == 0;
  const bool many = scenario.leaves <= kLargePlant && scenario.bug == PlantedBug::kNone && drawn;
  scenario.roots = overrides.roots.value_or(many ? kSeveralRoots : 1);
  const bool troubled =
      overrides.faults ? overrides.faults->contains(Fault::kEtcd) : rng.below(2) == 0;
  scenario.faults.etcd_lost_permille = scenario.roots > 1 && troubled ? up_to(rng, 200) : 0;
}

Scenario make_scenario(std::uint64_t seed, const Overrides& overrides) {
  Rng rng{seed};
  Scenario scenario;
  scenario.seed = seed;
  scenario.leaves = 12 + static_cast<std::uint32_t>(rng.below(13));
  scenario.levels = draw_levels(rng);
  scenario.mixed_homes = rng.below(2) == 0;
  scenario.market = rng.below(2) == 0;
  scenario.speed =
      scenario.market ? std::array{10, 60}[rng.below(2)] : std::array{1, 10}[rng.below(2)];
  scenario.safety = overrides.safety.value_or(45s + rng.up_to(30s));
  scenario.lines = overrides.lines;
  scenario.liveness = overrides.liveness.value_or(scenario.lines ? kLinesLiveness : 60s);
  const FaultSet drawn = draw_set(rng);
  const FaultSet& faults = overrides.faults ? *overrides.faults : drawn;
  draw_network(rng, faults, scenario.faults);
  draw_hosts(rng, faults, scenario.faults);
  const WorkloadSet workloads = draw_workloads(rng);
  scenario.workloads = overrides.workloads.value_or(workloads);
  scenario.bug = overrides.bug;
  scenario.random = rng.next();
  scenario.leaves = overrides.leaves.value_or(scenario.leaves);
  if (overrides.depth) scenario.levels = levels_for(scenario.leaves, *overrides.depth);
  if (overrides.aggregators) scenario.levels = {*overrides.aggregators};
  if (overrides.depth || scenario.leaves > kLargePlant) scenario.mixed_homes = false;
  if (scenario.leaves > kLargePlant && !scenario.does(Workload::kJoinStorm)) {
    scenario.start_spread = kLargeStart;
  }
  draw_roots(rng, overrides, scenario);
  const bool small = scenario.leaves <= kLargePlant && scenario.bug == PlantedBug::kNone;
  scenario.programs = overrides.programs.value_or(small && rng.below(3) == 0);
  scenario.values = overrides.values.value_or(small && rng.below(4) == 0);
  return scenario;
}

std::string describe(const Scenario& scenario) {
  const Faults& faults = scenario.faults;
  std::string out = std::to_string(scenario.roots) + (scenario.roots == 1 ? " root," : " roots,");
  for (const std::uint32_t level : scenario.levels) out += " " + std::to_string(level);
  out += " aggregators, " + std::to_string(scenario.leaves) + " leaves, market " +
         (scenario.market ? "on" : "off") + " at " + std::to_string(scenario.speed) + "x, " +
         list_of(scenario.workloads, kWorkloadNames) + ", " + std::to_string(scenario.safety / 1s) +
         " s of faults:";
  const auto add = [&](const char* name, std::int64_t value) {
    if (value != 0) out += std::string{" "} + name + "=" + std::to_string(value);
  };
  add("lines", scenario.lines ? 1 : 0);
  add("programs", scenario.programs ? 1 : 0);
  add("values", scenario.values ? 1 : 0);
  add("drop", faults.drop_permille);
  add("duplicate", faults.duplicate_permille);
  add("reorder", faults.reorder_permille);
  add("delay_ms", faults.delay_mean.count());
  add("clog", faults.clog_permille);
  add("partition_per_s", faults.partition_permille_per_s);
  add("partition_max_ms", faults.partition_max.count());
  add("swizzle", faults.swizzle ? 1 : 0);
  add("crash_per_min", faults.crash_permille_per_minute);
  add("down_max_ms", faults.down_max.count());
  add("lost_sectors", faults.lost_sector_permille);
  add("pause_per_min", faults.pause_permille_per_minute);
  add("pause_max_ms", faults.pause_max.count());
  add("disk_error", faults.disk_error_permille);
  add("disk_full", faults.disk_full ? 1 : 0);
  add("bit_flip", faults.bit_flip_permille);
  add("wall_clock_error_ms", faults.wall_clock_error_max.count());
  add("drift_ppm", faults.drift_ppm_max);
  add("boot_1970", faults.boot_1970_permille);
  add("slow_ms", faults.slow_max.count());
  add("flap", faults.flap ? 1 : 0);
  add("etcd_lost", faults.etcd_lost_permille);
  add("market_failure", faults.market_failure_permille);
  add("leave_some_dead", faults.leave_some_dead ? 1 : 0);
  return out;
}

std::string replay_command(const Scenario& scenario, const Overrides& overrides) {
  std::string out = "tools/vppsim --seed " + std::to_string(scenario.seed);
  if (overrides.leaves) out += " --leaves " + std::to_string(*overrides.leaves);
  if (overrides.aggregators) out += " --aggregators " + std::to_string(*overrides.aggregators);
  if (overrides.depth) out += " --depth " + std::to_string(*overrides.depth);
  if (overrides.roots) out += " --roots " + std::to_string(*overrides.roots);
  if (overrides.lines) out += " --lines";
  if (overrides.programs) out += " --programs " + std::string{*overrides.programs ? "on" : "off"};
  if (overrides.values) out += " --values " + std::string{*overrides.values ? "on" : "off"};
  if (overrides.faults) out += " --faults " + list_of(*overrides.faults, kFaultNames);
  if (overrides.workloads) out += " --workload " + list_of(*overrides.workloads, kWorkloadNames);
  if (overrides.safety) out += " --safety " + std::to_string(*overrides.safety / 1s);
  if (overrides.liveness) out += " --liveness " + std::to_string(*overrides.liveness / 1s);
  if (overrides.bug != PlantedBug::kNone) out += " --plant " + to_string(overrides.bug);
  return out;
}

}  // namespace vpp::sim
