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
  switch (source) {
    case aggregation::OrderSource::kOperator:
      return "operator";
    case aggregation::OrderSource::kMarket:
      return "market";
    case aggregation::OrderSource::kOpenAdr:
      return "openadr";
  }
  return "";
}

std::string_view to_string(Service service) {
  return service == Service::kEnergy ? "energy" : "frequency";
}

std::string_view to_string(aggregation::UndeliveredReason reason) {
  switch (reason) {
    case aggregation::UndeliveredReason::kNone:
      return "none";
    case aggregation::UndeliveredReason::kUnseen:
      return "unseen";
    case aggregation::UndeliveredReason::kMeasuredLess:
      return "measured_less";
    case aggregation::UndeliveredReason::kTold:
      return "told";
    case aggregation::UndeliveredReason::kCapability:
      return "capability";
    case aggregation::UndeliveredReason::kNodeCap:
      return "node_cap";
    case aggregation::UndeliveredReason::kNotPlaced:
      return "not_placed";
  }
  return "";
}

std::string_view to_string(device::Mode mode) {
  switch (mode) {
    case device::Mode::kLocalDefault:
      return "local_default";
    case device::Mode::kPlanned:
      return "planned";
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
