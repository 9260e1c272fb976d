// Power against the deviation of the grid's frequency. A pure function.
//
//   watts
//     full |--.                          under-frequency discharges, over-frequency charges;
//          |    \                        nothing within the dead band, all from the full
//        0 |      `-----.                deviation on, a straight line between
//    -full |              \--
//          +---------+---------- mHz
//                 nominal
//
// Exactness  odd about the nominal frequency, never rising with it, whole watts towards zero.
// Source     EU 2017/1485 article 154 (full at 200 mHz, insensitive up to 10 mHz in the continental
//            area); IEEE 1547-2018 6.5.2.7 (dead band, then droop).
#pragma once

#include <cstdint>

#include "config/units.h"

namespace vpp::device {

struct Droop {
  std::int32_t nominal_mhz = 50'000;
  std::int32_t dead_band_mhz = 10;  ///< deviation, >= 0
  std::int32_t full_at_mhz = 200;   ///< deviation; above the dead band
  friend bool operator==(const Droop&, const Droop&) = default;
};

/// Within a tenth of the nominal frequency: what is beyond is no grid, or another one.
[[nodiscard]] bool is_plausible(const Droop& droop, std::int64_t frequency_mhz);

/// `full` >= 0: at full activation. Discharge > 0.
[[nodiscard]] Watts droop_power(const Droop& droop, Watts full, std::int32_t frequency_mhz);

}  // namespace vpp::device
