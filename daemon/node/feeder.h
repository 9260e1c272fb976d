// What the meters below a node say together, for the limit of its feeder. Pure.
#pragma once

#include <vector>

#include "aggregation/feeder_cap.h"
#include "mesh/children.h"

namespace vpp::node {

/// Sites whose meter is not known now count as unknown: also those that are lost, unless they have
/// moved away, and those whose values are too old.
[[nodiscard]] aggregation::FeederReadings feeder_readings(
    const std::vector<mesh::ChildView>& children);

}  // namespace vpp::node
