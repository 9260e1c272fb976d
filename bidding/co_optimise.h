// How much energy and how much reserve to sell, of several products at once, over what the plant
// can surely deliver. Pure; the linear program is whoever's it is given.
//
//   max  sum of worth * power    so that in every slot  P = committed + all products of the slot,
//        P <= the slot's cap, and for every k  D * (sum of the k largest P) <= Omega_firm(k D)
//
// Reserve    keeps its whole power free as if it were called all the time, and is worth what is
//            paid for keeping it and for the part of the time that it is likely to be called.
// Blocks     a product may span several slots with one power in all of them (a reserve sold in
//            blocks of four hours). Without such blocks greedy is as good (optimise.h): any caps of
//            slots and products leave a polymatroid. With them it is not, hence the program.
// Method     the conditions of k are as many as there are sets of slots. Only those that a solution
//            breaks are added: sort P, add the 8 worst k, solve again.
// Units      whole watts at the connection points, discharge; at most one watt per product is lost
//            to rounding, and nothing is ever promised beyond the curve.
// Cost       96 slots of two products: bench/optimise_bench.cc.
// Source     Evans, Tindemans, Angeli, IEEE TSG 2019; cutting planes: Kelley 1960.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

#include "bidding/linear_program.h"
#include "bidding/optimise.h"
#include "config/units.h"

namespace vpp::bidding {

/// What can be sold: the same power in each of `count` slots from `first` on.
struct ReserveProduct {
  std::size_t first = 0;
  std::size_t count = 1;  ///< > 0
  Price worth;            ///< of each MW kept for an hour, less cost; <= 0 is not sold
  Watts most;             ///< >= 0
};

/// Of energy sold at `price` that costs `cost` to deliver.
[[nodiscard]] constexpr Price energy_worth(Price price, Price cost) {
  return price - cost;
}

/// Of reserve that is paid `capacity` for each MW and hour, and `price` for what is called:
/// `called_permille` of it, as expected.
[[nodiscard]] constexpr Price reserve_worth(Price capacity, Price price, Price cost,
                                            std::int32_t called_permille) {
  return {capacity.count + (price - cost).count * called_permille / 1000};
}

struct CoProblem {
  std::chrono::seconds slot{};  ///< > 0
  /// Of each slot: promised before, all of which counts, and the most that all may come to.
  std::vector<Watts> committed;
  std::vector<Watts> caps;  ///< as many
  std::vector<ReserveProduct> products;
};

struct CoPlan {
  std::vector<Watts> power;  ///< of each product
  int rounds = 0;            ///< solutions that it took
  std::size_t rows = 0;      ///< conditions that it took
};

/// `empty`: a program without rows and columns, which is used up. What is promised before and is
/// more than the curve gives leaves nothing to sell. A failure is the solver's alone: to sell
/// nothing is always feasible.
[[nodiscard]] std::expected<CoPlan, LinearFailure> co_optimise(const CoProblem& problem,
                                                               const FirmCurve& curve,
                                                               LinearProgram& empty);

/// Whether every condition above holds for promises and products together.
[[nodiscard]] bool keeps_to(const CoProblem& problem, std::span<const Watts> power,
                            const FirmCurve& curve);

}  // namespace vpp::bidding
