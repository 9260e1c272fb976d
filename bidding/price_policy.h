// What a battery does in a market whose price is another one every few minutes: sell, buy or wait,
// by what stored energy is worth later. Pure.
//
// Method     Prices and demand of the past are sorted into a few states; how often one follows the
//            other is counted for each slot of the day, near days and near slots more. Backwards
//            over some days that gives what energy in store is worth after each slot, in each
//            state (a Markov decision process). Rare spikes are worth waiting for by how often
//            they come, at which time of day and at which demand.
// Look-ahead none: fitted on the past. A bid is made before the slot and clears at its price;
// demand
//            is that of the slot before.
// Bid        sells no less at a higher price: of all such curves the one that is expected to earn
//            most. power() is what would be best at a price that is told when the slot begins; it
//            may sell less at a higher price that tells of higher ones to come.
// Unknown    is NaN; a slot with an unknown price tells nothing. Without demand, price alone
// counts. Cost       48 slots a day: some 20 ms for a year's past at -O3. Source     the usual
// stochastic dynamic programme for storage, e.g. Powell, "Approximate Dynamic
//            Programming" (2011), ch. 3. Measured in ../docs/bidding.md.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <span>
#include <vector>

#include "bidding/arbitrage.h"
#include "config/units.h"

namespace vpp::bidding {

struct MarketSlot {
  double price;   ///< per MWh
  double demand;  ///< of the market, any unit
};

/// From a price per MWh on: sell (> 0) or buy.
struct PriceStep {
  double from;
  Watts power;
};

/// What a bid does at a price. Precondition: it has a step.
[[nodiscard]] Watts cleared(std::span<const PriceStep> bid, double price);

class PricePolicy {
 public:
  static constexpr std::size_t kPriceStates = 8;
  static constexpr std::size_t kDemandStates = 4;
  static constexpr std::size_t kStates = kPriceStates * kDemandStates;
  static constexpr std::size_t kPricePoints = 3 * kPriceStates;  ///< that a bid is made of
  static constexpr std::size_t kSteps = 40;                      ///< of the battery's energy

  /// `past`: whole days, the newest last; at least one price known. Precondition: a day is a whole
  /// number of slots.
  PricePolicy(const Battery& battery, std::chrono::seconds slot, std::span<const MarketSlot> past);

  /// `at`: the slot's price, and the demand of the slot before.
  [[nodiscard]] Watts power(std::size_t slot_of_day, const MarketSlot& at, Joules stored) const;

  /// From the lowest price up; the first holds below its own price, too. `before`: the slot before.
  [[nodiscard]] std::vector<PriceStep> bid(std::size_t slot_of_day, const MarketSlot& before,
                                           Joules stored) const;

 private:
  using ByState = std::array<double, kStates>;
  using Worth = std::array<double, kSteps + 1>;  ///< of energy in store, by steps
  struct Counts;

  [[nodiscard]] std::size_t price_state(double price) const;
  [[nodiscard]] std::size_t demand_state(std::size_t slot_of_day, double demand) const;
  void find_states(std::span<const MarketSlot> past);
  void count(std::span<const MarketSlot> past, Counts& counts) const;
  void value(const Counts& counts);
  struct Move {
    double target;  ///< steps in store after the slot
    double worth;
  };
  [[nodiscard]] Move best(const Worth& later, double price, double stored) const;
  [[nodiscard]] double worth_of(const Worth& later, double price, double stored,
                                double target) const;
  [[nodiscard]] Watts power_to(double stored, double target) const;
  [[nodiscard]] double steps_of(Joules stored) const;

  Battery battery_;
  std::chrono::seconds slot_;
  std::size_t slots_a_day_;
  double step_mwh_;
  double down_most_;  ///< steps a slot
  double up_most_;
  double efficiency_;
  double wear_;
  std::array<double, kPriceStates - 1> price_edges_{};
  std::array<double, kPricePoints> price_points_{};
  std::array<double, kDemandStates - 1> demand_edges_{};
  std::vector<double> demand_mean_;                          ///< by slot of the day
  std::vector<std::array<Worth, kStates>> later_;            ///< after each slot of the day
  std::vector<std::array<ByState, kPriceStates>> expected_;  ///< states by the price state before
};

}  // namespace vpp::bidding
