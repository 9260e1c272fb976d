// Other bidders, from a CSV file: bidder,power_w,price_per_mwh.
#pragma once

#include <expected>
#include <istream>
#include <string>
#include <vector>

#include "tools/market/clearing.h"

namespace vpp::market {

/// Error: "line N: what is wrong".
[[nodiscard]] std::expected<std::vector<Offer>, std::string> read_rivals(std::istream& csv);

}  // namespace vpp::market
