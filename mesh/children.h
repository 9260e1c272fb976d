// Who is below me: admission, leases, sessions, and which child may be counted. Pure.
//
// Invariants  a child is counted only under an unexpired lease, only once it has echoed a beacon
//             that told it this node's present path, and only once it was Cleared: every ancestor
//             knows where it is, and no other branch of the tree counts it. A branch that attaches
//             is counted once that holds for everybody in it. The newest session of a node replaces
//             older ones; it is never refused as a duplicate.
// Path        a change of this node's path uncounts every child until it echoes a beacon of the
//             new one (a round trip). So a summary never carries what was learned under an older
//             place in the tree, and the bound on `hold` (mesh/uplink.h) is exact.
// Location    announcements tell every ancestor through which child a node is reached. Nobody is
//             counted before its ancestors have heard so; therefore the table names every branch
//             that may count a node, of whichever session, now or with its next report.
// Clearing    a node that attaches is announced up to the root. Every ancestor asks the branches
//             that its table names to leave older sessions out (Evict) and waits until each has
//             answered, in the very report that leaves the node out, or is lost with all it
//             counted, or the hold that the node told has run out; the root then says Cleared, and
//             every ancestor passes that down once its own questions are answered.
// Branch      an aggregator that attaches names all it brings along, in as many reports as that
//             takes. They keep their sessions: who of them turned up elsewhere meanwhile is known
//             here by a newer one, and the branch must leave it out before it is counted. Of those
//             that it took along the branch they came from is remembered as well, see `also_via_`.
// Older       a node that lost its store, or one of two with one key, begins with old sessions. It
//             does not know who counts it, so that its hold is the longest there is; it is told the
//             newest session that is known of it here or below, and goes on from there; if a branch
//             has let it in, the ancestor that knows better has it left out.
// Lease       runs from the stamp the report echoes, on this node's own clock. How long it is, and
//             how often beacons come, suits the child's line (config/link_profile.h); what a child
//             is told of its ancestors' leases (`above`) changes with the path only.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/limits.h"
#include "config/rng.h"
#include "config/time.h"
#include "mesh/balance.h"
#include "mesh/evictions.h"
#include "mesh/messages.h"
#include "mesh/token_bucket.h"

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
  bool draining = false;  ///< as after drain(): it was, before a restart
  Duration balance_after = Balance::kPatience;
  /// A fleet of a million; about 100 B each. Of those that find no room nobody is counted.
  std::size_t locations_max = 1'200'000;
  /// At which durations groups tell their energy; static storage. Empty: they are believed whatever
  /// their certificates say.
  std::span<const std::chrono::seconds> grid = {};
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
  std::vector<std::pair<NodeId, PlannedLoad>> planned;  ///< with the child they came from
  bool membership_changed = false;                      ///< who is attached or counted
  /// Children that claim more than their certificate allows, each once: it is not believed.
  std::vector<NodeId> clamped;
};

struct ChildView {
  NodeId id;
  std::string name;
  std::string region;
  Role role = Role::kLeaf;
  LinkKind link = LinkKind::kLan;
  Session session = 0;
  bool attached = false;  ///< holds a lease
  bool counted = false;   ///< in this node's sums
  /// Not counted for the moment, but still doing its share: it comes from a parent that counts it,
  /// or has not heard of this node's new path yet. Not to be released.
  bool in_transit = false;
  bool moved = false;                 ///< lives below somebody else now: not lost, and not ours
  bool duplicated = false;            ///< two nodes use this identity, and oust each other
  bool left = false;                  ///< said goodbye; until it attaches again
  std::optional<NodeId> last_parent;  ///< before this one, as its Hello told
  Instant attached_at{};
  Instant lease_until{};
  Instant heard_at{};
  std::optional<std::variant<SiteSummary, GroupSummary>> summary;  ///< the newest ever heard
  std::uint64_t sequence = 0;  ///< of `summary` within `session`; 0: of an older session
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
  std::uint64_t bad_stamp = 0;  ///< echoed a stamp never sent, or one older than a lease
  std::uint64_t clamped = 0;    ///< claimed more than the certificate allows
};

/// What its parent has to know of a child's line.
struct ChildLine {
  Session session = 0;
  Duration beacon_interval{0};
  Duration lease{0};
};

/// Where a node below was last announced.
struct Located {
  NodeId node;
  NodeId via;  ///< child of this node; `node` itself when it is one
  Session session = 0;
  friend bool operator==(const Located&, const Located&) = default;
};

/// Not thread-safe; one owner drives it. A message costs O(log nodes known) and, for a node that
/// moved, one question to the branch it came from; beacons and views cost O(children).
class Children {
 public:
  Children(const ChildrenOptions& options, Rng rng);
  Children(Children&&) = default;
  Children& operator=(Children&&) = default;

  void step(const Now& now, const ChildrenEvent& event);

  /// Fires what is due. Call at next_deadline() or later; earlier is a no-op.
  void advance(const Now& now);
  [[nodiscard]] Instant next_deadline() const;

  /// Drains pending work. Carry it out before the next step().
  [[nodiscard]] ChildrenEffects take_effects();

  /// Where this node stands, and for how long its own ancestors may count what it reports; a
  /// change is told to the children at once. An empty path poisons them: aggregators below must
  /// attach anew, so that whoever is under them learns of it too.
  void set_upstream(const Now& now, const Path& path, std::uint64_t term,
                    std::vector<Endpoint> alternates, Duration counted_for = Duration{0});

  /// Dispatch to one child; nothing is sent to a child that is not attached.
  void dispatch(const Now& now, NodeId child, Dispatch order);

  /// To one child; nothing is sent to a child that is not attached.
  void tell(const Now& now, NodeId child, Message message);

  /// Takes nobody in, and asks everybody attached to find another parent, a few at a time and
  /// again and again; who finds none stays, counted and dispatched as ever.
  void drain(const Now& now, bool on);
  [[nodiscard]] bool draining() const { return draining_; }

  /// From the parent: asks that many of the leaves counted here to go to one of `to`, each once.
  void unload(const Now& now, const Unload& what);

  /// From the parent: leave older sessions of these out, they moved. Answered in
  /// take_evicted() once nobody below counts them.
  void evict(const Now& now, const std::vector<Attachment>& nodes);
  /// From the parent: these may be counted.
  void cleared(const Now& now, const std::vector<Attachment>& nodes);
  /// This node has a new parent: everybody below is to be announced to it.
  void announce_all(const Now& now);

  /// What the next report says of the nodes below: those not yet acknowledged from above, at
  /// most kAttachmentsMax, those who wait to be counted first, the others in turn.
  [[nodiscard]] std::vector<Attachment> attached_below();
  /// Whether that left out any who are counted here, or were by an older session.
  [[nodiscard]] bool more_below() const { return more_below_; }
  /// What the next report answers to Evict; its summary must be taken after the Evict.
  [[nodiscard]] std::vector<Attachment> take_evicted();
  /// Somebody above or below waits for the next report: do not let it wait for its turn.
  [[nodiscard]] bool report_due() const;

  /// Every child ever seen in this run, in id order.
  [[nodiscard]] std::vector<ChildView> view(const Now& now) const;
  [[nodiscard]] std::map<NodeId, Session> attached() const;
  /// With a child: 1 of a leaf, of a group those ever seen, as it reports; 0: unknown.
  [[nodiscard]] std::uint32_t sites(NodeId child) const;
  /// Of a child ever seen in this run; that of a LAN for any other.
  [[nodiscard]] ChildLine line(NodeId id) const;
  /// Every node known below, in id order.
  [[nodiscard]] std::vector<Located> located() const;
  [[nodiscard]] std::size_t located_count() const { return locations_.size(); }
  /// How many nodes are last known to live at or below a child: 0 once all have moved elsewhere.
  /// O(nodes known); meant for children that are lost.
  [[nodiscard]] std::size_t located_via(NodeId child) const;
  /// The parent, or the last one, has been told that `node` lives below, and has answered; or this
  /// is the root.
  [[nodiscard]] bool known_above(NodeId node) const {
    const auto at = locations_.find(node);
    return at != locations_.end() && at->second.acknowledged;
  }
  /// This node reaches a root, as far as it knows.
  [[nodiscard]] bool rooted() const { return !path_.empty(); }
  [[nodiscard]] const ChildrenCounters& counters() const;
  [[nodiscard]] bool any_attached() const;
  /// That was ever granted here.
  [[nodiscard]] Duration longest_lease() const { return longest_lease_; }

 private:
  struct Child {
    Peer peer;
    std::string name;
    std::string region;
    std::optional<Endpoint> serves;
    LinkKind link = LinkKind::kLan;
    Session session = 0;
    ConnectionId connection = 0;
    bool attached = false;
    bool cleared = false;      ///< nobody else counts it, for this session
    bool introduced = false;   ///< and nobody else those that it brought along
    bool more = false;         ///< as its newest report said, or there was no room for some
    bool was_counted = false;  ///< as last told in `membership_changed`
    bool moved = false;        ///< lives below somebody else; no longer ours to show
    bool left = false;         ///< said Bye
    bool told_clamped = false;
    std::optional<NodeId> last_parent;
    Instant attached_at{};
    Instant held_until{};
    Instant handover_until{};  ///< its former parent may still count it
    int ousted = 0;            ///< sessions replaced while they were alive, lately
    Instant ousted_at{};
    Instant duplicated_until{};
    Instant lease_until{};
    Instant heard_at{};
    std::uint64_t sequence = 0;
    Stamp proof = -1;  ///< echoed by the newest report of this session; -1: none yet
    std::optional<std::variant<SiteSummary, GroupSummary>> summary;
  };
  struct Location {
    NodeId via;
    Session session = 0;
    bool settled = false;  ///< counted where it is, or nobody else may count it any more
    /// An older session is counted below, and was not known above yet when this one came.
    bool awaited = false;
    bool cleared_above = false;  ///< nobody outside this subtree counts it elsewhere
    bool acknowledged = false;   ///< answered down, and no longer announced up
    Instant acknowledged_at{};
    Instant heard_at{};
  };
  using Entry = std::map<NodeId, Child>::value_type;

  void on(const Now& now, const FromChild& event);
  void on(const Now& now, const ChildUnreachable& event);

  // Admission: children_admission.cc.
  void on_probe(ConnectionId connection, const Probe& probe);
  void on_hello(const Now& now, const FromChild& event, const Hello& hello);
  [[nodiscard]] std::optional<NakReason> refusal(Instant now, const FromChild& event,
                                                 const Hello& hello);
  void admit(const Now& now, const FromChild& event, const Hello& hello);
  void acknowledge_hello(const Now& now, const Child& child);
  [[nodiscard]] Session newest_session(NodeId id) const;
  void refuse(ConnectionId connection, NakReason reason, Session newest = 0);
  void note_ousted(Instant now, Child& child) const;
  void prune();

  // Life of a child.
  [[nodiscard]] Entry* entry_of(const FromChild& event);
  void on_report(const Now& now, Entry& entry, const Report& report);
  [[nodiscard]] bool believable(Instant now, const Child& child, const Report& report);
  [[nodiscard]] static bool clamp_to_certificate(const Peer& peer, SiteSummary& site);
  [[nodiscard]] bool clamp_to_certificate(const Peer& peer, GroupSummary& group) const;
  void end(const Now& now, Entry& entry, bool tell);
  void expire(const Now& now);
  /// To those whose line has one due, or to all.
  void send_beacons(const Now& now, bool to_all);
  [[nodiscard]] static Duration lease_of(const Child& child);
  void send_redirects();
  void balance(Instant now);
  [[nodiscard]] Beacon beacon(const Now& now, bool with_alternates);
  [[nodiscard]] std::vector<Endpoint> alternates_below() const;
  [[nodiscard]] Stamp stamp(Instant now);
  [[nodiscard]] bool counted(const Child& child, Instant now) const;
  [[nodiscard]] bool in_transit(const Child& child, Instant now) const;
  void refresh_counted(Child& child, Instant now);
  [[nodiscard]] bool is_attached(NodeId id) const;

  // Who is where, and who may be counted: children_moves.cc.
  [[nodiscard]] bool locate(const Now& now, NodeId via, const Attachment& what);
  void hear_again(const Now& now, NodeId via, const Attachment& what, Location& at);
  [[nodiscard]] bool leads_to(NodeId child, NodeId node, const Location& at) const;
  void ask_former(const Attachment& what, NodeId except);
  void ask(NodeId child, const Attachment& what);
  void hold_over(Entry& entry);
  void introduce(Entry& entry);
  void introduce_all();
  void settle(NodeId node);
  void confirm(NodeId node, const Location& at);
  void try_answer(NodeId node);
  void end_older(const Now& now, const Attachment& newer);
  void forget_branch(NodeId child);
  void on_evicted(NodeId child, const std::vector<Attachment>& nodes);
  void repeat_questions();
  void age_locations(Instant now);
  [[nodiscard]] bool more_to_come(NodeId node, const Location& at) const;
  /// What became to be said since the last time, gathered: a storm's worth in one message.
  void flush();

  ChildrenOptions options_;
  Rng rng_;
  Path path_;
  std::uint64_t term_ = 0;
  Duration above_{0};
  std::vector<Endpoint> alternates_;
  std::map<NodeId, Child> children_;
  std::map<ConnectionId, Entry*> by_connection_;  ///< of attached children, which are never pruned
  std::set<NodeId> groups_;                       ///< attached children that take children
  TokenBucket joins_;
  Duration lag_{0};  ///< how late the last advance() came
  Instant lag_seen_{};
  bool draining_;
  ConnectionId redirected_ = 0;  ///< last one asked to go
  Balance balance_;
  Instant now_{};  ///< of the last call
  Stamp last_stamp_ = 0;
  Stamp epoch_ = 0;  ///< first stamp that told the present path
  Instant next_beacon_ = kNever;
  Instant check_at_ = kNever;  ///< no lease or hold ends before
  struct Line {                ///< one for each kind
    Instant next_beacon{};
    int beacons_to_alternates = 0;
  };
  std::array<Line, kLinkKinds> lines_;
  Duration longest_lease_ = limits::kLease;

  std::map<NodeId, Location> locations_;
  /// Other attached children that announced the same session: an aggregator took the node along
  /// from there, and what is counted there may still include it.
  std::map<NodeId, std::set<NodeId>> also_via_;
  std::set<NodeId> strangers_;       ///< of `groups_`: not introduced yet
  std::set<NodeId> unacknowledged_;  ///< of `locations_`, below attached children
  NodeId announced_{};               ///< last one told in turn
  NodeId aged_{};                    ///< last one looked at for its age
  Evictions evictions_;
  std::map<NodeId, Session> answering_;  ///< asked by the parent, not answered yet
  std::vector<Attachment> evicted_;
  std::map<NodeId, std::vector<Attachment>> to_ask_;
  std::map<NodeId, std::vector<Attachment>> to_clear_;
  bool announce_soon_ = false;
  bool more_below_ = false;
  ChildrenCounters counters_;
  ChildrenEffects effects_;
};

}  // namespace vpp::mesh
