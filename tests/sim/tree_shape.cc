#include "tests/sim/tree_shape.h"

#include <algorithm>

#include "config/limits.h"

namespace vpp::sim {

void TreeShape::viewed(WorldTime at, NodeIndex node, const node::NodeStatus& status) {
  if (status.path.size() > limits::kDepthMax) {
    findings_.report(Invariant::kBounded, node, at, "its path is longer than any may be");
  }
  if (std::ranges::count(status.path, status.self) > 1) {
    findings_.report(Invariant::kTreeShape, node, at, "its path holds itself twice");
  }
  const NodeIndex parent = status.parent ? numbers_.at(*status.parent) : kNobody;
  if (parents_[node] == parent) return;
  parents_[node] = parent;
  std::size_t steps = 0;
  for (NodeIndex up = parent; up != kNobody; up = parents_[up]) {
    if (up == node || ++steps > parents_.size()) {
      findings_.report(
          Invariant::kTreeShape, node, at,
          "is its own ancestor since it took node " + std::to_string(parent) + " as parent");
      return;
    }
  }
}

bool TreeShape::reaches_root(NodeIndex node) const {
  std::size_t steps = 0;
  while (node != roots_.leader && node != kNobody && ++steps <= limits::kDepthMax) {
    node = parents_[node];
  }
  return node != kNobody && node == roots_.leader;
}

}  // namespace vpp::sim
