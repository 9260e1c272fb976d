// A home under a group's value signal: the leaf's half of the sharing-ADMM. Pure.
//
// The signal is one price for each slot, on top of the home's own tariff. The home answers with the
// plan that is best for itself at that price, not far from its last answer. What it answers it can
// carry out, in every round.
//
// Cut off    the last signal holds until it ends: plans are made anew from fresh states, near the
//            plan that it was answered from. Then the home runs on its own.
// Payment    the value of each slot times what the home draws less than it would alone. At the
//            optimum no home loses by that; before it, what a home would lose is topped up.
// Source     Boyd et al., "Distributed optimization and statistical learning via ADMM", 2011, 7.3.
//            There v = mean target - mean x - u; the value here is -per_kw * v, and completes the
//            same square.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "config/time.h"
#include "config/units.h"
#include "device/home_plan.h"

namespace vpp::device {

/// What comes down. As long for one home as for a million.
struct ValueSignal {
  std::uint64_t round = 0;  ///< rises; a repeated or older one is answered as the newest was
  MarketTime from{};        ///< when the first slot begins
  std::chrono::seconds slot{};
  MarketTime until{};         ///< nobody follows it longer than this
  Price per_kw;               ///< how stiffly to stay near the last answer: price for each kW away
  std::vector<Price> values;  ///< of each MWh drawn; may be negative
  friend bool operator==(const ValueSignal&, const ValueSignal&) = default;
};

class ValueFollower {
 public:
  /// Takes a signal and answers it. One that has ended, or cuts time otherwise than `home`, counts
  /// for nothing.
  HomePlan answer(const Home& home, const ValueSignal& signal, MarketTime now);

  /// What to do by the signal that holds now, if any; changes nothing.
  [[nodiscard]] HomePlan plan(const Home& home, MarketTime now) const;

  /// A new parent counts its rounds by itself.
  void forget() { *this = {}; }

 private:
  /// What the battery draws, by time: the load itself may be another when plans are made anew.
  struct Course {
    MarketTime from{};
    std::chrono::seconds slot{};
    std::vector<Watts> charging;
    /// Nothing: another grid, or beyond the end.
    [[nodiscard]] std::optional<Watts> at(MarketTime begins) const;
  };
  [[nodiscard]] bool holds(MarketTime now) const { return signal_ && now < signal_->until; }
  [[nodiscard]] static Course course_of(const Home& home, const HomePlan& plan);
  [[nodiscard]] Course standing_for(const Home& home) const;
  [[nodiscard]] std::vector<Pull> pulls(const Home& home) const;

  std::optional<ValueSignal> signal_;
  Course reference_;  ///< the answer before the newest signal: that plans stay near to
  Course answered_;
};

/// What a home pays and is paid over a horizon. Micro-units.
struct Settlement {
  Amount alone;     ///< its bill had it run on its own
  Amount bill;      ///< its bill by the plan
  Amount by_value;  ///< paid for what it draws less; < 0 when it draws more
  Amount top_up;    ///< paid so that it does not lose, >= 0

  [[nodiscard]] Amount paid() const { return by_value + top_up; }
  /// >= 0: never worse than alone by more than what it is paid.
  [[nodiscard]] Amount gain() const { return alone + paid() - bill; }
};

/// Precondition: both plans and `values` cover the home's slots.
[[nodiscard]] Settlement settle(const Home& home, const HomePlan& alone, const HomePlan& plan,
                                std::span<const Price> values);

}  // namespace vpp::device
