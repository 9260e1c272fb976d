// A market behind HTTP and JSON, as docs/vppmarket.md describes it.
//
// Time       connecting takes at most 2 s, a call at most 5 s; then it has failed.
// Shapes     a bid leaves as `config.format` says (bid_formats.h). For bands, each FetchGates also
// tells
//            the prices of the trading days that lack some and for which it is early enough: around
//            `config.price_min`, so that they are the same whoever tells them.
// Retries    none here: the workflow decides when to ask again.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bidding/market_adapter.h"
#include "config/role_config.h"

namespace vpp::bidding {

/// `config.url`: "http://host:port" or https, without a path. Error: for people, one line.
[[nodiscard]] std::expected<std::unique_ptr<MarketAdapter>, std::string> make_http_market(
    const MarketConfig& config);

}  // namespace vpp::bidding
