// The market's HTTP API as a function: a request in, a reply out. See docs/vppmarket.md.
#pragma once

#include <string>
#include <string_view>

#include "config/time.h"
#include "tools/market/market.h"

namespace vpp::market {

struct Request {
  std::string_view method;  ///< "GET", "POST"
  std::string_view target;  ///< path and query
  std::string_view body;
};

struct Reply {
  unsigned status = 200;
  std::string json;
};

/// What the API says about the world around the market.
struct Setting {
  Now now;               ///< only `market` and `speed` are used
  std::string currency;  ///< for people
};

[[nodiscard]] Reply answer(Market& market, const Setting& setting, const Request& request);

}  // namespace vpp::market
