#include "device/droop.h"

#include <algorithm>

#include "config/check.h"
#include "device/whole_math.h"

namespace vpp::device {

bool is_plausible(const Droop& droop, std::int64_t frequency_mhz) {
  const std::int64_t tenth = droop.nominal_mhz / 10;
  return frequency_mhz >= droop.nominal_mhz - tenth && frequency_mhz <= droop.nominal_mhz + tenth;
}

Watts droop_power(const Droop& droop, Watts full, std::int32_t frequency_mhz) {
  VPP_CHECK(full >= Watts{0});
  VPP_CHECK(droop.dead_band_mhz >= 0 && droop.full_at_mhz > droop.dead_band_mhz);
  const std::int64_t under = std::int64_t{droop.nominal_mhz} - frequency_mhz;
  const std::int64_t size = std::min<std::int64_t>(under < 0 ? -under : under, droop.full_at_mhz);
  const std::int64_t beyond = std::max<std::int64_t>(0, size - droop.dead_band_mhz);
  const Watts power{mul_div_floor(full.count, beyond, droop.full_at_mhz - droop.dead_band_mhz)};
  return under < 0 ? -power : power;
}

}  // namespace vpp::device
