// The sum of what a node's children report, as it goes up: one for the default scope and one for
// every other that is present below. Pure.
#pragma once

#include <vector>

#include "daemon/node/reliability.h"
#include "mesh/children.h"
#include "mesh/messages.h"

namespace vpp::node {

/// Of the children counted; `children` is the view of all. What was asked, and what is missing or
/// reserved of it, is the caller's: nothing of it is set. Scopes in order, all of them.
[[nodiscard]] mesh::GroupSummary sum_of(const std::vector<mesh::ChildView>& children,
                                        const mesh::Children& from, const Reliability& reliability);

/// No more scopes than a report may have: those asked first, then in order. What is left out is
/// counted.
void bound_scopes(mesh::GroupSummary& summary);

}  // namespace vpp::node
