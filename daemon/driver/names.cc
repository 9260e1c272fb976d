#include "daemon/driver/names.h"

namespace vpp::driver {

std::string_view to_string(node::Severity severity) {
  switch (severity) {
    case node::Severity::kInfo:
      return "info";
    case node::Severity::kWarning:
      return "warning";
    case node::Severity::kError:
      return "error";
  }
  return "";
}

std::string_view to_string(aggregation::OrderState state) {
  switch (state) {
    case aggregation::OrderState::kScheduled:
      return "scheduled";
    case aggregation::OrderState::kActive:
      return "active";
    case aggregation::OrderState::kDone:
      return "done";
    case aggregation::OrderState::kCancelled:
      return "cancelled";
    case aggregation::OrderState::kSuperseded:
      return "superseded";
  }
  return "";
}

std::string_view to_string(aggregation::OrderSource source) {
  return source == aggregation::OrderSource::kOperator ? "operator" : "market";
}

std::string_view to_string(device::Mode mode) {
  switch (mode) {
    case device::Mode::kLocalDefault:
      return "local_default";
    case device::Mode::kDispatched:
      return "dispatched";
    case device::Mode::kRampingHome:
      return "ramping_home";
    case device::Mode::kUncontrollable:
      return "uncontrollable";
  }
  return "";
}

}  // namespace vpp::driver
