// How far a group can press its highest net load down, and what it gives now to get there. Pure.
//
//   theta = max(0, max over k of (S_k(L) - Omega(kD)/D) / k)      dispatch (L - theta)+
//
// for slots of one length D; S_k is the sum of the k highest loads. Steps of different lengths take
// the energies in place of the sums: what is missing is convex between the ends of steps.
//
// Units      whole watts; net load is load minus PV, > 0 when drawn from the grid; market time.
// Exactness  the least threshold in whole watts that the curve can keep. Where the forecast's
//            durations are points of the curve's grid that is the fleet's own; elsewhere higher.
// Again      solved again from fresh states when a slot begins, it never rises while the load stays
//            at or below its forecast. Steps below 5 min are better avoided: there the chord of the
//            curve takes a group that is nearly empty for weaker than it is.
// Cost       O(n log n) for n steps.
// Source     feasibility by the k largest: Evans, Tindemans, Angeli, IEEE TSG 2019.
#pragma once

#include <chrono>
#include <span>

#include "aggregation/duration_curve.h"
#include "config/units.h"

namespace vpp::aggregation {

struct NetLoadStep {
  Watts net_load;
  std::chrono::milliseconds duration{};  ///< > 0
};

/// The lowest level that the group's discharge can keep all of `forecast` under; never below 0.
[[nodiscard]] Watts peak_threshold(std::span<const NetLoadStep> forecast,
                                   const DurationCurve& discharge);

struct Shaving {
  Watts level;     ///< what the net load is kept under: the cap, or as near as the group comes
  Watts dispatch;  ///< discharge now, >= 0; feasible together with what is to come
  Watts most;      ///< discharge now that leaves enough for what is to come, >= dispatch
  Watts room;      ///< what the group may draw more now without passing the cap, >= 0
  Watts over;      ///< by how much `level` passes the cap, >= 0
};

/// What to do now to keep the group under `cap`. The first step is now, with the load as measured.
/// Precondition: `forecast` is not empty.
[[nodiscard]] Shaving shave(std::span<const NetLoadStep> forecast, const DurationCurve& discharge,
                            Watts cap);

struct UnderCap {
  Watts battery;    ///< of the group, discharge > 0
  Watts shortfall;  ///< asked less battery: what whoever asked does not get, or gets too much of
};

/// What of an order from above the cap leaves: it never charges past the cap, and it gives none of
/// the energy that keeps the level later. The cap wins.
[[nodiscard]] UnderCap under_cap(Watts asked, const Shaving& shaving);

}  // namespace vpp::aggregation
