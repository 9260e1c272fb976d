#include "tests/sim/runner.h"

#include <cstdlib>
#include <exception>
#include <fstream>
#include <iostream>
#include <sstream>
#include <utility>

namespace vpp::sim {
namespace {

constexpr std::size_t kLinesKept = 200'000;

/// Read by the terminate handler only, which takes no argument.
std::string& running_now() {
  static std::string command;
  return command;
}

[[noreturn]] void say_and_abort() {
  try {
    if (const auto error = std::current_exception()) std::rethrow_exception(error);
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
  }
  std::cerr << "VIOLATION: a core's own check failed\nreplay: " << running_now() << std::endl;
  std::abort();
}

Outcome run(std::uint64_t seed, const Overrides& overrides, std::size_t lines, std::uint64_t noise,
            const World::Watcher& watcher = {}) {
  name_on_abort(seed, overrides);
  World world{make_scenario(seed, overrides), lines, noise};
  world.watch(watcher);
  return world.run();
}

}  // namespace

Outcome run_once(std::uint64_t seed, const Overrides& overrides, const World::Watcher& watcher) {
  return run(seed, overrides, 0, 0, watcher);
}

Outcome run_twice(std::uint64_t seed, const Overrides& overrides) {
  Outcome first = run(seed, overrides, 0, 0);
  if (!first.violation) {
    const Outcome second = run(seed, overrides, 0, 1);
    if (second.hash != first.hash || second.events != first.events) {
      first.violation =
          Violation{Invariant::kReproducible, kNobody, {}, "two runs of one seed differ"};
    }
    return first;
  }
  return run(seed, overrides, kLinesKept, 0);
}

std::string explain(std::uint64_t seed, const Overrides& overrides, const Outcome& outcome) {
  const Scenario scenario = make_scenario(seed, overrides);
  std::ostringstream out;
  out << "seed " << seed << ": " << describe(scenario) << '\n';
  if (outcome.violation) {
    const Violation& violation = *outcome.violation;
    for (const auto& line : outcome.story) out << "  " << line << '\n';
    out << "VIOLATION of invariant " << std::to_underlying(violation.invariant) << " at "
        << violation.at.time_since_epoch().count() << " ms, node "
        << static_cast<std::int64_t>(violation.node == kNobody ? -1 : std::int64_t{violation.node})
        << ": " << violation.what << '\n';
  }
  out << "replay: " << replay_command(scenario, overrides) << '\n';
  return out.str();
}

void name_on_abort(std::uint64_t seed, const Overrides& overrides) {
  running_now() = replay_command(make_scenario(seed, overrides), overrides);
  std::set_terminate(say_and_abort);
}

std::vector<Replay> read_replays(const std::string& file) {
  std::vector<Replay> out;
  std::ifstream in{file};
  std::string line;
  while (std::getline(in, line)) {
    if (line.empty() || line.front() == '#') continue;
    std::istringstream words{line};
    Replay replay;
    if (words >> replay.seed) {
      std::getline(words >> std::ws, replay.story);
      out.push_back(std::move(replay));
    }
  }
  return out;
}

}  // namespace vpp::sim
