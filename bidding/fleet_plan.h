// What a fleet of batteries buys and sells when something binds them together: a connection that
// they share, or what was sold before. Both ways, with losses, wear and a value of what is left.
// Pure.
//
// Groups     batteries that are alike, as one; each has its own store. Without anything shared each
//            does best by itself, exactly and without a program: arbitrage.h.
// Jointly    one linear program of every group's every slot.
// Mixing     each group answers a price for every slot with its own best plan (arbitrage.h); the
//            program only mixes whole plans so that what is shared is kept, and its prices ask for
//            better ones (Dantzig and Wolfe 1960). A mixture of plans that can be carried out can
//            be carried out. What goes up a tree is a plan, and down comes a price a slot.
// In a slot  a group may charge for a part and discharge for the rest, as in device/home_plan.h; it
//            does so only where plans are mixed or a price is so far below zero that what is wasted
//            pays for its wear. Both ways count that wear; a plan's power is the net.
// Units      whole watts of the connection points, discharge > 0; rounding costs a watt a group.
// Errors     kInfeasible: what is promised cannot be delivered.
#pragma once

#include <chrono>
#include <cstddef>
#include <expected>
#include <vector>

#include "bidding/arbitrage.h"
#include "bidding/linear_program.h"
#include "config/units.h"

namespace vpp::bidding {

struct FleetGroup {
  Battery battery;   ///< all of the group together
  Joules stored;     ///< at the begin
  Price left_value;  ///< of each MWh in store at the end
};

/// What all groups together sell in a slot, less what they buy: `least`, above 0 where it was sold
/// before, to `most`.
struct FleetBounds {
  Watts least;
  Watts most;
};

struct FleetProblem {
  std::chrono::seconds slot{};
  std::vector<Price> prices;
  std::vector<FleetBounds> bounds;  ///< as many
  std::vector<FleetGroup> groups;
};

struct FleetPlan {
  std::vector<std::vector<Watts>> power;  ///< of each group, by slot
  double worth = 0;  ///< sold less bought, less wear, and what is left: of the currency
  int rounds = 1;    ///< of mixing
};

/// Each of them uses up an empty program.
[[nodiscard]] std::expected<FleetPlan, LinearFailure> plan_jointly(const FleetProblem& problem,
                                                                   LinearProgram& empty);
[[nodiscard]] std::expected<FleetPlan, LinearFailure> mix_plans(const FleetProblem& problem,
                                                                LinearProgram& empty);

/// A battery in a program, in kilowatts: its columns of what is sold and bought in each slot.
/// Others, and rows, keep store and power.
struct StorageColumns {
  std::vector<std::size_t> sold;
  std::vector<std::size_t> bought;
};

/// `sold`, `bought`: gains of each kilowatt, by slot; `left`: of each kilowatt-hour at the end.
[[nodiscard]] StorageColumns add_storage(LinearProgram& program, const Battery& battery,
                                         Joules stored, std::chrono::seconds slot,
                                         const std::vector<double>& sold,
                                         const std::vector<double>& bought, double left);

/// Of a solution: whole watts.
[[nodiscard]] std::vector<Watts> power_of(const StorageColumns& columns,
                                          const LinearSolution& solution);

/// What each kilowatt in a slot is worth at a price per MWh; of the currency, not of its
/// millionths: solvers like numbers near 1.
[[nodiscard]] inline double gain_per_kw(Price price, std::chrono::seconds slot) {
  return static_cast<double>(price.count) / 1e9 * static_cast<double>(slot.count()) / 3600;
}

}  // namespace vpp::bidding
