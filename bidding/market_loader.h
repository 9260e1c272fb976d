// Loads a market adapter from a shared object, so that only the root carries an HTTP client.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bidding/market_adapter.h"

namespace vpp::bidding {

/// `module`: path of the shared object, which stays loaded. Error: for people, one line.
[[nodiscard]] std::expected<std::unique_ptr<MarketAdapter>, std::string> load_market(
    const std::string& module, const std::string& url);

}  // namespace vpp::bidding
