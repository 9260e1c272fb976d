// What a battery does on a market's prices alone, and what that earns. Pure.
//
// Plan      exact for the prices given (device/home_plan.h), whole watts and joules; no grid.
// Power     of the connection point, discharge > 0.
// Round trip  what is lost is lost while charging.
// Wear      a cost for each MWh discharged: where prices do not pay for it nothing is done.
// In a slot  a plan charges for a part and discharges for the rest only where a price is so far
// below
//           zero that wasting pays for its wear; its power is the net of both, Earnings know no
//           more.
// Day ahead one schedule for the day, on its forecast; every day begins and ends empty, so that
//           days can be compared.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "config/units.h"

namespace vpp::bidding {

struct Battery {
  Watts power;                             ///< either way, > 0
  WattHours energy;                        ///< in store, > 0
  std::int32_t round_trip_permille = 900;  ///< 1 to 1000
  Price wear{0};                           ///< >= 0
};

/// What to do in each slot, from `stored` on; what is left at the end is worth `left_value` a MWh.
[[nodiscard]] std::vector<Watts> plan_battery(const Battery& battery, std::chrono::seconds slot,
                                              std::span<const Price> prices, Joules stored,
                                              Price left_value);

/// A plan, and what it leaves in store after each slot.
struct BatteryCourse {
  std::vector<Watts> power;
  std::vector<Joules> stored;
};
[[nodiscard]] BatteryCourse battery_course(const Battery& battery, std::chrono::seconds slot,
                                           std::span<const Price> prices, Joules stored,
                                           Price left_value);

/// What a slot of `power` leaves in store, within what the battery holds; nothing is wasted.
[[nodiscard]] Joules stored_after(const Battery& battery, std::chrono::seconds slot, Joules stored,
                                  Watts power);

/// What is discharged in each slot of a course from `stored` on, also where its net charges.
[[nodiscard]] std::vector<Joules> discharged_in(const Battery& battery, std::chrono::seconds slot,
                                                Joules stored, const BatteryCourse& course);

/// Of one battery over a time.
struct Earnings {
  Amount revenue;  ///< sold less bought, at the real prices
  Joules discharged;
  std::size_t slots = 0;
  /// Whole contents sold.
  [[nodiscard]] double cycles(const Battery& battery) const;
  [[nodiscard]] Amount after_wear(const Battery& battery) const;
  Earnings& operator+=(const Earnings& other);
};

/// A schedule at real prices. Precondition: equally many.
[[nodiscard]] Earnings earned(std::chrono::seconds slot, std::span<const Watts> power,
                              std::span<const Price> real);

/// A day of slots, empty at both ends, planned on `forecast` and paid by `real`.
[[nodiscard]] Earnings day_ahead(const Battery& battery, std::chrono::seconds slot,
                                 std::span<const Price> forecast, std::span<const Price> real);

/// The most that anybody could have earned who knew all prices: the plan over `real`, in pieces of
/// a week that overlap by a day.
[[nodiscard]] Earnings perfect_foresight(const Battery& battery, std::chrono::seconds slot,
                                         std::span<const Price> real);

}  // namespace vpp::bidding
