// A number in a JSON document: null where there was nothing to measure, as JSON knows no NaN.
#pragma once

#include <cmath>
#include <nlohmann/json.hpp>

namespace vpp::ctl {

[[nodiscard]] inline nlohmann::ordered_json or_null(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

}  // namespace vpp::ctl
