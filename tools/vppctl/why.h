// Why a node does what it does now, from the documents of a vppd (docs/control-api.md). Pure.
//
// The answer is a document of kind "why": `cause` is one stable word, `because` are sentences for a
// technician, the most important first; the figures behind them stand beside.
#pragma once

#include <string>

#include "tools/vppctl/client.h"

namespace vpp::ctl {

/// Of the node that tells, by its /v1/status and /v1/tree.
[[nodiscard]] Document why_self(const Document& status, const Document& tree);

/// Of a child as its parent sees it: the `node` of the parent's /v1/nodes/{id or name}, and the
/// parent's /v1/status.
[[nodiscard]] Document why_child(const Document& child, const Document& parent_status);

/// For people.
[[nodiscard]] std::string why_text(const Document& why);

}  // namespace vpp::ctl
