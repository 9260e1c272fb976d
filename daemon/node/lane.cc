#include "daemon/node/lane.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "config/limits.h"
#include "config/planted_bug.h"
#include "daemon/node/curves.h"
#include "daemon/node/scoped.h"

namespace vpp::node {
namespace {

bool is_release(const mesh::Dispatch& form) {
  return !form.share && form.ahead.empty();
}

Promises::Lives lives(const mesh::Children& children, const mesh::ChildView& child) {
  if (child.moved) return Promises::Lives::kMoved;
  const bool emptied = !child.attached && child.role != Role::kLeaf &&
                       children.located_via(child.id) <= 1;  // all but itself moved
  return emptied ? Promises::Lives::kAllBelowMoved : Promises::Lives::kHere;
}

bool is_silent(const mesh::ChildView& child) {
  if (child.role != Role::kLeaf || child.moved || child.left) return false;
  if (!child.attached) return true;
  const auto* site = child.summary ? std::get_if<mesh::SiteSummary>(&*child.summary) : nullptr;
  return site != nullptr && site->stale;
}

/// A group whose curve is no valid one has neither flexibility nor a measured power.
aggregation::ChildState state_of(const mesh::ChildView& child, std::vector<NodeId>& invalid) {
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
    invalid.push_back(child.id);
  }
  return state;
}

}  // namespace

bool Lane::keep_up(const Now& now, const mesh::Children& children,
                   const std::vector<mesh::ChildView>& view) {
  if (target_ != Watts{0} || promises_.empty()) return false;
  bool again = false;
  for (mesh::ChildView child : view) {
    see_as(child, scope_);
    promises_.seen(now.protocol, child, lives(children, child));
    again = again || (child.attached && promises_.owes_answer(child.id));
  }
  return again;
}

Below Lane::look(const Now& now, const mesh::Children& children,
                 std::vector<mesh::ChildView> view) {
  Below below;
  for (auto& child : view) {
    const bool member = is_member(child, scope_);
    see_as(child, scope_);
    const bool unknown = !children.rooted() && !children.known_above(child.id);
    child.counted = child.counted && !unknown;
    promises_.seen(now.protocol, child, lives(children, child));
    if (!member) continue;
    if (is_silent(child)) below.silent.push_back(child.id);
    if (child.counted) {
      below.counted.push_back(state_of(child, below.invalid));
    } else if (child.attached) {
      const bool keeps = !unknown && (child.in_transit || promises_.keeps(child));
      (keeps ? below.kept : below.held).push_back(child.id);
    }
  }
  return below;
}

Watts Lane::dispatch(const Now& now, const mesh::Dispatch& asked, const Below& below,
                     Watts elsewhere, mesh::Children& children) {
  mesh::Dispatch form = asked;
  form.share = std::nullopt;
  form.ahead.clear();
  std::vector<mesh::Dispatch> forms(below.counted.size(), form);
  asking_ = !is_release(asked);
  target_ = asked.share.value_or(Watts{0});
  asked_.clear();
  books_.reset();
  if (asked.share) {
    shortfall_ = split_now(now, asked, below, elsewhere, forms);
  } else {
    (void)within_feeder(now, Watts{0}, below);
    dispatcher_.idle();
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
  for (std::size_t i = 0; i < forms.size(); ++i) {
    send(now, below.counted[i].id, forms[i], children);
  }
  const bool hold = !planted(Bug::kUncountedNotReleased);
  for (const NodeId child : below.held) {
    if (hold) send(now, child, form, children);
  }
  if (!asked.share) {
    for (const NodeId child : below.kept) send(now, child, form, children);
  }
  return shortfall_;
}

/// What this node is asked now, into the forms of the children counted.
Watts Lane::split_now(const Now& now, const mesh::Dispatch& asked, const Below& below,
                      Watts elsewhere, std::vector<mesh::Dispatch>& out) {
  const auto [low, high] = std::minmax({Watts{0}, *asked.share});
  const Watts reserved = promises_.reserved(now.protocol, now.market, *asked.share) + elsewhere;
  const Watts free = *asked.share - std::clamp(reserved, low, high);
  const Watts capped = free - within_feeder(now, free, below);
  const auto plan = dispatcher_.tick(now, free - capped, below.counted);
  if (waiting_for_ != asked.order) {
    waiting_for_ = asked.order;
    unacknowledged_.clear();
    for (const auto& share : plan.shares) unacknowledged_.insert(share.child);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    asked_[plan.shares[i].child] = plan.shares[i];
    out[i].share = plan.shares[i].power + Watts{planted(Bug::kWattGained) ? 1 : 0};
  }
  books_ = {.scope = scope_,
            .asked = *asked.share,
            .reserved = *asked.share - free,
            .capped = capped,
            .not_placed = plan.shortfall,
            .asked_for = plan.asked_for,
            .measured = plan.measured,
            .unmeasured = plan.unmeasured};
  return plan.shortfall + std::clamp(capped, low, high);
}

Watts Lane::within_feeder(const Now& now, Watts free, const Below& below) {
  return feeder_ ? feeder_->allow(now.protocol, free, below.feeder) : free;
}

std::vector<Reliability::Doing> Lane::doing(const Below& below) const {
  const Direction direction = target_ < Watts{0} ? Direction::kCharge : Direction::kDischarge;
  std::vector<Reliability::Doing> out;
  for (const auto& child : below.counted) {
    if (!std::holds_alternative<aggregation::SiteFlexibility>(child.flexibility)) continue;
    const bool idle = asked_of(child.id) == Watts{0} && !dispatcher_.doubted(child.id);
    if (!idle) out.push_back({child.id, dispatcher_.does_permille(child, direction)});
  }
  return out;
}

/// The same share or release again, too soon for a line whose beacons are slower than the control
/// loop; what the child holds must not run out meanwhile.
bool Lane::needless(const Now& now, NodeId child, const mesh::Dispatch& form,
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

void Lane::send(const Now& now, NodeId child, const mesh::Dispatch& form,
                mesh::Children& children) {
  const mesh::ChildLine line = children.line(child);
  if (needless(now, child, form, line)) return;
  promises_.told(now.protocol, child, form, line.lease);
  children.dispatch(now, child, form);
}

bool Lane::acknowledged(NodeId child, const mesh::DispatchAck& ack) {
  if (ack.order != waiting_for_ || waiting_for_ == kNoOrder) return false;
  return unacknowledged_.erase(child) > 0 && unacknowledged_.empty();
}

}  // namespace vpp::node
