// What befalls nodes and links, and what the plant is put to.
#include <algorithm>
#include <utility>

#include "tests/sim/world.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kRebootProtocolMax = 20s;  // what a protocol clock shows after a power cut
constexpr std::size_t kIsolatedAlone = 2;     // of three partitions, how many cut few nodes off
constexpr std::uint64_t kSlowNodes = 3;
constexpr Duration kClogLast = 10s;  // of a swizzle, when the last link is clogged
constexpr Duration kUnclogLast = 20s;
constexpr Duration kFlapEvery = 29s;
constexpr Duration kFlapDown = 2s;
constexpr Duration kOutageMax = 20s;
constexpr Duration kDiskTurns = 5s;
constexpr Duration kFullMax = 10s;
constexpr std::uint32_t kSectorLostWhenKilled = 500;  // the kernel lives, and may have taken them

}  // namespace

Duration World::turn_after(std::uint32_t permille_per_minute_and_node) {
  const auto rate =
      std::int64_t{permille_per_minute_and_node} * static_cast<std::int64_t>(nodes_.size());
  const Duration mean{60'000'000 / std::max<std::int64_t>(rate, 1)};
  return 1ms + rng_.up_to(2 * mean);
}

void World::schedule_faults() {
  const Faults& faults = scenario_.faults;
  if (faults.crash_permille_per_minute > 0) {
    queue_.push(queue_.now() + turn_after(faults.crash_permille_per_minute), CrashTurn{});
  }
  if (faults.pause_permille_per_minute > 0) {
    queue_.push(queue_.now() + turn_after(faults.pause_permille_per_minute), PauseTurn{});
  }
  if (faults.partition_permille_per_s > 0) {
    queue_.push(queue_.now() + rng_.up_to(Duration{2'000'000 / faults.partition_permille_per_s}),
                PartitionTurn{});
  }
  schedule_hosts();
  schedule_workloads();
  queue_.push(WorldTime{scenario_.safety}, FaultsEnd{});
}

void World::schedule_hosts() {
  const Faults& faults = scenario_.faults;
  const auto some_time = [&] { return WorldTime{rng_.up_to(scenario_.safety / 2)}; };
  if (faults.swizzle) queue_.push(some_time(), SwizzleTurn{});
  if (faults.disk_full) queue_.push(some_time(), DiskTurn{});
  if (faults.wall_clock_error_max > Duration{0}) queue_.push(some_time(), ClockTurn{});
  if (faults.flap) {
    const auto victim = groups() > 1 ? 1 + rng_.below(groups() - 1) : kRootIndex;
    queue_.push(some_time(), FlapTurn{static_cast<NodeIndex>(victim)});
  }
  for (std::uint64_t i = 0; faults.slow_max > Duration{0} && i < kSlowNodes; ++i) {
    nodes_[draw_victim()].slow = 1ms + rng_.up_to(faults.slow_max - 1ms);
  }
}

void World::schedule_workloads() {
  const auto at = [&] {
    return WorldTime{scenario_.safety / 4 + rng_.up_to(scenario_.safety / 2)};
  };
  if (scenario_.does(Workload::kDispatch)) {
    queue_.push(WorldTime{rng_.up_to(10s)}, OperatorTurn{});
    if (scenario_.programs) queue_.push(WorldTime{rng_.up_to(10s)}, OwnerTurn{});
  }
  if (scenario_.does(Workload::kJoinStorm)) queue_.push(at(), JoinStorm{});
  if (scenario_.does(Workload::kRegionalOutage)) queue_.push(at(), RegionalOutage{});
  if (scenario_.does(Workload::kRootFailover)) queue_.push(at(), RootFails{});
  if (scenario_.faults.etcd_lost_permille > 0) queue_.push(at(), EtcdTurn{});
  if (!scenario_.does(Workload::kRollingUpgrade)) return;
  for (NodeIndex index = 0; index < nodes_.size(); ++index) {
    queue_.push(WorldTime{scenario_.safety / 4 +
                          scenario_.safety / 2 * index / static_cast<std::int64_t>(nodes_.size())},
                UpgradeTurn{index});
  }
}

/// Those who take children matter most, and are few; the root is one of its kind.
NodeIndex World::draw_victim() {
  if (rng_.below(3) != 0) return static_cast<NodeIndex>(rng_.below(nodes_.size()));
  return rng_.below(3) == 0 ? root() : static_cast<NodeIndex>(rng_.below(groups()));
}

/// Anybody but the root.
NodeIndex World::draw_child() {
  const NodeIndex drawn = draw_victim();
  return drawn != kRootIndex ? drawn : 1 + static_cast<NodeIndex>(rng_.below(nodes_.size() - 1));
}

void World::on(const CrashTurn&) {
  if (faults_over_) return;
  queue_.push(queue_.now() + turn_after(scenario_.faults.crash_permille_per_minute), CrashTurn{});
  const NodeIndex victim = draw_victim();
  const auto point = static_cast<CrashPoint>(rng_.below(5));
  if (!nodes_[victim].running || network_.paused(victim)) return;
  const bool amid = point == CrashPoint::kAmidPersist;
  if (point == CrashPoint::kNone || (amid && scenario_.faults.lost_sector_permille == 0)) {
    crash(victim, rng_.up_to(scenario_.faults.down_max));
  } else {
    nodes_[victim].crash_at = point;
  }
}

void World::crash(NodeIndex index, Duration down) {
  fall(index, rng_.below(3) == 0 ? Fall::kPowerCut : Fall::kKilled, down);
}

void World::fall(NodeIndex index, Fall how, Duration down) {
  SimNode& self = nodes_[index];
  const Faults& faults = scenario_.faults;
  const bool power_cut = how == Fall::kPowerCut;
  trace_.event(queue_.now(), index, "crash", static_cast<std::uint64_t>(how), [&] {
    return how == Fall::kStopped ? "stopped" : power_cut ? "power cut" : "killed";
  });
  if (how != Fall::kStopped) ++outcome_.crashes;
  network_.stop(index, power_cut);
  self.running.reset();
  if (self.site) self.site->stop();
  self.links.clear();
  self.inbox.clear();
  self.serving = false;
  self.crash_at = CrashPoint::kNone;
  self.fell_at = queue_.now();
  self.disk->crash(rng_, power_cut ? faults.lost_sector_permille : kSectorLostWhenKilled);
  if (!roots_.has(index) && rng_.below(1000) < faults.bit_flip_permille && !faults_over_) {
    self.flipped = self.disk->flip_bit(rng_) || self.flipped;
  }
  if (roots_.several() && roots_.leader == index) roots_.leader = kNobody;
  counted_once_.stopped(index);
  tree_shape_.stopped(index);
  energy_books_.stopped(index);
  never_over_.died(index);
  if (power_cut) {
    const Duration shown = rng_.up_to(kRebootProtocolMax);
    self.clock.offset += shown - self.clock.read(queue_.now()).time_since_epoch();
  }
  // Half of all processes are back at once, as under a supervisor.
  const Duration away = rng_.below(2) == 0 ? std::min<Duration>(down, 1s) : down;
  queue_.push(queue_.now() + 100ms + away, Restart{index});
}

void World::on(const Restart& event) {
  SimNode& self = nodes_[event.node];
  if (self.running || self.dead_for_good) return;
  if (self.flipped && !recover(event.node)) {
    if (queue_.now() - self.fell_at < kStorePutAside) {  // it has refused, and waits
      queue_.push(self.fell_at + kStorePutAside, event);
      return;
    }
    self.disk->wipe();
    self.flipped = false;
    self.records.emplace(*self.disk);
    promises_.forgot_all(event.node);
  }
  start(event.node);
}

void World::on(const PauseTurn&) {
  if (faults_over_) return;
  queue_.push(queue_.now() + turn_after(scenario_.faults.pause_permille_per_minute), PauseTurn{});
  const NodeIndex victim = draw_victim();
  if (!nodes_[victim].running || network_.paused(victim)) return;
  pause(victim, 100ms + rng_.up_to(scenario_.faults.pause_max));
}

void World::pause(NodeIndex index, Duration duration) {
  trace_.event(queue_.now(), index, "pause");
  ++outcome_.pauses;
  network_.set_paused(index, true);
  queue_.push(queue_.now() + duration, Resume{index, ++nodes_[index].pauses});
}

void World::on(const Resume& event) {
  SimNode& self = nodes_[event.node];
  if (!self.running || !network_.paused(event.node) || self.pauses != event.pause) return;
  trace_.event(queue_.now(), event.node, "resume");
  network_.set_paused(event.node, false);
  self.wake_at = self.poll_at = kEndOfWorld;
  // A frozen process wakes up either in its timers or in its sockets.
  if (rng_.below(2) == 0) advance(event.node);
  for (WorldEvent& waiting : std::exchange(self.inbox, {})) handle(std::move(waiting));
  if (!self.running) return;
  schedule_wake(event.node);
  schedule_poll(event.node);
}

void World::on(const PartitionTurn&) {
  if (faults_over_) return;
  const Faults& faults = scenario_.faults;
  queue_.push(
      queue_.now() + 1ms + rng_.up_to(Duration{2'000'000 / faults.partition_permille_per_s}),
      PartitionTurn{});
  std::vector<NodeIndex> isolated;
  if (rng_.below(3) < kIsolatedAlone) {
    isolated.push_back(draw_victim());
  } else {
    for (NodeIndex index = 0; index < nodes_.size(); ++index) {
      if (rng_.below(2) == 0) isolated.push_back(index);
    }
  }
  const bool one_way = rng_.below(2) == 0;
  if (one_way && rng_.below(2) == 0) {  // they are heard, and do not hear
    std::vector<NodeIndex> others;
    for (NodeIndex index = 0; index < nodes_.size(); ++index) {
      if (0 == std::ranges::count(isolated, index)) others.push_back(index);
    }
    isolated = std::move(others);
  }
  trace_.event(queue_.now(), kNobody, "partition", isolated.size(), [&] {
    std::string out = one_way ? "one-way, isolated:" : "isolated:";
    for (const NodeIndex index : isolated) out += " " + std::to_string(index);
    return out;
  });
  ++outcome_.partitions;
  network_.partition(isolated, one_way, queue_.now() + 1s + rng_.up_to(faults.partition_max));
}

void World::on(const PartitionEnds& event) {
  trace_.event(queue_.now(), kNobody, "partition-ends", event.slot,
               [&] { return std::to_string(event.slot); });
  network_.end_partition(event.slot, event.number);
}

void World::on(const SwizzleTurn&) {
  if (faults_over_) return;
  std::vector<NodeIndex> some;
  for (NodeIndex index = 0; index < nodes_.size(); ++index) {
    if (rng_.below(2) == 0) some.push_back(index);
  }
  trace_.event(queue_.now(), kNobody, "swizzle", some.size(),
               [&] { return std::to_string(some.size()) + " nodes"; });
  for (const NodeIndex index : some) {
    const WorldTime from = queue_.now() + rng_.up_to(kClogLast);
    queue_.push(from, Clog{index, queue_.now() + kClogLast + rng_.up_to(kUnclogLast)});
  }
}

void World::on(const Clog& event) {
  if (!faults_over_) network_.clog(event.node, event.until);
}

void World::on(const FlapTurn& event) {
  if (faults_over_) return;
  queue_.push(queue_.now() + 1s + rng_.up_to(kFlapEvery), event);
  const bool up = nodes_[event.node].running && !network_.paused(event.node);
  if (up) crash(event.node, rng_.up_to(kFlapDown));
}

void World::on(const DiskTurn&) {
  if (faults_over_) return;
  queue_.push(queue_.now() + rng_.up_to(kDiskTurns), DiskTurn{});
  nodes_[draw_victim()].full_until = queue_.now() + rng_.up_to(kFullMax);
}

void World::on(const ClockTurn&) {
  if (faults_over_) return;
  queue_.push(queue_.now() + 1s + rng_.up_to(10s), ClockTurn{});
  const Duration most = scenario_.faults.wall_clock_error_max;
  const NodeIndex victim = draw_child();
  const Duration error = rng_.up_to(2 * most) - most;
  if (!roots_.has(victim)) nodes_[victim].clock.wall_error = error;
}

void World::on(const JoinStorm&) {
  trace_.event(queue_.now(), kNobody, "join-storm");
  for (NodeIndex index = groups(); index < nodes_.size(); ++index) {
    if (nodes_[index].running && is_leaf(index)) fall(index, Fall::kPowerCut, 1s);
  }
}

bool World::is_below(NodeIndex node, NodeIndex ancestor) const {
  while (node != ancestor && !roots_.has(node)) node = nodes_[node].home;
  return node == ancestor;
}

void World::on(const RegionalOutage&) {
  const std::uint32_t regions = scenario_.levels.empty() ? 0 : scenario_.levels.front();
  if (regions == 0) return;
  const NodeIndex region = 1 + static_cast<NodeIndex>(rng_.below(regions));
  const Duration down = rng_.up_to(kOutageMax);
  trace_.event(queue_.now(), region, "regional-outage");
  for (NodeIndex index = 1; index < nodes_.size(); ++index) {
    if (nodes_[index].running && is_below(index, region)) fall(index, Fall::kPowerCut, down);
  }
}

void World::on(const UpgradeTurn& event) {
  const bool up = nodes_[event.node].running && !network_.paused(event.node);
  if (up && !faults_over_) step(event.node, node::StopAsked{});
}

void World::on(const RootFails&) {
  const NodeIndex victim = root();
  if (!nodes_[victim].running || network_.paused(victim) || faults_over_) return;
  const Duration away = rng_.up_to(10s);
  // A root that froze does not know that it was deposed.
  if (roots_.several() && rng_.below(2) == 0) return pause(victim, away);
  crash(victim, away);
}

}  // namespace vpp::sim
