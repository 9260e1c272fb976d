// A market behind HTTP and JSON, as docs/vppmarket.md describes it.
//
// Time       connecting takes at most 2 s, a call at most 5 s; then it has failed.
// Retries    none here: the workflow decides when to ask again.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bidding/market_adapter.h"

namespace vpp::bidding {

/// `url`: "http://host:port" or https, without a path. Error: for people, one line.
[[nodiscard]] std::expected<std::unique_ptr<MarketAdapter>, std::string> make_http_market(
    const std::string& url);

}  // namespace vpp::bidding
