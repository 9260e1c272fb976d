#include "daemon/node/firm.h"

#include <algorithm>
#include <cstddef>
#include <variant>

#include "aggregation/calibration.h"
#include "bidding/settlement.h"
#include "config/check.h"

namespace vpp::node {
namespace {

using aggregation::Block;
using aggregation::DurationCurve;
using aggregation::Moments;
using aggregation::SiteReliability;

/// Metering and the way down and back are no broken promise.
constexpr aggregation::PerMillion kTolerance{50'000};
constexpr aggregation::PerMillion kStep{5'000};

}  // namespace

SiteReliability site_of(const mesh::SiteDirection& direction, const ChildRates& rates) {
  return {.capability = {direction.power, direction.energy},
          .response_permille =
              std::min<std::int32_t>(direction.response_permille, rates.response_permille)};
}

Moments moments_of(const mesh::GroupSummary& group, Direction direction,
                   const DurationCurve& nominal) {
  const auto& told =
      direction == Direction::kDischarge ? group.discharge_expected : group.charge_expected;
  const auto moments = Moments::from_wire(nominal, told.mean, told.deviation);
  return moments ? *moments : Moments::by_prior(nominal, group.coverage.online);
}

DurationCurve firm_of(std::span<const mesh::ChildView> children, std::span<const ChildRates> rates,
                      aggregation::PerMillion shortfall, Direction direction) {
  VPP_CHECK(children.size() == rates.size());
  const bool up = direction == Direction::kDischarge;
  DurationCurve nominal;
  std::vector<Block> groups;
  std::vector<SiteReliability> sites;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const mesh::ChildView& child = children[i];
    if (!child.counted || !child.attached || child.moved || !child.summary) continue;
    if (const auto* site = std::get_if<mesh::SiteSummary>(&*child.summary)) {
      if (site->stale) continue;
      sites.push_back(site_of(up ? site->discharge : site->charge, rates[i]));
      nominal += DurationCurve::of_site(sites.back().capability);
      continue;
    }
    const auto& group = std::get<mesh::GroupSummary>(*child.summary);
    const auto curve = DurationCurve::from_wire(group.grid_id, up ? group.discharge : group.charge);
    if (!curve) continue;
    groups.push_back({rates[i].availability, moments_of(group, direction, *curve)});
    nominal += *curve;
  }
  return aggregation::firm_curve(nominal, groups, sites, shortfall);
}

FirmCurves firm_of(std::span<const mesh::ChildView> children, std::span<const ChildRates> rates,
                   aggregation::PerMillion shortfall) {
  return {firm_of(children, rates, shortfall, Direction::kDischarge),
          firm_of(children, rates, shortfall, Direction::kCharge)};
}

aggregation::PerMillion calibrated(const std::vector<bidding::BidView>& bids,
                                   aggregation::PerMillion target) {
  std::vector<const bidding::BidView*> over;
  for (const auto& bid : bids) {
    // Reserve that was not called shows nothing.
    const bool asked = !bid.call || bid.call->power > Watts{0};
    if (bid.award && bid.delivered && asked) over.push_back(&bid);
  }
  std::ranges::stable_sort(over, {}, [](const auto* bid) { return bid->award->gate.from; });
  aggregation::Calibration calibration{{.target = target, .step = kStep, .tolerance = kTolerance}};
  for (const auto* bid : over) {
    calibration.observe(bidding::owed_energy(*bid->award, bid->call), *bid->delivered);
  }
  return calibration.level();
}

}  // namespace vpp::node
