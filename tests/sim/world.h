// A whole plant in one thread: the shipped cores on a virtual clock, network, disk and market,
// with every misfortune drawn from one seed, and checkers that look on from the outside.
//
// A run has two phases. Safety: faults rage, and nothing that must never happen may happen.
// Liveness: faults stop, a random part may stay dead, and within the time given the rest must be
// whole again, its totals exactly right, and deliver what it is asked.
//
// Cost  O(log) per event and O(children) per step of an aggregator; nothing scans all nodes but
//       the inspection of the liveness phase, once per virtual second.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/limits.h"
#include "config/rng.h"
#include "daemon/driver/durability.h"
#include "daemon/driver/record_store.h"
#include "daemon/node/node.h"
#include "tests/sim/counted_once.h"
#include "tests/sim/delivery_meter.h"
#include "tests/sim/disk.h"
#include "tests/sim/energy_books.h"
#include "tests/sim/etcd_model.h"
#include "tests/sim/findings.h"
#include "tests/sim/heard_clock.h"
#include "tests/sim/market_model.h"
#include "tests/sim/network.h"
#include "tests/sim/never_over.h"
#include "tests/sim/node_clock.h"
#include "tests/sim/order_rules.h"
#include "tests/sim/promises.h"
#include "tests/sim/scenario.h"
#include "tests/sim/site.h"
#include "tests/sim/trace.h"
#include "tests/sim/tree_shape.h"
#include "tests/sim/world_event.h"

namespace vpp::sim {

/// Nodes; with more, who counts whom is sampled.
inline constexpr std::size_t kCheckedWholly = 5'000;

/// When a damaged store is put aside, by a script: whoever counted the node may do so still.
inline constexpr Duration kStorePutAside{1'000};

/// Where a node listens.
[[nodiscard]] Endpoint endpoint_of(NodeIndex index);

struct Outcome {
  std::optional<Violation> violation;
  std::uint64_t hash = 0;
  std::uint64_t events = 0;
  std::uint64_t steps = 0;  ///< of nodes
  Duration simulated{0};
  std::optional<Duration> joined_at;    ///< when the root first counted every leaf
  std::optional<Duration> whole_after;  ///< since faults stopped
  std::int64_t asked_w = 0;             ///< mean over the final order
  std::int64_t delivered_w = 0;
  NetworkCounters network;
  MarketCounters market;
  std::uint64_t crashes = 0;
  std::uint64_t pauses = 0;
  std::uint64_t partitions = 0;
  std::uint64_t orders = 0;
  std::uint64_t take_overs = 0;  ///< of the journal, by a root of several
  std::uint64_t disk_errors = 0;
  std::uint64_t damaged = 0;       ///< nodes that refused to start on a flipped bit
  std::vector<std::string> story;  ///< the last lines that concern the violation
};

class World {
 public:
  /// `lines_max` 0: no text is kept. `noise` is used by one planted bug only.
  World(const Scenario& scenario, std::size_t lines_max, std::uint64_t noise = 0);

  /// Told every two simulated seconds of a large plant: the time, and the leaves counted at the
  /// root.
  using Watcher = std::function<void(WorldTime, std::size_t)>;
  void watch(Watcher watcher) { watcher_ = std::move(watcher); }

  [[nodiscard]] Outcome run();
  [[nodiscard]] const Trace& trace() const { return trace_; }

 private:
  /// Where an armed crash strikes, so that every gap between two effects is visited.
  enum class CrashPoint : std::uint8_t {
    kNone,
    kBeforePersist,
    kAmidPersist,
    kAfterPersist,
    kAmongSends
  };
  enum class Fall : std::uint8_t { kKilled, kPowerCut, kStopped };

  struct SimNode {
    node::NodeOptions options;
    Role role = Role::kLeaf;
    NodeClock clock;
    Rng rng{0};
    std::unique_ptr<node::Node> running;  ///< empty: down
    std::optional<Disk> disk;
    std::optional<driver::RecordStore> records;  ///< on the disk
    driver::Durability durability;               ///< what waits for the disk
    std::optional<Site> site;
    NodeIndex home = kNobody;  ///< the most wanted parent
    std::map<mesh::LinkId, mesh::ConnectionId> links;
    std::vector<WorldEvent> inbox;  ///< while paused or busy
    CrashPoint crash_at = CrashPoint::kNone;
    bool dead_for_good = false;
    bool flipped = false;  ///< its disk has lost a bit
    bool serving = false;  ///< a Serve is in the queue
    Duration slow{0};      ///< what each event takes
    WorldTime busy_until{};
    WorldTime full_until{};  ///< its disk
    WorldTime fell_at{};
    std::uint32_t pauses = 0;
    WorldTime wake_at = kEndOfWorld;  ///< the earliest Wake in the queue
    WorldTime poll_at = kEndOfWorld;  ///< likewise of PollSite
    WorldTime next_round{};           ///< of the poll interval
    WorldTime idle_since{};           ///< for finding a busy loop
    std::uint32_t steps_at_once = 0;
  };

  // world.cc: the loop, and how a node is driven.
  void build();
  void build_node(NodeIndex index, Rng& rng);
  void choose_parents(NodeIndex index, Rng& rng);
  void subscribe(NodeIndex index);
  void make_values(NodeIndex index);
  void follow_values(NodeIndex index);
  void set_clock(NodeIndex index, Rng& rng);
  void start(NodeIndex index);
  [[nodiscard]] std::optional<node::Recovered> recover(NodeIndex index);
  void handle(WorldEvent event);
  [[nodiscard]] bool put_off(NodeIndex index, WorldEvent& event);
  void visit(const WorldEvent& event);
  void step(NodeIndex index, const node::Event& event);
  void advance(NodeIndex index);
  void finish_step(NodeIndex index, const mesh::Dispatch* trigger);
  void schedule_wake(NodeIndex index);
  void schedule_poll(NodeIndex index);
  /// Too large to look at everything after every step: looked at every two seconds instead.
  [[nodiscard]] bool large() const { return nodes_.size() > kCheckedWholly; }
  [[nodiscard]] std::size_t counted_at_root() const {
    return large() ? sampled_leaves_ : counted_once_.counted_at_root();
  }
  [[nodiscard]] Now now_of(NodeIndex index) const;
  [[nodiscard]] MarketTime market() const;
  void hear_clock(const FrameDown& event);
  [[nodiscard]] WorldTime known_to_expire(mesh::ConnectionId connection, mesh::Stamp stamp) const;
  void fail(Invariant invariant, NodeIndex node, std::string what);

  void on(const Wake& event);
  void on(const PollSite& event);
  void on(const Serve& event);
  void on(const RetryStore& event);
  void on(const SwizzleTurn& event);
  void on(const Clog& event);
  void on(const FlapTurn& event);
  void on(const DiskTurn& event);
  void on(const ClockTurn& event);
  void on(const JoinStorm& event);
  void on(const Sample& event);
  void on(const RegionalOutage& event);
  void on(const UpgradeTurn& event);
  void on(const RootFails& event);
  void on(const EtcdHears& event);
  void on(const EtcdAnswers& event);
  void on(const EtcdTurn& event);
  void on(const FirstStart& event);
  void on(const AttemptArrives& event);
  void on(const ChildHearsOpen& event);
  void on(const ChildHearsLoss& event);
  void on(const ParentHearsClose& event);
  void on(const ParentSendFails& event);
  void on(const FrameUp& event);
  void on(const FrameDown& event);
  void on(const CrashTurn& event);
  void on(const PauseTurn& event);
  void on(const PartitionTurn& event);
  void on(const PartitionEnds& event);
  void on(const Restart& event);
  void on(const Resume& event);
  void on(const FaultsEnd& event);
  void on(const OperatorTurn& event);
  void on(const OwnerTurn& event);
  void on(const Inspect& event);
  void on(const MarketReplies& event);

  // world_effects.cc: what a node wants done, and the checkers that watch it.
  void carry_out(NodeIndex index, node::Effects& effects, const mesh::Dispatch* trigger);
  [[nodiscard]] bool persist(NodeIndex index, std::vector<node::Record> batch);
  [[nodiscard]] bool write_pending(NodeIndex index);
  void change_links(NodeIndex index, const node::Effects& effects);
  void instruct(NodeIndex index, const node::Effects& effects, const mesh::Dispatch* trigger);
  [[nodiscard]] bool send(NodeIndex index, const node::Effects& effects);
  void check_subscribed(NodeIndex index, const node::SiteInstruction& told);
  void note_own_order(NodeIndex index, const std::vector<SentShare>& shares);
  void send_up(NodeIndex index, const mesh::SendUp& sent);
  void send_down(NodeIndex index, const mesh::SendDown& sent);
  void finish_effects(NodeIndex index, const node::Effects& effects);
  void view(NodeIndex index);
  void check_bounds(NodeIndex index, const node::Effects& effects);
  void check_site(NodeIndex index, const Poll& poll);
  void check_never_over(NodeIndex index, const std::vector<SentShare>& sent);
  void check_receipts();
  [[nodiscard]] std::optional<mesh::Peer> peer_of(const Connection& connection) const;

  // world_faults.cc: what befalls nodes, and the workloads.
  void schedule_faults();
  void schedule_hosts();
  void schedule_workloads();
  void crash(NodeIndex index, Duration down);
  void fall(NodeIndex index, Fall how, Duration down);
  void pause(NodeIndex index, Duration duration);
  [[nodiscard]] NodeIndex draw_victim();
  [[nodiscard]] NodeIndex draw_child();
  [[nodiscard]] std::uint32_t groups() const { return 1 + scenario_.aggregators(); }
  [[nodiscard]] bool is_leaf(NodeIndex index) const {
    return index >= groups() && !roots_.has(index);
  }
  [[nodiscard]] bool is_below(NodeIndex node, NodeIndex ancestor) const;
  [[nodiscard]] Duration turn_after(std::uint32_t permille_per_minute_and_node);

  // world_roots.cc: several roots, of which one leads.
  void make_one_of_several(NodeIndex index);
  void look_at_root(NodeIndex index, const node::NodeStatus& status);
  /// Some root leads, and has taken the journal over.
  [[nodiscard]] bool serves() const;
  void ask_etcd(NodeIndex index, const node::LeaseAsk& ask);
  /// Who is asked about the plant: the root that leads, or the only one. Whether it runs or not.
  [[nodiscard]] NodeIndex root() const {
    return roots_.leader == kNobody ? kRootIndex : roots_.leader;
  }

  // world_fate.cc: the operator, and the end.
  void ask(const decltype(node::OperatorAsked::command)& command);
  void ask_something();
  void cancel_all();
  [[nodiscard]] std::string why_not_whole();
  void watch_delivery(const node::NodeStatus& plant);
  void judge_delivery();

  Scenario scenario_;
  Watcher watcher_;
  std::uint64_t noise_;
  Rng rng_;
  WorldQueue queue_;
  Trace trace_;
  Findings findings_;
  NodeNumbers numbers_;
  Roots roots_;
  std::uint64_t booked_term_ = 0;  ///< whose journal the checkers know; with several roots
  std::vector<SimNode> nodes_;
  Network network_;
  MarketModel market_;
  EtcdModel etcd_;
  CountedOnce counted_once_;
  OrderRules order_rules_;
  Promises promises_;
  TreeShape tree_shape_;
  EnergyBooks energy_books_;
  NeverOver never_over_;
  std::map<mesh::ConnectionId, HeardClock> heard_;  ///< by the child at the lower end
  Outcome outcome_;
  bool faults_over_ = false;
  WorldTime faults_over_at_{};
  WorldTime whole_at_{};  ///< the newest inspection that found the tree whole
  std::uint64_t requests_ = 0;
  std::size_t sampled_leaves_ = 0;
  std::vector<OrderId> known_orders_;
  std::optional<WorldTime> final_order_at_;
  DeliveryMeter delivery_;                          ///< of the final order
  std::map<NodeIndex, mesh::Dispatch> old_orders_;  ///< for a planted bug
};

}  // namespace vpp::sim
