#include "tools/battery/sunspec_meter.h"

#include <array>
#include <cstdlib>

namespace vpp::battery {
namespace {

constexpr std::size_t kMeter = 2 + 2 + 66;  // where model 201 begins
constexpr std::array<Run, 8> kEmpty201{
    {{kS, 36}, {0, 16}, {kS, 1}, {0, 16}, {kS, 1}, {0, 32}, {kS, 1}, {kU, 2}}};
constexpr std::int64_t kVolts = 230;
constexpr std::int64_t kMeterUnitMj = 3'600'000;  ///< 1 Wh

}  // namespace

SunspecMeter::SunspecMeter(const std::string& serial) {
  begin_map(registers_, "vppbattery meter", serial);
  begin_model(registers_, kMeter, 201, kEmpty201);
  end_map(registers_);
  for (const std::size_t point : {7U, 8U}) registers_[kMeter + point] = kVolts;
  registers_[kMeter + 6] = low16(-1);   // tenths of an ampere
  registers_[kMeter + 15] = 0;          // volts
  registers_[kMeter + 17] = low16(-2);  // hundredths of a hertz
  registers_[kMeter + 54] = 0;          // watt-hours
  put32(registers_, kMeter + 105, 0);
}

std::span<std::uint16_t> SunspecMeter::registers(const BatteryModel& home,
                                                 std::int32_t frequency_mhz, bool tells_power) {
  const std::int64_t import = -home.site().count;
  const std::int32_t scale = scale_for(std::abs(import), 30'000);
  for (const std::size_t point : {2U, 3U}) registers_[kMeter + point] = low16(import * 10 / kVolts);
  registers_[kMeter + 16] = low16(frequency_mhz / 10);
  registers_[kMeter + 18] = tells_power ? low16(scaled_down(import, scale)) : kS;
  registers_[kMeter + 22] = low16(scale);
  const Accounts& accounts = home.accounts();
  const auto watt_hours = [](std::int64_t mj) {
    return static_cast<std::uint32_t>(mj / kMeterUnitMj);
  };
  put32(registers_, kMeter + 38, watt_hours(accounts.exported_mj));
  put32(registers_, kMeter + 46, watt_hours(accounts.imported_mj));
  return registers_;
}

}  // namespace vpp::battery
