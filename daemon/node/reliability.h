// What a node has learned of its children: how often a site does what it is asked, and how often a
// group can be reached. Pure.
//
// Response   of a child that is a site. One event is one order, or a quarter of an hour of it: the
//            part of that time in which it did what it was asked, as the dispatcher judges. One
//            that goes silent or stale in the middle does nothing from then on.
// Uplink     of a child with children of its own. One event is one look a minute: it was there, or
//            it was lost. An outage counts as an hour at most: once it is over, what matters is how
//            often one comes, not how long the last one was. Who said goodbye, or lives elsewhere,
//            is not looked at.
// Bounded    by the children that mesh::Children remembers; a restart forgets all of it, and counts
//            everybody by the prior again.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "aggregation/response.h"
#include "config/ids.h"
#include "config/time.h"
#include "mesh/children.h"

namespace vpp::node {

/// Of one child; the prior where nothing was learned.
struct ChildRates {
  std::int32_t response_permille = 0;       ///< of a site
  aggregation::PerMillion availability{0};  ///< of a group
};

class Reliability {
 public:
  /// A site's part, in permille, of what it was asked now.
  struct Doing {
    NodeId site;
    std::int32_t permille = 0;
  };
  /// After each tick of an order: `asked` are those who were to do something; `silent` those of
  /// whom nobody knows whether they do: that counts for whoever was asked before in this order.
  void ordered(Instant now, OrderId order, const std::vector<Doing>& asked,
               const std::vector<NodeId>& silent);

  /// No order: what was seen of the last one is learned.
  void idle();

  /// Some time after `now` was at look_due(): at the first call, and then once a minute.
  void look(Instant now, const std::vector<mesh::ChildView>& children);
  [[nodiscard]] bool look_due(Instant now) const { return now >= look_at_; }

  [[nodiscard]] ChildRates of(NodeId child) const;

 private:
  struct Event {
    OrderId order;
    Duration asked{0};
    std::int64_t kept = 0;  ///< permille * milliseconds
  };
  struct Known {
    aggregation::ResponseRate response{aggregation::ResponseRate::kSite};
    aggregation::ResponseRate uplink{aggregation::ResponseRate::kUplink};
    Event event;
    int missed_looks = 0;  ///< in a row
  };
  static void close(Known& known);

  std::map<NodeId, Known> known_;
  std::optional<Instant> ordered_at_;
  Instant look_at_{};
};

}  // namespace vpp::node
