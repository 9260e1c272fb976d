// Whatever a config file holds: errors with a place, or a config that prints and reads back.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/check.h"
#include "config/role_config_toml.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto config = vpp::parse_role_config(text, "f");
  if (config) {
    VPP_CHECK(vpp::check(*config).empty());
    VPP_CHECK(vpp::parse_role_config(vpp::to_toml(*config), "printed") == config);
    return 0;
  }
  VPP_CHECK(!config.error().empty());
  for (const vpp::ConfigError& error : config.error()) {
    VPP_CHECK(error.line >= 1 && error.column >= 1 && !error.cause.empty());
    VPP_CHECK(vpp::to_string(error).find('\n') == std::string::npos);
  }
  return 0;
}
