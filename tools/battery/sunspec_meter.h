// The meter at a home's connection as a Modbus client sees it: SunSpec models 1 and 201. No I/O.
//
// Sign       positive is import, as most makers have it.
// Scale      the power's scale factor grows with the power, as meters do: it holds for the value
//            beside it and no other.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "config/units.h"
#include "tools/battery/battery_model.h"
#include "tools/battery/registers.h"

namespace vpp::battery {

class SunspecMeter {
 public:
  explicit SunspecMeter(const std::string& serial);

  /// The whole map from kMapStart on, as of the model's last step.
  [[nodiscard]] std::span<std::uint16_t> registers(const BatteryModel& home,
                                                   std::int32_t frequency_mhz, bool tells_power);

 private:
  RegisterMap registers_;
};

}  // namespace vpp::battery
