#include "daemon/node/group.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "config/limits.h"
#include "config/planted_bug.h"

namespace vpp::node {
namespace {

using aggregation::DurationCurve;

device::Capability capability_of(const mesh::SiteDirection& direction) {
  return {direction.power, direction.energy};
}

struct Curves {
  DurationCurve discharge;
  DurationCurve charge;
};

/// Nothing: the child's report is no valid pair of curves.
std::optional<Curves> curves_of(const mesh::GroupSummary& group) {
  auto discharge = DurationCurve::from_wire(group.grid_id, group.discharge);
  auto charge = DurationCurve::from_wire(group.grid_id, group.charge);
  if (!discharge || !charge) return std::nullopt;
  return Curves{*discharge, *charge};
}

Curves curves_of(const mesh::SiteSummary& site) {
  if (site.stale) return {};
  return {DurationCurve::of_site(capability_of(site.discharge)),
          DurationCurve::of_site(capability_of(site.charge))};
}

void add_receipts(std::map<OrderId, Joules>& sums, const std::vector<mesh::Receipt>& receipts) {
  for (const auto& receipt : receipts) sums[receipt.order] += receipt.delivered;
}

/// The newest orders only: a report is bounded.
std::vector<mesh::Receipt> newest(const std::map<OrderId, Joules>& sums) {
  std::vector<mesh::Receipt> out;
  const auto skip = sums.size() > limits::kReceiptsMax ? sums.size() - limits::kReceiptsMax : 0;
  for (auto it = std::next(sums.begin(), static_cast<std::ptrdiff_t>(skip)); it != sums.end(); ++it)
    out.push_back({it->first, it->second});
  return out;
}

/// Adds children one by one to the summary that goes up.
class Summing {
 public:
  explicit Summing(const mesh::Children& children) : children_{children} {}

  void add(const mesh::ChildView& child) {
    if (child.moved) return;
    if (!child.attached && child.role != Role::kLeaf) return add_lost_group(child.id);
    if (!child.summary) {
      ++out_.coverage.enrolled;
      ++(child.attached ? out_.coverage.stale : out_.coverage.offline);
      return;
    }
    std::visit([&](const auto& summary) { add(child, summary); }, *child.summary);
  }

  mesh::GroupSummary finish() {
    out_.grid_id = aggregation::kGridId;
    out_.discharge.assign(sum_.discharge.points().begin(), sum_.discharge.points().end());
    out_.charge.assign(sum_.charge.points().begin(), sum_.charge.points().end());
    out_.receipts = newest(receipts_);
    return std::move(out_);
  }

 private:
  void add(const mesh::ChildView& child, const mesh::SiteSummary& site) {
    ++out_.coverage.enrolled;
    if (!child.attached) {
      ++out_.coverage.offline;
      return;
    }
    if (site.stale || !child.counted) {
      ++out_.coverage.stale;
    } else {
      ++out_.coverage.online;
      age(site.measured_at, site.measured_at);
    }
    if (!child.counted && !planted(Bug::kSumsUncounted)) return;
    const Curves curves = curves_of(site);
    sum_.discharge += curves.discharge;
    sum_.charge += curves.charge;
    if (site.order != kNoOrder) out_.measured += site.measured.value_or(Watts{0});
    out_.stored += site.stored.value_or(Joules{0});
    add_receipts(receipts_, site.receipts);
  }

  void add(const mesh::ChildView& child, const mesh::GroupSummary& group) {
    out_.coverage.enrolled += group.coverage.enrolled;
    const auto curves = curves_of(group);
    if (!child.attached || !child.counted || !curves) {
      // What is below may be well, but nobody here may promise it.
      auto& lost = child.attached ? out_.coverage.stale : out_.coverage.offline;
      lost += group.coverage.enrolled;
      return;
    }
    out_.coverage.online += group.coverage.online;
    out_.coverage.stale += group.coverage.stale;
    out_.coverage.offline += group.coverage.offline;
    if (group.coverage.online > 0) age(group.oldest, group.newest);
    sum_.discharge += curves->discharge;
    sum_.charge += curves->charge;
    out_.measured += group.measured;
    out_.stored += group.stored;
    add_receipts(receipts_, group.receipts);
  }

  /// Its newest report is of the past: who has found another parent since is counted there.
  void add_lost_group(NodeId id) {
    const std::size_t nodes = children_.located_via(id);
    const auto sites = static_cast<std::uint32_t>(nodes > 0 ? nodes - 1 : 0);  // itself apart
    out_.coverage.enrolled += sites;
    out_.coverage.offline += sites;
  }

  void age(MarketTime oldest, MarketTime newest) {
    out_.oldest = aged_ ? std::min(out_.oldest, oldest) : oldest;
    out_.newest = aged_ ? std::max(out_.newest, newest) : newest;
    aged_ = true;
  }

  const mesh::Children& children_;
  mesh::GroupSummary out_;
  Curves sum_;
  std::map<OrderId, Joules> receipts_;
  bool aged_ = false;
};

}  // namespace

Group::Group(const mesh::ChildrenOptions& options, const aggregation::DispatcherOptions& dispatch,
             Rng rng)
    : children_{options, rng}, dispatcher_{dispatch} {}

mesh::GroupSummary Group::summary(const Now& now) const {
  Summing summing{children_};
  for (const auto& child : children_.view(now)) summing.add(child);
  mesh::GroupSummary out = summing.finish();
  out.asked = target_;
  out.shortfall = shortfall_;
  return out;
}

aggregation::ChildState Group::state_of(const mesh::ChildView& child) {
  aggregation::ChildState state{.id = child.id,
                                .flexibility = aggregation::SiteFlexibility{},
                                .measured = std::nullopt,
                                .measured_since = child.heard_at};
  if (!child.summary) return state;
  if (const auto* site = std::get_if<mesh::SiteSummary>(&*child.summary)) {
    if (!site->stale) {
      state.flexibility =
          aggregation::SiteFlexibility{capability_of(site->discharge), capability_of(site->charge)};
    }
    state.measured = site->order == kNoOrder ? Watts{0} : site->measured;
    return state;
  }
  const auto& group = std::get<mesh::GroupSummary>(*child.summary);
  if (const auto curves = curves_of(group)) {
    state.flexibility = aggregation::GroupFlexibility{curves->discharge, curves->charge};
    state.measured = group.measured;
  } else {
    invalid_.push_back(child.id);
  }
  return state;
}

Watts Group::dispatch(const Now& now, const Target& target) {
  std::vector<aggregation::ChildState> states;
  std::vector<NodeId> held;
  for (const auto& child : children_.view(now)) {
    if (child.counted) {
      states.push_back(state_of(child));
    } else if (child.attached && !child.in_transit) {
      held.push_back(child.id);
    }
  }
  const aggregation::DispatchPlan plan = dispatcher_.tick(now, target.power, states);
  if (waiting_for_ != target.form.order) {
    waiting_for_ = target.form.order;
    unacknowledged_.clear();
    for (const auto& share : plan.shares) unacknowledged_.insert(share.child);
  }
  asked_.clear();
  mesh::Dispatch form = target.form;
  for (const auto& share : plan.shares) {
    asked_[share.child] = share.power;
    form.share = share.power + Watts{planted(Bug::kWattGained) ? 1 : 0};
    children_.dispatch(now, share.child, form);
  }
  form.share = std::nullopt;
  if (planted(Bug::kUncountedNotReleased)) held.clear();
  for (const NodeId child : held) children_.dispatch(now, child, form);
  target_ = target.power;
  shortfall_ = plan.shortfall;
  return plan.shortfall;
}

void Group::release(const Now& now, const mesh::Dispatch& form) {
  mesh::Dispatch released = form;
  released.share = std::nullopt;
  for (const auto& child : children_.view(now)) {
    if (child.attached) children_.dispatch(now, child.id, released);
  }
  dispatcher_.idle();
  asked_.clear();
  target_ = Watts{0};
  shortfall_ = Watts{0};
  waiting_for_ = kNoOrder;
}

bool Group::acknowledged(NodeId child, const mesh::DispatchAck& ack) {
  if (ack.order != waiting_for_ || waiting_for_ == kNoOrder) return false;
  return unacknowledged_.erase(child) > 0 && unacknowledged_.empty();
}

std::vector<Notice> Group::news(const Now& now, bool changed) {
  if (changed) news_.changed(now.protocol);
  return news_.advance(now.protocol, children_);
}

Instant Group::next_deadline() const {
  return std::min(children_.next_deadline(), news_.next_deadline());
}

void Group::fill(NodeStatus& out, const Now& now) const {
  out.group = summary(now);
  out.children = children_.view(now);
  out.draining = children_.draining();
  out.asked = asked_of(out.children);
  out.counters = children_.counters();
  if (children_.located_count() <= kLocatedShown) out.located = children_.located();
}

std::vector<Watts> Group::asked_of(const std::vector<mesh::ChildView>& view) const {
  std::vector<Watts> out;
  out.reserve(view.size());
  for (const auto& child : view) {
    const auto it = asked_.find(child.id);
    out.push_back(it == asked_.end() ? Watts{0} : it->second);
  }
  return out;
}

std::vector<NodeId> Group::take_invalid() {
  return std::exchange(invalid_, {});
}

}  // namespace vpp::node
