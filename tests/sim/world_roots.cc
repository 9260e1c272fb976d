// Several roots that share an etcd: who of them leads, and what they ask it.
#include <algorithm>
#include <utility>

#include "daemon/driver/record_json.h"
#include "tests/sim/world.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kEtcdAwayMax = 8s;  // longer than a lease: nobody leads then
constexpr Duration kEtcdTurns = 20s;

}  // namespace

void World::make_one_of_several(NodeIndex index) {
  node::RootOptions& options = nodes_[index].options.root;
  options.lease = node::LeaseKind::kEtcd;
  options.copies = kCopies;
  options.codec = driver::journal_codec();
  for (NodeIndex other = 0; other < nodes_.size(); ++other) {
    if (roots_.has(other) && other != index) options.peers.push_back(endpoint_of(other));
  }
}

/// Invariant 4 among roots: two that run never both believe that they lead. One that is frozen may
/// still have it written in its memory; it looks at its lease before it does anything.
void World::look_at_root(NodeIndex index, const node::NodeStatus& status) {
  const bool leads = !status.path.empty();
  if (!leads) {
    if (roots_.leader == index) roots_.leader = kNobody;
    return;
  }
  const NodeIndex before = std::exchange(roots_.leader, index);
  if (before != index && before != kNobody && nodes_[before].running && !network_.paused(before)) {
    const auto other = nodes_[before].running->status(now_of(before));
    const auto left = other.root ? other.root->lease_left : std::nullopt;
    if (left && *left > Duration{0}) {
      fail(Invariant::kOneTerm, index,
           "leads while node " + std::to_string(before) + " does for " +
               std::to_string(left->count()) + " ms more");
    }
  }
  if (!status.root || !status.root->serves || booked_term_ == status.term) return;
  booked_term_ = status.term;
  for (const auto& order : status.orders) order_rules_.booked(order);
}

bool World::serves() const {
  if (!roots_.several()) return true;
  if (roots_.leader == kNobody || !nodes_[roots_.leader].running) return false;
  const auto status = nodes_[roots_.leader].running->status(now_of(roots_.leader));
  return status.root && status.root->serves;
}

void World::ask_etcd(NodeIndex index, const node::LeaseAsk& ask) {
  if (const auto delay = etcd_.way(queue_.now(), index)) {
    queue_.push(queue_.now() + *delay, EtcdHears{index, network_.incarnation(index), ask});
  }
}

void World::on(const EtcdHears& event) {
  node::LeaseAnswered answer = etcd_.take(queue_.now(), nodes_[event.node].options.name, event.ask);
  trace_.event(queue_.now(), event.node, "etcd-hears", answer.what.index(), [&] {
    return "ask " + std::to_string(event.ask.what.index()) + ", answer " +
           std::to_string(answer.what.index());
  });
  if (const auto delay = etcd_.way(queue_.now(), event.node)) {
    queue_.push(queue_.now() + *delay,
                EtcdAnswers{event.node, event.incarnation, std::move(answer)});
  }
}

void World::on(const EtcdAnswers& event) {
  if (network_.incarnation(event.node) != event.incarnation) return;
  trace_.event(queue_.now(), event.node, "etcd-answers", event.answer.what.index(),
               [&] { return "answer " + std::to_string(event.answer.what.index()); });
  step(event.node, event.answer);
}

void World::on(const EtcdTurn&) {
  if (faults_over_) return;
  queue_.push(queue_.now() + 1s + rng_.up_to(kEtcdTurns), EtcdTurn{});
  const WorldTime until = queue_.now() + rng_.up_to(kEtcdAwayMax);
  if (rng_.below(3) == 0) return etcd_.down(until);
  etcd_.cut(rng_.below(2) == 0 ? root() : roots_.further, until);
}

}  // namespace vpp::sim
