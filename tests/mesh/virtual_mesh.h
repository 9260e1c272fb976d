// A small mesh of real Uplink and Children cores on a virtual clock and network, from one seed.
// Glues the two as daemon/node does, carries their effects out, injects faults, and looks at the
// whole from the outside after every event. The full simulator with nodes, orders and disks lives
// in tests/sim; this one is for the mesh alone, and small enough to run hundreds of seeds a second.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "config/ids.h"
#include "config/rng.h"
#include "config/time.h"
#include "mesh/children.h"
#include "mesh/uplink.h"

namespace vpp::mesh::testing {

using namespace std::chrono_literals;

struct Faults {
  std::uint32_t drop_permille = 0;
  std::uint32_t duplicate_permille = 0;
  Duration delay_max{2};  ///< each message on its own: reorders
  Duration between{0};    ///< mean time between crashes, pauses and partitions; 0: none
  Duration down_max{0};   ///< how long one of them lasts
  bool crashes = false;
  bool pauses = false;
  bool partitions = false;
  bool drains = false;
  bool root_too = false;
};

class VirtualMesh {
 public:
  VirtualMesh(std::uint64_t seed, const Faults& faults, Duration balance_after = 10s);

  /// A node that starts at once. `seeds`: indices of nodes, most wanted first.
  std::size_t add(Role role, const std::vector<std::size_t>& seeds, LinkKind link = LinkKind::kLan);

  /// Runs to `until` of world time. Returns the first violation, if any.
  std::optional<std::string> run(Duration until);

  /// No more faults; everything is up and connected again.
  void heal();

  void crash(std::size_t index);
  void start(std::size_t index);
  void pause(std::size_t index, bool paused);
  void drain(std::size_t index, bool on);
  /// Nothing gets from one to the other; said once for each way.
  void cut(std::size_t from, std::size_t to, bool cut);

  /// Leaves in the root's sum, in order; a leaf counted twice is there twice.
  [[nodiscard]] std::vector<NodeId> counted_at_root() const;
  [[nodiscard]] std::size_t leaves() const;
  [[nodiscard]] Now clock_of(std::size_t index) const { return local(nodes_[index]); }
  [[nodiscard]] std::optional<NodeId> parent_of(std::size_t index) const;
  /// Of this life.
  [[nodiscard]] const std::vector<Move>& moves_of(std::size_t index) const;
  [[nodiscard]] Path path_of(std::size_t index) const;
  [[nodiscard]] NodeId id_of(std::size_t index) const { return nodes_[index].id; }
  [[nodiscard]] const Children& children_of(std::size_t index) const;
  [[nodiscard]] std::string describe() const;
  [[nodiscard]] std::uint64_t trace() const { return trace_; }
  /// How many were asked to leave a node out, over all moves; repeated ones count once.
  [[nodiscard]] std::size_t questions() const { return questions_.size(); }
  [[nodiscard]] Duration now() const { return now_; }

 private:
  using Input = std::variant<UplinkEvent, ChildrenEvent>;
  struct Node {
    NodeId id;
    Role role = Role::kLeaf;
    std::vector<Endpoint> seeds;
    std::optional<Endpoint> serves;
    LinkKind link = LinkKind::kLan;
    bool up = false;
    bool paused = false;
    bool draining = false;
    std::uint64_t incarnation = 0;
    Duration boot_offset{0};
    std::int64_t drift_ppm = 0;
    std::optional<UplinkRecord> record;
    std::uint64_t term = 0;
    std::optional<Uplink> uplink;
    std::optional<Children> children;
    Instant report_at = kNever;
    Instant reported_at{};
    Duration due{0};            ///< world time of its next deadline
    std::deque<Input> waiting;  ///< while paused
  };
  struct Connection {
    std::size_t child = 0;
    std::size_t parent = 0;
    std::uint64_t child_incarnation = 0;
    std::uint64_t parent_incarnation = 0;
    LinkId link = 0;
    bool child_closed = false;
    bool proven = false;        ///< to the parent, by a Hello
    bool acknowledged = false;  ///< to the child, by a HelloAck
  };
  struct Delivery {
    Duration at{0};
    std::uint64_t order = 0;
    std::size_t to = 0;
    std::uint64_t incarnation = 0;
    Input input;
    friend bool operator<(const Delivery& a, const Delivery& b) {
      return std::tie(b.at, b.order) < std::tie(a.at, a.order);  // earliest on top
    }
  };
  struct Repair {
    Duration at{0};
    std::size_t a = 0;
    std::size_t b = 0;
    enum class Kind { kStart, kResume, kJoin } kind = Kind::kStart;
  };
  using ReportKey = std::tuple<NodeId, Session, std::uint64_t>;

  [[nodiscard]] Now local(const Node& node) const;
  [[nodiscard]] Duration world_time_of(const Node& node, Instant at) const;
  [[nodiscard]] Duration next_event() const;
  [[nodiscard]] Duration deadline_of(const Node& node) const;
  void deliver_due();
  void wake(Node& node);
  void give(Node& node, const Input& input);
  void collect(Node& node);
  void on_parent_message(Node& node, const Message& message);
  void report(Node& node);
  void carry_out(Node& node, UplinkEffects effects);
  void carry_out(Node& node, ChildrenEffects effects);
  void open(Node& node, const OpenLink& link);
  void send_up(Node& node, const SendUp& up);
  void send_down(Node& node, const SendDown& down);
  void post(std::size_t from, std::size_t to, const Input& input, bool lossy);
  void fault();
  void repair_due();
  [[nodiscard]] std::optional<std::string> violation();
  [[nodiscard]] std::optional<std::string> cycle() const;
  [[nodiscard]] std::vector<NodeId> included(const Node& node) const;
  [[nodiscard]] std::size_t index_of(const Node& node) const;

  Rng rng_;
  Faults faults_;
  Duration balance_after_;
  Duration now_{0};
  std::uint64_t order_ = 0;
  std::uint64_t trace_ = 0;
  std::set<std::tuple<ConnectionId, NodeId, Session>> questions_;
  std::vector<Node> nodes_;
  std::map<NodeId, std::size_t> index_;
  std::map<Endpoint, std::size_t> listening_;
  std::map<ConnectionId, Connection> connections_;
  std::map<std::tuple<std::size_t, std::uint64_t, LinkId>, ConnectionId> by_link_;
  ConnectionId next_connection_ = 1;
  std::priority_queue<Delivery> deliveries_;
  std::set<std::pair<std::size_t, std::size_t>> cuts_;
  std::vector<Repair> repairs_;
  Duration next_fault_{Duration::max()};
  bool look_ = false;  ///< who is counted may have changed since the last look
  bool edges_changed_ = false;
  std::map<ReportKey, std::vector<NodeId>> built_;  ///< who was in the sum of each report
};

}  // namespace vpp::mesh::testing
