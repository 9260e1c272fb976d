// What a node with children knows about them as one group: the sum it reports, and the split of
// what it is asked. Pure; shared by aggregator and root.
//
// Never over   a child out of contact goes on with what it was told until that expires. Until then,
//              or until it is known to live elsewhere (who then releases it), those watts are
//              reserved: asked of nobody else (promises.h).
// Cut off      a group that reaches no root goes on with those only who were known above to be
// here:
//              once they are seen elsewhere nothing is reserved for it any more, and what somebody
//              unknown did would be done twice.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aggregation/dispatcher.h"
#include "aggregation/duration_curve.h"
#include "daemon/node/membership_news.h"
#include "daemon/node/node.h"
#include "daemon/node/promises.h"
#include "daemon/node/reliability.h"
#include "mesh/children.h"

namespace vpp::node {

class Group {
 public:
  Group(const mesh::ChildrenOptions& options, const aggregation::DispatcherOptions& dispatch,
        Rng rng);

  mesh::Children& children() { return children_; }
  [[nodiscard]] const mesh::Children& children() const { return children_; }

  /// Between orders, before summary(): who was lost since the last one may still follow it. True:
  /// somebody in contact has not answered its release, and is to be released again.
  bool keep_up(const Now& now);

  /// The sum over the children counted now. `asked` and `shortfall` are the newest split's.
  [[nodiscard]] mesh::GroupSummary summary(const Now& now) const;

  /// Splits what this node is asked, and what it will be asked, over the children counted; attached
  /// children that may not be counted yet are released, so that nothing they still do for the plant
  /// goes unseen, but for those who only do what this node told them. Stamps are this node's.
  /// Returns what could not be placed.
  Watts dispatch(const Now& now, const mesh::Dispatch& asked);

  /// An acknowledgement from below; true when it was the last one of the present order.
  bool acknowledged(NodeId child, const mesh::DispatchAck& ack);

  /// What is to be told of who came and went. `changed`: somebody may have.
  [[nodiscard]] std::vector<Notice> news(const Now& now, bool changed);
  [[nodiscard]] Instant next_deadline() const;

  /// The part of a status that every node with children has.
  void fill(NodeStatus& out, const Now& now) const;

  [[nodiscard]] std::vector<Watts> asked_of(const std::vector<mesh::ChildView>& view) const;
  [[nodiscard]] std::vector<ChildRates> rates_of(const std::vector<mesh::ChildView>& view) const;

  /// Children whose newest report was no valid curve, since the last call.
  [[nodiscard]] std::vector<NodeId> take_invalid();

 private:
  struct Below {
    std::vector<aggregation::ChildState> counted;
    std::vector<NodeId> held;    ///< attached, but not to be counted yet
    std::vector<NodeId> kept;    ///< likewise, but they do only what this node or, on the way, the
                                 ///< former parent told them
    std::vector<NodeId> silent;  ///< sites that are lost or whose values are too old
  };
  [[nodiscard]] Below look(const Now& now);
  [[nodiscard]] Promises::Lives lives(const mesh::ChildView& child) const;
  [[nodiscard]] aggregation::ChildState state_of(const mesh::ChildView& child);
  [[nodiscard]] Watts split_now(const Now& now, const mesh::Dispatch& asked, const Below& below,
                                std::vector<mesh::Dispatch>& out);
  void watch(const Now& now);
  void learn(const Now& now, const mesh::Dispatch& asked, const Below& below);
  void send(const Now& now, NodeId child, const mesh::Dispatch& form);
  [[nodiscard]] bool needless(const Now& now, NodeId child, const mesh::Dispatch& form,
                              const mesh::ChildLine& line);

  mesh::Children children_;
  aggregation::Dispatcher dispatcher_;
  MembershipNews news_;
  Promises promises_;
  Reliability reliability_;
  struct Renewed {
    mesh::Session session = 0;
    Instant at{};
    mesh::Dispatch form;
  };
  std::map<NodeId, Renewed> renewed_;  ///< of children whose line does not bear it every tick
  std::map<NodeId, Watts> asked_;
  Watts target_;
  Watts shortfall_;
  OrderId waiting_for_;              ///< order whose acknowledgements are awaited
  std::set<NodeId> unacknowledged_;  ///< children that owe one
  std::vector<NodeId> invalid_;
};

}  // namespace vpp::node
