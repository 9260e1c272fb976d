// Faults, the operator, and the end.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "aggregation/duration_curve.h"
#include "tests/sim/world.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kInspectInterval = 500ms;
constexpr Duration kRebootProtocolMax = 20s;  // what a protocol clock shows after a power cut
constexpr Duration kFinalOrder = 20s;         // in protocol time
constexpr Duration kFinalOrderSettled = 5s;
constexpr std::int64_t kDeliveryTolerancePermille = 20;
constexpr std::size_t kIsolatedAlone = 2;  // of three partitions, how many cut few nodes off

}  // namespace

Duration World::turn_after(std::uint32_t permille_per_minute_and_node) {
  const auto rate =
      std::int64_t{permille_per_minute_and_node} * static_cast<std::int64_t>(nodes_.size());
  const Duration mean{60'000'000 / std::max<std::int64_t>(rate, 1)};
  return 1ms + rng_.up_to(2 * mean);
}

void World::schedule_faults() {
  const Faults& faults = scenario_.faults;
  const auto later = [&](std::uint32_t rate) { return queue_.now() + turn_after(rate); };
  if (faults.crash_permille_per_minute > 0) {
    queue_.push(later(faults.crash_permille_per_minute), CrashTurn{});
  }
  if (faults.pause_permille_per_minute > 0) {
    queue_.push(later(faults.pause_permille_per_minute), PauseTurn{});
  }
  if (faults.partition_permille_per_s > 0) {
    queue_.push(queue_.now() + rng_.up_to(Duration{2'000'000 / faults.partition_permille_per_s}),
                PartitionTurn{});
  }
  queue_.push(WorldTime{scenario_.safety}, FaultsEnd{});
  queue_.push(queue_.now() + rng_.up_to(10s), OperatorTurn{});
}

/// Those who take children matter most, and are few.
NodeIndex World::draw_victim() {
  const bool upper = rng_.below(3) == 0;
  return static_cast<NodeIndex>(rng_.below(upper ? 1 + scenario_.aggregators : nodes_.size()));
}

void World::on(const CrashTurn&) {
  if (faults_over_) return;
  queue_.push(queue_.now() + turn_after(scenario_.faults.crash_permille_per_minute), CrashTurn{});
  const NodeIndex victim = draw_victim();
  const auto point = static_cast<CrashPoint>(rng_.below(4));
  if (!nodes_[victim].running || network_.paused(victim)) return;
  if (point == CrashPoint::kNone) {
    crash(victim, rng_.up_to(scenario_.faults.down_max));
  } else {
    nodes_[victim].crash_at = point;
  }
}

void World::crash(NodeIndex index, Duration down) {
  SimNode& self = nodes_[index];
  const bool power_cut = rng_.below(3) == 0;
  trace_.event(queue_.now(), index, "crash", power_cut,
               [&] { return power_cut ? "power cut" : "killed"; });
  ++outcome_.crashes;
  network_.stop(index, power_cut);
  self.running.reset();
  if (self.site) self.site->stop();
  self.links.clear();
  self.inbox.clear();
  self.crash_at = CrashPoint::kNone;
  counted_once_.stopped(index);
  tree_shape_.stopped(index);
  energy_books_.stopped(index);
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
  if (!self.running && !self.dead_for_good) start(event.node);
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

// --- the operator ----------------------------------------------------------------------------

void World::ask(const std::variant<node::SendOrder, node::CancelOrder>& command) {
  ++outcome_.orders;
  trace_.event(queue_.now(), kRootIndex, "operator-asks", command.index(), [&] {
    const auto* order = std::get_if<node::SendOrder>(&command);
    return order == nullptr ? "cancel" : std::to_string(order->power.count) + " W " + order->key;
  });
  step(kRootIndex, node::OperatorAsked{++requests_, command});
}

void World::on(const OperatorTurn&) {
  if (faults_over_) return;
  queue_.push(queue_.now() + 1s + rng_.up_to(12s), OperatorTurn{});
  if (nodes_[kRootIndex].running && !network_.paused(kRootIndex)) ask_something();
}

void World::ask_something() {
  if (!known_orders_.empty() && rng_.below(4) == 0) {
    ask(node::CancelOrder{known_orders_[rng_.below(known_orders_.size())]});
    return;
  }
  const auto most = std::int64_t{6'000} * scenario_.leaves;
  const auto power = static_cast<std::int64_t>(rng_.below(static_cast<std::uint64_t>(2 * most)));
  node::SendOrder order;
  order.key = "operator-" + std::to_string(rng_.below(40));  // now and then one that is known
  order.power = {power - most};
  if (scenario_.bug == PlantedBug::kUnseededRandomness) order.power.count += noise_ % 2 == 0;
  order.duration = scenario_.speed * (5s + rng_.up_to(40s));
  if (rng_.below(3) == 0) order.from = market() + scenario_.speed * rng_.up_to(10s);
  ask(order);
}

// --- the end ---------------------------------------------------------------------------------

void World::on(const FaultsEnd&) {
  trace_.event(queue_.now(), kNobody, "faults-end");
  faults_over_ = true;
  faults_over_at_ = queue_.now();
  network_.heal();
  market_.heal();
  if (scenario_.faults.leave_some_dead) {
    const std::uint32_t aggregators = scenario_.aggregators;
    if (aggregators > 1) nodes_[1 + rng_.below(aggregators)].dead_for_good = true;
    nodes_[1 + aggregators + rng_.below(scenario_.leaves)].dead_for_good = true;
  }
  for (NodeIndex index = 0; index < nodes_.size(); ++index) {
    SimNode& self = nodes_[index];
    self.crash_at = CrashPoint::kNone;
    if (network_.paused(index)) on(Resume{index, self.pauses});
    if (self.dead_for_good && self.running) crash(index, Duration{0});
    if (!self.dead_for_good && !self.running) start(index);
  }
  for (const OrderId id : std::exchange(known_orders_, {})) ask(node::CancelOrder{id});
  queue_.push(queue_.now() + kInspectInterval, Inspect{});
}

void World::on(const Inspect&) {
  queue_.push(queue_.now() + kInspectInterval, Inspect{});
  const std::string why = why_not_whole();
  trace_.event(queue_.now(), kNobody, "inspect", why.size(), [&] { return why; });
  if (why.empty()) {
    whole_at_ = queue_.now();
    if (!outcome_.whole_after) outcome_.whole_after = queue_.now() - faults_over_at_;
  }
  if (outcome_.whole_after) {
    watch_delivery(nodes_[kRootIndex].running->status(now_of(kRootIndex)));
  }
}

std::string World::why_not_whole() {
  std::uint32_t healthy = 0;
  for (NodeIndex index = 1; index < nodes_.size(); ++index) {
    const SimNode& self = nodes_[index];
    if (self.dead_for_good) continue;
    if (!tree_shape_.reaches_root(index)) {
      return "node " + std::to_string(index) + " does not reach the root";
    }
    healthy += self.role == Role::kLeaf ? 1 : 0;
  }
  const auto status = nodes_[kRootIndex].running->status(now_of(kRootIndex));
  if (status.group.coverage.online != healthy || counted_once_.counted_at_root() != healthy) {
    return "the root counts " + std::to_string(status.group.coverage.online) + " online, " +
           std::to_string(counted_once_.counted_at_root()) + " in its sum, of " +
           std::to_string(healthy) + " leaves";
  }
  return {};
}

void World::watch_delivery(const node::NodeStatus& root) {
  const Duration length = scenario_.speed * kFinalOrder;
  if (!final_order_at_) {
    if (root.target && *root.target != Watts{0}) return;  // a market's order is still in force
    const auto curve =
        aggregation::DurationCurve::from_wire(root.group.grid_id, root.group.discharge);
    if (!curve) return;
    final_order_at_ = queue_.now();
    const std::int64_t most = curve->at(length).count / (length / 1s);
    ask(node::SendOrder{"final", Watts{most / 2}, {}, length});
    return;
  }
  const Duration under_way = queue_.now() - *final_order_at_;
  if (under_way < kFinalOrderSettled || under_way > kFinalOrder - kInspectInterval) return;
  asked_sum_w_ += root.target.value_or(Watts{0}).count;
  measured_sum_w_ += root.group.measured.count;
  if (under_way != kFinalOrder - kInspectInterval) return;
  // The mean, because at 60 times the speed a batch of new set points takes a market minute.
  const std::int64_t off = std::abs(asked_sum_w_ - measured_sum_w_);
  if (off * 1000 > std::abs(asked_sum_w_) * kDeliveryTolerancePermille) {
    fail(Invariant::kDelivers, kRootIndex,
         "delivers " + std::to_string(measured_sum_w_) + " W of " + std::to_string(asked_sum_w_) +
             " W over its final order");
  }
}

}  // namespace vpp::sim
