#include "daemon/node/summing.h"

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

#include "aggregation/moments.h"
#include "config/limits.h"
#include "config/planted_bug.h"
#include "daemon/node/curves.h"
#include "daemon/node/firm.h"
#include "daemon/node/scoped.h"

namespace vpp::node {
namespace {

using aggregation::DurationCurve;

/// One direction of what the children are expected to deliver.
struct Expected {
  std::vector<aggregation::SiteReliability> sites;
  aggregation::Moments groups;

  [[nodiscard]] mesh::Expectation of(const DurationCurve& nominal) const {
    aggregation::Moments all = aggregation::Moments::of_sites(sites);
    all += groups;
    return {all.mean_to_wire(nominal), all.deviation_to_wire(nominal)};
  }
};

void add_receipts(std::map<OrderId, Joules>& sums, const std::vector<mesh::Receipt>& receipts) {
  for (const auto& receipt : receipts) sums[receipt.order] += receipt.delivered;
}

/// The newest orders only, of the plant and of aggregators each, as device/order_ledger.h keeps
/// them: a report is bounded.
std::vector<mesh::Receipt> newest(const std::map<OrderId, Joules>& sums) {
  std::vector<mesh::Receipt> out;
  const auto own = sums.lower_bound(kFirstLocalOrder);
  const auto take = [&](auto from, auto until, std::size_t most) {
    const auto count = static_cast<std::size_t>(std::distance(from, until));
    if (count > most) std::advance(from, static_cast<std::ptrdiff_t>(count - most));
    for (; from != until; ++from) out.push_back({from->first, from->second});
  };
  take(sums.begin(), own, limits::kReceiptsOfPlant);
  take(own, sums.end(), limits::kReceiptsMax - limits::kReceiptsOfPlant);
  return out;
}

std::vector<Joules> to_wire(const DurationCurve& curve) {
  return {curve.points().begin(), curve.points().end()};
}

/// Adds children one by one.
class Summing {
 public:
  Summing(const mesh::Children& children, const Reliability& reliability)
      : children_{children}, reliability_{reliability} {}

  void add(const mesh::ChildView& child) {
    if (child.moved) return;
    if (!child.attached && child.role != Role::kLeaf) return add_lost_group(child.id);
    if (!child.summary) {
      ++out_.coverage.enrolled;
      ++out_.net_unknown;
      ++(child.attached ? out_.coverage.stale : out_.coverage.offline);
      return;
    }
    std::visit([&](const auto& summary) { add(child, summary); }, *child.summary);
  }

  mesh::GroupSummary finish() {
    out_.grid_id = aggregation::kGridId;
    out_.discharge = to_wire(sum_.discharge);
    out_.charge = to_wire(sum_.charge);
    out_.discharge_expected = discharge_.of(sum_.discharge);
    out_.charge_expected = charge_.of(sum_.charge);
    out_.receipts = newest(receipts_);
    for (const auto& [scope, part] : scopes_) {
      mesh::ScopeSummary& told = out_.scopes.emplace_back();
      told.scope = scope;
      told.online = part.online;
      told.measured = part.measured;
      if (part.sum.discharge != sum_.discharge) told.discharge = to_wire(part.sum.discharge);
      if (part.sum.charge != sum_.charge) told.charge = to_wire(part.sum.charge);
    }
    return std::move(out_);
  }

 private:
  struct Part {
    Curves sum;
    std::uint32_t online = 0;
    Watts measured;
  };

  void add(const mesh::ChildView& child, const mesh::SiteSummary& site) {
    ++out_.coverage.enrolled;
    const bool online = child.attached && child.counted && !site.stale;
    const bool metered = online && site.net && site.measured;
    if (!metered) ++out_.net_unknown;
    if (!child.attached) {
      ++out_.coverage.offline;
      return;
    }
    if (!online) {
      ++out_.coverage.stale;
    } else {
      ++out_.coverage.online;
      if (metered) out_.net += *site.net;
      if (metered) out_.load += *site.measured - *site.net;
      age(site.measured_at, site.measured_at);
    }
    if (!child.counted && !planted(Bug::kSumsUncounted)) return;
    if (!site.stale) {
      add(sum_, site.discharge, site.charge);
      const ChildRates rates = reliability_.of(child.id);
      discharge_.sites.push_back(site_of(site.discharge, rates));
      charge_.sites.push_back(site_of(site.charge, rates));
    }
    const Watts does = site.order == kNoOrder ? Watts{0} : does_of(site).value_or(Watts{0});
    if (site.scope == Scope{}) out_.measured += does;
    out_.stored += site.stored.value_or(Joules{0});
    out_.armed += site.armed;
    out_.droop += site.droop;
    add_receipts(receipts_, site.receipts);
    add_scopes(site, does);
  }

  void add_scopes(const mesh::SiteSummary& site, Watts does) {
    for (const Scope& scope : scopes_of(site)) {
      Part& part = scopes_[scope];
      const Offer offer = offer_to(site, scope);
      if (!site.stale) {
        ++part.online;
        add(part.sum, offer.discharge, offer.charge);
      }
      if (site.scope == scope) part.measured += does;
    }
  }

  static void add(Curves& sum, const mesh::SiteDirection& discharge,
                  const mesh::SiteDirection& charge) {
    const Curves one = curves_of(discharge, charge);
    sum.discharge += one.discharge;
    sum.charge += one.charge;
  }

  void add(const mesh::ChildView& child, const mesh::GroupSummary& group) {
    out_.coverage.enrolled += group.coverage.enrolled;
    const auto curves = curves_of(group);
    if (!child.attached || !child.counted || !curves) {
      // What is below may be well, but nobody here may promise it.
      auto& lost = child.attached ? out_.coverage.stale : out_.coverage.offline;
      lost += group.coverage.enrolled;
      out_.net_unknown += group.coverage.enrolled;
      return;
    }
    out_.coverage.online += group.coverage.online;
    out_.coverage.stale += group.coverage.stale;
    out_.coverage.offline += group.coverage.offline;
    if (group.coverage.online > 0) age(group.oldest, group.newest);
    sum_.discharge += curves->discharge;
    sum_.charge += curves->charge;
    const aggregation::PerMillion up = reliability_.of(child.id).availability;
    discharge_.groups += moments_of(group, Direction::kDischarge, curves->discharge).behind(up);
    charge_.groups += moments_of(group, Direction::kCharge, curves->charge).behind(up);
    out_.measured += group.measured;
    out_.stored += group.stored;
    out_.net += group.net;
    out_.net_unknown += group.net_unknown;
    out_.load += group.load;
    out_.armed += group.armed;
    out_.droop += group.droop;
    add_receipts(receipts_, group.receipts);
    add_scopes(group, *curves);
  }

  void add_scopes(const mesh::GroupSummary& group, const Curves& whole) {
    for (const mesh::ScopeSummary& told : group.scopes) {
      if (told.scope == Scope{}) continue;
      const auto curves = curves_of(told, group, whole);
      if (!curves) continue;
      Part& part = scopes_[told.scope];
      part.sum.discharge += curves->discharge;
      part.sum.charge += curves->charge;
      part.online += told.online;
      part.measured += told.measured;
    }
    out_.scopes_left_out += group.scopes_left_out;
  }

  /// Its newest report is of the past: who has found another parent since is counted there.
  void add_lost_group(NodeId id) {
    const std::size_t nodes = children_.located_via(id);
    const auto sites = static_cast<std::uint32_t>(nodes > 0 ? nodes - 1 : 0);  // itself apart
    out_.coverage.enrolled += sites;
    out_.coverage.offline += sites;
    out_.net_unknown += sites;
  }

  void age(MarketTime oldest, MarketTime newest) {
    out_.oldest = aged_ ? std::min(out_.oldest, oldest) : oldest;
    out_.newest = aged_ ? std::max(out_.newest, newest) : newest;
    aged_ = true;
  }

  const mesh::Children& children_;
  const Reliability& reliability_;
  mesh::GroupSummary out_;
  Curves sum_;
  std::map<Scope, Part> scopes_;
  Expected discharge_;
  Expected charge_;
  std::map<OrderId, Joules> receipts_;
  bool aged_ = false;
};

}  // namespace

mesh::GroupSummary sum_of(const std::vector<mesh::ChildView>& children, const mesh::Children& from,
                          const Reliability& reliability) {
  Summing summing{from, reliability};
  for (const auto& child : children) summing.add(child);
  return summing.finish();
}

void bound_scopes(mesh::GroupSummary& summary) {
  auto& scopes = summary.scopes;
  if (scopes.size() <= limits::kScopesMax) return;
  const auto idle = [](const mesh::ScopeSummary& scope) {
    return scope.asked == Watts{0} && scope.reserved == Watts{0};
  };
  std::ranges::stable_sort(scopes, {}, idle);
  const auto left_out = scopes.size() - limits::kScopesMax;
  summary.scopes_left_out += static_cast<std::uint32_t>(left_out);
  scopes.resize(limits::kScopesMax);
  std::ranges::sort(scopes, {}, &mesh::ScopeSummary::scope);
}

}  // namespace vpp::node
