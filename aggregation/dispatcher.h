// The closed loop of one node: a target in, a share for every child out, each tick. Pure.
//
// Children that answer get their part of the longest-time-to-go split; a child that does not
// (measured differs from asked by more than the tolerance for `ticks_to_doubt` ticks) is held to
// what it was measured at, and its missing watts go to those who respond, until it is tried again.
// The asked parts never sum to more than the target, per sign; what cannot be placed is the
// shortfall, known in the same tick.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <variant>
#include <vector>

#include "aggregation/duration_curve.h"
#include "config/ids.h"
#include "config/time.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::aggregation {

/// A site says what it can do exactly; a group by its curves.
struct SiteFlexibility {
  device::Capability discharge;
  device::Capability charge;
};
struct GroupFlexibility {
  DurationCurve discharge;
  DurationCurve charge;
};

struct ChildState {
  NodeId id;
  std::variant<SiteFlexibility, GroupFlexibility> flexibility;
  std::optional<Watts> measured;  ///< battery power now; nothing: unknown
  Instant measured_since{};       ///< protocol time the report came
};

struct DispatcherOptions {
  Watts tolerance{50};
  std::int32_t tolerance_permille = 50;  ///< of the asked watts, whichever is larger
  int ticks_to_doubt = 3;
  Duration retry_after = std::chrono::seconds{30};
};

struct Share {
  NodeId child;
  Watts power;  ///< signed
};

struct DispatchPlan {
  std::vector<Share> shares;  ///< one per child, in the order given
  Watts placed;
  Watts shortfall;  ///< same sign as the target
};

class Dispatcher {
 public:
  explicit Dispatcher(const DispatcherOptions& options = {});

  /// One tick. A child that is not in `children` gets nothing and is forgotten.
  [[nodiscard]] DispatchPlan tick(const Now& now, Watts target,
                                  const std::vector<ChildState>& children);

  /// No order: forgets what was asked, keeps who was doubted.
  void idle();

  [[nodiscard]] bool doubted(NodeId child) const;

 private:
  struct Trust {
    Watts asked;
    int misses = 0;
    std::optional<Instant> doubted_at;
    Watts held_to;
  };
  DispatcherOptions options_;
  std::map<NodeId, Trust> trust_;
};

}  // namespace vpp::aggregation
