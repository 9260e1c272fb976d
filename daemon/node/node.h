// One vppd: the cores of its role, composed. Pure: events and the time in, one batch of effects
// out. The driver carries them out on real sockets and files, the simulator on virtual ones.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "aggregation/dispatcher.h"
#include "aggregation/feeder_cap.h"
#include "aggregation/order.h"
#include "aggregation/response.h"
#include "bidding/gate_calendar.h"
#include "bidding/openadr_ven.h"
#include "bidding/workflow.h"
#include "config/ids.h"
#include "config/limits.h"
#include "config/rng.h"
#include "config/scope.h"
#include "config/service.h"
#include "config/time.h"
#include "daemon/node/owner_account.h"
#include "daemon/node/peak.h"
#include "daemon/node/reliability.h"
#include "daemon/node/root_lease.h"
#include "daemon/node/values.h"
#include "daemon/node/workers.h"
#include "device/site.h"
#include "mesh/children.h"
#include "mesh/uplink.h"

namespace vpp::node {

/// What roots keep in common: daemon/node/journal.h.
using JournalEntry = std::variant<aggregation::Order, bidding::Fact>;

/// Entries as bytes for other roots: the driver's, because cores link no JSON.
struct JournalCodec {
  std::function<std::vector<std::uint8_t>(const JournalEntry&)> encode;
  std::function<std::optional<JournalEntry>(std::span<const std::uint8_t>)> decode;
};

/// Root only. Without peers nothing is copied, and the lease is static.
struct RootOptions {
  LeaseKind lease = LeaseKind::kStatic;
  std::vector<Endpoint> peers;  ///< every other root
  std::size_t copies = 0;       ///< standbys that must hold an entry: 1 to the number of peers
  JournalCodec codec;           ///< needed with peers
};

/// A promise in twenty may be broken.
inline constexpr aggregation::PerMillion kShortfallDefault{50'000};

/// A program that a leaf's owner subscribed to.
struct Subscription {
  std::string program{kDefaultProgram};
  std::int64_t priority = 0;          ///< takes the site over from a program with a lower one
  std::int32_t reserve_permille = 0;  ///< kept from it; what is left, the device thread tells
  MarketTime from{};
  MarketTime until = kEndOfTime;
};

struct NodeOptions {
  NodeId self;
  Role role = Role::kLeaf;
  std::string name;
  std::string region;
  std::vector<std::uint8_t> certificate;
  std::vector<Endpoint> seeds;
  std::optional<Endpoint> serves;
  LinkKind link = LinkKind::kLan;               ///< to the parent
  std::vector<Subscription> subscriptions{{}};  ///< leaf; in order of config
  std::vector<std::string> groups;              ///< leaf: "key=value"
  bidding::WorkflowOptions bidding;
  aggregation::DispatcherOptions dispatch;
  aggregation::FeederLimits feeder;         ///< aggregator: of what is below it
  std::optional<PeakOptions> peak;          ///< aggregator: it keeps peaks of what is below it down
  std::optional<ValueHeadOptions> values;   ///< aggregator and root: makes value signals
  std::optional<ValueHomeOptions> follows;  ///< leaf: its owner follows them
  RootOptions root;
  std::optional<bidding::openadr::VenOptions> openadr;  ///< root: it obeys a server's events
  bidding::Zone zone;                                   ///< root: by whose days a baseline is made
  std::optional<WorkerOptions> workers;  ///< root that has prices forecast by workers
  /// Root: how long those below go on with what they were told when they hear nothing newer.
  Duration cut_off_hold = limits::kCutOffHold;
  /// Root: part of its promises that may be broken.
  aggregation::PerMillion shortfall = kShortfallDefault;
};

// --- what is durable -------------------------------------------------------------------------

/// The highest order seen; lower ones are refused, restarts included.
struct Fence {
  std::uint64_t term = 0;
  std::uint64_t sequence = 0;
  friend constexpr auto operator<=>(const Fence&, const Fence&) = default;
};
/// Root only: the newest term of any root that this one knows of. Never decreases.
struct TermRecord {
  std::uint64_t term = 0;
  friend constexpr auto operator<=>(const TermRecord&, const TermRecord&) = default;
};
/// Aggregator only: it was asked to empty itself.
struct DrainRecord {
  bool on = false;
  friend constexpr auto operator<=>(const DrainRecord&, const DrainRecord&) = default;
};
/// Root only: whose numbering the journal (orders and facts) has, and how far it goes. In one batch
/// with what it counts.
struct JournalHead {
  std::uint64_t term = 0;
  std::uint64_t length = 0;
  friend constexpr auto operator<=>(const JournalHead&, const JournalHead&) = default;
};
/// Root only: forget every order and fact persisted before. What comes after it in the same batch
/// takes their place.
struct JournalCleared {
  friend constexpr auto operator<=>(const JournalCleared&, const JournalCleared&) = default;
};
/// Leaf only: what its site delivered, per order. Written when an order begins or ends, and once a
/// minute while one runs: a crash forgets at most that minute.
struct SiteAccounts {
  std::vector<device::OrderAccount> accounts;  ///< as in device::SiteStatus
  friend bool operator==(const SiteAccounts&, const SiteAccounts&) = default;
};
/// Leaf only: the owner wants no orders of these programs until then.
struct OptOut {
  std::string program;
  MarketTime until{};
  friend bool operator==(const OptOut&, const OptOut&) = default;
};
struct OptOuts {
  std::vector<OptOut> programs;
  friend bool operator==(const OptOuts&, const OptOuts&) = default;
};
/// Aggregator that keeps peaks down: what it learned of the load, once a quarter of an hour.
struct LearnedLoad {
  device::LoadProfile::Slots slots{};
  friend bool operator==(const LearnedLoad&, const LearnedLoad&) = default;
};
/// A batch is durable as a whole or not at all.
using Record =
    std::variant<mesh::UplinkRecord, Fence, TermRecord, aggregation::Order, bidding::Fact,
                 DrainRecord, JournalHead, JournalCleared, SiteAccounts, OptOuts, LearnedLoad,
                 ValueAccount, OwnerAccount, bidding::Task, bidding::TaskGone>;

/// What a store gives back at start. Facts in the order they were persisted.
struct Recovered {
  std::optional<mesh::UplinkRecord> uplink;
  std::optional<Fence> fence;
  std::optional<TermRecord> term;
  std::optional<DrainRecord> drain;
  std::optional<JournalHead> journal;
  std::vector<aggregation::Order> orders;
  std::vector<bidding::Fact> facts;
  SiteAccounts site;
  OptOuts opt_outs;
  LearnedLoad load;
  ValueAccount values;
  OwnerAccount owner;
  std::vector<bidding::Task> tasks;
};

// --- events ----------------------------------------------------------------------------------

using RequestId = std::uint64_t;

struct SendOrder {
  std::string key;  ///< idempotency key of the operator's tool
  Watts power;
  MarketTime from{};  ///< the epoch: now
  Duration duration{0};
  Scope scope = {};
  Service service = Service::kEnergy;
  Duration ramp{0};  ///< of market time, at its begin and its end
};
struct CancelOrder {
  OrderId order;
};
struct SubmitBid {
  bidding::OwnBid bid;
};
struct WithdrawBid {
  std::string key;
};
struct OperatorAsked {
  RequestId request = 0;
  std::variant<SendOrder, CancelOrder, SubmitBid, WithdrawBid> command;
};
struct SiteReported {  ///< leaf: the device thread's newest status
  device::SiteStatus status;
};
struct MarketAnswered {
  bidding::MarketAnswer answer;
};
struct OpenAdrAnswered {
  bidding::openadr::Answer answer;
};
/// Take no children, and ask those there are to go elsewhere; `on` false: be as ever. Answered by a
/// Reply; kept over a restart. Only an aggregator has somewhere to send them.
struct DrainAsked {
  RequestId request = 0;
  bool on = false;
};
/// Leaf only: the owner opts out of a program, or in again. Answered by a Reply.
struct OptOutAsked {
  RequestId request = 0;
  bool out = true;
  std::string program;   ///< empty: that of the order in force, or, to opt in, all
  Duration duration{0};  ///< market time; zero: until the order in force ends
};
/// Root only: a poisoned task shall be tried again. Answered by a Reply.
struct TaskRetryAsked {
  RequestId request = 0;
  bidding::TaskId task;
};
struct StopAsked {};

/// On a root, LinkOpened, LinkLost and FromParent are of its links to other roots, and FromChild is
/// also what other roots say on theirs. LeaseAnswered answers Effects::lease (root_lease.h).
using Event = std::variant<mesh::FromChild, mesh::ChildUnreachable, mesh::LinkOpened,
                           mesh::LinkLost, mesh::FromParent, SiteReported, MarketAnswered,
                           OperatorAsked, DrainAsked, OptOutAsked, StopAsked, LeaseAnswered,
                           OpenAdrAnswered, WorkerSaid, TaskRetryAsked>;

// --- effects ---------------------------------------------------------------------------------

/// To one OperatorAsked each, in the same batch or, where other roots must hold the order first, in
/// a later one.
struct Reply {
  RequestId request = 0;
  std::optional<aggregation::Order> order;
  std::string refused;  ///< why; empty when done
};

enum class Severity : std::uint8_t { kInfo, kWarning, kError };

/// For `vppctl events`, the log and counters.
struct Notice {
  Severity severity = Severity::kInfo;
  std::string code;  ///< VPP_..., stable
  std::string text;
};

/// To the device thread.
struct SiteInstruction {
  std::optional<device::SiteOrder> order;
  std::vector<device::SiteOrder> ahead = {};  ///< what follows if nothing newer comes
};

/// Carried out in field order: what must be durable comes before what is sent because of it.
struct Effects {
  std::vector<Record> persist;
  std::vector<mesh::LinkId> close;
  std::vector<mesh::OpenLink> open;
  std::optional<SiteInstruction> site;
  std::optional<device::SitePlan>
      plan;  ///< leaf: for the device thread, beside any order; empty: none
  std::vector<mesh::SendUp> up;
  std::vector<mesh::SendDown> down;
  std::vector<mesh::ConnectionId> drop;
  std::vector<LeaseAsk> lease;  ///< root: for etcd, in order; answered by LeaseAnswered
  std::vector<bidding::MarketCall> market;
  std::vector<bidding::openadr::Call> openadr;
  Instant market_until = kNever;    ///< a call of this batch, of either, must not begin later
  std::vector<TellWorker> workers;  ///< root
  std::vector<Reply> replies;
  std::vector<Notice> notices;
  bool plant_heard = false;  ///< leaf: a beacon of a tree with a root came
  bool stopped = false;      ///< StopAsked has been carried out; exit after these effects
};

// --- what people and tests may look at -------------------------------------------------------

/// A status is made for every look at a node: it must not walk a fleet of a million each time.
inline constexpr std::size_t kLocatedShown = 10'000;

/// Another root, as this one sees it.
struct RootPeerStatus {
  Endpoint to;
  std::optional<NodeId> id;  ///< nothing: never reached
  bool linked = false;
  std::optional<mesh::JournalRank> held;  ///< newest word of it
};

struct RootStatus {
  std::string state;  ///< "candidate", "leader", "fenced"
  LeaseKind lease = LeaseKind::kStatic;
  std::optional<Duration> lease_left;  ///< leader with a lease of etcd: until it steps down
  std::string holder;                  ///< who leads, as etcd told; empty: unknown or this one
  std::string lease_problem;           ///< empty: none
  bool serves = false;                 ///< leads, and has taken over the journal
  std::size_t roots_to_hear = 0;       ///< before it may take over
  mesh::JournalRank journal;
  std::uint64_t acknowledged = 0;  ///< entries of it that enough standbys hold
  std::size_t copies = 0;          ///< wanted
  std::size_t standbys = 0;        ///< that follow now
  std::vector<RootPeerStatus> peers;
};

/// An order, or this node's part of it.
struct InForce {
  OrderId order;
  Scope scope;
  Service service = Service::kEnergy;
  Watts target;
  MarketTime until{};
};

/// What became of the watts this node is asked, in its newest tick: asked = reserved + capped +
/// placed + not placed. All of the sign of `asked`, but for `measured`, and for `capped` while the
/// order relieves a feeder that is beyond its limit.
struct DispatchBooks {
  Scope scope = {};
  Watts asked;
  Watts reserved;    ///< kept free for those out of contact, who may still give it
  Watts capped;      ///< not asked of anybody: a limit of this node
  Watts not_placed;  ///< all who respond give all they can
  Watts asked_for;   ///< sum of what the children were asked
  Watts measured;    ///< sum over the children that are measured
  std::size_t unmeasured = 0;
};

struct NodeStatus {
  NodeId self;
  Role role = Role::kLeaf;
  std::string name;
  std::string region;
  Now now;
  std::string uplink_state;  ///< "" on the root
  std::optional<NodeId> parent;
  mesh::Session session = 0;
  mesh::Path path;
  std::uint64_t term = 0;
  std::vector<Endpoint> alternates;
  std::optional<std::chrono::milliseconds> beacon_age;
  std::optional<Endpoint> standby;               ///< a parent held ready beside the present one
  mesh::Trouble trouble = mesh::Trouble::kNone;  ///< why the last search found no parent
  std::size_t useless_alternates = 0;            ///< told by parents, and never answered
  std::vector<mesh::Move> moves;                 ///< changes of parent, the newest last
  bool draining = false;     ///< aggregator: DrainAsked; empty once no child is attached
  mesh::GroupSummary group;  ///< root and aggregator: the sum below
  std::optional<device::SiteStatus> site;   ///< leaf
  std::vector<Subscription> subscriptions;  ///< leaf
  std::vector<std::string> groups;          ///< leaf
  std::vector<OptOut> opt_outs;             ///< leaf: those that hold now
  SiteInstruction told;                     ///< leaf: the newest
  std::optional<ValueHomeStatus> follows;   ///< leaf whose owner follows value signals
  OwnerAccount owner;                       ///< leaf: what its owner was paid for orders
  std::map<OrderId, Price> owner_rates;     ///< of the newest settled orders; all roles
  std::optional<ValueGroupStatus> values;   ///< root and aggregator: the newest signal
  std::vector<mesh::ChildView> children;
  /// Root and aggregator: every node known below; nothing when there are more than kLocatedShown.
  std::optional<std::vector<mesh::Located>> located;
  std::vector<Watts> asked;  ///< newest share per child, same order; 0 when none
  std::map<Scope, std::vector<Watts>> asked_for;      ///< likewise, by scope with an order
  std::vector<aggregation::Undelivered> undelivered;  ///< of `asked`, what is missing and why
  std::vector<DispatchBooks> books;                   ///< one for each scope with an order
  std::vector<ChildRates> rates;                ///< what was learned of each child, same order
  std::vector<aggregation::Standing> standing;  ///< how the closed loop sees each, same order
  std::optional<Duration> level;  ///< where the newest split cut (aggregation/split.h)
  /// Root: at which probability of a shortfall it promises, calibrated by what was delivered.
  aggregation::PerMillion shortfall_level = kShortfallDefault;
  mesh::ChildrenCounters counters;
  std::vector<InForce> in_force;   ///< what this node is to deliver now, one for each scope
  std::optional<PeakStatus> peak;  ///< aggregator that keeps peaks down
  std::optional<Watts> target;     ///< of all energy orders in force; nothing: none is
  OrderId order;                   ///< the first of them
  std::uint64_t tick = 0;
  std::vector<aggregation::Order> orders;   ///< root
  std::vector<bidding::BidView> bids;       ///< root
  std::vector<bidding::PricePoint> prices;  ///< root: known prices, the newest 200 of each kind
  std::vector<bidding::Gate> gates;         ///< root
  bidding::MarketHealth market;             ///< root
  std::optional<bidding::openadr::VenView> openadr;  ///< root that obeys a server's events
  std::optional<RootStatus> root;                    ///< root
  std::optional<bidding::ForecastKnown> forecast;    ///< root: the newest of a worker
  std::optional<WorkersStatus> workers;              ///< root that has prices forecast by workers
};

class RoleNode;

class Node {
 public:
  Node(const NodeOptions& options, Rng rng, const Now& now, const Recovered& recovered);
  ~Node();
  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;

  void step(const Now& now, const Event& event);

  /// Fires what is due. Call at next_deadline() or later; earlier is a no-op.
  void advance(const Now& now);

  /// On the protocol clock, with market deadlines mapped at the speed of `now`.
  [[nodiscard]] Instant next_deadline(const Now& now) const;

  /// Drains pending work. Carry it out before the next step().
  [[nodiscard]] Effects take_effects();

  [[nodiscard]] NodeStatus status(const Now& now) const;

  /// Market time as this node knows it: the parent's beacon, or `now` as given on the root.
  [[nodiscard]] Now corrected(const Now& now) const;

  /// The facts behind one bid; root only.
  [[nodiscard]] std::optional<std::vector<bidding::Fact>> trace(const std::string& key) const;
  /// Root: of its journal, in order, compacted; a standby's too.
  [[nodiscard]] std::vector<bidding::Fact> facts() const;

 private:
  std::unique_ptr<RoleNode> role_;
};

}  // namespace vpp::node
