// What to offer at which price in the slot whose gate is open, when later ones can still be sold
// later: a bid of several segments. Pure.
//
//   A later slot h is dearer than this one at a price p here, if
//     forecast(h) + 0.95^(hours from here to h) * (p - forecast(here))  >  p:
//   what this slot tells about the level fades by a twentieth an hour. With k dearer ones,
//     offered(p) = (Omega((k + 1) D) - Omega(k D)) / D,
//   which is what the curve still gives on top of them. It never falls as p rises.
//
// Promises   count as in optimise.h: then "on top of them" is on top of promises, too.
// Units      whole watts at the connection points, discharge only.
// Use        for gates that close just before delivery. The whole offer counts as promised until
//            the award is known: of many open gates the first would take everything.
// Source     ../docs/bidding.md, "Price-quantity curves". Checked against the definition.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "bidding/market.h"
#include "bidding/optimise.h"
#include "config/units.h"

namespace vpp::bidding {

/// Markets take about ten.
inline constexpr std::size_t kSegmentsMost = 10;

/// Segments for `slots.front()`, of rising prices; none below `cost`. More than `segments_most` are
/// joined where that holds back least: joined ones ask for the higher price, so that nowhere more
/// is offered than above. Precondition: slots rise, and there is one; segments_most > 0.
[[nodiscard]] std::vector<BidSegment> price_curve(std::span<const PricePoint> slots, Price cost,
                                                  const Profile& committed, const FirmCurve& curve,
                                                  std::size_t segments_most = kSegmentsMost);

}  // namespace vpp::bidding
