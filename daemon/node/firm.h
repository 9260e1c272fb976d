// What a node's children are expected to deliver, and what of it is firm: from their reports and
// from what was learned of them to aggregation/moments.h and aggregation/firm.h. Pure.
#pragma once

#include <span>
#include <vector>

#include "aggregation/duration_curve.h"
#include "aggregation/firm.h"
#include "aggregation/moments.h"
#include "aggregation/response.h"
#include "bidding/ledger.h"
#include "config/units.h"
#include "daemon/node/reliability.h"
#include "mesh/children.h"
#include "mesh/messages.h"

namespace vpp::node {

/// One direction of a site's report: no more than the site claims of itself, and than was learned.
[[nodiscard]] aggregation::SiteReliability site_of(const mesh::SiteDirection& direction,
                                                   const ChildRates& rates);

/// One direction of a group's report, while it can be reached. A group that tells nothing of this
/// kind, or nonsense, counts by the prior of as many equal sites as it has online.
[[nodiscard]] aggregation::Moments moments_of(const mesh::GroupSummary& group, Direction direction,
                                              const aggregation::DurationCurve& nominal);

struct FirmCurves {
  aggregation::DurationCurve discharge;
  aggregation::DurationCurve charge;
};

/// Of the children that are counted; `rates` in the same order. Less is delivered with a
/// probability of at most `shortfall`, at each duration by itself.
[[nodiscard]] FirmCurves firm_of(std::span<const mesh::ChildView> children,
                                 std::span<const ChildRates> rates,
                                 aggregation::PerMillion shortfall);

/// Of one direction only.
[[nodiscard]] aggregation::DurationCurve firm_of(std::span<const mesh::ChildView> children,
                                                 std::span<const ChildRates> rates,
                                                 aggregation::PerMillion shortfall,
                                                 Direction direction);

/// At which probability of a shortfall to promise, so that in the end promises are broken as often
/// as `target` says: a fold over the deliveries known, oldest first. A restart changes nothing.
[[nodiscard]] aggregation::PerMillion calibrated(const std::vector<bidding::BidView>& bids,
                                                 aggregation::PerMillion target);

}  // namespace vpp::node
