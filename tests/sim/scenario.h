// One seed's world: how large, how fast, and which faults at which rates.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/rng.h"
#include "config/time.h"

namespace vpp::sim {

/// Rates of the table in design/reliability.md. Zero: the fault is off for this seed.
struct Faults {
  std::uint32_t drop_permille = 0;
  std::uint32_t duplicate_permille = 0;
  std::uint32_t reorder_permille = 0;
  Duration delay_mean{1};
  std::uint32_t clog_permille = 0;  ///< chance per frame that its link clogs
  Duration clog_max{0};
  std::uint32_t partition_permille_per_s = 0;
  Duration partition_max{0};
  std::uint32_t crash_permille_per_minute = 0;  ///< per node
  Duration down_max{0};
  std::uint32_t pause_permille_per_minute = 0;  ///< per node
  Duration pause_max{0};
  Duration wall_clock_error_max{0};           ///< of every node but the root
  std::uint32_t market_failure_permille = 0;  ///< also: answered late, answered twice
  bool leave_some_dead = false;               ///< when faults stop, a part stays dead for good
};

/// Deliberate mistakes of the WORLD (never of a core), so that the checkers are seen to fail.
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
};
[[nodiscard]] std::optional<PlantedBug> parse_planted_bug(const std::string& name);
[[nodiscard]] std::string to_string(PlantedBug bug);

struct Overrides {
  std::optional<std::uint32_t> leaves;
  std::optional<std::uint32_t> aggregators;
  PlantedBug bug = PlantedBug::kNone;
};

struct Scenario {
  std::uint64_t seed = 0;
  std::uint32_t leaves = 0;
  std::uint32_t aggregators = 0;
  bool nested = false;
  bool market = false;
  std::int64_t speed = 1;  ///< of market time
  Duration safety{0};      ///< faults rage
  Duration liveness{0};    ///< no faults; the tree must be whole at the end
  Faults faults;
  PlantedBug bug = PlantedBug::kNone;
  std::uint64_t random = 0;  ///< seeds everything that happens in the run
};

[[nodiscard]] Scenario make_scenario(std::uint64_t seed, const Overrides& overrides = {});

/// One line for people: sizes and the faults that are on.
[[nodiscard]] std::string describe(const Scenario& scenario);

/// The command that runs this seed again, alike.
[[nodiscard]] std::string replay_command(const Scenario& scenario, const Overrides& overrides);

}  // namespace vpp::sim
