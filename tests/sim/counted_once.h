// Invariant 1, from the outside: for each leaf, the sums that include it.
//
// A leaf is in an ancestor's sum when a counted child's held report was built while that leaf was
// counted below. The checker remembers for every report sent which leaves it was built from, and
// follows (child, session, sequence) upwards. It asserts: no sum includes a leaf twice; no two
// parents that are themselves counted up to the root count a leaf directly at the same instant (a
// parent that is cut off may still do so, until its own lease runs out: its sum goes nowhere); a
// sum is exactly that of the held reports, and a held report is exactly what the child sent.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/node/node.h"
#include "tests/sim/findings.h"

namespace vpp::sim {

using LeafSet = std::shared_ptr<const std::vector<NodeIndex>>;
using NodeNumbers = std::map<NodeId, NodeIndex>;

class CountedOnce {
 public:
  /// `roots` is read at every step.
  CountedOnce(const NodeNumbers& numbers, const Roots& roots, std::size_t nodes,
              Findings& findings);

  /// After every step of a root or aggregator. `lease_ends[i]` is when the lease of
  /// `status.children[i]` runs out, in world time.
  void viewed(WorldTime at, NodeIndex node, const node::NodeStatus& status,
              const std::vector<WorldTime>& lease_ends);
  /// After viewed() of the same step.
  void sent(NodeIndex node, const mesh::Report& report);
  void stopped(NodeIndex node);

  /// Leaves in the leading root's sum now.
  [[nodiscard]] std::size_t counted_at_root() const;
  [[nodiscard]] bool is_counted_at_root(NodeIndex leaf) const;

 private:
  using ReportKey = std::pair<mesh::Session, std::uint64_t>;
  struct Sent {
    std::uint64_t content = 0;
    LeafSet leaves;
  };
  struct Held {
    mesh::Session session = 0;
    std::uint64_t sequence = 0;
    LeafSet leaves;
  };
  struct Direct {
    NodeIndex parent = kNobody;
    WorldTime until{};
  };

  [[nodiscard]] LeafSet leaves_of(WorldTime at, NodeIndex node, NodeIndex child,
                                  const mesh::ChildView& view);
  void count_directly(WorldTime at, NodeIndex child, NodeIndex parent, WorldTime until);
  void uncount_directly(NodeIndex child, NodeIndex parent);
  [[nodiscard]] bool counted_up_to_root(WorldTime at, NodeIndex node) const;
  void check_once(WorldTime at, NodeIndex node);
  void check_sum(WorldTime at, NodeIndex node, const node::NodeStatus& status);

  const NodeNumbers& numbers_;
  const Roots& roots_;
  Findings& findings_;
  std::vector<std::map<ReportKey, Sent>> sent_;
  std::vector<std::map<NodeIndex, Held>> held_;  ///< counted children only
  std::vector<std::vector<Direct>> directly_;    ///< per child: who counts it
  std::vector<std::uint64_t> sums_checked_;      ///< digest of the sum last found right
  std::vector<std::uint64_t> seen_;              ///< scratch: epoch per leaf
  std::uint64_t epoch_ = 0;
};

}  // namespace vpp::sim
