// A child as one scope sees it (config/scope.h). Pure.
#pragma once

#include <optional>
#include <vector>

#include "config/scope.h"
#include "mesh/children.h"
#include "mesh/messages.h"

namespace vpp::node {

/// Every scope the site is in but the default one.
[[nodiscard]] std::vector<Scope> scopes_of(const mesh::SiteSummary& site);

/// Whether the child is in `scope`, or has somebody below who is, by its newest report. Who has
/// yet to report may be.
[[nodiscard]] bool is_member(const mesh::ChildView& child, const Scope& scope);

/// What it offers there: nothing where it is not a member.
struct Offer {
  mesh::SiteDirection discharge;
  mesh::SiteDirection charge;
};
[[nodiscard]] Offer offer_to(const mesh::SiteSummary& site, const Scope& scope);

/// What a site does for the order it follows: its battery's power, or what it has armed for the
/// frequency. Nothing: unknown.
[[nodiscard]] std::optional<Watts> does_of(const mesh::SiteSummary& site);

/// Makes the summary of `child` what `scope` sees of it: capability offered to it, and power, set
/// point, asks and reserves of its orders only.
void see_as(mesh::ChildView& child, const Scope& scope);

}  // namespace vpp::node
