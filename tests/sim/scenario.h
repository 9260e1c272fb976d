// One seed's world: how large, how fast, and which faults at which rates.
#pragma once

#include <cstdint>
#include <expected>
#include <numeric>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/rng.h"
#include "config/time.h"

namespace vpp::sim {

/// The faults of the table in docs/simulation.md, by the names that --faults takes.
enum class Fault : std::uint8_t {
  kDrop,
  kDuplicate,
  kReorder,
  kDelay,
  kClog,
  kPartition,  ///< half of them one-way
  kSwizzle,    ///< many nodes' links clogged and unclogged in random order
  kCrash,
  kLostWrites,  ///< the crash strikes amid a write: sectors of 512 B lost
  kPause,
  kDiskError,
  kDiskFull,
  kBitFlip,
  kWallClock,  ///< wrong from the start, and jumping
  kDrift,
  kBoot1970,
  kSlowNode,
  kFlap,  ///< a parent goes and comes back all the time
  kMarketFailure,
  kEtcd,            ///< away for some time, from one root or from all; its answers lost
  kDead,            ///< when faults stop, a part stays dead for good
  kLyingLeaf,       ///< refused: not yet
  kLyingAggregator  ///< refused: not yet
};
/// What the plant is put to while faults rage; they compose.
enum class Workload : std::uint8_t {
  kDispatch,        ///< orders, cancellations
  kJoinStorm,       ///< every leaf comes at once, and once more
  kRegionalOutage,  ///< a branch loses its power, and has it back at once
  kRollingUpgrade,  ///< one node after the other stops cleanly and comes back
  kRootFailover     ///< the root that leads dies or freezes; one of the others takes over
};
using FaultSet = std::set<Fault>;
using WorkloadSet = std::set<Workload>;

/// "a,b,c", "all" or "none". Error: names what is not known, or not there yet.
[[nodiscard]] std::expected<FaultSet, std::string> parse_faults(const std::string& list);
[[nodiscard]] std::expected<WorkloadSet, std::string> parse_workloads(const std::string& list);

/// Rates of the table. Zero: the fault is off for this seed.
struct Faults {
  std::uint32_t drop_permille = 0;
  std::uint32_t duplicate_permille = 0;
  std::uint32_t reorder_permille = 0;
  Duration delay_mean{1};
  std::uint32_t clog_permille = 0;  ///< chance per frame that its link clogs
  Duration clog_max{0};
  std::uint32_t partition_permille_per_s = 0;
  Duration partition_max{0};
  bool swizzle = false;
  std::uint32_t crash_permille_per_minute = 0;  ///< per node
  Duration down_max{0};
  std::uint32_t lost_sector_permille = 0;       ///< of a write that a crash interrupts
  std::uint32_t pause_permille_per_minute = 0;  ///< per node
  Duration pause_max{0};
  std::uint32_t disk_error_permille = 0;  ///< of writes
  bool disk_full = false;                 ///< some disks, for a while
  std::uint32_t bit_flip_permille = 0;    ///< of restarts, on the disk
  Duration wall_clock_error_max{0};       ///< of every node but the root
  std::int64_t drift_ppm_max = 0;
  std::uint32_t boot_1970_permille = 0;  ///< of nodes but the root
  Duration slow_max{0};                  ///< per event, of some nodes
  bool flap = false;
  std::uint32_t etcd_lost_permille = 0;       ///< of asks and of answers
  std::uint32_t market_failure_permille = 0;  ///< also: answered late, answered twice
  bool leave_some_dead = false;
};

/// Deliberate mistakes of the WORLD, so that the checkers are seen to fail. Those of the cores are
/// in config/planted_bug.h.
enum class PlantedBug : std::uint8_t {
  kNone,
  kHoldForgotten,       ///< the network zeroes Hello.hold: a mover is counted twice
  kSessionForgotten,    ///< the disk acknowledges the session and loses it
  kTermForgotten,       ///< the disk loses the root's term
  kOrderForgotten,      ///< the disk loses acknowledged orders
  kShareInflated,       ///< the network adds a watt to every share on its way down
  kReportInflated,      ///< the network adds a watt and a joule to a report on its way up
  kSlowParentClock,     ///< an aggregator's protocol clock runs at a quarter of the speed
  kUnseededRandomness,  ///< a delay depends on something that is not the seed
  kFenceForgotten,      ///< a leaf's disk loses its fence, the network replays old orders to it
  kBidForgotten,        ///< the disk loses the root's facts: it bids twice
  kSyncForgotten,       ///< the disk acknowledges what a power cut then takes
  kTornInPlace,         ///< the disk overwrites records in place: a crash tears them
};
[[nodiscard]] std::optional<PlantedBug> parse_planted_bug(const std::string& name);
[[nodiscard]] std::string to_string(PlantedBug bug);

struct Overrides {
  std::optional<std::uint32_t> leaves;
  std::optional<std::uint32_t> aggregators;
  std::optional<std::uint32_t> depth;  ///< levels, root and leaves included: 2 to kDepthMax
  std::optional<FaultSet> faults;      ///< nothing: each with its own chance
  std::optional<WorkloadSet> workloads;
  std::optional<std::uint32_t> roots;
  bool lines = false;  ///< of every kind; otherwise every link is a LAN
  std::optional<bool> programs;
  std::optional<bool> values;
  std::optional<Duration> safety;
  std::optional<Duration> liveness;
  PlantedBug bug = PlantedBug::kNone;
};

struct Scenario {
  std::uint64_t seed = 0;
  std::uint32_t leaves = 0;
  std::uint32_t roots = 1;            ///< one, or three with an etcd
  std::vector<std::uint32_t> levels;  ///< aggregators per level, from the top
  bool mixed_homes = false;           ///< leaves also live above the lowest aggregators
  bool lines = false;                 ///< leaves' and aggregators' links are of every kind
  bool programs = false;              ///< owners subscribe to some of them, sites are in groups
  bool values = false;                ///< heads make value signals, most homes follow them
  bool market = false;
  std::int64_t speed = 1;    ///< of market time
  Duration start_spread{0};  ///< until all leaves have started
  Duration safety{0};        ///< faults rage
  Duration liveness{0};      ///< no faults; the tree must be whole at the end
  Faults faults;
  WorkloadSet workloads;
  PlantedBug bug = PlantedBug::kNone;
  std::uint64_t random = 0;  ///< seeds everything that happens in the run

  [[nodiscard]] std::uint32_t aggregators() const {
    return std::accumulate(levels.begin(), levels.end(), std::uint32_t{0});
  }
  [[nodiscard]] bool does(Workload what) const { return workloads.contains(what); }
};

[[nodiscard]] Scenario make_scenario(std::uint64_t seed, const Overrides& overrides = {});

/// One line for people: sizes and the faults that are on.
[[nodiscard]] std::string describe(const Scenario& scenario);

/// The command that runs this seed again, alike.
[[nodiscard]] std::string replay_command(const Scenario& scenario, const Overrides& overrides);

}  // namespace vpp::sim
