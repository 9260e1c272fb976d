// The bodies of POST /v1/orders, /v1/bids, /v1/optout and /v1/drain. Pure.
#pragma once

#include <expected>
#include <string>
#include <string_view>

#include "daemon/node/node.h"

namespace vpp::driver {

struct OrderRequest {
  node::SendOrder command;
  bool dry_run = false;
};

/// Error: one line for the operator. Unknown fields are errors: a mistyped `duration_s` must not
/// become a default.
[[nodiscard]] std::expected<OrderRequest, std::string> parse_order_request(std::string_view body);

/// {"key", "from_ms", "session": "real-time"|"day-ahead", "segments": [{"power_w", "price"}]}; the
/// price in the market's currency per MWh.
[[nodiscard]] std::expected<bidding::OwnBid, std::string> parse_bid_request(std::string_view body);

/// What node::OptOutAsked carries.
struct OptOutRequest {
  bool out = true;
  std::string program;
  Duration duration{0};
};

[[nodiscard]] std::expected<OptOutRequest, std::string> parse_opt_out_request(
    std::string_view body);

/// {"on":true} or false; nothing else.
[[nodiscard]] std::expected<bool, std::string> parse_drain_request(std::string_view body);

}  // namespace vpp::driver
