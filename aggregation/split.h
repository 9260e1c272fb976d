// How an order is divided: longest time to go first. Exact for every feasible request; of an
// infeasible one it leaves the least possible energy unserved. Parts are whole watts and sum
// exactly to what is served. Source: Evans et al., PSCC 2018 and IEEE TSG 2019/2022.
//
// Signs: amounts here are magnitudes in one direction (discharge or charge); callers pick the
// curve or capability of the direction and put the sign back.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <vector>

#include "aggregation/duration_curve.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::aggregation {

/// The equalisation step D: control may tick faster, the result is still exact.
inline constexpr std::chrono::minutes kEqualisationStep{5};

struct Split {
  std::vector<Watts> shares;  ///< one per child, >= 0
  Watts shortfall;            ///< of the request, not served; >= 0
  /// z, where it was cut, to a millisecond: who lasts longer serves. For people. Nothing: nobody is
  /// asked, or everybody for all it has.
  std::optional<std::chrono::milliseconds> level{};
};

/// Over children known by their curves: G(z) = (Omega(z+D) - Omega(z)) / D solved for the request
/// on the sum, each child gets its own G_c(z), rounded by largest remainder and never above its own
/// full power, Omega_c(D) / D rounded down. Cost O(children * log(grid)).
/// Precondition: `step` is whole seconds, at most 1 h; at most 10,000 children.
[[nodiscard]] Split split_by_curves(Watts request, std::span<const DurationCurve> children,
                                    std::chrono::milliseconds step = kEqualisationStep);

/// Times to go beyond this count as this: 24 days.
inline constexpr std::chrono::seconds kTimeToGoMax{std::int64_t{1} << 21};

/// Over sites, exact: u_i = p_i * clip((x_i - z) / D, 0, 1), x_i = e_i / p_i, rounded by largest
/// remainder; no site above p_i. For control ticks much shorter than `step`: z may fall to -D, so
/// that nearly empty sites still give all their power when nobody else can. Cost O(n); no
/// allocation beyond the result, one counter per second of the window and the remainders.
/// Precondition: `step` is whole seconds, at most 24 h.
[[nodiscard]] Split split_by_sites(Watts request, std::span<const device::Capability> sites,
                                   std::chrono::milliseconds step = kEqualisationStep);

/// Over one slot of a plan, in units of energy: power per slot, energy, request. Shares hold for
/// the whole slot, so nobody gives more than it has (z >= 0). What lasts beyond the `slots_left`
/// counts as lasting that long.
[[nodiscard]] Split split_slot(std::int64_t request, std::span<const device::Capability> sites,
                               std::int64_t slots_max);

/// Largest factor by which a request of constant-length slots may be multiplied, in one direction:
/// min over k of Omega(k*D) / (D * sum of the k largest). Infinity is kUnbounded (nothing asked).
/// Exact rational, rounded down to millionths.
inline constexpr std::int64_t kUnboundedScale = INT64_MAX;
[[nodiscard]] std::int64_t scale_max_millionths(std::span<const Watts> request,
                                                std::chrono::milliseconds slot,
                                                const DurationCurve& curve);

/// The least energy that any policy must leave unserved: max over k of (D*S_k - Omega(k*D)), >= 0.
[[nodiscard]] Joules unserved_min(std::span<const Watts> request, std::chrono::milliseconds slot,
                                  const DurationCurve& curve);

}  // namespace vpp::aggregation
