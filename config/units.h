// Physical quantities as whole numbers, so that sums are exact and replays agree.
//
// Sign      power that flows to the grid (discharge, export) is positive, power taken from it
//           (charge, import) negative. Energy content and capability are never negative.
// Range     int64: the largest fleet we accept (kGroupPowerMax) over the longest horizon stays
//           below 2^50 joules, so that sums of thousands of groups cannot overflow.
#pragma once

#include <compare>
#include <cstdint>

namespace vpp {

template <class Tag>
struct Quantity {
  std::int64_t count = 0;

  friend constexpr auto operator<=>(const Quantity&, const Quantity&) = default;
  friend constexpr Quantity operator+(Quantity a, Quantity b) { return {a.count + b.count}; }
  friend constexpr Quantity operator-(Quantity a, Quantity b) { return {a.count - b.count}; }
  friend constexpr Quantity operator-(Quantity a) { return {-a.count}; }
  friend constexpr Quantity operator*(Quantity a, std::int64_t n) { return {a.count * n}; }
  constexpr Quantity& operator+=(Quantity other) {
    count += other.count;
    return *this;
  }
  constexpr Quantity& operator-=(Quantity other) {
    count -= other.count;
    return *this;
  }
};

using Watts = Quantity<struct WattsTag>;          ///< discharge > 0, charge < 0
using Joules = Quantity<struct JoulesTag>;        ///< what cores and wire carry
using WattHours = Quantity<struct WattHoursTag>;  ///< what configs, devices and markets carry

inline constexpr std::int64_t kJoulesPerWattHour = 3600;

constexpr Joules to_joules(WattHours energy) {
  return {energy.count * kJoulesPerWattHour};
}

/// Rounded towards zero.
constexpr WattHours to_watt_hours(Joules energy) {
  return {energy.count / kJoulesPerWattHour};
}

/// Money, in millionths of the market's currency; per megawatt-hour for a price.
using Price = Quantity<struct PriceTag>;    ///< micro-units per MWh
using Amount = Quantity<struct AmountTag>;  ///< micro-units

enum class Direction : std::uint8_t { kDischarge, kCharge };

}  // namespace vpp
