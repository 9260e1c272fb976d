#include "daemon/node/group.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "config/limits.h"
#include "config/planted_bug.h"
#include "daemon/node/firm.h"

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

bool is_release(const mesh::Dispatch& form) {
  return !form.share && form.ahead.empty();
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
  Summing(const mesh::Children& children, const Reliability& reliability)
      : children_{children}, reliability_{reliability} {}

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
    out_.discharge_expected = discharge_.of(sum_.discharge);
    out_.charge_expected = charge_.of(sum_.charge);
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
    if (!site.stale) {
      const ChildRates rates = reliability_.of(child.id);
      discharge_.sites.push_back(site_of(site.discharge, rates));
      charge_.sites.push_back(site_of(site.charge, rates));
    }
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
    const aggregation::PerMillion up = reliability_.of(child.id).availability;
    discharge_.groups += moments_of(group, Direction::kDischarge, curves->discharge).behind(up);
    charge_.groups += moments_of(group, Direction::kCharge, curves->charge).behind(up);
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
  const Reliability& reliability_;
  mesh::GroupSummary out_;
  Curves sum_;
  Expected discharge_;
  Expected charge_;
  std::map<OrderId, Joules> receipts_;
  bool aged_ = false;
};

}  // namespace

Group::Group(const mesh::ChildrenOptions& options, const aggregation::DispatcherOptions& dispatch,
             Rng rng)
    : children_{options, rng}, dispatcher_{dispatch} {}

mesh::GroupSummary Group::summary(const Now& now) const {
  Summing summing{children_, reliability_};
  for (const auto& child : children_.view(now)) summing.add(child);
  mesh::GroupSummary out = summing.finish();
  out.asked = target_;
  out.shortfall = shortfall_;
  out.reserved = promises_.outstanding(now.protocol, now.market, target_);
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
    // Of what it was asked, what its own lost sites may still do is as good as done: nobody else is
    // to make up for it.
    const auto [low, high] = std::minmax({Watts{0}, group.asked});  // values, not references
    state.measured = group.measured + std::clamp(group.reserved, low, high);
  } else {
    invalid_.push_back(child.id);
  }
  return state;
}

void Group::watch(const Now& now) {
  if (reliability_.look_due(now.protocol)) reliability_.look(now.protocol, children_.view(now));
}

bool Group::keep_up(const Now& now) {
  watch(now);
  if (target_ != Watts{0} || promises_.empty()) return false;
  bool again = false;
  for (const auto& child : children_.view(now)) {
    promises_.seen(now.protocol, child, lives(child));
    again = again || (child.attached && promises_.owes_answer(child.id));
  }
  return again;
}

Promises::Lives Group::lives(const mesh::ChildView& child) const {
  if (child.moved) return Promises::Lives::kMoved;
  const bool emptied = !child.attached && child.role != Role::kLeaf &&
                       children_.located_via(child.id) <= 1;  // all but itself moved
  return emptied ? Promises::Lives::kAllBelowMoved : Promises::Lives::kHere;
}

namespace {

bool is_silent(const mesh::ChildView& child) {
  if (child.role != Role::kLeaf || child.moved || child.left) return false;
  if (!child.attached) return true;
  const auto* site = child.summary ? std::get_if<mesh::SiteSummary>(&*child.summary) : nullptr;
  return site != nullptr && site->stale;
}

}  // namespace

Group::Below Group::look(const Now& now) {
  Below below;
  for (auto& child : children_.view(now)) {
    const bool unknown = !children_.rooted() && !children_.known_above(child.id);
    child.counted = child.counted && !unknown;
    promises_.seen(now.protocol, child, lives(child));
    if (is_silent(child)) below.silent.push_back(child.id);
    if (child.counted) {
      below.counted.push_back(state_of(child));
    } else if (child.attached) {
      const bool keeps = !unknown && (child.in_transit || promises_.keeps(child));
      (keeps ? below.kept : below.held).push_back(child.id);
    }
  }
  return below;
}

Watts Group::dispatch(const Now& now, const mesh::Dispatch& asked) {
  watch(now);
  const Below below = look(now);
  mesh::Dispatch form = asked;
  form.share = std::nullopt;
  form.ahead.clear();
  std::vector<mesh::Dispatch> forms(below.counted.size(), form);
  target_ = asked.share.value_or(Watts{0});
  asked_.clear();
  if (asked.share) {
    shortfall_ = split_now(now, asked, below, forms);
    learn(now, asked, below);
  } else {
    dispatcher_.idle();
    reliability_.idle();
    shortfall_ = Watts{0};
    waiting_for_ = kNoOrder;
  }
  for (const mesh::Step& step : asked.ahead) {
    const Watts free = step.share - promises_.reserved(now.protocol, step.from, step.share);
    const std::vector<Watts> shares = dispatcher_.divide_ahead(free, below.counted);
    for (std::size_t i = 0; i < shares.size(); ++i) {
      forms[i].ahead.push_back({step.order, shares[i], step.from, step.until});
    }
  }
  for (std::size_t i = 0; i < forms.size(); ++i) send(now, below.counted[i].id, forms[i]);
  const bool hold = !planted(Bug::kUncountedNotReleased);
  for (const NodeId child : below.held) {
    if (hold) send(now, child, form);
  }
  if (!asked.share) {
    for (const NodeId child : below.kept) send(now, child, form);
  }
  return shortfall_;
}

/// What this node is asked now, into the forms of the children counted.
Watts Group::split_now(const Now& now, const mesh::Dispatch& asked, const Below& below,
                       std::vector<mesh::Dispatch>& out) {
  const Watts reserved = promises_.reserved(now.protocol, now.market, *asked.share);
  const auto plan = dispatcher_.tick(now, *asked.share - reserved, below.counted);
  if (waiting_for_ != asked.order) {
    waiting_for_ = asked.order;
    unacknowledged_.clear();
    for (const auto& share : plan.shares) unacknowledged_.insert(share.child);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    asked_[plan.shares[i].child] = plan.shares[i].power;
    out[i].share = plan.shares[i].power + Watts{planted(Bug::kWattGained) ? 1 : 0};
  }
  return plan.shortfall;
}

/// How well sites do what they are asked.
void Group::learn(const Now& now, const mesh::Dispatch& asked, const Below& below) {
  const Direction direction = *asked.share < Watts{0} ? Direction::kCharge : Direction::kDischarge;
  std::vector<Reliability::Doing> doing;
  for (const auto& child : below.counted) {
    if (!std::holds_alternative<aggregation::SiteFlexibility>(child.flexibility)) continue;
    const bool idle = asked_[child.id] == Watts{0} && !dispatcher_.doubted(child.id);
    if (!idle) doing.push_back({child.id, dispatcher_.does_permille(child, direction)});
  }
  reliability_.ordered(now.protocol, asked.order, doing, below.silent);
}

/// The same share or release again, too soon for a line whose beacons are slower than the control
/// loop; what the child holds must not run out meanwhile.
bool Group::needless(const Now& now, NodeId child, const mesh::Dispatch& form,
                     const mesh::ChildLine& line) {
  if (line.beacon_interval <= limits::kControlTick) return false;
  Renewed& last = renewed_[child];
  mesh::Dispatch same = last.form;
  const Duration lasts = Instant{Duration{same.expires}} - last.at;
  same.tick = form.tick;
  same.repeat = form.repeat;
  same.expires = form.expires;
  const bool released = is_release(form) && is_release(last.form);
  const Duration often =
      released ? line.beacon_interval : std::min(line.beacon_interval, lasts / 3);
  const bool soon = now.protocol - last.at < often;
  if (last.session == line.session && (released || same == form) && soon) return true;
  last = {line.session, now.protocol, form};
  return false;
}

void Group::send(const Now& now, NodeId child, const mesh::Dispatch& form) {
  const mesh::ChildLine line = children_.line(child);
  if (needless(now, child, form, line)) return;
  promises_.told(now.protocol, child, form, line.lease);
  children_.dispatch(now, child, form);
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
  out.rates = rates_of(out.children);
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

std::vector<ChildRates> Group::rates_of(const std::vector<mesh::ChildView>& view) const {
  std::vector<ChildRates> out;
  out.reserve(view.size());
  for (const auto& child : view) out.push_back(reliability_.of(child.id));
  return out;
}

std::vector<NodeId> Group::take_invalid() {
  return std::exchange(invalid_, {});
}

}  // namespace vpp::node
