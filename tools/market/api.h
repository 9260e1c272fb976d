// The market's HTTP API as a function: a request in, a reply out. See docs/vppmarket.md.
#pragma once

#include <cstdint>
#include <optional>
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

/// How much of a reply leaves; less than all is a fault on purpose.
enum class Cut : std::uint8_t { kWhole, kHalfBody, kNoAnswer };

struct Reply {
  unsigned status = 200;
  std::string json;
  std::optional<std::int64_t> retry_after_s = {};
  Cut cut = Cut::kWhole;
};

/// What the API says about the world around the market.
struct Setting {
  Now now;               ///< only `market` and `speed` are used
  std::string currency;  ///< for people
};

[[nodiscard]] Reply answer(Market& market, const Setting& setting, const Request& request);

}  // namespace vpp::market
