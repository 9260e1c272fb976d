// One table of a TOML file, read key by key with an error at its place for whatever is wrong.
// Private to vpp_config_toml: the only header that knows toml++.
//
// A take_...() leaves its target alone when the key is absent or wrong, so that the reader goes on
// and finds every error in one go.
#pragma once

// toml++ 3.3 asserts that a key follows "[[", although it handles what else does right after it
// (its pull request 301): "[[=" in a config file must be an error, not an abort.
#ifdef NDEBUG
#error "toml++ turns its assertions into assumptions then; ours stay on in release, too"
#endif
#define TOML_ASSERT(condition) static_cast<void>(0)
#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include <toml++/toml.h>

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/config_findings.h"
#include "config/units.h"

namespace vpp {

[[nodiscard]] ConfigPlace place_of(const toml::source_position& position);

/// Every key that is asked for becomes known; finish() reports the others.
class TomlSection {
 public:
  TomlSection(const toml::table& table, std::string path, ConfigFindings& findings)
      : table_{table}, path_{std::move(path)}, findings_{findings} {}

  const toml::node* find(std::string_view key);
  const toml::node* require(std::string_view key, std::string_view hint);

  void wrong_type(std::string_view key, const toml::node& node, std::string_view expected,
                  std::string_view hint = {});
  void wrong(std::string_view key, const toml::node& node, std::string_view cause,
             std::string_view hint);

  /// The value's node when there is one and it is a string.
  const toml::node* take(std::string_view key, std::string& into, std::string_view hint = {});
  const toml::node* take_required(std::string_view key, std::string& into, std::string_view hint);

  /// A whole number that fits.
  template <std::integral Int>
  void take_whole(std::string_view key, Int& into) {
    using Limits = std::numeric_limits<Int>;
    if (const auto value = take_between(key, Limits::min(), Limits::max())) {
      into = static_cast<Int>(*value);
    }
  }
  /// `scale` units of the target per unit of the file: 10 for permille of a percentage.
  void take_scaled(std::string_view key, std::int64_t scale, std::int64_t& into);
  void take_pct(std::string_view key, std::int32_t& permille);
  void take_watts(std::string_view key, Watts& into) { take_whole(key, into.count); }
  /// Required "host:port".
  void take_host_port(std::string_view key, std::string_view hint, std::string& host,
                      std::uint16_t& port);
  /// Required date and time with an offset, as UTC.
  template <class Time>
  void take_time(std::string_view key, Time& into) {
    if (const auto since = take_since_1970(key)) into = Time{*since};
  }

  /// Unknown keys, each with what may have been meant.
  void finish();

 private:
  [[nodiscard]] std::string path_of(std::string_view key) const;
  [[nodiscard]] std::string known_list() const;
  std::optional<std::chrono::milliseconds> take_since_1970(std::string_view key);
  std::optional<std::int64_t> take_between(std::string_view key, std::int64_t least,
                                           std::int64_t most);
  const toml::node* take_text(std::string_view key, const toml::node* node, std::string& into,
                              std::string_view hint);

  const toml::table& table_;
  std::string path_;
  ConfigFindings& findings_;
  std::vector<std::string_view> known_;
};

}  // namespace vpp
