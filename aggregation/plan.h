// Offline what-if: can this fleet serve this request, and with which set points? Pure.
//
// Units       watts and joules, or the same fraction of both (milliwatts and millijoules). A
//             Plan is of one direction, its amounts are magnitudes; a TwoWayPlan's have signs.
// Exactness   feasibility, scale and unserved energy come from the fleet's own Omega, not from the
//             sketch on a grid. A feasible request is served exactly at every step, its boundary
//             included; of an infeasible one exactly `unserved` is left; no site is ever overdrawn.
// Set points  constant over a slot. Whole units of power whenever those serve as much as any policy
//             could; else (the last joules of sites whose energy is no multiple of the slot) whole
//             units of energy per slot.
// Why whole   Cut every site's energy into units of one power unit * one slot. The split by time to
//   units     go takes those units from the top down to its level, and rounding only moves units
//   lose      that straddle the level, which all belong to the same slot: what is left can still
//   nothing   do as much in every number of slots as if nothing had been rounded.
// Source      Evans, Tindemans, Angeli, PSCC 2018.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "config/units.h"
#include "device/site.h"

namespace vpp::aggregation {

enum class PlanError : std::uint8_t {
  kNegative,  ///< a power, energy or request below zero
  kTooLarge,  ///< sites * power * duration of the request would overflow 62 bits
};

struct PlanSummary {
  bool feasible = false;
  std::optional<double> scale_max;  ///< largest factor of the request; nothing: nothing is asked
  Joules unserved;
};

struct PlanStep {
  Joules asked;
  Joules served;
  std::vector<Joules> by_site;  ///< energy over the slot; divide by its length for the set point
};

class Plan {
 public:
  /// Precondition: `slot` >= 1 s.
  [[nodiscard]] static std::expected<Plan, PlanError> make(std::vector<device::Capability> sites,
                                                           std::vector<Watts> request,
                                                           std::chrono::seconds slot);

  [[nodiscard]] const PlanSummary& summary() const { return summary_; }
  [[nodiscard]] std::size_t steps() const { return request_.size(); }

  /// The next step; valid until the next call. Precondition: called at most steps() times.
  const PlanStep& next();

 private:
  Plan() = default;

  std::vector<device::Capability> sites_;     ///< with the energy that is left
  std::vector<device::Capability> in_units_;  ///< the same, in units per slot: scratch
  std::vector<Watts> request_;
  std::int64_t slot_s_ = 1;
  std::int64_t unit_ = 1;     ///< joules; a slot's length, or 1
  std::int64_t horizon_ = 1;  ///< slots
  std::size_t done_ = 0;
  PlanSummary summary_;
  PlanStep step_;
};

struct TwoWaySummary {
  PlanSummary discharge;
  PlanSummary charge;

  /// Of both: feasible if each is, the smaller scale, the sum of what is unserved.
  [[nodiscard]] PlanSummary both() const;
};

/// Discharges where the request is positive, charges where it is negative: never both in one slot.
/// Each direction is as exact as a Plan. Together they are safe: what was charged is not counted as
/// energy to discharge later, and what was discharged not as room to charge.
class TwoWayPlan {
 public:
  /// Precondition: `slot` >= 1 s; `energy` (to discharge) and `room` (to charge) are of the same
  /// sites. Errors as of a Plan; a negative request is none.
  [[nodiscard]] static std::expected<TwoWayPlan, PlanError> make(
      std::vector<device::Capability> energy, std::vector<device::Capability> room,
      std::span<const Watts> request, std::chrono::seconds slot);

  [[nodiscard]] TwoWaySummary summary() const { return {discharge_.summary(), charge_.summary()}; }
  [[nodiscard]] std::size_t steps() const { return discharge_.steps(); }

  /// The next step, with signs; valid until the next call. Precondition: at most steps() calls.
  const PlanStep& next();

 private:
  TwoWayPlan(Plan discharge, Plan charge)
      : discharge_{std::move(discharge)}, charge_{std::move(charge)} {}

  Plan discharge_;
  Plan charge_;
  PlanStep charged_;  ///< the charge plan's step, with its sign
};

}  // namespace vpp::aggregation
