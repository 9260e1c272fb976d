// The numbers of /metrics, in Prometheus text format. Pure.
#pragma once

#include <string>

#include "daemon/driver/snapshot.h"

namespace vpp::driver {

/// Unknown values are left out, never 0. Names end in their unit; counters in _total.
[[nodiscard]] std::string metrics_text(const Snapshot& snapshot);

}  // namespace vpp::driver
