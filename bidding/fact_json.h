// Facts as JSON text, for the journal and for `vppctl bids show --trace`.
//
// Additive: fields that a later version adds are ignored; a missing or wrong one is an error, and
// so is an unknown kind of fact, for a fold that skips facts is not the same state.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "bidding/facts.h"

namespace vpp::bidding {

/// One line, no line end inside.
[[nodiscard]] std::string to_json(const Fact& fact);

/// Error: what is wrong with the text.
[[nodiscard]] std::expected<Fact, std::string> fact_from_json(std::string_view text);

}  // namespace vpp::bidding
