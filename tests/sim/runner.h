// Runs seeds: each twice, and once more with text when something is wrong.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/sim/scenario.h"
#include "tests/sim/world.h"

namespace vpp::sim {

/// One seed, once. `watcher`: of a large plant, see World::watch().
[[nodiscard]] Outcome run_once(std::uint64_t seed, const Overrides& overrides,
                               const World::Watcher& watcher = {});

/// One seed twice; different hashes are a violation of invariant 15. On any violation it runs
/// again to fill `story`.
[[nodiscard]] Outcome run_twice(std::uint64_t seed, const Overrides& overrides);

/// What to print when a seed fails: the invariant, when, where, the last events, how to replay.
[[nodiscard]] std::string explain(std::uint64_t seed, const Overrides& overrides,
                                  const Outcome& outcome);

/// A core's own failed check ends the process; from now on it says first which seed it was.
void name_on_abort(std::uint64_t seed, const Overrides& overrides);

/// A replay file: one seed a line, then its story; '#' begins a comment.
struct Replay {
  std::uint64_t seed = 0;
  std::string story;
};
[[nodiscard]] std::vector<Replay> read_replays(const std::string& file);

}  // namespace vpp::sim
