// One site under test: controller, battery model, and the clocks that drive both.
#pragma once

#include <optional>
#include <vector>

#include "config/time.h"
#include "device/site_controller.h"
#include "tools/battery/battery_model.h"

namespace vpp::device {

class SiteBench {
 public:
  explicit SiteBench(const SiteLimits& limits = {}, const battery::BatteryRating& rating = {},
                     std::int32_t soc_permille = 500, std::int64_t speed = 1)
      : battery{rating, Joules{to_joules(rating.capacity).count * soc_permille / 1000}},
        controller{limits} {
    now.protocol = Instant{std::chrono::seconds{1000}};
    now.market = MarketTime{std::chrono::hours{24 * 19'000}};
    now.speed = speed;
    controller.connected(battery.nameplate());
  }

  /// Lets protocol time pass, the battery included.
  void pass(Duration time) {
    now.protocol += time;
    now.market += time * now.speed;
    battery.step(time * now.speed, home);
  }

  [[nodiscard]] Telemetry telemetry() const {
    Telemetry telemetry = battery.telemetry(now.protocol);
    if (frequency_mhz) {
      telemetry.frequency_mhz = {frequency_mhz, Quality::kGood, now.protocol};
    }
    return telemetry;
  }

  /// One round as the device thread does it: read, step, write.
  SiteEffects round() { return round(telemetry()); }
  SiteEffects round(const Telemetry& telemetry) {
    SiteEffects effects = controller.step(now, telemetry);
    if (effects.write) {
      if (device_listens) battery.write(*effects.write);
      writes.push_back(*effects.write);
    }
    status = effects.status;
    return effects;
  }
  /// Rounds every `poll`, the plant heard each time.
  void run(Duration time, Duration poll = std::chrono::seconds{1}) {
    for (; time > Duration{0}; time -= poll) {
      pass(poll);
      if (plant_speaks) controller.plant_heard(now);
      round();
    }
  }

  void order(Watts power, Duration market_length = std::chrono::hours{1}, std::uint64_t id = 1,
             Service service = Service::kEnergy) {
    controller.plant_heard(now);
    controller.set_order(now, SiteOrder{.order = OrderId{id},
                                        .power = power,
                                        .from = now.market,
                                        .until = now.market + market_length,
                                        .expires = now.protocol + std::chrono::minutes{10},
                                        .service = service});
  }

  Now now;
  battery::BatteryModel battery;
  battery::Home home;
  std::optional<std::int32_t> frequency_mhz;
  SiteController controller;
  SiteStatus status;
  std::vector<DeviceCommand> writes;
  bool device_listens = true;
  bool plant_speaks = true;
};

}  // namespace vpp::device
