// Who is below me: admission, leases, sessions, and which child may be counted. Pure.
//
// Invariants  a child is counted only under an unexpired lease, and only once it is certain that
//             no other branch of the tree counts it: after its hold ran out or it was Cleared.
//             The newest session of a node replaces older ones; it is never refused as a duplicate.
// Location    every ancestor keeps node -> (child it lives below, session). When a node turns up
//             below another child, this node is the lowest common ancestor: it sends Evict down
//             the old branch and, once the report that leaves the node out has come (or the old
//             branch is lost), Cleared down the new one. An unknown node is passed further up.
// Lease       runs from the stamp the report echoes, on this node's own clock.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/limits.h"
#include "config/rng.h"
#include "config/time.h"
#include "mesh/messages.h"

namespace vpp::mesh {

using ConnectionId = std::uint64_t;  ///< one authenticated connection below; never used twice

/// Who the driver has proven to be at the other end: certificate signed by our fleet, its CURVE
/// key the connection's, not expired. Nothing: not proven (yet).
struct Peer {
  NodeId id;
  Role role = Role::kLeaf;
  Watts discharge_max;  ///< from the certificate: more is not believed
  Watts charge_max;
  Joules energy_max;
};

struct ChildrenOptions {
  NodeId self;
  Role role = Role::kAggregator;
  std::string region;
  std::vector<std::uint8_t> certificate;
  std::size_t children_max = limits::kChildrenMax;
  Duration lease = limits::kLease;
  Duration beacon_interval = limits::kBeaconInterval;
};

// Events.
struct FromChild {
  ConnectionId connection = 0;
  std::optional<Peer> peer;
  Message message;
};
struct ChildUnreachable {  ///< the socket no longer knows this connection
  ConnectionId connection = 0;
};
using ChildrenEvent = std::variant<FromChild, ChildUnreachable>;

struct SendDown {
  ConnectionId connection = 0;
  Message message;
};

/// Carried out in field order.
struct ChildrenEffects {
  std::vector<SendDown> send;
  std::vector<ConnectionId> drop;  ///< forget the connection's identity
  std::vector<DispatchAck> acks;   ///< with the child they came from, see `ack_from`
  std::vector<NodeId> ack_from;
  bool membership_changed = false;  ///< who is attached or counted
};

struct ChildView {
  NodeId id;
  std::string name;
  std::string region;
  Role role = Role::kLeaf;
  Session session = 0;
  bool attached = false;  ///< holds a lease
  bool counted = false;   ///< in this node's sums
  Instant attached_at{};
  Instant lease_until{};
  Instant heard_at{};
  std::optional<std::variant<SiteSummary, GroupSummary>> summary;
  std::optional<Endpoint> serves;
  Watts discharge_max;  ///< of its certificate
  Watts charge_max;
  Joules energy_max;
};

/// Bad or unwelcome input, counted by kind; the driver exports them.
struct ChildrenCounters {
  std::uint64_t refused = 0;
  std::uint64_t stale_session = 0;
  std::uint64_t replayed = 0;
  std::uint64_t unproven = 0;
  std::uint64_t leases_lost = 0;
};

class Children {
 public:
  Children(const ChildrenOptions& options, Rng rng);

  void step(const Now& now, const ChildrenEvent& event);
  void advance(const Now& now);
  [[nodiscard]] Instant next_deadline() const;
  [[nodiscard]] ChildrenEffects take_effects();

  /// Where this node stands; a change to an empty path poisons the children at once.
  void set_upstream(const Now& now, const Path& path, std::uint64_t term,
                    std::vector<Endpoint> alternates);

  /// Dispatch to one child; nothing is sent to a child that is not attached.
  void dispatch(const Now& now, NodeId child, Dispatch order);

  /// From the parent: leave these out, they moved; answered in `evicted()` until reported.
  void evict(const Now& now, const std::vector<Attachment>& nodes);
  /// From the parent: these may be counted.
  void cleared(const Now& now, const std::vector<Attachment>& nodes);
  /// This node has a new parent: everybody below is to be announced to it.
  void announce_all(const Now& now);

  /// What the next report says of the nodes below.
  [[nodiscard]] std::vector<Attachment> attached_below() const;
  [[nodiscard]] std::vector<Attachment> take_evicted();

  /// Every child ever seen in this run, in id order.
  [[nodiscard]] std::vector<ChildView> view(const Now& now) const;
  [[nodiscard]] const ChildrenCounters& counters() const;
  [[nodiscard]] bool any_attached() const;
};

}  // namespace vpp::mesh
