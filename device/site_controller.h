// One site's control loop: readings in, set point out. Pure; owned by the device thread, so that
// it never waits for the network or the disk.
//
// The guard is the last word: whatever arrives is clamped to device rating, config limits,
// connection limits, owner's reserve and ramp, in that order (`limited_by` names the clamp).
// On expiry, end, cancel or silence the set point ramps to zero and the device is released to its
// local default (self-consumption).
#pragma once

#include <optional>

#include "config/time.h"
#include "device/site.h"

namespace vpp::device {

struct SiteEffects {
  std::optional<DeviceCommand> write;  ///< on change, or to refresh the revert timer
  SiteStatus status;
};

class SiteController {
 public:
  explicit SiteController(const SiteLimits& limits);

  void connected(const Nameplate& nameplate);
  void disconnected(const Now& now);

  /// The newest order, or nothing: release. Takes effect at once (no wait for the next reading).
  void set_order(const Now& now, std::optional<SiteOrder> order);

  /// The plant was heard: no beacon for limits::kBeaconLossMax ends any order.
  void plant_heard(const Now& now);

  /// One round. Readings may be partly or wholly unknown.
  [[nodiscard]] SiteEffects step(const Now& now, const Telemetry& telemetry);

  /// When step() must be called at the latest, readings or not (order begin, end, expiry, ramp,
  /// refresh).
  [[nodiscard]] Instant next_deadline(const Now& now) const;
};

}  // namespace vpp::device
