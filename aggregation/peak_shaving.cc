#include "aggregation/peak_shaving.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <vector>

#include "aggregation/wide.h"
#include "config/check.h"

namespace vpp::aggregation {
namespace {

constexpr int kMsPerSecond = 1000;

/// The largest discharge in the first step that leaves what keeps the others under `level`: with
/// those that take most, any number of them.
Watts most_now(std::span<const NetLoadStep> highest_later, std::chrono::milliseconds now,
               const DurationCurve& discharge, Watts level) {
  std::chrono::milliseconds lasted = now;
  Int128 taken = 0;  // watts * milliseconds
  Int128 least = Int128{discharge.at(lasted).count} * kMsPerSecond;
  for (const auto& step : highest_later) {
    if (step.net_load <= level) break;
    taken += Int128{(step.net_load - level).count} * step.duration.count();
    lasted += step.duration;
    least = std::min(least, Int128{discharge.at(lasted).count} * kMsPerSecond - taken);
  }
  return {static_cast<std::int64_t>(std::max(least, Int128{0}) / now.count())};
}

}  // namespace

Watts peak_threshold(std::span<const NetLoadStep> forecast, const DurationCurve& discharge) {
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
  const Watts dispatch = std::max(Watts{0}, now - level);
  std::vector<NetLoadStep> later(forecast.begin() + 1, forecast.end());
  std::ranges::sort(later, std::greater{}, &NetLoadStep::net_load);
  return {.level = level,
          .dispatch = dispatch,
          .most = std::max(dispatch, most_now(later, forecast.front().duration, discharge, level)),
          .room = std::max(Watts{0}, cap - now),
          .over = level - cap};
}

UnderCap under_cap(Watts asked, const Shaving& shaving) {
  const Watts least = shaving.dispatch > Watts{0} ? shaving.dispatch : -shaving.room;
  const Watts battery = std::clamp(asked, least, std::max(least, shaving.most));
  return {battery, asked - battery};
}

}  // namespace vpp::aggregation
