// Who is above me: one node's search for, and life under, a parent. Pure: time in, effects out.
//
// States   probe -> joining -> attached -> suspect -> orphan -> probe, each a struct in a variant.
// Choice   a ladder, see mesh/parent_choice.h: reaches a root; higher term; shorter path; same
//          region; free slots; place in the config. Time-outs and back-off are jittered, endless.
// No loop  leaves take no children; a parent whose path holds me is refused; an aggregator
//          accepts only a path shorter than any it advertised in this term, until it has had
//          no child for a lease (see mesh/feasibility.h).
// Alone    a leaf whose parent has lost its root, but goes on with what it was told, stays there,
//          with an empty path, and looks for somebody better all the time.
// Counted once   `session` rises by one per attach and is durable before the Hello leaves; the
//          Hello tells how long an old ancestor may still count me (`hold`). A report carries the
//          newest stamp heard: from a stamp heard at r, no ancestor counts me later than r plus my
//          lease plus those above it, which the parent tells; because each level drops within its
//          lease of the stamp it was echoed, and drops at once what has not echoed its newest path
//          (mesh/children.h).
// Crowd    one of many orphans asks possible parents one after the other: a storm is made of
//          handshakes.
// Standby  while attached, a link to another possible parent is kept open and asked now and then,
//          so that healing is one Hello away: by aggregators always, by leaves where fewer than
//          limits::kStandbySiblingsMax share their parent and beacons come every kStandbyBeaconMax.
// Late     a node that ran late itself is patient with its parent, see mesh/lateness.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/limits.h"
#include "config/link_profile.h"
#include "config/rng.h"
#include "config/time.h"
#include "mesh/candidates.h"
#include "mesh/feasibility.h"
#include "mesh/lateness.h"
#include "mesh/messages.h"
#include "mesh/parent_choice.h"
#include "mesh/parent_clock.h"

namespace vpp::mesh {

inline constexpr std::size_t kMovesKept = 16;

/// A link with slower beacons is metered: nothing is spent there on what may never be needed.
inline constexpr Duration kStandbyBeaconMax = std::chrono::seconds{2};

using LinkId = std::uint64_t;  ///< one socket to one possible parent; never used twice

struct UplinkOptions {
  NodeId self;
  Role role = Role::kLeaf;
  std::string name;
  std::string region;
  std::vector<std::uint8_t> certificate;
  std::vector<Endpoint> seeds;     ///< from the config, most wanted first
  std::optional<Endpoint> serves;  ///< where this node takes children
  LinkKind link = LinkKind::kLan;  ///< to whichever parent
};

/// What must survive a restart.
struct UplinkRecord {
  Session session = 0;
  std::optional<NodeId> last_parent;
  std::uint64_t term = 0;       ///< highest root term ever obeyed; never decreases
  std::size_t path_length = 0;  ///< the parent's, as this node last advertised one longer
  /// How long an ancestor may count this node after its last beacon: its lease and those above, or
  /// more while an older parent's ancestors may still count it.
  Duration counted_for{0};
  std::vector<Endpoint> alternates;
  friend bool operator==(const UplinkRecord&, const UplinkRecord&) = default;
};

/// Why a node left its parent.
enum class MoveReason : std::uint8_t {
  kStarted,       ///< it had none
  kSilent,        ///< no beacon for too long
  kDisconnected,  ///< the link is gone
  kPoisoned,      ///< the parent lost its root, or says that we live elsewhere
  kUnfit,         ///< the parent's new path holds us, is too deep, or is of an older root
  kRedirected,    ///< the parent is being emptied
  kBalanced,      ///< the parent carried far more than the new one
  kNewerTerm,     ///< elsewhere a newer root is obeyed
  kBetterRank,    ///< elsewhere is nearer to the root
  kMoreWanted,    ///< a seed named earlier in the config is back
  kLeft,          ///< this node stops
};
[[nodiscard]] std::string_view to_string(MoveReason reason);

/// What came of the last search, when it found no parent.
enum class Trouble : std::uint8_t {
  kNone,
  kSilent,   ///< nobody answers
  kNoRoot,   ///< whoever answers reaches no root
  kLoop,     ///< whoever answers lives below this node, or too far from the root
  kRefused,  ///< whoever answers takes nobody, or not this node
};
[[nodiscard]] std::string_view to_string(Trouble trouble);

struct Move {
  Instant at{};  ///< when it left `from`
  std::optional<NodeId> from;
  std::optional<NodeId> to;  ///< nothing: not found yet
  MoveReason reason = MoveReason::kStarted;
  Duration gap{0};  ///< without a parent in between
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
  Duration patience = limits::kJoinTimeout;  ///< with its handshake
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
  /// Dispatch, Evict, Cleared, Unload, ValueSignal, OwnerRates, HelloAck of the present parent;
  /// after a move also a Dispatch of the former one, as long as that counts this node.
  std::vector<Message> deliver;
  bool attachment_changed = false;
  bool path_changed = false;
  /// A Hello goes to this node: from now on the whole tree may learn that this one lives there.
  std::optional<NodeId> asks = std::nullopt;
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

  /// Sends one report to the parent; does nothing when there is none, or while this node is
  /// about to move (nothing may extend the lease that its Hello has just bounded).
  void report(const Now& now, std::variant<SiteSummary, GroupSummary> summary,
              std::vector<Attachment> attached, std::vector<Attachment> evicted, bool more = false);
  void acknowledge(const DispatchAck& ack);
  /// To the newest ValueSignal of the parent.
  void answer(const PlannedLoad& load);

  /// Sends Bye and closes everything; the node is leaving.
  void leave(const Now& now);

  /// An aggregator tells whether it has children, and the longest lease it grants: decides when
  /// feasibility is reset.
  void set_children(const Now& now, bool any, Duration lease);

  /// No voluntary move while a dispatch is being delivered.
  void set_dispatch_active(bool active) { dispatch_active_ = active; }

  [[nodiscard]] bool attached() const;  ///< attached or suspect: a lease is held
  [[nodiscard]] std::optional<NodeId> parent() const;
  /// A former parent still counts and dispatches this node, until it is told that it moved.
  [[nodiscard]] bool handed_over() const { return former_.has_value(); }
  [[nodiscard]] Path path() const;  ///< self first, root last; empty when no root is reached
  [[nodiscard]] std::uint64_t term() const;
  [[nodiscard]] Session session() const;
  [[nodiscard]] std::optional<Instant> last_beacon() const;
  /// Over which the children of the last parent spread what all would do at once.
  [[nodiscard]] Duration spread() const { return spread_; }
  [[nodiscard]] std::vector<Endpoint> alternates() const;
  /// What the nodes below may fall back to: the alternates, and the parent itself as the last.
  [[nodiscard]] std::vector<Endpoint> alternates_below() const;
  /// The newest last, at most kMovesKept.
  [[nodiscard]] const std::vector<Move>& moves() const { return moves_; }
  /// Alternates that were told and never answered.
  [[nodiscard]] std::size_t useless_alternates(Instant now) const {
    return candidates_.useless(now);
  }
  /// An alternate held ready; nothing: none.
  [[nodiscard]] std::optional<Endpoint> standby() const;
  /// Of the last search that ended without a parent; kNone while attached.
  [[nodiscard]] Trouble trouble() const { return trouble_; }
  [[nodiscard]] std::string_view state() const;  ///< "probe", "joining", ... for people

  /// Market time and speed as the newest beacon told them, also when its sender is lost; nothing
  /// before the first.
  [[nodiscard]] std::optional<Now> market_now(Instant now) const;

  /// How long the ancestors may count what is reported to the parent: its lease and those above.
  [[nodiscard]] Duration counted_for() const;

  /// When a stamp of the parent's clock comes to pass on this node's clock (earliest estimate
  /// over the beacons heard). kNever is never returned: an unknown clock has passed.
  [[nodiscard]] Instant local_time_of(Stamp stamp) const;

 private:
  /// One link to a possible parent that is being asked what it offers.
  struct Attempt {
    Candidate candidate;
    std::uint64_t nonce = 0;
    bool opened = false;
    std::optional<ProbeAck> answer;
    Instant probe_again = kNever;
  };
  using Attempts = std::map<LinkId, Attempt>;

  /// One link on which a Hello is out.
  struct Petition {
    LinkId link = 0;
    Candidate candidate;
    bool same_region = false;
    Session session = 0;
    Instant hello_again{};
    Instant give_up_at{};
  };

  struct Orphan {  ///< waits: spread, or back-off
    Instant until{};
  };
  struct Probing {
    std::vector<Candidate> left;  ///< not asked yet, most wanted first
    Attempts asked;
    Instant more_at = kNever;
    Instant decide_at = kNever;
    Instant give_up_at = kNever;
  };
  struct Joining {
    Petition petition;
    Attempts others;  ///< answered too: next in line
  };
  struct Parent {
    LinkId link = 0;
    Candidate candidate;
    bool same_region = false;  ///< as this node's
    NodeId id;
    Session session = 0;
    Path path;
    Duration lease{0};
    Duration beacon_interval{0};
    Duration above{0};
    Duration spread{0};
    Stamp stamp = 0;
    Instant heard_at{};
    std::uint64_t sequence = 0;  ///< of the last report
    ParentClock clock;
    MarketTime market{};
    std::int64_t market_speed = 1;
  };
  /// A look at somebody better while attached: first a probe, then perhaps a Hello.
  struct Look {
    LinkId link = 0;
    Attempt attempt;
    Instant give_up_at{};
    std::optional<Petition> petition;
    MoveReason why = MoveReason::kStarted;  ///< of the petition
  };
  /// The parent asked us to go.
  struct Leaving {
    RedirectReason reason = RedirectReason::kDraining;
    Instant until{};           ///< unless it asks again
    std::vector<Endpoint> to;  ///< to even out loads: nowhere else; empty: anywhere
    std::size_t first = 0;     ///< the alternate looked at first: neighbours spread out
    std::size_t tried = 0;
  };
  /// The parent before, after a move that it need not notice: it counts and dispatches this node
  /// until it is told by an ancestor, which shows as its poison, or its lease ends.
  struct Former {
    LinkId link = 0;
    Session session = 0;
    ParentClock clock;
    Instant until{};
  };
  enum class Parting : std::uint8_t { kSilent, kBye, kHandover };
  struct Attached {
    Parent parent;
    Instant look_at = kNever;
    std::optional<Look> look;
    std::optional<Endpoint> promising;  ///< a wanted seed that answered the last look
    std::set<std::size_t> elsewhere;    ///< places of seeds before the parent's, in other regions
    std::optional<Leaving> leaving;
    bool balanced = false;  ///< it was sent here: a more wanted seed is no reason to go back
  };
  struct Suspect {
    Attached was;
  };
  struct Left {};
  using State = std::variant<Orphan, Probing, Joining, Attached, Suspect, Left>;

  void begin(Instant now);
  void on(const Now& now, const LinkOpened& event);
  void on(const Now& now, const LinkLost& event);
  void on(const Now& now, const FromParent& event);

  // The search: uplink_search.cc.
  void search(Instant now);
  void open_more(Instant now, Probing& probing);
  Attempt open(LinkId link, const Candidate& candidate);
  void probe(Instant now, LinkId link, Attempt& attempt);
  void on_answer(Instant now, Attempts& attempts, LinkId link, const ProbeAck& answer);
  void decide(Instant now, Probing& probing, bool in_time);
  [[nodiscard]] bool one_of_many() const;
  [[nodiscard]] bool will_do(const Probing& probing) const;
  void join_best(Instant now, Attempts offers);
  void rest(Instant now);
  /// Precondition: the attempt was answered.
  Petition petition(Instant now, LinkId link, const Attempt& attempt);
  void send_hello(Instant now, Petition& petition);
  void on_nak(Instant now, const Candidate& candidate, const HelloNak& nak);
  [[nodiscard]] bool acceptable(Instant now, const FromParent& event, const HelloAck& ack) const;
  void advance(Instant now, Probing& probing);
  void advance(Instant now, Joining& joining);

  // Life under a parent: uplink.cc.
  void attach(const Now& now, const Petition& petition, NodeId peer, const HelloAck& ack);
  void on_parent(const Now& now, const FromParent& event);
  void on_beacon(const Now& now, const Beacon& beacon);
  [[nodiscard]] bool obeyable(Instant now, const Parent& parent, const Beacon& beacon) const;
  void counted_under(Instant now, const Parent& parent);
  void lose_parent(Instant now, Parting how, MoveReason why);
  void orphan(Instant now, Parting how, MoveReason why);
  [[nodiscard]] bool join_standby(Instant now);
  [[nodiscard]] std::optional<Look> take_asked();
  void on_former(Instant now, const Message& message);
  void end_former(bool say_goodbye);
  void advance(Instant now, Attached& attached);

  // Looking around while attached: uplink_look.cc.
  void on_redirect(Instant now, const Redirect& redirect);
  void start_look(Instant now, Attached& attached);
  void end_look(Instant now, Attached& attached);
  void on_look(const Now& now, Attached& attached, const FromParent& event);
  void advance_look(Instant now, Attached& attached);
  [[nodiscard]] bool wants_standby(const Attached& attached) const;
  [[nodiscard]] bool suits_standby(Instant now, const Attached& attached,
                                   const ProbeAck& answer) const;
  void keep_as_standby(Instant now, Attached& attached);
  void on_standby(const Now& now, Attached& attached, const FromParent& event);
  void advance_standby(Instant now);
  void end_standby();
  [[nodiscard]] std::vector<Candidate> ways_out(Instant now, const Attached& attached) const;
  [[nodiscard]] std::optional<Candidate> look_target(Instant now, Attached& attached);
  [[nodiscard]] Instant next_look(Instant now, const Attached& attached);
  [[nodiscard]] std::optional<MoveReason> gain(Instant now, const Attached& attached,
                                               const Offer& offer) const;

  [[nodiscard]] const LinkProfile& line() const { return profile_of(options_.link); }
  [[nodiscard]] Seeker seeker() const;
  [[nodiscard]] UplinkRecord newborn();
  /// By ancestors of whom this node knows nothing.
  [[nodiscard]] Duration longest_counted() const;
  [[nodiscard]] Duration hold(Instant now) const;
  [[nodiscard]] Duration patience(int failed_before) const;
  [[nodiscard]] Attached* held();
  [[nodiscard]] const Attached* held() const;
  [[nodiscard]] bool moving() const;
  void note_trouble(Trouble seen);
  void close(LinkId link);
  void flush_closes();
  void persist() { effects_.persist = record_; }

  UplinkOptions options_;
  Rng rng_;
  UplinkRecord record_;
  Candidates candidates_;
  Feasibility feasibility_;
  State state_ = Orphan{};
  LinkId next_link_ = 1;
  int failures_ = 0;             ///< searches in a row that found no parent
  int silent_ = 0;               ///< and in which nobody answered
  bool heard_somebody_ = false;  ///< in this search
  std::size_t look_turn_ = 0;    ///< whose turn it is to be looked at
  Duration spread_{0};           ///< of the last parent
  Endpoint lost_;                ///< where that one was
  bool dispatch_active_ = false;
  bool begun_ = false;
  std::optional<Now> market_;       ///< as the last parent that was lost told it
  Instant counted_until_{};         ///< no ancestor counts this node any later
  Instant flush_at_{};              ///< since when closes are pending
  std::vector<LinkId> close_next_;  ///< after the Bye of this batch has been sent
  Lateness lateness_;
  Trouble trouble_ = Trouble::kNone;
  Trouble seen_ = Trouble::kNone;  ///< in this search; the worst to say is the least of all
  std::optional<Former> former_;
  std::optional<Look> standby_;   ///< while attached; give_up_at: an answer is awaited
  std::size_t standby_turn_ = 0;  ///< whose turn it is to be asked for one
  std::vector<Move> moves_;
  UplinkEffects effects_;
};

}  // namespace vpp::mesh
