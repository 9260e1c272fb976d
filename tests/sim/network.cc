#include "tests/sim/network.h"

#include <algorithm>

#include "config/check.h"

namespace vpp::sim {
namespace {

using namespace std::chrono_literals;

constexpr Duration kConnectTimeout = 3s;    // ZMQ_CONNECT_TIMEOUT of mesh.md
constexpr Duration kHandshakeTimeout = 5s;  // ZMQ_HANDSHAKE_IVL of mesh.md

}  // namespace

Network::Network(const Faults& faults, Rng rng, std::size_t nodes, WorldQueue& queue)
    : faults_{faults}, rng_{rng}, queue_{queue}, hosts_(nodes) {}

Duration Network::delay() {
  // Two draws: a hump with a tail, mean as configured, in whole milliseconds.
  return rng_.up_to(faults_.delay_mean) + rng_.up_to(faults_.delay_mean);
}

WorldTime Network::free_at(const Connection& over) const {
  return std::max(hosts_[over.child].clogged_until, hosts_[over.parent].clogged_until);
}

mesh::ConnectionId Network::open(NodeIndex child, mesh::LinkId link, NodeIndex parent) {
  const mesh::ConnectionId id = connections_.size() + 1;
  Connection& made = connections_.emplace_back();
  made.child = child;
  made.child_incarnation = hosts_[child].incarnation;
  made.parent = parent;
  made.link = link;
  hosts_[child].connections.insert(id);
  ++counters_.connections;
  if (parent == kNobody || blocked(child, parent) || blocked(parent, child)) {
    queue_.push(queue_.now() + kConnectTimeout, ChildHearsLoss{id});
  } else {
    queue_.push(std::max(queue_.now() + delay(), free_at(made)), AttemptArrives{id});
  }
  return id;
}

void Network::attempt_arrives(mesh::ConnectionId id) {
  Connection& made = at(id);
  if (!made.child_open) return;
  Host& parent = hosts_[made.parent];
  if (!parent.up) {
    tell_child_of_loss(id, parent.silent ? kConnectTimeout : delay());
  } else if (parent.paused) {  // the kernel accepts, but nobody shakes hands
    tell_child_of_loss(id, kHandshakeTimeout);
  } else {
    made.parent_open = true;
    made.parent_incarnation = parent.incarnation;
    parent.connections.insert(id);
    parent.connections_peak = std::max(parent.connections_peak, parent.connections.size());
    queue_.push(queue_.now() + delay(), ChildHearsOpen{id});
  }
}

bool Network::child_hears_open(mesh::ConnectionId id) {
  Connection& made = at(id);
  if (!made.child_open || made.established) return false;
  made.established = true;
  return true;
}

void Network::tell_child_of_loss(mesh::ConnectionId id, Duration after) {
  queue_.push(queue_.now() + after, ChildHearsLoss{id});
}

bool Network::child_hears_loss(mesh::ConnectionId id) {
  Connection& lost = at(id);
  if (!lost.child_open) return false;
  lost.child_open = false;
  release(id);
  return true;
}

void Network::close(mesh::ConnectionId id) {
  Connection& closed = at(id);
  if (!closed.child_open) return;
  closed.child_open = false;
  // Through a partition nobody hears it; the first frame down will find out.
  if (closed.parent_open && !blocked(closed.child, closed.parent)) {
    const WorldTime after_frames = std::max(queue_.now() + delay(), closed.last_arrival[kUp]);
    queue_.push(after_frames, ParentHearsClose{id});
  }
  release(id);
}

void Network::parent_hears_close(mesh::ConnectionId id) {
  at(id).parent_open = false;
  release(id);
}

void Network::release(mesh::ConnectionId id) {
  const Connection& gone = at(id);
  if (!gone.child_open) hosts_[gone.child].connections.erase(id);
  if (!gone.parent_open && gone.parent != kNobody) hosts_[gone.parent].connections.erase(id);
}

void Network::forget_peer(mesh::ConnectionId id) {
  at(id).proven_below = false;
}

void Network::send_up(mesh::ConnectionId id, const mesh::Message& message) {
  const Connection& way = at(id);
  if (way.child_open && way.established) transmit(id, kUp, message);
}

void Network::send_down(mesh::ConnectionId id, const mesh::Message& message) {
  if (at(id).parent_open) {
    transmit(id, kDown, message);
  } else {
    queue_.push(queue_.now(), ParentSendFails{id});
  }
}

void Network::transmit(mesh::ConnectionId id, Way way, const mesh::Message& message) {
  ++counters_.frames;
  if (chance(faults_.drop_permille) || at(id).in_flight[way] >= kFramesInFlightMax) {
    ++counters_.dropped;
    return;
  }
  const auto payload = std::make_shared<const mesh::Message>(message);
  send_copy(id, way, payload);
  if (chance(faults_.duplicate_permille)) {
    ++counters_.duplicated;
    send_copy(id, way, payload);
  }
}

void Network::send_copy(mesh::ConnectionId id, Way way, const Payload& payload) {
  Connection& over = at(id);
  const NodeIndex from = way == kUp ? over.child : over.parent;
  const NodeIndex to = way == kUp ? over.parent : over.child;
  WorldTime arrival = queue_.now() + delay();
  if (chance(faults_.clog_permille)) {
    over.clogged_until[way] = queue_.now() + rng_.up_to(faults_.clog_max);
  }
  arrival = std::max({arrival, over.clogged_until[way], free_at(over)});
  if (const auto free_at = blocked(from, to)) {
    if (chance(500)) {
      ++counters_.dropped;
      return;
    }
    arrival = std::max(arrival, *free_at + delay());  // TCP sends it again
  }
  if (chance(faults_.reorder_permille)) {
    arrival += rng_.up_to(4 * faults_.delay_mean + 20ms);
  } else {
    arrival = std::max(arrival, over.last_arrival[way]);
    over.last_arrival[way] = arrival;
  }
  ++over.in_flight[way];
  if (way == kUp) {
    queue_.push(arrival, FrameUp{id, payload});
  } else {
    queue_.push(arrival, FrameDown{id, payload});
  }
}

bool Network::parent_receives(mesh::ConnectionId id) {
  Connection& over = at(id);
  --over.in_flight[kUp];
  const Host& parent = hosts_[over.parent];
  if (!parent.up) return false;
  if (over.parent_incarnation == parent.incarnation) return over.parent_open || !over.child_open;
  if (!blocked(over.parent, over.child)) tell_child_of_loss(id, delay());  // reset
  return false;
}

bool Network::child_receives(mesh::ConnectionId id) {
  Connection& over = at(id);
  --over.in_flight[kDown];
  const Host& child = hosts_[over.child];
  if (!child.up) return false;
  if (over.child_incarnation == child.incarnation && over.child_open) return true;
  if (over.parent_open && !blocked(over.child, over.parent)) {
    queue_.push(queue_.now() + delay(), ParentHearsClose{id});  // reset
  }
  return false;
}

void Network::start(NodeIndex node) {
  Host& host = hosts_[node];
  VPP_CHECK(!host.up);
  host.up = true;
  host.paused = false;
  host.silent = false;
  ++host.incarnation;
}

void Network::stop(NodeIndex node, bool silent) {
  Host& host = hosts_[node];
  host.up = false;
  host.paused = false;
  host.silent = silent;
  for (const mesh::ConnectionId id : std::exchange(host.connections, {})) {
    Connection& broken = at(id);
    const bool was_child = broken.child == node;
    (was_child ? broken.child_open : broken.parent_open) = false;
    const NodeIndex other = was_child ? broken.parent : broken.child;
    if (silent || other == kNobody || blocked(node, other)) continue;
    if (!was_child) {
      tell_child_of_loss(id, delay());
    } else if (broken.parent_open) {
      queue_.push(std::max(queue_.now() + delay(), broken.last_arrival[kUp]), ParentHearsClose{id});
    }
  }
}

void Network::partition(const std::vector<NodeIndex>& isolated, bool one_way, WorldTime until) {
  for (std::uint32_t slot = 0; slot < partitions_.size(); ++slot) {
    if (partitions_[slot].active) continue;
    const auto bit = static_cast<std::uint8_t>(1U << slot);
    for (Host& host : hosts_) host.sides = static_cast<std::uint8_t>(host.sides & ~bit);
    for (const NodeIndex node : isolated) {
      hosts_[node].sides = static_cast<std::uint8_t>(hosts_[node].sides | bit);
    }
    partitions_[slot] = {true, one_way, ++partition_number_, until};
    queue_.push(until, PartitionEnds{slot, partition_number_});
    return;
  }
}

void Network::end_partition(std::uint32_t slot, std::uint32_t number) {
  if (partitions_[slot].number == number) partitions_[slot].active = false;
}

void Network::heal() {
  for (Partition& partition : partitions_) partition.active = false;
  for (Host& host : hosts_) host.clogged_until = {};
  faults_ = Faults{};
}

std::optional<WorldTime> Network::blocked(NodeIndex from, NodeIndex to) const {
  std::optional<WorldTime> until;
  const unsigned apart = hosts_[from].sides ^ hosts_[to].sides;
  if (apart == 0) return until;
  for (std::size_t slot = 0; slot < partitions_.size(); ++slot) {
    const Partition& partition = partitions_[slot];
    const bool crosses = ((apart >> slot) & 1U) != 0;
    // One way: the isolated hear the others and are not heard.
    const bool from_isolated = ((std::uint64_t{hosts_[from].sides} >> slot) & 1U) != 0;
    if (!partition.active || !crosses || (partition.one_way && !from_isolated)) continue;
    until = std::max(until.value_or(partition.until), partition.until);
  }
  return until;
}

}  // namespace vpp::sim
