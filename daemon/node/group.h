// What a node with children knows about them as one group: the sum it reports, and the split of
// what it is asked. Pure; shared by aggregator and root.
//
// Never over   a child out of contact goes on with what it was told until that expires. Until then,
//              or until it is known to live elsewhere (who then releases it), those watts are
//              reserved: asked of nobody else (promises.h).
// Cut off      a group that reaches no root goes on with those only who were known above to be
//              here: once they are seen elsewhere nothing is reserved for it any more, and what
//              somebody unknown did would be done twice.
#pragma once

#include <map>
#include <vector>

#include "aggregation/dispatcher.h"
#include "daemon/node/lane.h"
#include "daemon/node/membership_news.h"
#include "daemon/node/node.h"
#include "daemon/node/reliability.h"
#include "mesh/children.h"

namespace vpp::node {

class Group {
 public:
  Group(const mesh::ChildrenOptions& options, const aggregation::DispatcherOptions& dispatch,
        Rng rng, const aggregation::FeederLimits& feeder = {});

  mesh::Children& children() { return children_; }
  [[nodiscard]] const mesh::Children& children() const { return children_; }

  /// Between orders, before summary(): who was lost since the last one may still follow it.
  void keep_up(const Now& now);
  /// True: somebody in contact has not answered its release from this scope, and is to be released
  /// again.
  bool keep_up(const Now& now, const Scope& scope);

  /// The newest dispatch of this scope was no release: somebody may follow it, now or later.
  [[nodiscard]] bool asks(const Scope& scope) const;

  /// In which something goes on, the default one included.
  [[nodiscard]] std::vector<Scope> scopes() const;

  /// The sum over the children counted now. `asked` and `shortfall` are the newest splits'.
  [[nodiscard]] mesh::GroupSummary summary(const Now& now) const;

  /// Splits what this node is asked, and what it will be asked, over the children counted that
  /// serve the scope; attached children that may not be counted yet are released, so that nothing
  /// they still do for the plant goes unseen, but for those who only do what this node told them. A
  /// site that another scope asks for power is left out. Stamps are this node's. Returns what could
  /// not be placed.
  Watts dispatch(const Now& now, const mesh::Dispatch& asked);

  /// An acknowledgement from below; true when it was the last one of its scope's present order.
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
  [[nodiscard]] Lane& lane_of(const Scope& scope);
  void watch(const Now& now);
  void leave_out_the_busy(const Lane& lane, const std::map<NodeId, OrderId>& serve,
                          Below& below) const;
  [[nodiscard]] Watts reserved_elsewhere(const Now& now, const Lane& lane, Watts share,
                                         const std::vector<mesh::ChildView>& children) const;

  [[nodiscard]] aggregation::FeederReadings readings(
      const Lane& lane, const std::vector<mesh::ChildView>& children) const;

  mesh::Children children_;
  aggregation::DispatcherOptions dispatch_;
  aggregation::FeederLimits feeder_;
  std::map<Scope, Lane> lanes_;  ///< the default one is always there
  MembershipNews news_;
  Reliability reliability_;  ///< of the default scope's orders
  std::vector<NodeId> invalid_;
};

}  // namespace vpp::node
