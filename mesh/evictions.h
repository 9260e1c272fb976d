// Which children were asked to leave a node out, and have not answered yet. Pure.
#pragma once

#include <map>
#include <vector>

#include "config/ids.h"
#include "mesh/messages.h"

namespace vpp::mesh {

/// One question per (child, node); a newer session replaces an older one.
class Evictions {
 public:
  /// `child` is to leave out every session of `what.node` below `what.session`.
  void ask(NodeId child, const Attachment& what);

  /// The child's report left it out. True when this answered the open question.
  bool answer(NodeId child, const Attachment& what);

  /// The child is gone, and all it counted with it. Returns the nodes it was asked about.
  std::vector<NodeId> forget(NodeId child);

  /// Whether anyone but `except` still has to answer for `node`.
  [[nodiscard]] bool open(NodeId node, NodeId except) const;

  /// Whether this child still has to answer for anyone.
  [[nodiscard]] bool asks(NodeId child) const { return asked_.contains(child); }

  /// What to (re)send to one child.
  [[nodiscard]] std::vector<Attachment> asked_of(NodeId child) const;

  [[nodiscard]] bool empty() const { return asked_.empty(); }

 private:
  std::map<NodeId, std::map<NodeId, Session>> asked_;  ///< by child, then by node; none is empty
};

}  // namespace vpp::mesh
