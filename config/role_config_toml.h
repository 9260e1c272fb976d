// The role config as a TOML file. Adapter: the only place that knows toml++ and config files.
//
// Every error of a file is found in one go and has a place:
//   vppd.toml:12:1: unknown key 'site.reserve_pc'; hint: did you mean 'reserve_pct'?
// A file with a TOML syntax error has that one error only: what follows it cannot be read.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/role_config.h"

namespace vpp {

/// One error, one line. Lines and columns count from 1.
struct ConfigError {
  std::string file;
  std::uint32_t line = 1;
  std::uint32_t column = 1;
  std::string cause;
  std::string hint;
  friend bool operator==(const ConfigError&, const ConfigError&) = default;
};

/// "file:line:column: cause; hint: ...".
[[nodiscard]] std::string to_string(const ConfigError& error);

/// Errors sorted by place. Touches no file: paths are taken as written.
[[nodiscard]] std::expected<RoleConfig, std::vector<ConfigError>> parse_role_config(
    std::string_view text, std::string_view file);

enum class IdentityFiles : std::uint8_t {
  kMustBeReadable,
  kMayBeMissing,  ///< for those who look at them more closely
};

/// Reads a file; relative paths in it count from its directory. Also an error: the file is missing
/// or cannot be read, or one that [identity] names.
[[nodiscard]] std::expected<RoleConfig, std::vector<ConfigError>> load_role_config(
    const std::filesystem::path& file, IdentityFiles identity = IdentityFiles::kMustBeReadable);

/// The effective values, defaults included, as a file that parse_role_config reads back.
[[nodiscard]] std::string to_toml(const RoleConfig& config);

}  // namespace vpp
