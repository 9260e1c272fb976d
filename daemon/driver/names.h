// How enumerators are called in documents, metrics and logs. Stable: people's scripts read them.
#pragma once

#include <string_view>

#include "aggregation/order.h"
#include "aggregation/undelivered.h"
#include "daemon/node/node.h"
#include "device/site.h"

namespace vpp::driver {

[[nodiscard]] std::string_view to_string(node::Severity severity);
[[nodiscard]] std::string_view to_string(aggregation::OrderState state);
[[nodiscard]] std::string_view to_string(aggregation::OrderSource source);
[[nodiscard]] std::string_view to_string(device::Mode mode);
[[nodiscard]] std::string_view to_string(aggregation::UndeliveredReason reason);

}  // namespace vpp::driver
