// Brings a group of homes under a target by one price for each slot: the head's half of the
// sharing-ADMM. Pure.
//
//   down  value = 2 * price' - price              one number for each slot
//   up    the sum of the homes' plans             one number for each slot, and how many homes
//         price' = clamp(price + per_kw * (sum - target) / homes, 0, price_max)
//
// The price rises where the homes together plan to draw more than the target, and nowhere else; it
// falls again where they do not. `price_max` is what a MWh beyond the target costs the group: at
// the optimum the homes' bills and that cost are least together.
//
// Units      watts, drawn from the grid > 0; prices in micro-units per MWh.
// Invariant  prices lie in [0, price_max]; the same sums give the same signals.
// Messages   as long for a million homes as for one: a node in between passes the signal on and
//            adds what comes back.
// Source     Boyd et al. 2011, 7.3 with g(z) = price_max * max(0, sum - target): its z and u steps
//            come out as the line above, and v as -value / per_kw.
#pragma once

#include <chrono>
#include <cstdint>
#include <span>
#include <vector>

#include "config/time.h"
#include "config/units.h"
#include "device/value_follower.h"

namespace vpp::aggregation {

/// What goes up.
struct PlannedLoad {
  std::int64_t homes = 0;
  std::vector<Watts> net_load;  ///< by slot of the signal that is answered

  /// Both together. Slots that one side does not have count as nothing.
  PlannedLoad& operator+=(const PlannedLoad& other);
  friend bool operator==(const PlannedLoad&, const PlannedLoad&) = default;
};

[[nodiscard]] PlannedLoad planned_load(const device::HomePlan& plan);

class ValueCoordinator {
 public:
  struct Settings {
    Price price_max;  ///< of a MWh beyond the target, > 0
    /// Stiffness, > 0: near `price_max` by the kW that a home moves. Too low, and the price climbs
    /// slowly; too high, and the homes follow it slowly.
    Price per_kw;
    Duration holds{};  ///< how long a leaf that hears nothing more follows a signal
  };
  explicit ValueCoordinator(const Settings& settings);

  /// A new horizon. Prices of the same times are kept, and a slot that is new starts with the price
  /// of a day before, if there is one: the next rounds start warm.
  [[nodiscard]] device::ValueSignal begin(MarketTime from, std::chrono::seconds slot,
                                          std::vector<Watts> target, MarketTime now);

  /// The answers to the last signal, in sum. Slots without an answer keep their price.
  [[nodiscard]] device::ValueSignal step(const PlannedLoad& sum, MarketTime now);

  /// What each MWh is worth now; homes are paid by it.
  [[nodiscard]] std::span<const Price> prices() const { return prices_; }

 private:
  [[nodiscard]] device::ValueSignal signal(std::vector<Price> values, MarketTime now);
  [[nodiscard]] Price kept(MarketTime begins) const;

  Settings settings_;
  std::uint64_t round_ = 0;
  MarketTime from_{};
  std::chrono::seconds slot_{};
  std::vector<Watts> target_;
  std::vector<Price> prices_;
};

}  // namespace vpp::aggregation
