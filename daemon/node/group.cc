#include "daemon/node/group.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "daemon/node/feeder.h"
#include "daemon/node/scoped.h"
#include "daemon/node/summing.h"

namespace vpp::node {
namespace {

/// By the sites' newest reports.
std::map<NodeId, OrderId> orders_served(const std::vector<mesh::ChildView>& children) {
  std::map<NodeId, OrderId> out;
  for (const auto& child : children) {
    const auto* site = child.summary ? std::get_if<mesh::SiteSummary>(&*child.summary) : nullptr;
    if (site != nullptr && site->order != kNoOrder) out.emplace(child.id, site->order);
  }
  return out;
}

}  // namespace

Group::Group(const mesh::ChildrenOptions& options, const aggregation::DispatcherOptions& dispatch,
             Rng rng, const aggregation::FeederLimits& feeder)
    : children_{options, rng}, dispatch_{dispatch}, feeder_{feeder} {
  (void)lane_of(Scope{});
}

Lane& Group::lane_of(const Scope& scope) {
  return lanes_.try_emplace(scope, scope, dispatch_, feeder_).first->second;
}

mesh::GroupSummary Group::summary(const Now& now) const {
  mesh::GroupSummary out = sum_of(children_.view(now), children_, reliability_);
  const auto fill = [&](const Lane& lane, auto& part) {
    part.asked = lane.target();
    part.shortfall = lane.shortfall();
    part.reserved = lane.promises().outstanding(now.protocol, now.market, lane.target());
  };
  for (const auto& [scope, lane] : lanes_) {
    if (scope == Scope{}) {
      fill(lane, out);
      continue;
    }
    auto at = std::ranges::lower_bound(out.scopes, scope, {}, &mesh::ScopeSummary::scope);
    if (at == out.scopes.end() || at->scope != scope) {
      const aggregation::DurationCurve none;
      at = out.scopes.insert(at, {.scope = scope,
                                  .discharge = {none.points().begin(), none.points().end()},
                                  .charge = {none.points().begin(), none.points().end()},
                                  .online = 0,
                                  .measured = {},
                                  .asked = {},
                                  .shortfall = {},
                                  .reserved = {}});
    }
    fill(lane, *at);
  }
  bound_scopes(out);
  return out;
}

void Group::watch(const Now& now) {
  if (reliability_.look_due(now.protocol)) reliability_.look(now.protocol, children_.view(now));
}

void Group::keep_up(const Now& now) {
  watch(now);
  const bool promised = std::ranges::any_of(
      lanes_, [](const auto& entry) { return !entry.second.promises().empty(); });
  if (promised) {
    const auto view = children_.view(now);
    for (auto& [scope, lane] : lanes_) (void)lane.keep_up(now, children_, view);
  }
  std::erase_if(lanes_,
                [](const auto& entry) { return entry.first != Scope{} && entry.second.over(); });
}

bool Group::keep_up(const Now& now, const Scope& scope) {
  watch(now);
  const auto found = lanes_.find(scope);
  if (found == lanes_.end() || found->second.promises().empty()) return false;
  return found->second.keep_up(now, children_, children_.view(now));
}

bool Group::asks(const Scope& scope) const {
  const auto found = lanes_.find(scope);
  return found != lanes_.end() && found->second.asks();
}

std::vector<Scope> Group::scopes() const {
  std::vector<Scope> out;
  for (const auto& [scope, lane] : lanes_) out.push_back(scope);
  return out;
}

/// Their reports may not show yet that they serve another scope. Who still offers something to this
/// one while it does can be taken over, and who serves this one has been.
void Group::leave_out_the_busy(const Lane& lane, const std::map<NodeId, OrderId>& serve,
                               Below& below) const {
  for (aggregation::ChildState& child : below.counted) {
    auto* site = std::get_if<aggregation::SiteFlexibility>(&child.flexibility);
    if (site == nullptr) continue;
    for (const auto& [scope, other] : lanes_) {
      if (&other == &lane || other.asked_of(child.id) == Watts{0}) continue;
      const auto shown = serve.find(child.id);
      const bool told =
          shown != serve.end() && (shown->second == other.order() || shown->second == lane.order());
      if (!told) *site = {};
    }
  }
}

/// Who can be in both scopes, and cannot be reached, may still do what the other one asked: as far
/// as this node knows, and as branches tell that are not asked for this scope. Those that are see
/// to it themselves.
Watts Group::reserved_elsewhere(const Now& now, const Lane& lane, Watts share,
                                const std::vector<mesh::ChildView>& children) const {
  Watts out{0};
  for (const auto& [scope, other] : lanes_) {
    if (&other == &lane || !overlap(scope, lane.scope())) continue;
    out += other.promises().reserved(now.protocol, now.market, share);
  }
  const auto [low, high] = std::minmax({Watts{0}, share});
  for (const mesh::ChildView& child : children) {
    const auto* group = child.summary ? std::get_if<mesh::GroupSummary>(&*child.summary) : nullptr;
    if (group == nullptr || !child.counted || is_member(child, lane.scope())) continue;
    if (overlap(Scope{}, lane.scope())) out += std::clamp(group->reserved, low, high);
    for (const mesh::ScopeSummary& each : group->scopes) {
      if (overlap(each.scope, lane.scope())) out += std::clamp(each.reserved, low, high);
    }
  }
  return out;
}

aggregation::FeederReadings Group::readings(const Lane& lane,
                                            const std::vector<mesh::ChildView>& children) const {
  if (!feeder_.export_max && !feeder_.import_max) return {};
  aggregation::FeederReadings out = feeder_readings(children);
  for (const auto& [scope, other] : lanes_) {
    if (&other != &lane && other.books()) out.elsewhere += other.books()->asked_for;
  }
  return out;
}

Watts Group::dispatch(const Now& now, const mesh::Dispatch& asked) {
  watch(now);
  Lane& lane = lane_of(asked.scope);
  std::vector<mesh::ChildView> children = children_.view(now);
  Watts elsewhere{0};
  const bool alone = asked.scope == Scope{} && lanes_.size() == 1;
  if (asked.share && !alone) elsewhere = reserved_elsewhere(now, lane, *asked.share, children);
  const auto feeder = readings(lane, children);
  const auto serve = lanes_.size() > 1 ? orders_served(children) : std::map<NodeId, OrderId>{};
  Below below = lane.look(now, children_, std::move(children));
  below.feeder = feeder;
  if (lanes_.size() > 1) leave_out_the_busy(lane, serve, below);
  invalid_ = below.invalid;
  const Watts shortfall = lane.dispatch(now, asked, below, elsewhere, children_);
  if (asked.scope == Scope{}) {
    if (asked.share) {
      reliability_.ordered(now.protocol, asked.order, lane.doing(below), below.silent);
    } else {
      reliability_.idle();
    }
  }
  return shortfall;
}

bool Group::acknowledged(NodeId child, const mesh::DispatchAck& ack) {
  return std::ranges::any_of(lanes_,
                             [&](auto& entry) { return entry.second.acknowledged(child, ack); });
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
  for (const auto& [scope, lane] : lanes_) {
    if (!lane.books()) continue;
    out.books.push_back(*lane.books());
    auto& asked = out.asked_for[scope];
    for (const auto& child : out.children) asked.push_back(lane.asked_of(child.id));
  }
  out.undelivered.resize(out.children.size());
  for (std::size_t i = 0; i < out.children.size(); ++i) {
    for (const auto& [scope, lane] : lanes_) {
      const auto missing = lane.undelivered_of(out.children[i].id);
      if (missing.power != Watts{0}) out.undelivered[i] = missing;
    }
  }
  out.rates = rates_of(out.children);
  out.standing.resize(out.children.size());
  for (const auto& [scope, lane] : lanes_) {
    for (std::size_t i = 0; i < out.children.size(); ++i) {
      const auto standing = lane.dispatcher().standing(out.children[i].id);
      if (standing.doubt != aggregation::UndeliveredReason::kNone) out.standing[i] = standing;
    }
    if (!out.level) out.level = lane.dispatcher().level();
  }
  out.counters = children_.counters();
  if (children_.located_count() <= kLocatedShown) out.located = children_.located();
}

std::vector<Watts> Group::asked_of(const std::vector<mesh::ChildView>& view) const {
  std::vector<Watts> out;
  out.reserve(view.size());
  for (const auto& child : view) {
    Watts asked{0};
    for (const auto& [scope, lane] : lanes_) asked += lane.asked_of(child.id);
    out.push_back(asked);
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
