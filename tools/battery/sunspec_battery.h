// One battery as a Modbus client sees it: SunSpec models 1, 701, 702, 704 and 713 over a
// BatteryModel in its home, and the home's meter. No I/O: registers in, registers out.
//
// Layout     "SunS" at 40000, then the five models and the end model; at any unit id but
//            kMeterUnit, which is the meter's. Set point in watts (704: WSetMod 1) with a revert
//            timer that counts down in market seconds.
// Writes     only the points of 704 that control the set point; a 32-bit point whole or not at all.
//            WSetEna 1 takes WSet over and starts the timer; WSet alone changes an enabled set
//            point; WSetRvrtTms alone restarts its timer. When the timer ends, the set point
//            becomes WSetRvrt if WSetEnaRvrt is 1, else the battery is its own again.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/time.h"
#include "tools/battery/battery_model.h"
#include "tools/battery/home_profile.h"
#include "tools/battery/registers.h"
#include "tools/battery/sunspec_meter.h"

namespace vpp::battery {

inline constexpr std::uint8_t kMeterUnit = 240;  ///< as Fronius has it

/// What all batteries of one grid share.
struct Grid {
  std::int32_t frequency_mhz = 50'000;
};

/// Faults to test with.
struct Misbehaviour {
  bool unresponsive = false;   ///< takes set points, shows them, does not follow
  bool stale_soc = false;      ///< state of charge and energy stand still
  bool zero_soc = false;       ///< state of charge and energy read 0
  bool meter_mute = false;     ///< the meter's unit does not answer
  bool meter_unknown = false;  ///< the meter does not tell its power
};

/// Modbus exception codes; kNone: done.
enum class WriteResult : std::uint8_t { kNone = 0, kIllegalAddress = 2, kIllegalValue = 3 };

struct SunspecBatteryOptions {
  BatteryRating rating;
  Household household;
  std::int32_t soc_permille = 500;
  std::string serial;
  MarketTime start{};
  Misbehaviour faults;
  std::shared_ptr<const Grid> grid = std::make_shared<const Grid>();
};

class SunspecBattery {
 public:
  explicit SunspecBattery(const SunspecBatteryOptions& options);

  /// Lets market time pass until `market`; an earlier time is no time.
  void advance(MarketTime market);

  /// The whole map from kMapStart on, as of the last advance(). Brought up to date by the call.
  [[nodiscard]] std::span<std::uint16_t> registers();

  /// The same of the meter.
  [[nodiscard]] std::span<std::uint16_t> meter_registers();
  [[nodiscard]] bool meter_answers() const { return !faults_.meter_mute; }

  /// `address` is the Modbus address. Nothing is written unless all is.
  [[nodiscard]] WriteResult write(std::uint16_t address, std::span<const std::uint16_t> values);

  [[nodiscard]] const BatteryModel& model() const { return model_; }
  [[nodiscard]] const std::string& serial() const { return serial_; }

 private:
  void lay_out();
  void expire();
  void take_over(std::size_t first, std::size_t last);
  [[nodiscard]] bool enabled() const;

  BatteryModel model_;
  Household household_;
  Misbehaviour faults_;
  std::shared_ptr<const Grid> grid_;
  std::string serial_;
  SunspecMeter meter_;
  MarketTime now_;
  std::int32_t power_scale_;
  std::int32_t energy_scale_;
  std::int32_t soc_at_start_;
  RegisterMap registers_;
};

}  // namespace vpp::battery
