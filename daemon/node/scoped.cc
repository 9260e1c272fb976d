#include "daemon/node/scoped.h"

#include <algorithm>
#include <variant>

#include "aggregation/duration_curve.h"

namespace vpp::node {
namespace {

void see_as(mesh::SiteSummary& site, const Scope& scope) {
  const Offer offer = offer_to(site, scope);
  site.discharge = offer.discharge;
  site.charge = offer.charge;
  if (site.scope == scope) {
    site.measured = does_of(site);
    return;
  }
  site.order = kNoOrder;
  site.set_point = Watts{0};
}

void see_as(mesh::GroupSummary& group, const Scope& scope) {
  if (scope == Scope{}) return;
  const auto found = std::ranges::find(group.scopes, scope, &mesh::ScopeSummary::scope);
  if (found == group.scopes.end()) {
    const aggregation::DurationCurve none;
    group.discharge.assign(none.points().begin(), none.points().end());
    group.charge = group.discharge;
    group.measured = group.asked = group.shortfall = group.reserved = Watts{0};
    return;
  }
  if (!found->discharge.empty()) group.discharge = found->discharge;
  if (!found->charge.empty()) group.charge = found->charge;
  group.measured = found->measured;
  group.asked = found->asked;
  group.shortfall = found->shortfall;
  group.reserved = found->reserved;
}

bool is_subscribed(const mesh::SiteSummary& site, const std::string& program) {
  if (program == kDefaultProgram) return site.energy;
  return std::ranges::find(site.offers, program, &mesh::ProgramOffer::program) != site.offers.end();
}

bool is_in(const mesh::SiteSummary& site, const std::string& group) {
  return group.empty() || std::ranges::find(site.groups, group) != site.groups.end();
}

}  // namespace

std::vector<Scope> scopes_of(const mesh::SiteSummary& site) {
  std::vector<Scope> out;
  const auto add = [&](const std::string& program) {
    if (program != kDefaultProgram) out.push_back({program, ""});
    for (const std::string& group : site.groups) out.push_back({program, group});
  };
  if (site.energy) add(std::string{kDefaultProgram});
  for (const mesh::ProgramOffer& offer : site.offers) add(offer.program);
  return out;
}

bool is_member(const mesh::ChildView& child, const Scope& scope) {
  if (!child.summary) return true;
  if (const auto* group = std::get_if<mesh::GroupSummary>(&*child.summary)) {
    return scope == Scope{} || std::ranges::find(group->scopes, scope,
                                                 &mesh::ScopeSummary::scope) != group->scopes.end();
  }
  const auto& site = std::get<mesh::SiteSummary>(*child.summary);
  return is_subscribed(site, scope.program) && is_in(site, scope.group);
}

Offer offer_to(const mesh::SiteSummary& site, const Scope& scope) {
  if (!is_in(site, scope.group)) return {};
  if (scope.program == kDefaultProgram) return {site.discharge, site.charge};
  const auto found = std::ranges::find(site.offers, scope.program, &mesh::ProgramOffer::program);
  if (found == site.offers.end()) return {};
  return {found->discharge, found->charge};
}

std::optional<Watts> does_of(const mesh::SiteSummary& site) {
  return site.armed > Watts{0} ? site.armed : site.measured;
}

void see_as(mesh::ChildView& child, const Scope& scope) {
  if (child.summary) std::visit([&](auto& summary) { see_as(summary, scope); }, *child.summary);
}

}  // namespace vpp::node
