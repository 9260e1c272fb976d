// The virtual network: links that open, carry frames badly, break, or fall silent.
//
// Modelled on what ZeroMQ over TCP with CURVE shows its user: a link opens after a handshake, a
// killed peer is noticed at once, a cut power cord or a partition is not, a connection that the
// other end no longer knows is reset by the first frame sent over it, and a frame caught in a
// partition is lost or comes when it heals. On top, frames are repeated and overtake each other
// within one connection, which TCP never does and the protocol must bear all the same.
//
// Cost  O(log) per frame; a death costs O(connections of that node).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "config/rng.h"
#include "mesh/children.h"
#include "mesh/uplink.h"
#include "tests/sim/scenario.h"
#include "tests/sim/world_event.h"

namespace vpp::sim {

/// ZMQ_SNDHWM + ZMQ_RCVHWM: what one direction of one connection may hold.
inline constexpr std::uint32_t kFramesInFlightMax = 64 + 256;
inline constexpr std::size_t kPartitionSlots = 4;

struct Connection {
  NodeIndex child = kNobody;
  NodeIndex parent = kNobody;
  Incarnation child_incarnation = 0;
  Incarnation parent_incarnation = 0;
  mesh::LinkId link = 0;
  bool child_open = true;     ///< the child holds the socket
  bool established = false;   ///< the child was told LinkOpened
  bool parent_open = false;   ///< the parent's socket knows it
  bool proven_below = false;  ///< the parent has seen a good Hello
  bool proven_above = false;  ///< the child has seen a good HelloAck
  std::array<WorldTime, 2> last_arrival{};
  std::array<WorldTime, 2> clogged_until{};
  std::array<std::uint32_t, 2> in_flight{};
};

struct NetworkCounters {
  std::uint64_t frames = 0;
  std::uint64_t dropped = 0;
  std::uint64_t duplicated = 0;
  std::uint64_t connections = 0;
};

class Network {
 public:
  Network(const Faults& faults, Rng rng, std::size_t nodes, WorldQueue& queue);

  // What nodes do.
  mesh::ConnectionId open(NodeIndex child, mesh::LinkId link, NodeIndex parent);
  void close(mesh::ConnectionId id);
  void send_up(mesh::ConnectionId id, const mesh::Message& message);
  void send_down(mesh::ConnectionId id, const mesh::Message& message);
  /// The parent forgets who is at the other end; the socket stays.
  void forget_peer(mesh::ConnectionId id);

  // Queue events; each says whether the node at its end hears of it.
  void attempt_arrives(mesh::ConnectionId id);
  [[nodiscard]] bool child_hears_open(mesh::ConnectionId id);
  [[nodiscard]] bool child_hears_loss(mesh::ConnectionId id);
  void parent_hears_close(mesh::ConnectionId id);
  [[nodiscard]] bool parent_receives(mesh::ConnectionId id);
  [[nodiscard]] bool child_receives(mesh::ConnectionId id);

  // Fate.
  void start(NodeIndex node);
  /// Silent: the host lost power; nobody is told.
  void stop(NodeIndex node, bool silent);
  void set_paused(NodeIndex node, bool paused) { hosts_[node].paused = paused; }
  /// Cuts the `isolated` off from the rest until then; nothing when no slot is free.
  void partition(const std::vector<NodeIndex>& isolated, bool one_way, WorldTime until);
  void end_partition(std::uint32_t slot, std::uint32_t number);
  /// Until then nothing that this node sends or is sent arrives; nothing is lost either.
  void clog(NodeIndex node, WorldTime until) { hosts_[node].clogged_until = until; }
  /// From now on a good network.
  void heal();

  [[nodiscard]] const Connection& at(mesh::ConnectionId id) const { return connections_[id - 1]; }
  [[nodiscard]] Connection& at(mesh::ConnectionId id) { return connections_[id - 1]; }
  [[nodiscard]] bool up(NodeIndex node) const { return hosts_[node].up; }
  [[nodiscard]] bool paused(NodeIndex node) const { return hosts_[node].paused; }
  [[nodiscard]] Incarnation incarnation(NodeIndex node) const { return hosts_[node].incarnation; }
  /// The most that its sockets ever held: what it may believe to be connected now.
  [[nodiscard]] std::size_t connections_of(NodeIndex node) const {
    return hosts_[node].connections_peak;
  }
  [[nodiscard]] const NetworkCounters& counters() const { return counters_; }

 private:
  enum Way : std::uint8_t { kUp, kDown };
  struct Host {
    bool up = false;
    bool paused = false;
    bool silent = false;  ///< down without a word
    Incarnation incarnation = 0;
    std::uint8_t sides = 0;  ///< bit per partition slot
    WorldTime clogged_until{};
    std::set<mesh::ConnectionId> connections;
    std::size_t connections_peak = 0;
  };
  struct Partition {
    bool active = false;
    bool one_way = false;
    std::uint32_t number = 0;
    WorldTime until{};
  };

  /// Nothing: the way is free; otherwise when it will be.
  [[nodiscard]] std::optional<WorldTime> blocked(NodeIndex from, NodeIndex to) const;
  void transmit(mesh::ConnectionId id, Way way, const mesh::Message& message);
  void send_copy(mesh::ConnectionId id, Way way, const Payload& payload);
  [[nodiscard]] bool chance(std::uint32_t permille) { return rng_.below(1000) < permille; }
  [[nodiscard]] Duration delay();
  [[nodiscard]] WorldTime free_at(const Connection& over) const;
  void tell_child_of_loss(mesh::ConnectionId id, Duration after);
  void release(mesh::ConnectionId id);

  Faults faults_;
  Rng rng_;
  WorldQueue& queue_;
  std::vector<Host> hosts_;
  std::vector<Connection> connections_;
  std::array<Partition, kPartitionSlots> partitions_;
  std::uint32_t partition_number_ = 0;
  NetworkCounters counters_;
};

}  // namespace vpp::sim
