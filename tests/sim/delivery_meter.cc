#include "tests/sim/delivery_meter.h"

#include <algorithm>

namespace vpp::sim {

void DeliveryMeter::look(NodeIndex leaf, const battery::BatteryModel& battery, bool planned,
                         Duration market) {
  const std::int64_t net_mj = battery.accounts().injected_mj - battery.accounts().absorbed_mj;
  const auto [last, begins] = net_mj_.try_emplace(leaf, net_mj);
  const std::int64_t moved_mj = net_mj - last->second;
  last->second = net_mj;
  if (begins || planned || !battery.set_point()) return;
  const bool rests = *battery.set_point() == Watts{0};
  const std::int64_t standby_mj = battery.rating().standby.count * market.count();
  delivered_mj_ +=
      rests && moved_mj < 0 ? std::min<std::int64_t>(0, moved_mj + standby_mj) : moved_mj;
}

}  // namespace vpp::sim
