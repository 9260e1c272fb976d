// What nodes say to each other: plain values, no bytes. mesh/codec.h turns them into frames.
//
// Time on the wire is always the PARENT's protocol clock (a "stamp", milliseconds): a beacon
// carries it, a report echoes it, a dispatch expires on it. So a delayed or replayed frame can
// only shorten a lease, never stretch it, and no two wall clocks have to agree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/link_profile.h"
#include "config/scope.h"
#include "config/service.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::mesh {

inline constexpr std::uint16_t kProtocolVersion = 1;

/// This node first, the root last. Empty: no root can be reached from here.
using Path = std::vector<NodeId>;

using Stamp = std::int64_t;  ///< milliseconds of the parent's protocol clock
/// Stamps a peer may send: sums of two stay in int64.
inline constexpr Stamp kStampMax = std::int64_t{1} << 53;
using Session = std::uint64_t;

// --- either way ------------------------------------------------------------------------------

struct Probe {
  std::uint64_t nonce = 0;
  friend bool operator==(const Probe&, const Probe&) = default;
};

struct ProbeAck {
  std::uint64_t nonce = 0;  ///< of the Probe
  std::uint64_t term = 0;
  Path path;  ///< of the answering node
  std::uint32_t children = 0;
  std::uint32_t free_slots = 0;
  std::string region;
  friend bool operator==(const ProbeAck&, const ProbeAck&) = default;
};

// --- up --------------------------------------------------------------------------------------

struct Hello {
  std::vector<std::uint8_t> certificate;  ///< NodeCert as signed, 232 bytes
  Role role = Role::kLeaf;
  std::string name;
  std::string region;
  Session session = 0;  ///< rises by one per attach; durable before the Hello leaves
  std::optional<NodeId> last_parent;
  /// How long from now some ancestor may still count this node elsewhere. The new parent counts
  /// it 0 for that long, or until it is Cleared. Zero on the very first attach.
  Duration hold{0};
  std::optional<Endpoint> serves;  ///< where this node takes children, to be passed on as alternate
  /// The old parent still counts and dispatches this node, until it is told otherwise.
  bool handover = false;
  LinkKind link = LinkKind::kLan;  ///< beacons and lease are granted to suit it
  friend bool operator==(const Hello&, const Hello&) = default;
};

/// A site's own account of what it delivered for one order since the order began.
struct Receipt {
  OrderId order;
  Joules delivered;  ///< discharge > 0, charge < 0
  friend bool operator==(const Receipt&, const Receipt&) = default;
};

/// One site, one direction, at the connection point, losses taken off. Zero when unknown.
struct SiteDirection {
  Watts power;                             ///< >= 0
  Joules energy;                           ///< >= 0
  std::uint16_t response_permille = 1000;  ///< no more than the site claims of itself
  friend bool operator==(const SiteDirection&, const SiteDirection&) = default;
};

/// What a site offers to one program it is subscribed to.
struct ProgramOffer {
  std::string program;
  SiteDirection discharge;
  SiteDirection charge;
  friend bool operator==(const ProgramOffer&, const ProgramOffer&) = default;
};

/// A site serves one order at a time: while it does, it offers nothing to other programs.
struct SiteSummary {
  SiteDirection discharge;  ///< offered to the default program
  SiteDirection charge;
  std::optional<Watts> measured;  ///< battery, AC side; nothing: unknown
  std::optional<Joules> stored;
  Watts set_point;           ///< what the site is doing for the plant; 0 on its local default
  OrderId order;             ///< kNoOrder on the local default
  MarketTime measured_at{};  ///< of the oldest value here; the epoch: never measured
  bool stale = true;         ///< not to be promised
  std::vector<Receipt> receipts;
  bool energy = true;                     ///< subscribed to the default program
  std::vector<ProgramOffer> offers = {};  ///< to other programs; at most limits::kProgramsMax
  std::vector<std::string> groups = {};   ///< "key=value"; at most limits::kGroupsMax
  Scope scope = {};                       ///< of `order`
  std::optional<Watts> net = {};          ///< at the connection point, export > 0; nothing: unknown
  Watts armed = {};                       ///< both ways, for an order of Service::kFrequency
  Watts droop = {};  ///< of `measured`, what answers the frequency; discharge > 0
  friend bool operator==(const SiteSummary&, const SiteSummary&) = default;
};

/// How much of a subtree its parent knows.
struct Coverage {
  std::uint32_t enrolled = 0;  ///< ever seen below and not retired
  std::uint32_t online = 0;    ///< counted in this summary
  std::uint32_t stale = 0;     ///< attached, but its values are too old or unknown
  std::uint32_t offline = 0;   ///< enrolled, no lease
  friend bool operator==(const Coverage&, const Coverage&) = default;
};

/// Mean and deviation of a group's energy at each point of the grid, as `aggregation/moments.h` has
/// them for the wire. Empty: not told, as by nodes of before.
struct Expectation {
  std::vector<Joules> mean;
  std::vector<Joules> deviation;
  friend bool operator==(const Expectation&, const Expectation&) = default;
};

/// The part of a group that one scope sees; where it differs from the whole.
struct ScopeSummary {
  Scope scope;
  std::vector<Joules> discharge;  ///< empty: as the group's own curve
  std::vector<Joules> charge;
  std::uint32_t online = 0;
  Watts measured;
  Watts asked;
  Watts shortfall;
  Watts reserved;
  friend bool operator==(const ScopeSummary&, const ScopeSummary&) = default;
};

/// Curves, `measured`, `asked`, `shortfall` and `reserved` are of the default scope.
struct GroupSummary {
  std::uint16_t grid_id = 0;
  std::vector<Joules> discharge;  ///< duration curve on the grid, 48 points
  std::vector<Joules> charge;
  Coverage coverage;
  Watts measured;   ///< battery power of the sites online that follow an order
  Joules stored;    ///< of the sites online
  Watts asked;      ///< what this node was asked by its parent
  Watts shortfall;  ///< of `asked`, what it cannot place, same sign
  MarketTime oldest{};
  MarketTime newest{};
  std::vector<Receipt> receipts;
  /// What sites out of contact were told and may still do, be it more than `asked`: kept free.
  Watts reserved;
  /// While this node can be reached: how likely that is its parent knows.
  Expectation discharge_expected;
  Expectation charge_expected;
  std::vector<ScopeSummary> scopes = {};  ///< every other one present below, in order of scope
  std::uint32_t scopes_left_out = 0;      ///< beyond limits::kScopesMax: nobody above can ask them
  Watts net = {};  ///< at the connection points of the sites that know it, export > 0
  std::uint32_t net_unknown = 0;  ///< sites enrolled whose net power is not in `net`
  /// Load less PV behind the meters of `net`: what they would draw without their batteries, > 0.
  Watts load = {};
  Watts armed = {};  ///< for the frequency, both ways
  Watts droop = {};  ///< what answers it now
  friend bool operator==(const GroupSummary&, const GroupSummary&) = default;
};

/// "This node is below me since this session": repeated until Cleared.
struct Attachment {
  NodeId node;
  Session session = 0;
  bool settled = false;  ///< counted there already: said only so that the node can be found
  friend bool operator==(const Attachment&, const Attachment&) = default;
};

struct Report {
  Session session = 0;
  std::uint64_t sequence = 0;  ///< rises within a session
  Stamp beacon = 0;            ///< newest stamp heard: the lease runs from it
  std::variant<SiteSummary, GroupSummary> summary;
  std::vector<Attachment> attached;
  std::vector<Attachment> evicted;  ///< answers to Evict, left out of this very summary
  /// Not all whom this may count and the parent has yet to hear of fitted into `attached`, or they
  /// are there by a newer session: the branch is not to be counted before the next reports.
  bool more = false;
  friend bool operator==(const Report&, const Report&) = default;
};

struct DispatchAck {
  OrderId order;
  std::uint64_t tick = 0;
  bool accepted = false;
  friend bool operator==(const DispatchAck&, const DispatchAck&) = default;
};

/// What the homes below plan to draw together, as an answer to the newest ValueSignal. Without
/// homes and loads: nobody here follows it, and no further round of the same horizon is of use.
struct PlannedLoad {
  NodeId head = {};  ///< of the signal, and its round
  std::uint64_t round = 0;
  std::uint32_t homes = 0;           ///< that follow the signal
  std::uint32_t fixed = 0;           ///< whose plans are in the sum, but follow a head further down
  std::vector<Watts> net_load = {};  ///< of both together, by slot of the signal; drawn > 0
  Amount paid = {};                  ///< to both for what they did so far; micro-units
  friend bool operator==(const PlannedLoad&, const PlannedLoad&) = default;
};

struct Bye {
  Session session = 0;
  friend bool operator==(const Bye&, const Bye&) = default;
};

// --- down ------------------------------------------------------------------------------------

struct HelloAck {
  Session session = 0;
  std::vector<std::uint8_t> certificate;  ///< the parent's
  Duration lease{0};
  Duration beacon_interval{0};
  /// How long the parent's own ancestors may count what it reported before: the sum of the leases
  /// above it.
  Duration above{0};
  Duration spread{0};  ///< wait U(0, spread) before re-joining when this parent dies
  std::uint64_t term = 0;
  Path path;
  Stamp stamp = 0;
  MarketTime market_time{};
  std::int64_t market_speed = 1;
  std::vector<Endpoint> alternates;
  std::vector<Attachment> evict;  ///< nodes that moved away while this child was not here
  friend bool operator==(const HelloAck&, const HelloAck&) = default;
};

enum class NakReason : std::uint8_t {
  kNoRoot,         ///< I have no path to the root myself
  kLoop,           ///< my path holds you
  kFull,           ///< no free slot
  kBusy,           ///< too many joins at once
  kNotAuthorised,  ///< certificate refused
  kOldSession,     ///< a newer session of yours is, or was, attached here or below
  kTakesNone,      ///< leaves take no children
  kDraining,       ///< I am being emptied
};

struct HelloNak {
  NakReason reason = NakReason::kNoRoot;
  Duration retry_after{0};
  std::vector<Endpoint> alternates;
  Session newest = 0;  ///< kOldSession: the newest one known; go on from there
  friend bool operator==(const HelloNak&, const HelloNak&) = default;
};

struct Beacon {
  Stamp stamp = 0;
  std::uint64_t term = 0;
  Path path;  ///< empty is the poison: look for another parent
  MarketTime market_time{};
  std::int64_t market_speed = 1;
  std::vector<Endpoint> alternates;
  Duration above{0};  ///< as in HelloAck; changes with the path only
  /// With an empty path: the sender looks for a root itself, and goes on with what it was told. A
  /// leaf may stay with it until it finds somebody better; for everybody else it is the poison.
  bool alone = false;
  friend bool operator==(const Beacon&, const Beacon&) = default;
};

/// What follows a dispatch if nobody says otherwise until then; between two steps is a release.
struct Step {
  OrderId order;
  Watts share;
  MarketTime from{};
  MarketTime until{};
  friend bool operator==(const Step&, const Step&) = default;
};

/// A part of an order. Newest (term, sequence, tick, repeat) wins; older ones are refused.
struct Dispatch {
  OrderId order;
  std::uint64_t term = 0;
  std::uint64_t sequence = 0;  ///< of the order at the root, rises with each new order; persisted
  std::uint64_t tick = 0;      ///< of the control loop at the root, carried down unchanged
  std::optional<Watts> share;  ///< nothing: release, back to the local default
  MarketTime from{};
  MarketTime until{};
  Stamp expires = 0;  ///< on the sender's clock; of the share and of every step
  /// 0 from the root; rises while an aggregator that hears nothing newer goes on by itself.
  std::uint32_t repeat = 0;
  std::vector<Step> ahead;  ///< at most limits::kStepsAheadMax, oldest first, never overlapping
  Scope scope = {};         ///< of the order and of every step; orders of other scopes go on
  Service service = Service::kEnergy;  ///< likewise
  friend bool operator==(const Dispatch&, const Dispatch&) = default;
};

/// Leave out every session of `node` below the one named: it is attached elsewhere by that one.
struct Evict {
  std::vector<Attachment> nodes;
  friend bool operator==(const Evict&, const Evict&) = default;
};

/// Nobody else above counts these any more: count them from now on.
struct Cleared {
  std::vector<Attachment> nodes;
  friend bool operator==(const Cleared&, const Cleared&) = default;
};

enum class RedirectReason : std::uint8_t {
  kDraining,  ///< go wherever you are taken; repeated until nobody is left
  kBalance,   ///< a sibling carries far fewer: go there, or stay
};

/// Find another parent, and stay until it has taken you.
struct Redirect {
  RedirectReason reason = RedirectReason::kDraining;
  std::vector<Endpoint> alternates;
  friend bool operator==(const Redirect&, const Redirect&) = default;
};

/// To an aggregator: a sibling carries far fewer sites, see mesh/balance.h. Redirect that many of
/// the leaves below to it.
struct Unload {
  std::uint32_t sites = 0;
  std::vector<Endpoint> to;
  friend bool operator==(const Unload&, const Unload&) = default;
};

/// What a MWh is worth to a group of homes in each slot, on top of their own tariffs. Passed on as
/// it is but for `wait`: as long for one home as for a million. Answered by PlannedLoad.
struct ValueSignal {
  NodeId head = {};         ///< who makes it
  std::uint64_t round = 0;  ///< rises, restarts of the head included
  MarketTime from{};        ///< when the first slot begins
  Duration slot{0};         ///< whole minutes
  MarketTime until{};       ///< nobody follows it longer; never beyond the last slot
  Duration wait{0};         ///< how long the sender waits for the answer
  Price per_kw = {};        ///< how stiffly to stay near the last answer: price for each kW away
  std::vector<Price> values = {};  ///< of each MWh drawn, by slot; may be negative
  friend bool operator==(const ValueSignal&, const ValueSignal&) = default;
};

/// What owners are paid for each MWh that their own receipt of one order says.
struct OwnerRate {
  OrderId order;
  Price per_mwh;  ///< >= 0
  friend bool operator==(const OwnerRate&, const OwnerRate&) = default;
};

/// Of the newest orders that were settled, rising by order. Passed on as it is. The first rate that
/// is heard of an order counts.
struct OwnerRates {
  std::vector<OwnerRate> rates;
  friend bool operator==(const OwnerRates&, const OwnerRates&) = default;
};

// --- between roots ---------------------------------------------------------------------------
// A root opens a link to each other root, says Hello, then Follow; the other answers down the same
// link. What it means: daemon/node/journal.h.

/// How much of the plant's journal a root holds. A higher one holds all that was ever
/// acknowledged in a lower one.
struct JournalRank {
  std::uint64_t term = 0;  ///< of the leader whose numbering this is
  std::uint64_t length = 0;
  friend constexpr auto operator<=>(const JournalRank&, const JournalRank&) = default;
};

/// Up: what I hold durably. Promise, request and acknowledgement in one.
struct Follow {
  std::uint64_t promised = 0;  ///< newest term I know: I take nothing from leaders of older ones
  JournalRank held;
  std::uint64_t staged_base = 0;  ///< of a whole journal that is on its way to me: see JournalPart
  std::uint64_t staged = 0;       ///< entries of it that have come
  bool fetch = false;             ///< I lead and need yours
  friend bool operator==(const Follow&, const Follow&) = default;
};

/// Down: the answer to every Follow.
struct Lead {
  std::uint64_t promised = 0;  ///< newest term I know
  bool leads = false;          ///< it is mine
  friend bool operator==(const Lead&, const Lead&) = default;
};

/// Down: entries [position, position + entries) of the sender's journal, which is a snapshot, equal
/// to the numbers below `base`, and then one entry per number.
struct JournalPart {
  std::uint64_t term = 0;  ///< of the sender's rank
  std::uint64_t base = 0;
  std::uint64_t snapshot = 0;  ///< entries it has
  std::uint64_t position = 0;
  std::uint64_t end = 0;  ///< all the positions there are
  std::vector<std::vector<std::uint8_t>> entries;
  friend bool operator==(const JournalPart&, const JournalPart&) = default;
};

using Message = std::variant<Probe, ProbeAck, Hello, HelloAck, HelloNak, Report, Beacon, Dispatch,
                             DispatchAck, Evict, Cleared, Bye, Redirect, Follow, Lead, JournalPart,
                             Unload, ValueSignal, PlannedLoad, OwnerRates>;

}  // namespace vpp::mesh
