// One value signal on its way through a node with children: it goes to all of them, and what they
// plan comes back as one sum. Pure.
//
// Complete   when everybody asked has answered, or the patience of the node above is nearly over.
//            Whoever misses a round counts with its last answer of the same horizon, or not at all.
// Later      an answer that comes late, a child that comes or goes: the sum is told anew.
// Absent     a child that says that nobody there follows is not asked again in the same horizon.
// Counted    a child counts while it is attached: a home on the move may count twice for as long as
//            its former parent has not been told.
// Sums       whole numbers within what so many homes can have, so that order does not matter.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "config/time.h"
#include "mesh/messages.h"

namespace vpp::node {

/// `to` with `from` added; of the same signal.
void add(mesh::PlannedLoad& to, const mesh::PlannedLoad& from);

class ValueGather {
 public:
  using SendDown = std::pair<NodeId, mesh::ValueSignal>;

  /// Passes it on, with `patience` as its wait.
  void ask(const Now& now, mesh::ValueSignal signal, Duration patience);

  /// Who is attached now.
  void attached(const Now& now, const std::map<NodeId, mesh::Session>& children);

  /// `sites`: that can be with this child. False: no child of that size plans that.
  [[nodiscard]] bool answered(const Now& now, NodeId id, const mesh::PlannedLoad& load,
                              std::uint32_t sites);

  /// The sum, once for every time that it is complete or another.
  [[nodiscard]] std::optional<mesh::PlannedLoad> take_sum(const Now& now);
  [[nodiscard]] std::vector<SendDown> take_down() { return std::exchange(down_, {}); }
  [[nodiscard]] Instant next_deadline() const { return sum_due_; }

  [[nodiscard]] const std::optional<mesh::ValueSignal>& signal() const { return signal_; }
  [[nodiscard]] mesh::PlannedLoad sum() const;

 private:
  struct Child {
    mesh::Session session = 0;
    bool absent = false;
    std::optional<mesh::PlannedLoad> answer;
  };
  [[nodiscard]] bool same_horizon(const mesh::ValueSignal& signal) const;
  void changed(const Now& now);

  std::map<NodeId, Child> children_;
  std::optional<mesh::ValueSignal> signal_;
  std::uint64_t first_round_ = 0;  ///< of the horizon
  std::set<NodeId> waiting_;       ///< asked in this round, not answered yet
  Instant sum_due_ = kNever;
  std::vector<SendDown> down_;
};

}  // namespace vpp::node
