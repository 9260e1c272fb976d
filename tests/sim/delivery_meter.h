// Invariant 17, at the batteries: how much energy a fleet gave for an order, whatever the root
// believes. Its own sum of measurements mixes readings of different seconds, which at 60 times the
// speed are market minutes apart, so that every change of shares looks like watts lost or gained.
//
// Units  millijoules: watts times milliseconds of market time.
#pragma once

#include <cstdint>
#include <map>

#include "config/time.h"
#include "config/units.h"
#include "tests/sim/world_clock.h"
#include "tools/battery/battery_model.h"

namespace vpp::sim {

class DeliveryMeter {
 public:
  /// `market` has passed since the last look at this battery; the first look only begins. What a
  /// battery that rests at its reserve draws for itself is no part of any order: it does so without
  /// one as well. Nor is what a battery does that the plant does not drive; its home's own plan is
  /// no order (`planned`).
  void look(NodeIndex leaf, const battery::BatteryModel& battery, bool planned, Duration market);
  void asked(Watts target, Duration market) { asked_mj_ += target.count * market.count(); }

  [[nodiscard]] std::int64_t asked_mj() const { return asked_mj_; }
  [[nodiscard]] std::int64_t delivered_mj() const { return delivered_mj_; }

 private:
  std::map<NodeIndex, std::int64_t> net_mj_;  ///< injected less absorbed, at the last look
  std::int64_t asked_mj_ = 0;
  std::int64_t delivered_mj_ = 0;
};

}  // namespace vpp::sim
