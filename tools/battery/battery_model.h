// The physics of one home battery behind a meter. Pure: market time in, energy flows out.
//
// Units      watts, milliseconds of market time, and millijoules inside (1 W for 1 ms is 1 mJ), so
//            that every flow is a whole number.
// Exactness  absorbed - injected == stored - initial + losses after every step, to the millijoule;
//            what a division leaves over is a loss. Within one piece of at most kPieceMax the power
//            is constant; limits that depend on the state are taken at its beginning.
// Sign       discharge and export positive.
// Behaviour  by itself (no set point) it covers load minus PV, never discharging below the owner's
//            reserve. A set point is followed within ratings, taper and cells; the reserve is not
//            the device's business then: the leaf's guard keeps it, and a test can see whether it
//            did. A revert timer counts down in market time and gives the battery back to itself.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "config/time.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::battery {

/// State-dependent limits are taken anew at least this often.
inline constexpr Duration kPieceMax = std::chrono::seconds{10};

struct BatteryRating {
  WattHours capacity{13'500};
  Watts discharge_max{5'000};
  Watts charge_max{5'000};  ///< >= 0
  std::int32_t charge_efficiency_permille = 950;
  std::int32_t discharge_efficiency_permille = 950;
  /// Auxiliary draw: from the cells; from the grid when idle at or below the reserve.
  Watts standby{15};
  /// Within this share of the capacity from either end, power falls linearly to a tenth.
  std::int32_t taper_permille = 50;
  std::int32_t reserve_permille = 200;  ///< where self-consumption stops to discharge
};

/// Behind the same meter, constant during a step. Both >= 0.
struct Home {
  Watts load;
  Watts pv;
};

/// Since construction. AC side of the battery, and of the whole connection.
struct Accounts {
  std::int64_t injected_mj = 0;
  std::int64_t absorbed_mj = 0;
  std::int64_t losses_mj = 0;
  std::int64_t load_mj = 0;
  std::int64_t pv_mj = 0;
  std::int64_t exported_mj = 0;
  std::int64_t imported_mj = 0;
  friend bool operator==(const Accounts&, const Accounts&) = default;
};

class BatteryModel {
 public:
  /// `stored` is clamped to [0, capacity].
  BatteryModel(const BatteryRating& rating, Joules stored);

  /// Follow `power` from now on; after `revert` of market time fall back. Zero: no timer.
  void set_point(Watts power, Duration revert);
  /// Back to self-consumption.
  void release();
  /// The same, as a driver would carry it out. `revert_s` counts market seconds.
  void write(const device::DeviceCommand& command);

  /// Lets `market` of time pass.
  void step(Duration market, const Home& home);

  /// Mean over the last piece, AC side.
  [[nodiscard]] Watts power() const { return power_; }
  /// At the connection point, likewise; export > 0.
  [[nodiscard]] Watts site() const { return site_; }
  [[nodiscard]] Joules stored() const { return {stored_mj_ / 1000}; }  ///< rounded down
  [[nodiscard]] std::int64_t stored_mj() const { return stored_mj_; }
  [[nodiscard]] std::int64_t initial_mj() const { return initial_mj_; }
  [[nodiscard]] std::int32_t soc_permille() const;  ///< rounded down
  [[nodiscard]] std::optional<Watts> set_point() const { return set_point_; }
  [[nodiscard]] Duration revert_remaining() const { return revert_left_; }
  [[nodiscard]] const Accounts& accounts() const { return accounts_; }
  [[nodiscard]] const BatteryRating& rating() const { return rating_; }

  /// What a good driver would read from this battery at `at`.
  [[nodiscard]] device::Telemetry telemetry(Instant at) const;
  [[nodiscard]] device::Nameplate nameplate() const;

 private:
  void run(Duration piece, const Home& home);
  [[nodiscard]] Watts discharge_limit(Duration piece) const;
  [[nodiscard]] Watts charge_limit(Duration piece) const;
  [[nodiscard]] Watts tapered(Watts rated, std::int64_t margin_mj) const;
  /// Moves energy between cells and AC; returns the AC energy, discharge > 0.
  std::int64_t convert(Watts power, Duration piece);
  /// Auxiliary draw; returns what had to come from the AC side, >= 0.
  std::int64_t draw_standby(Duration piece);

  BatteryRating rating_;
  std::int64_t capacity_mj_;
  std::int64_t reserve_mj_;
  std::int64_t stored_mj_;
  std::int64_t initial_mj_;
  std::optional<Watts> set_point_;
  Duration revert_left_{0};
  Watts power_;
  Watts site_;
  Accounts accounts_;
};

}  // namespace vpp::battery
