// What is in force below a node for one scope: the split of what it is asked among the children
// that serve that scope. Pure. A group (group.h) has one for each scope in which something goes on.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <vector>

#include "aggregation/dispatcher.h"
#include "aggregation/feeder_cap.h"
#include "config/scope.h"
#include "daemon/node/node.h"
#include "daemon/node/promises.h"
#include "daemon/node/reliability.h"
#include "mesh/children.h"

namespace vpp::node {

/// Children as one scope sees them (scoped.h), sorted by what may be asked of them.
struct Below {
  std::vector<aggregation::ChildState> counted;
  std::vector<NodeId> held;     ///< attached, but not to be counted yet
  std::vector<NodeId> kept;     ///< likewise, but they do only what this node or, on the way, the
                                ///< former parent told them
  std::vector<NodeId> silent;   ///< sites that are lost or whose values are too old
  std::vector<NodeId> invalid;  ///< groups whose newest report was no valid curve
  aggregation::FeederReadings feeder;  ///< of all children, in the scope or not
};

class Lane {
 public:
  Lane(Scope scope, const aggregation::DispatcherOptions& dispatch,
       const aggregation::FeederLimits& feeder)
      : scope_{std::move(scope)}, dispatcher_{dispatch} {
    if (feeder.export_max || feeder.import_max) feeder_.emplace(feeder);
  }

  /// Between orders: who was lost since the last one may still follow it. True: somebody in contact
  /// has not answered its release, and is to be released again.
  bool keep_up(const Now& now, const mesh::Children& children,
               const std::vector<mesh::ChildView>& view);

  /// The children now, and what each of them has promised.
  [[nodiscard]] Below look(const Now& now, const mesh::Children& children,
                           std::vector<mesh::ChildView> view);

  /// Splits what this node is asked, and what it will be asked, over `below`; Group::dispatch says
  /// the rest. `elsewhere` is what children out of contact may still do for overlapping scopes.
  /// Returns what could not be placed.
  Watts dispatch(const Now& now, const mesh::Dispatch& asked, const Below& below, Watts elsewhere,
                 mesh::Children& children);

  /// An acknowledgement from below; true when it was the last one of the present order.
  bool acknowledged(NodeId child, const mesh::DispatchAck& ack);

  [[nodiscard]] const Scope& scope() const { return scope_; }
  /// Of the present target.
  [[nodiscard]] OrderId order() const { return waiting_for_; }
  [[nodiscard]] Watts target() const { return target_; }
  [[nodiscard]] Watts shortfall() const { return shortfall_; }
  [[nodiscard]] Watts asked_of(NodeId child) const {
    const auto it = asked_.find(child);
    return it == asked_.end() ? Watts{0} : it->second.power;
  }
  [[nodiscard]] aggregation::Undelivered undelivered_of(NodeId child) const {
    const auto it = asked_.find(child);
    return it == asked_.end() ? aggregation::Undelivered{} : it->second.undelivered;
  }
  /// Of the newest tick; nothing: no order.
  [[nodiscard]] const std::optional<DispatchBooks>& books() const { return books_; }
  [[nodiscard]] const aggregation::Dispatcher& dispatcher() const { return dispatcher_; }
  [[nodiscard]] const Promises& promises() const { return promises_; }
  /// The newest dispatch was no release: somebody may follow it, now or later.
  [[nodiscard]] bool asks() const { return asking_; }
  /// Nothing is asked, and nobody may still do what was.
  [[nodiscard]] bool over() const { return !asking_ && promises_.empty(); }

  /// How well sites do what they are asked, of the newest dispatch().
  [[nodiscard]] std::vector<Reliability::Doing> doing(const Below& below) const;

 private:
  [[nodiscard]] Watts within_feeder(const Now& now, Watts free, const Below& below);
  [[nodiscard]] Watts split_now(const Now& now, const mesh::Dispatch& asked, const Below& below,
                                Watts elsewhere, std::vector<mesh::Dispatch>& out);
  void send(const Now& now, NodeId child, const mesh::Dispatch& form, mesh::Children& children);
  [[nodiscard]] bool needless(const Now& now, NodeId child, const mesh::Dispatch& form,
                              const mesh::ChildLine& line);

  struct Renewed {
    mesh::Session session = 0;
    Instant at{};
    mesh::Dispatch form;
  };

  Scope scope_;
  aggregation::Dispatcher dispatcher_;
  std::optional<aggregation::FeederCap> feeder_;
  Promises promises_;
  std::map<NodeId, Renewed> renewed_;  ///< of children whose line does not bear it every tick
  std::map<NodeId, aggregation::Share> asked_;
  std::optional<DispatchBooks> books_;
  bool asking_ = false;  ///< the newest dispatch was no release
  Watts target_;
  Watts shortfall_;
  OrderId waiting_for_;              ///< order whose acknowledgements are awaited
  std::set<NodeId> unacknowledged_;  ///< children that owe one
};

}  // namespace vpp::node
