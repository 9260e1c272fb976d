// The duration curves in reports. Pure.
#pragma once

#include <optional>

#include "aggregation/duration_curve.h"
#include "device/site.h"
#include "mesh/messages.h"

namespace vpp::node {

[[nodiscard]] inline device::Capability capability_of(const mesh::SiteDirection& direction) {
  return {direction.power, direction.energy};
}

struct Curves {
  aggregation::DurationCurve discharge;
  aggregation::DurationCurve charge;
};

/// Nothing: the report is no valid pair of curves.
[[nodiscard]] inline std::optional<Curves> curves_of(const mesh::GroupSummary& group) {
  auto discharge = aggregation::DurationCurve::from_wire(group.grid_id, group.discharge);
  auto charge = aggregation::DurationCurve::from_wire(group.grid_id, group.charge);
  if (!discharge || !charge) return std::nullopt;
  return Curves{*discharge, *charge};
}

/// Of one scope of `group`, whose own pair is `whole`.
[[nodiscard]] inline std::optional<Curves> curves_of(const mesh::ScopeSummary& scope,
                                                     const mesh::GroupSummary& group,
                                                     const Curves& whole) {
  Curves out = whole;
  for (const auto& [points, curve] :
       {std::pair{&scope.discharge, &out.discharge}, std::pair{&scope.charge, &out.charge}}) {
    if (points->empty()) continue;
    const auto valid = aggregation::DurationCurve::from_wire(group.grid_id, *points);
    if (!valid) return std::nullopt;
    *curve = *valid;
  }
  return out;
}

[[nodiscard]] inline Curves curves_of(const mesh::SiteDirection& discharge,
                                      const mesh::SiteDirection& charge) {
  return {aggregation::DurationCurve::of_site(capability_of(discharge)),
          aggregation::DurationCurve::of_site(capability_of(charge))};
}

}  // namespace vpp::node
