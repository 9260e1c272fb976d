#include "aggregation/peak_shaving.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "aggregation/wide.h"
#include "config/check.h"

namespace vpp::aggregation {

Watts peak_threshold(std::span<const NetLoadStep> forecast, const DurationCurve& discharge) {
  constexpr int kMsPerSecond = 1000;
  std::vector<NetLoadStep> highest(forecast.begin(), forecast.end());
  std::ranges::sort(highest, std::greater{}, &NetLoadStep::net_load);
  Int128 asked = 0;  // watts * milliseconds
  std::chrono::milliseconds lasted{0};
  Int128 threshold = 0;
  for (const auto& step : highest) {
    VPP_CHECK(step.duration.count() > 0);
    if (step.net_load <= Watts{0}) break;
    asked += Int128{step.net_load.count} * step.duration.count();
    lasted += step.duration;
    const Int128 missing = asked - Int128{discharge.at(lasted).count} * kMsPerSecond;
    if (missing <= 0) continue;
    threshold = std::max(threshold, (missing + lasted.count() - 1) / lasted.count());
  }
  return {static_cast<std::int64_t>(threshold)};  // at most the highest load
}

Shaving shave(std::span<const NetLoadStep> forecast, const DurationCurve& discharge, Watts cap) {
  VPP_CHECK(!forecast.empty());
  const Watts now = forecast.front().net_load;
  const Watts level = std::max(peak_threshold(forecast, discharge), cap);
  return {.level = level,
          .dispatch = std::max(Watts{0}, now - level),
          .room = std::max(Watts{0}, cap - now),
          .over = level - cap};
}

}  // namespace vpp::aggregation
