// What is wrong with a config file so far, and where each key stands: semantic checks name keys,
// people need places. Private to vpp_config_toml.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/role_config_toml.h"

namespace vpp {

/// Lines and columns count from 1; zero is unknown.
struct ConfigPlace {
  std::uint32_t line = 1;
  std::uint32_t column = 1;
};

class ConfigFindings {
 public:
  explicit ConfigFindings(std::string_view file) : file_{file} {}

  /// `key` is dotted: "site.reserve_pct", "parents[1].address".
  void stands(const std::string& key, ConfigPlace place) { places_[key] = place; }

  void add_at(const std::string& key, ConfigPlace place, std::string cause, std::string hint);

  /// At the key, or at the nearest section around it that the file has.
  void add(const std::string& key, std::string cause, std::string hint);

  /// Unless there is already something about this very key, or about a section around it.
  void add(const ConfigProblem& problem);

  [[nodiscard]] bool is_wrong(const std::string& key) const { return wrong_.contains(key); }

  /// Sorted by place.
  [[nodiscard]] std::vector<ConfigError> take();

 private:
  [[nodiscard]] ConfigPlace place_of(std::string key) const;

  std::string file_;
  std::map<std::string, ConfigPlace> places_;
  std::set<std::string> wrong_;
  std::vector<ConfigError> errors_;
};

}  // namespace vpp
