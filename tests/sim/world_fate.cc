// The operator, and the end.
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "aggregation/duration_curve.h"
#include "tests/sim/world.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kInspectInterval = 500ms;
constexpr Duration kFinalOrder = 20s;  // in protocol time
constexpr Duration kFinalOrderSettled = 5s;
/// The final order asks for half of what the fleet can hold this many times as long: sites that
/// faults made doubtful are held to what they did, which is not where the curve has their energy.
constexpr int kLongerFor = 3;
constexpr std::int64_t kDeliveryTolerancePermille = 20;

/// What operators ask for, of the programs and groups that world.cc gives to leaves.
const std::vector<Scope> kScopes{{},
                                 {"energy", "feeder=a"},
                                 {"energy", "feeder=b"},
                                 {"emergency", ""},
                                 {"emergency", "feeder=a"}};

}  // namespace

// --- the operator ----------------------------------------------------------------------------

void World::ask(const decltype(node::OperatorAsked::command)& command) {
  ++outcome_.orders;
  trace_.event(queue_.now(), root(), "operator-asks", command.index(), [&] {
    const auto* order = std::get_if<node::SendOrder>(&command);
    return order == nullptr ? "cancel" : std::to_string(order->power.count) + " W " + order->key;
  });
  const auto* order = std::get_if<node::SendOrder>(&command);
  const NodeIndex index = root();
  SimNode& asked = nodes_[index];
  // As the daemon: what cannot be made durable is refused before, and taken back if it fails after.
  if (order != nullptr && !asked.durability.pending().empty()) return;
  step(index, node::OperatorAsked{++requests_, command});
  if (order == nullptr || !asked.running || asked.durability.pending().empty()) return;
  for (const auto& each : asked.running->status(now_of(index)).orders) {
    if (each.key == order->key) ask(node::CancelOrder{each.id});
  }
}

void World::on(const OperatorTurn&) {
  if (faults_over_) return;
  queue_.push(queue_.now() + 1s + rng_.up_to(12s), OperatorTurn{});
  if (nodes_[root()].running && !network_.paused(root())) ask_something();
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
  if (scenario_.programs) order.scope = kScopes[rng_.below(kScopes.size())];
  ask(order);
}

void World::on(const OwnerTurn&) {
  if (faults_over_) return;
  queue_.push(queue_.now() + 1s + rng_.up_to(8s), OwnerTurn{});
  const auto leaf = static_cast<NodeIndex>(groups() + rng_.below(scenario_.leaves));
  if (!nodes_[leaf].running || network_.paused(leaf)) return;
  const bool out = rng_.below(2) == 0;
  const bool one_event = out && rng_.below(2) == 0;
  step(leaf, node::OptOutAsked{.request = ++requests_,
                               .out = out,
                               .program = one_event ? "" : std::string{kDefaultProgram},
                               .duration = one_event ? 0s : scenario_.speed * rng_.up_to(30s)});
}

// --- the end ---------------------------------------------------------------------------------

void World::on(const FaultsEnd&) {
  trace_.event(queue_.now(), kNobody, "faults-end");
  faults_over_ = true;
  faults_over_at_ = queue_.now();
  network_.heal();
  market_.heal();
  if (scenario_.faults.leave_some_dead) {
    const std::uint32_t aggregators = scenario_.aggregators();
    if (aggregators > 1) nodes_[1 + rng_.below(aggregators)].dead_for_good = true;
    nodes_[1 + aggregators + rng_.below(scenario_.leaves)].dead_for_good = true;
    // Of three roots one may be gone: a copy of everything is left, and somebody to copy to.
    if (roots_.several())
      nodes_[rng_.below(2) == 0 ? kRootIndex : roots_.further].dead_for_good = true;
  }
  etcd_.heal();
  for (NodeIndex index = 0; index < nodes_.size(); ++index) {
    SimNode& self = nodes_[index];
    self.crash_at = CrashPoint::kNone;
    self.slow = Duration{0};
    self.full_until = {};
    if (network_.paused(index)) on(Resume{index, self.pauses});
    for (WorldEvent& waiting : std::exchange(self.inbox, {})) handle(std::move(waiting));
    if (self.running && !self.durability.pending().empty()) (void)write_pending(index);
    if (self.dead_for_good && self.running) crash(index, Duration{0});
    if (!self.dead_for_good && !self.running && !self.flipped) start(index);
  }
  cancel_all();
  queue_.push(queue_.now() + kInspectInterval, Inspect{});
}

void World::cancel_all() {
  if (roots_.several() && (roots_.leader == kNobody || !serves())) return;  // asked again later
  for (const OrderId id : std::exchange(known_orders_, {})) ask(node::CancelOrder{id});
}

void World::on(const Inspect&) {
  queue_.push(queue_.now() + kInspectInterval, Inspect{});
  if (!final_order_at_) cancel_all();
  const std::string why = why_not_whole();
  trace_.event(queue_.now(), kNobody, "inspect", why.size(), [&] { return why; });
  if (why.empty()) {
    whole_at_ = queue_.now();
    if (!outcome_.whole_after) outcome_.whole_after = queue_.now() - faults_over_at_;
  }
  if (outcome_.whole_after && nodes_[root()].running) {
    watch_delivery(nodes_[root()].running->status(now_of(root())));
  }
}

std::string World::why_not_whole() {
  if (!serves()) return "no root leads, or it has not taken over yet";
  std::uint32_t healthy = 0;
  for (NodeIndex index = 1; index < nodes_.size(); ++index) {
    const SimNode& self = nodes_[index];
    // On a cellular line for 150 s. As many as are well may be counted, and not be the same.
    if (self.dead_for_good && self.role == Role::kLeaf && counted_once_.is_counted_at_root(index)) {
      return "the root counts node " + std::to_string(index) + ", which is dead";
    }
    if (self.dead_for_good || self.role == Role::kRoot) continue;
    if (!tree_shape_.reaches_root(index)) {
      return "node " + std::to_string(index) + " does not reach the root";
    }
    healthy += self.role == Role::kLeaf ? 1 : 0;
  }
  const auto status = nodes_[root()].running->status(now_of(root()));
  if (status.group.coverage.online != healthy || counted_at_root() != healthy) {
    return "the root counts " + std::to_string(status.group.coverage.online) + " online, " +
           std::to_string(counted_at_root()) + " in its sum, of " + std::to_string(healthy) +
           " leaves";
  }
  return {};
}

void World::watch_delivery(const node::NodeStatus& plant) {
  const Duration length = scenario_.speed * kFinalOrder;
  if (!final_order_at_) {
    if (whole_at_ != queue_.now()) return;                  // it was, for a moment; 20033204
    if (plant.target && *plant.target != Watts{0}) return;  // a market's order is still in force
    // What the dead were told is asked of nobody else until it has expired.
    if (queue_.now() - faults_over_at_ <= limits::kCutOffHold) return;
    const auto curve =
        aggregation::DurationCurve::from_wire(plant.group.grid_id, plant.group.discharge);
    if (!curve) return;
    final_order_at_ = queue_.now();
    const std::int64_t most = curve->at(kLongerFor * length).count / (kLongerFor * length / 1s);
    ask(node::SendOrder{"final", Watts{most / 2}, {}, length});
    return;
  }
  const Duration under_way = queue_.now() - *final_order_at_;
  if (under_way < kFinalOrderSettled || under_way > kFinalOrder - kInspectInterval) return;
  const Duration market_passed = scenario_.speed * kInspectInterval;
  if (under_way > kFinalOrderSettled) {
    delivery_.asked(plant.target.value_or(Watts{0}), market_passed);
  }
  for (NodeIndex index = groups(); index < nodes_.size(); ++index) {
    SimNode& leaf = nodes_[index];
    if (!leaf.running || !leaf.site) continue;
    leaf.site->pass(market());
    delivery_.look(index, leaf.site->battery(), leaf.site->planned(), market_passed);
  }
  if (under_way == kFinalOrder - kInspectInterval) judge_delivery();
}

void World::judge_delivery() {
  const auto looked_at = scenario_.speed * (kFinalOrder - kInspectInterval - kFinalOrderSettled);
  outcome_.asked_w = delivery_.asked_mj() / looked_at.count();
  outcome_.delivered_w = delivery_.delivered_mj() / looked_at.count();
  const std::int64_t off_mj = std::abs(delivery_.asked_mj() - delivery_.delivered_mj());
  if (off_mj / kDeliveryTolerancePermille * 1000 <= std::abs(delivery_.asked_mj())) return;
  fail(Invariant::kDelivers, root(),
       "delivers " + std::to_string(outcome_.delivered_w) + " W of " +
           std::to_string(outcome_.asked_w) + " W over its final order");
}

}  // namespace vpp::sim
