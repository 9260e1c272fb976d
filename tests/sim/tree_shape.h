// Invariant 12 at every step, and what a whole tree looks like (10).
#pragma once

#include <string>
#include <vector>

#include "daemon/node/node.h"
#include "tests/sim/counted_once.h"
#include "tests/sim/findings.h"

namespace vpp::sim {

class TreeShape {
 public:
  TreeShape(const NodeNumbers& numbers, const Roots& roots, std::size_t nodes, Findings& findings)
      : numbers_{numbers}, roots_{roots}, findings_{findings}, parents_(nodes, kNobody) {}

  /// After a step of anybody but the root. Cost O(depth) on a change, else O(log nodes).
  void viewed(WorldTime at, NodeIndex node, const node::NodeStatus& status);
  void stopped(NodeIndex node) { parents_[node] = kNobody; }

  [[nodiscard]] NodeIndex parent_of(NodeIndex node) const { return parents_[node]; }
  /// Follows parents up; false when the way does not end at the root that leads.
  [[nodiscard]] bool reaches_root(NodeIndex node) const;

 private:
  const NodeNumbers& numbers_;
  const Roots& roots_;
  Findings& findings_;
  std::vector<NodeIndex> parents_;
};

}  // namespace vpp::sim
