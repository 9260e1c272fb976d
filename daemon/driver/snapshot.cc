#include "daemon/driver/snapshot.h"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <variant>

#include "daemon/node/curves.h"
#include "daemon/node/firm.h"

namespace vpp::driver {

std::optional<Flexibility> flexibility_of(const node::NodeStatus& status) {
  using aggregation::DurationCurve;
  if (status.role == Role::kLeaf) {
    if (!status.site || status.site->stale) return std::nullopt;
    return Flexibility{DurationCurve::of_site(status.site->discharge),
                       DurationCurve::of_site(status.site->charge)};
  }
  const auto up = DurationCurve::from_wire(status.group.grid_id, status.group.discharge);
  const auto down = DurationCurve::from_wire(status.group.grid_id, status.group.charge);
  if (!up || !down) return std::nullopt;
  return Flexibility{*up, *down};
}

std::optional<Flexibility> flexibility_of(const node::NodeStatus& status, const Scope& scope) {
  const auto whole = flexibility_of(status);
  if (scope == Scope{} || !whole) return whole;
  const auto& scopes = status.group.scopes;
  const auto found = std::ranges::find(scopes, scope, &mesh::ScopeSummary::scope);
  if (found == scopes.end()) return std::nullopt;
  const auto curves = node::curves_of(*found, status.group, {whole->up, whole->down});
  if (!curves) return std::nullopt;
  return Flexibility{curves->discharge, curves->charge};
}

std::optional<Flexibility> firm_flexibility_of(const node::NodeStatus& status) {
  if (status.role == Role::kLeaf || status.rates.size() != status.children.size()) {
    return std::nullopt;
  }
  const auto [discharge, charge] =
      node::firm_of(status.children, status.rates, status.shortfall_level);
  return Flexibility{discharge, charge};
}

Watts held_power(const aggregation::DurationCurve& curve, std::chrono::milliseconds duration) {
  // The curve is concave: what holds for all of `duration` holds for every shorter time.
  // At most 10 GW for 14 h, in joules: a thousand times that still fits.
  return {curve.at(duration).count * 1000 / duration.count()};
}

Watts measured_of(const mesh::GroupSummary& group) {
  // Each site is in the figure of the one scope whose order it follows; one that is armed for the
  // frequency with what it has armed.
  Watts sum = group.measured - group.armed;
  for (const mesh::ScopeSummary& each : group.scopes) sum += each.measured;
  return sum;
}

std::optional<Watts> measured_of(const node::NodeStatus& status) {
  if (status.role == Role::kLeaf) return status.site ? status.site->measured : std::nullopt;
  if (status.group.coverage.online == 0) return std::nullopt;
  return measured_of(status.group);
}

std::optional<Watts> net_of(const mesh::GroupSummary& group) {
  if (group.net_unknown >= group.coverage.enrolled) return std::nullopt;
  return group.net;
}

std::optional<Watts> net_of(const node::NodeStatus& status) {
  if (status.role == Role::kLeaf) return status.site ? status.site->net : std::nullopt;
  return net_of(status.group);
}

std::optional<std::int64_t> error_permille(const node::NodeStatus& status) {
  const auto measured = measured_of(status);
  if (!status.target || status.target->count == 0 || !measured) return std::nullopt;
  return (measured->count - status.target->count) * 1000 / status.target->count;
}

NodeState state_of(const mesh::ChildView& child) {
  if (!child.attached) return child.left ? NodeState::kDrained : NodeState::kLost;
  if (!child.summary) return NodeState::kStale;
  const auto* site = std::get_if<mesh::SiteSummary>(&*child.summary);
  return site != nullptr && site->stale ? NodeState::kStale : NodeState::kAlive;
}

void hide_moved(node::NodeStatus& status) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < status.children.size(); ++i) {
    if (status.children[i].moved) continue;
    if (kept != i) {
      status.children[kept] = std::move(status.children[i]);
      if (i < status.asked.size()) status.asked[kept] = status.asked[i];
      for (auto& [scope, asked] : status.asked_for) {
        if (i < asked.size()) asked[kept] = asked[i];
      }
      if (i < status.undelivered.size()) status.undelivered[kept] = status.undelivered[i];
      if (i < status.rates.size()) status.rates[kept] = status.rates[i];
      if (i < status.standing.size()) status.standing[kept] = status.standing[i];
    }
    ++kept;
  }
  status.children.resize(kept);
  if (status.asked.size() > kept) status.asked.resize(kept);
  for (auto& [scope, asked] : status.asked_for) asked.resize(std::min(asked.size(), kept));
  if (status.undelivered.size() > kept) status.undelivered.resize(kept);
  if (status.rates.size() > kept) status.rates.resize(kept);
  if (status.standing.size() > kept) status.standing.resize(kept);
}

std::string_view to_string(NodeState state) {
  switch (state) {
    case NodeState::kAlive:
      return "alive";
    case NodeState::kStale:
      return "stale";
    case NodeState::kLost:
      return "lost";
    case NodeState::kDrained:
      return "drained";
  }
  return "";
}

}  // namespace vpp::driver
