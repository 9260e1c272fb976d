#include "tests/sim/counted_once.h"

#include <algorithm>
#include <variant>

#include "aggregation/duration_curve.h"
#include "config/limits.h"
#include "tests/sim/digest.h"

namespace vpp::sim {
namespace {

using aggregation::DurationCurve;

/// Older reports than these can no longer be held by anybody.
constexpr std::size_t kReportsRemembered = 4096;

LeafSet only(NodeIndex leaf) {
  return std::make_shared<const std::vector<NodeIndex>>(std::vector{leaf});
}

struct Sum {
  DurationCurve discharge;
  DurationCurve charge;
  std::uint32_t online = 0;
  std::int64_t stored_j = 0;
};

void add(Sum& sum, const mesh::SiteSummary& site) {
  if (site.stored) sum.stored_j += site.stored->count;
  if (site.stale) return;
  ++sum.online;
  sum.discharge += DurationCurve::of_site({site.discharge.power, site.discharge.energy});
  sum.charge += DurationCurve::of_site({site.charge.power, site.charge.energy});
}

void add(Sum& sum, const mesh::GroupSummary& group) {
  const auto discharge = DurationCurve::from_wire(group.grid_id, group.discharge);
  const auto charge = DurationCurve::from_wire(group.grid_id, group.charge);
  if (!discharge || !charge) return;
  sum.online += group.coverage.online;
  sum.stored_j += group.stored.count;
  sum.discharge += *discharge;
  sum.charge += *charge;
}

bool equal(const DurationCurve& curve, const std::vector<Joules>& points) {
  return std::ranges::equal(curve.points(), points);
}

}  // namespace

CountedOnce::CountedOnce(const NodeNumbers& numbers, const Roots& roots, std::size_t nodes,
                         Findings& findings)
    : numbers_{numbers},
      roots_{roots},
      findings_{findings},
      sent_(nodes),
      held_(nodes),
      directly_(nodes),
      sums_checked_(nodes),
      seen_(nodes) {}

void CountedOnce::viewed(WorldTime at, NodeIndex node, const node::NodeStatus& status,
                         const std::vector<WorldTime>& lease_ends) {
  bool changed = false;
  auto& held = held_[node];
  // First who is out, then who is in: one step may do both.
  for (const mesh::ChildView& view : status.children) {
    if (view.counted) continue;
    const NodeIndex child = numbers_.at(view.id);
    changed |= held.erase(child) > 0;
    uncount_directly(child, node);
  }
  for (std::size_t i = 0; i < status.children.size(); ++i) {
    const mesh::ChildView& view = status.children[i];
    if (!view.counted) continue;
    const NodeIndex child = numbers_.at(view.id);
    if (!view.attached || lease_ends[i] <= at) {
      findings_.report(Invariant::kCountedOnce, node, at,
                       "counts node " + std::to_string(child) + " without a lease");
    }
    count_directly(at, child, node, lease_ends[i]);
    const auto it = held.find(child);
    if (it != held.end() && it->second.session == view.session &&
        it->second.sequence == view.sequence) {
      continue;
    }
    changed = true;
    held[child] = {view.session, view.sequence, leaves_of(at, node, child, view)};
  }
  if (changed) check_once(at, node);
  const std::uint64_t sum = digest_of(std::variant<mesh::SiteSummary, mesh::GroupSummary>{
      std::in_place_type<mesh::GroupSummary>, status.group});
  if (changed || sum != sums_checked_[node]) check_sum(at, node, status);
  sums_checked_[node] = sum;
}

LeafSet CountedOnce::leaves_of(WorldTime at, NodeIndex node, NodeIndex child,
                               const mesh::ChildView& view) {
  if (!view.summary) return nullptr;
  const auto found = sent_[child].find({view.session, view.sequence});
  if (found == sent_[child].end() || found->second.content != digest_of(*view.summary)) {
    findings_.report(Invariant::kCountedOnce, node, at,
                     "holds a report of node " + std::to_string(child) + " (" +
                         std::to_string(view.session) + "/" + std::to_string(view.sequence) +
                         ") that was never sent so");
    return nullptr;
  }
  return found->second.leaves;
}

void CountedOnce::count_directly(WorldTime at, NodeIndex child, NodeIndex parent, WorldTime until) {
  auto& parents = directly_[child];
  std::erase_if(parents, [&](const Direct& d) { return d.until <= at || d.parent == parent; });
  for (const Direct& other : parents) {
    if (!counted_up_to_root(at, parent) || !counted_up_to_root(at, other.parent)) continue;
    findings_.report(Invariant::kCountedOnce, child, at,
                     "counted by node " + std::to_string(parent) + " and by node " +
                         std::to_string(other.parent) + " at once");
  }
  parents.push_back({parent, until});
}

void CountedOnce::uncount_directly(NodeIndex child, NodeIndex parent) {
  std::erase_if(directly_[child], [&](const Direct& d) { return d.parent == parent; });
}

bool CountedOnce::counted_up_to_root(WorldTime at, NodeIndex node) const {
  for (std::size_t steps = 0; node != roots_.leader; ++steps) {
    if (steps > limits::kDepthMax || roots_.has(node)) return false;
    const auto& parents = directly_[node];
    const auto parent =
        std::ranges::find_if(parents, [&](const Direct& d) { return d.until > at; });
    if (parent == parents.end()) return false;
    node = parent->parent;
  }
  return true;
}

void CountedOnce::check_once(WorldTime at, NodeIndex node) {
  ++epoch_;
  for (const auto& [child, held] : held_[node]) {
    if (!held.leaves) continue;
    for (const NodeIndex leaf : *held.leaves) {
      if (seen_[leaf] == epoch_) {
        findings_.report(Invariant::kCountedOnce, node, at,
                         "its sum includes leaf " + std::to_string(leaf) + " twice, once by node " +
                             std::to_string(child));
      }
      seen_[leaf] = epoch_;
    }
  }
}

std::size_t CountedOnce::counted_at_root() const {
  std::size_t counted = 0;
  if (roots_.leader == kNobody) return counted;
  for (const auto& [child, held] : held_[roots_.leader]) {
    if (held.leaves) counted += held.leaves->size();
  }
  return counted;
}

bool CountedOnce::is_counted_at_root(NodeIndex leaf) const {
  if (roots_.leader == kNobody) return false;
  return std::ranges::any_of(held_[roots_.leader], [&](const auto& each) {
    const LeafSet& leaves = each.second.leaves;
    return leaves && std::ranges::count(*leaves, leaf) > 0;
  });
}

void CountedOnce::check_sum(WorldTime at, NodeIndex node, const node::NodeStatus& status) {
  Sum sum;
  for (const auto& view : status.children) {
    if (!view.counted || !view.summary) continue;
    std::visit([&](const auto& summary) { add(sum, summary); }, *view.summary);
  }
  const mesh::GroupSummary& group = status.group;
  const mesh::Coverage& coverage = group.coverage;
  if (!equal(sum.discharge, group.discharge) || !equal(sum.charge, group.charge) ||
      sum.stored_j != group.stored.count || sum.online != coverage.online) {
    findings_.report(Invariant::kWholeAgain, node, at, "its sum is not that of its children");
  }
  if (coverage.enrolled != coverage.online + coverage.stale + coverage.offline) {
    findings_.report(Invariant::kWholeAgain, node, at, "its coverage does not add up");
  }
}

void CountedOnce::sent(NodeIndex node, const mesh::Report& report) {
  LeafSet leaves;
  if (std::holds_alternative<mesh::SiteSummary>(report.summary)) {
    leaves = only(node);
  } else {
    auto all = std::make_shared<std::vector<NodeIndex>>();
    for (const auto& [child, held] : held_[node]) {
      if (held.leaves) all->insert(all->end(), held.leaves->begin(), held.leaves->end());
    }
    leaves = std::move(all);
  }
  auto& remembered = sent_[node];
  remembered[{report.session, report.sequence}] = {digest_of(report.summary), std::move(leaves)};
  if (remembered.size() > kReportsRemembered) remembered.erase(remembered.begin());
}

void CountedOnce::stopped(NodeIndex node) {
  for (const auto& [child, held] : held_[node]) uncount_directly(child, node);
  held_[node].clear();
}

}  // namespace vpp::sim
