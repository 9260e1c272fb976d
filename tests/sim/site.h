// One home: its battery, load and roof, which go on whatever happens to the gateway, and the
// site controller inside the gateway's process, which dies and freezes with it.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "config/rng.h"
#include "config/time.h"
#include "daemon/node/node.h"
#include "device/site.h"
#include "device/site_controller.h"
#include "mesh/children.h"
#include "tools/battery/battery_model.h"

namespace vpp::sim {

/// What one poll saw and did, for the checkers.
struct Poll {
  device::Telemetry telemetry;
  device::SiteEffects effects;
};

class Site {
 public:
  Site(Rng rng, MarketTime begin);

  /// The gateway's process starts, or is gone.
  void start(const std::vector<device::OrderAccount>& recovered);
  void stop() { controller_.reset(); }
  /// Its home's own plan moves the battery, as the newest poll had it.
  [[nodiscard]] bool planned() const { return planned_; }

  // The device thread. `now` is the node's own idea of the time, `market` the true time.
  [[nodiscard]] Poll poll(const Now& now, MarketTime market);
  void instruct(const Now& now, const node::SiteInstruction& instruction);
  void plan(const device::SitePlan& plan);
  void plant_heard(const Now& now);
  [[nodiscard]] Instant next_deadline(const Now& now) const;

  /// Lets physics catch up with the true market time.
  void pass(MarketTime market);

  [[nodiscard]] const device::SiteLimits& limits() const { return limits_; }
  [[nodiscard]] const battery::BatteryModel& battery() const { return battery_; }
  /// As a certificate would state them.
  [[nodiscard]] Watts discharge_max() const { return battery_.rating().discharge_max; }
  [[nodiscard]] Watts charge_max() const { return battery_.rating().charge_max; }
  [[nodiscard]] Joules energy_max() const { return to_joules(battery_.rating().capacity); }

 private:
  [[nodiscard]] battery::Home home_at(MarketTime market) const;

  std::uint64_t household_;
  device::SiteLimits limits_;
  battery::BatteryModel battery_;
  MarketTime at_;
  std::optional<device::SiteController> controller_;
  bool planned_ = false;
};

}  // namespace vpp::sim
