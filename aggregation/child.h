// A child as the dispatcher sees it: what it can do by its own account, and what it does.
#pragma once

#include <optional>
#include <variant>

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
using Flexibility = std::variant<SiteFlexibility, GroupFlexibility>;

struct ChildState {
  NodeId id;
  Flexibility flexibility;
  std::optional<Watts> measured;  ///< battery power now; nothing: unknown
  Instant measured_since{};       ///< protocol time the report came
  /// A group that reported a shortfall: what it could place of its share. Believed at once, so that
  /// the rest goes elsewhere before anybody measures that it is missing.
  std::optional<Watts> at_most = std::nullopt;
};

[[nodiscard]] inline const device::Capability& capability_of(const SiteFlexibility& site,
                                                             Direction direction) {
  return direction == Direction::kDischarge ? site.discharge : site.charge;
}

[[nodiscard]] inline const DurationCurve& curve_of(const GroupFlexibility& group,
                                                   Direction direction) {
  return direction == Direction::kDischarge ? group.discharge : group.charge;
}

}  // namespace vpp::aggregation
