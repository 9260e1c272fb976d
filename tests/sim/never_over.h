// Invariant 2 beyond what is sent: a node never asks others for watts that a child out of contact
// may still be delivering.
//
// From the outside it is known what every leaf was last told, by whom, and how long it may go on
// with that. When a node sends the shares of a tick, then what it sends, and what those may do who
// heard from it last but are not among the addressed, is together no more than what it was asked.
// A child is out of contact for certain once nothing has reached it for kAware: a lease, and what
// its parent may be late. A leaf that has found another parent is that one's business, and a node
// that has restarted does not know whom it asked before.
//
// All this is about one order, and those whose scopes overlap its own: a leaf follows one order at
// a time, and orders for other programs or groups are others' to ask.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "config/scope.h"
#include "mesh/messages.h"
#include "tests/sim/findings.h"

namespace vpp::sim {

class NeverOver {
 public:
  NeverOver(std::size_t nodes, std::int64_t speed, Findings& findings)
      : speed_{speed},
        findings_{findings},
        told_(nodes),
        parents_(nodes, kNobody),
        leases_(nodes) {}

  struct Arrival {
    NodeIndex from = kNobody;
    Incarnation from_incarnation = 0;
    WorldTime at{};
    WorldTime expires{};
    mesh::Dispatch dispatch;
  };
  /// After which time without a word its parent knows that it is lost.
  void holds_lease(NodeIndex node, Duration lease) { leases_[node] = lease; }
  /// A dispatch is handed to `node`, a leaf or not, and accepted or not.
  void arrives(NodeIndex node, bool is_leaf, const Arrival& arrival);
  /// The leaf accepted what has just arrived.
  void follows(NodeIndex leaf);
  /// It knows nothing any more of what it was told, or was released.
  void let_go(NodeIndex node) { told_[node].clear(); }
  /// It died: when it is back it does not know whom it asked before, nor can it tell its parent.
  void died(NodeIndex node);
  /// Whom it takes for its parent.
  void viewed(NodeIndex node, NodeIndex parent) { parents_[node] = parent; }

  /// One tick's dispatches of `node` for one scope, of which it is asked for `asked`.
  struct Round {
    WorldTime at{};
    MarketTime market{};
    NodeIndex node = kNobody;
    Incarnation incarnation = 0;
    Scope scope;
    Watts asked;
    std::map<NodeIndex, Watts> shares;
    std::set<NodeIndex> addressed;
  };
  void sent(const Round& round);

  [[nodiscard]] std::uint64_t checked() const { return checked_; }

 private:
  struct Told {
    bool is_leaf = false;
    Arrival arrival;
    bool forgotten = false;  ///< by who told it
  };
  [[nodiscard]] Watts may_do(const Round& round, NodeIndex node, std::int64_t sign,
                             std::set<NodeIndex> above) const;
  [[nodiscard]] Watts lost(const Round& round, NodeIndex child, std::int64_t sign) const;
  [[nodiscard]] Watts may_do_itself(MarketTime market, const mesh::Dispatch& told,
                                    std::int64_t sign) const;

  std::int64_t speed_;
  Findings& findings_;
  std::vector<std::map<Scope, Told>> told_;           ///< a leaf has at most one
  std::pair<NodeIndex, Arrival> heard_{kNobody, {}};  ///< the newest, by a leaf
  std::vector<NodeIndex> parents_;
  std::vector<Duration> leases_;
  std::uint64_t checked_ = 0;  ///< sends while somebody was out of contact and could still deliver
};

}  // namespace vpp::sim
