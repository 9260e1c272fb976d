// Who is above me: one node's search for, and life under, a parent. Pure: time in, effects out.
//
// States   probe -> joining -> attached -> suspect -> orphan -> probe, each a struct in a variant.
// Choice   a ladder: reaches a root; higher term; shorter path; same region; free slots; the
//          link's place in the config. Time-outs and back-off are jittered and endless.
// No loop  leaves take no children; a parent whose path holds me is refused; an aggregator
//          accepts only a path shorter than any it advertised in this term, until it has had
//          no child for a lease (Babel's feasibility; reset when nobody can hold an old advert).
// Counted once   `session` rises by one per attach and is durable before the Hello leaves; the
//          Hello tells how long an old ancestor may still count me (`hold`).
#pragma once

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

using LinkId = std::uint64_t;  ///< one socket to one possible parent; never used twice

struct UplinkOptions {
  NodeId self;
  Role role = Role::kLeaf;
  std::string name;
  std::string region;
  std::vector<std::uint8_t> certificate;
  std::vector<Endpoint> seeds;     ///< from the config, most wanted first
  std::optional<Endpoint> serves;  ///< where this node takes children
  Duration join_timeout = limits::kJoinTimeout;
};

/// What must survive a restart.
struct UplinkRecord {
  Session session = 0;
  std::optional<NodeId> last_parent;
  std::uint64_t term = 0;       ///< highest root term ever obeyed; never decreases
  std::size_t path_length = 0;  ///< of the last parent: bounds how long it may be counted
  std::vector<Endpoint> alternates;
  friend bool operator==(const UplinkRecord&, const UplinkRecord&) = default;
};

// Events.
struct LinkOpened {
  LinkId link = 0;
};
struct LinkLost {  ///< disconnected, refused, or its handshake failed
  LinkId link = 0;
};
struct FromParent {
  LinkId link = 0;
  NodeId peer;  ///< proven by the certificate in its HelloAck; kNoNode before
  Message message;
};
using UplinkEvent = std::variant<LinkOpened, LinkLost, FromParent>;

struct OpenLink {
  LinkId link = 0;
  Endpoint to;
};
struct SendUp {
  LinkId link = 0;
  Message message;
};

/// Carried out in field order.
struct UplinkEffects {
  std::optional<UplinkRecord> persist;
  std::vector<LinkId> close;
  std::vector<OpenLink> open;
  std::vector<SendUp> send;
  std::vector<Message> deliver;  ///< Dispatch, Evict, Cleared, HelloAck of the present parent
  bool attachment_changed = false;
  bool path_changed = false;
};

/// Not thread-safe; one owner drives it. Every call is O(known candidates).
/// Messages may be lost, repeated, reordered or late; a message from a link that is not the
/// parent's changes nothing but the search.
class Uplink {
 public:
  Uplink(const UplinkOptions& options, Rng rng, std::optional<UplinkRecord> recovered);

  void step(const Now& now, const UplinkEvent& event);

  /// Fires what is due. Call at next_deadline() or later; earlier is a no-op.
  void advance(const Now& now);
  [[nodiscard]] Instant next_deadline() const;

  /// Drains pending work. Carry it out before the next step().
  [[nodiscard]] UplinkEffects take_effects();

  /// Sends one report to the parent; does nothing when there is none.
  void report(const Now& now, std::variant<SiteSummary, GroupSummary> summary,
              std::vector<Attachment> attached, std::vector<Attachment> evicted);
  void acknowledge(const DispatchAck& ack);

  /// Sends Bye and closes everything; the node is leaving.
  void leave(const Now& now);

  /// An aggregator tells whether it has children: decides when feasibility is reset.
  void set_children(const Now& now, bool any);

  [[nodiscard]] bool attached() const;  ///< attached or suspect: a lease is held
  [[nodiscard]] std::optional<NodeId> parent() const;
  [[nodiscard]] Path path() const;  ///< self first, root last; empty when no root is reached
  [[nodiscard]] std::uint64_t term() const;
  [[nodiscard]] Session session() const;
  [[nodiscard]] std::optional<Instant> last_beacon() const;
  [[nodiscard]] std::vector<Endpoint> alternates() const;
  [[nodiscard]] std::string_view state() const;  ///< "probe", "joining", ... for people

  /// Market time and speed as the newest beacon told them; nothing before the first.
  [[nodiscard]] std::optional<Now> market_now(Instant now) const;

  /// When a stamp of the parent's clock comes to pass on this node's clock (earliest estimate
  /// over the beacons heard). kNever is never returned: an unknown clock has passed.
  [[nodiscard]] Instant local_time_of(Stamp stamp) const;
};

}  // namespace vpp::mesh
