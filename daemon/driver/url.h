// The target of a request line, taken apart. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace vpp::driver {

struct Target {
  std::string path;
  std::map<std::string, std::string> query;
};

/// "/v1/nodes/a%20b?x=1&y" -> path "/v1/nodes/a b", query {x: "1", y: ""}. What is no escape stays
/// as it is. A '+' stays a plus. Source: RFC 3986, 2.1 and 3.4.
[[nodiscard]] Target parse_target(std::string_view target);

}  // namespace vpp::driver
