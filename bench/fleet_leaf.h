// One leaf of a load generator: the real node, its real links, and a home in memory behind them.
//
// Shared     the ZeroMQ context, so that thousands fit in a process. Everything else is its own:
//            keys, certificate, state, links.
// Waiting    is the owner's: it watches the descriptors that on_link() tells of, calls serve() when
//            one is readable, and advance() at deadline(). Both do bounded work and never wait.
// State      in memory; with a store of its own it is durable before anything is sent, as vppd's.
// Flood      copies of the node's own newest report, numbered on, which echo the newest beacon,
// with
//            a probe after every few: its answer says that the parent has handled all before it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>
#include <zmq.hpp>

#include "config/role_config.h"
#include "daemon/driver/identity.h"
#include "daemon/driver/store.h"
#include "daemon/node/node.h"
#include "mesh/zmq_link.h"
#include "mesh/zmq_shared.h"
#include "tests/sim/site.h"

namespace vpp::bench {

using Nanos = std::chrono::nanoseconds;

/// Of CLOCK_MONOTONIC, which a measuring script can read too.
[[nodiscard]] inline Nanos monotonic() {
  return std::chrono::duration_cast<Nanos>(std::chrono::steady_clock::now().time_since_epoch());
}

/// What all leaves of a process share.
struct LeafWorld {
  std::vector<zmq::context_t> contexts;  ///< leaves take turns
  /// A link's sockets have appeared, or are about to go.
  std::function<void(std::size_t leaf, mesh::ZmqLink& link, bool appeared)> on_link;
  std::size_t report_every = 1;  ///< of the node's reports, only every so many are sent
};

/// What a script wants to know of one leaf.
struct LeafRecord {
  bool attached = false;
  NodeId parent;
  Nanos attached_at{};  ///< last time it became so
  Nanos lost_at{};      ///< last time it ceased to be
  OrderId order;        ///< of the newest dispatch
  Nanos dispatched_at{};
  Nanos acknowledged_at{};
};

struct FloodWindow {
  std::uint64_t unanswered_max = 8;  ///< reports
  std::uint64_t probe_every = 4;
};

class Leaf {
 public:
  Leaf(std::size_t index, LeafWorld& world, const RoleConfig& config,
       const driver::Identity& identity, Rng rng, const Now& now,
       std::unique_ptr<driver::Store> store);
  ~Leaf();
  Leaf(const Leaf&) = delete;
  Leaf& operator=(const Leaf&) = delete;

  /// Whatever its links have received, until there is nothing. `monitors`: also what became of
  /// them, which a descriptor of its own tells.
  void serve(const Now& now, bool monitors = false);
  /// What is due; then as serve(), where that has changed anything.
  void advance(const Now& now);
  [[nodiscard]] Instant deadline(const Now& now) const;

  /// Loses every link but the parent's, for a loss without a standby.
  void forget_standby(const Now& now);
  [[nodiscard]] bool holds_standby(const Now& now) const;

  /// False: the window is full, or there is no parent to flood.
  [[nodiscard]] bool has_room(const FloodWindow& window) const;
  /// Nothing where there is no room. serve() is to follow.
  void flood(const FloodWindow& window);
  [[nodiscard]] std::uint64_t flood_answered() const { return flood_answered_; }

  [[nodiscard]] const LeafRecord& record() const { return record_; }
  [[nodiscard]] const mesh::TransportCounters& counters() const { return shared_.counters; }
  [[nodiscard]] std::size_t links() const { return links_.size(); }

 private:
  [[nodiscard]] bool drain(bool monitors);
  void take_events(const Now& now);
  void carry_out(const Now& now);
  void open(const mesh::OpenLink& wanted);
  void close(mesh::LinkId id);
  void send(const mesh::SendUp& wanted);
  void poll_site(const Now& now);
  void look_at_parent(const Now& now);
  /// Of the flood, not of the node.
  [[nodiscard]] bool swallow(const mesh::Message& message);

  std::size_t index_;
  LeafWorld& world_;
  mesh::TransportShared shared_;
  std::map<mesh::LinkId, std::unique_ptr<mesh::ZmqLink>> links_;
  std::vector<zmq_pollitem_t> poll_items_;
  node::Node node_;
  sim::Site site_;
  std::unique_ptr<driver::Store> store_;
  Duration poll_;
  Instant poll_at_;
  bool sent_ = false;
  bool opened_ = false;  ///< a link, whose monitor nobody asked yet
  bool parent_may_change_ = true;
  LeafRecord record_;

  std::optional<mesh::Report> newest_;
  mesh::LinkId newest_link_ = 0;
  std::uint64_t added_ = 0;  ///< reports of this session that the node knows nothing of
  std::size_t muted_ = 0;
  std::uint64_t flooded_ = 0;
  std::uint64_t flood_answered_ = 0;
};

}  // namespace vpp::bench
