// What a home does best with its own battery: the plan with the least bill, and the plan with the
// least bill plus what a group asks of it. Pure.
//
//   argmin  bill(x) + wear + sum over slots of value * x + per_kw / 2 * (x - towards)^2
//
// over all plans that the battery can carry out: powers, reserve, efficiency, connection limits.
//
// Units      whole watts and joules out of whole watts and joules; prices in micro-units per MWh.
//            Net load is load minus PV minus the battery, > 0 when drawn from the grid.
// Exactness  the optimum, but for a watt in each slot. A plan is feasible as it stands.
// In a slot  the battery may charge for a while and discharge for the rest, so that what it draws
//            on average is a convex choice; a plan does so only where energy is worth less than
//            nothing, and then by so much that the wear of it is paid for.
// Method     backwards over the slots: the cost of what is to come is a convex function of the
//            stored energy, and its derivative is piecewise linear. One slot earlier is one infimal
//            convolution, which adds energies at equal marginal cost. No grid, no iteration.
// Cost       O(slots^2), 48 slots in about 20 us at -O2.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "config/time.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::device {

struct HomeSlot {
  Watts net_load;  ///< load - PV, without the battery
  Price buy;       ///< of what is drawn
  Price sell;      ///< of what is fed in; above `buy` it counts as `buy`
};

struct Home {
  SiteLimits limits;  ///< powers: the least of the owner's and the device's; efficiencies > 0
  Joules capacity;
  Joules stored;
  Price stored_value;  ///< of what is in the battery at the end, per MWh stored
  Price wear{0};       ///< of each MWh that the battery discharges, at its terminals; >= 0
  MarketTime from{};   ///< when the first slot begins
  std::chrono::seconds slot{};
  std::vector<HomeSlot> slots;
};

/// What a group asks of one slot, on top of the home's own bill.
struct Pull {
  Price value;    ///< of each MWh drawn, added to the tariff
  Watts towards;  ///< the net load to stay near ...
  Price per_kw;   ///< ... and what a MWh costs more for each kW away from it; >= 0
};

struct HomePlan {
  std::vector<Watts> net_load;
  std::vector<Joules> stored;  ///< at the end of each slot
  friend bool operator==(const HomePlan&, const HomePlan&) = default;
};

/// A battery below its reserve is not discharged further, and above `full` not charged further. A
/// home whose load alone passes a connection limit does not add to it.
/// Precondition: `slot` > 0; `pulls` is empty or has one entry for each slot.
[[nodiscard]] HomePlan plan_home(const Home& home, std::span<const Pull> pulls = {});

/// What the tariff takes for a plan, less the value of what is stored at its end; without wear.
/// Micro-units.
[[nodiscard]] Amount bill(const Home& home, const HomePlan& plan);

}  // namespace vpp::device
