// Value signals at a node with children, be it a head or in between. Pure.
//
// Innermost   a head below another head keeps its own homes: it answers the outer signal with what
//             its own homes plan, which that signal cannot move, where both cut time alike. Where
//             they do not, it answers that nobody follows.
#pragma once

#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/node/value_gather.h"
#include "daemon/node/value_head.h"
#include "mesh/children.h"

namespace vpp::node {

class ValueGroup {
 public:
  ValueGroup(NodeId self, const std::optional<ValueHeadOptions>& head);

  /// From the parent.
  void heard(const Now& now, const mesh::ValueSignal& signal);
  void attached(const Now& now, const std::map<NodeId, mesh::Session>& children);
  void answered(const Now& now, NodeId child, const mesh::PlannedLoad& load, std::uint32_t sites);
  void advance(const Now& now);
  /// See value_head.h; without a head it means nothing.
  void set_base(std::vector<Price> base);
  [[nodiscard]] Instant next_deadline(const Now& now) const;

  struct Effects {
    std::vector<ValueGather::SendDown> down;
    std::optional<mesh::PlannedLoad> up;
    std::vector<NodeId> refused;  ///< children that answered what no child of their size can
  };
  [[nodiscard]] Effects take_effects();

  /// All of the above for what has come from the children, whose `down` gets what goes to them.
  /// The rest is the owner's: `up`, `refused`.
  [[nodiscard]] Effects collect(const Now& now, mesh::Children& children,
                                mesh::ChildrenEffects& down);

  /// Nothing: no signal has passed here.
  [[nodiscard]] std::optional<ValueGroupStatus> status() const;

 private:
  [[nodiscard]] mesh::PlannedLoad answer_to_outer() const;

  std::optional<ValueHead> head_;
  ValueGather gather_;
  std::optional<mesh::ValueSignal> outer_;  ///< head: the newest from above
  std::optional<mesh::PlannedLoad> sum_;    ///< the newest
  std::uint64_t refused_ = 0;
  Effects effects_;
};

}  // namespace vpp::node
