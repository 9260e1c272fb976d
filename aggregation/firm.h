// Omega_firm: the energy a fleet delivers in any duration with a given confidence. Pure; computed
// where the tree ends, never sent up.
//
// What stands or falls as one (a child of the root behind its uplink, a site of more than 1% of the
// fleet) is a block of its own: the losses of all blocks are convolved, each rounded up to one of
// 2,000 bins of the fleet. What varies inside the blocks, and in the rest, is added as a normal
// residual. Of the sum the quantile is taken, at each grid point on its own. A residual as wide as
// that of few sites is no normal: below kSitesForNormal equal sites' worth it is that of such
// sites.
//
// Meaning    at each duration by itself, less than Omega_firm(s) is delivered with a probability of
//            at most `shortfall`, as far as the moments are true; not at all durations at once.
// Invariant  a valid DurationCurve: monotone, concave, never above nominal, never above the
//            quantile at any grid point. Quantiles are not quite concave: see below_concave().
// Exactness  doubles in between, joules out: the same on the same machine, within a joule or two on
//            another. So nothing here is merged or compared between nodes.
// Cost       48 grid points * blocks * 2,000 additions: 20 blocks take about 2 ms.
#pragma once

#include <span>

#include "aggregation/duration_curve.h"
#include "aggregation/moments.h"
#include "aggregation/response.h"

namespace vpp::aggregation {

/// Stands or falls as one.
struct Block {
  PerMillion availability = kCertain;  ///< that it can be reached; clamped to [0, kCertain]
  Moments inside;                      ///< what it delivers when it can
};

/// A site that could deliver more than this part of the fleet at any duration is a block.
inline constexpr PerMillion kBlockPart{10'000};

/// Below so many equal sites' worth of variance the residual is a binomial.
inline constexpr int kSitesForNormal = 100;

/// `groups` are children with sites of their own, `sites` children that are sites; `nominal` is of
/// all of them together. `shortfall` is clamped to [1, kCertain / 2].
[[nodiscard]] DurationCurve firm_curve(const DurationCurve& nominal, std::span<const Block> groups,
                                       std::span<const SiteReliability> sites,
                                       PerMillion shortfall);

/// The greatest multiple of the concave hull of `points` that is nowhere above them, its slopes
/// rounded down to whole watts; `points` are on the grid and may be anything, negative counts as 0.
/// A dip of a part x below the hull anywhere lowers the whole curve by x, and by no more.
[[nodiscard]] DurationCurve below_concave(std::span<const Joules, kGridPoints> points);

}  // namespace vpp::aggregation
