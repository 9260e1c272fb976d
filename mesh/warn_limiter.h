// Log lines about bad input at a bounded rate: a stranger must not fill a disk. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "config/time.h"

namespace vpp::mesh {

/// A literal, so that there are few kinds and none goes out of scope.
struct WarnKind {
  consteval WarnKind(const char* literal) : text{literal} {}  // NOLINT: implicit on purpose
  std::string_view text;
};

/// At most one line per kind and interval; the next one tells how many were held back.
class WarnLimiter {
 public:
  explicit WarnLimiter(Duration interval = std::chrono::seconds{5}) : interval_{interval} {}

  /// The line to log now, or nothing.
  [[nodiscard]] std::optional<std::string> admit(Instant now, WarnKind kind,
                                                 std::string_view detail) {
    Kind& seen = kinds_[kind.text];
    if (seen.lines > 0 && now < seen.last + interval_) {
      ++seen.held_back;
      return std::nullopt;
    }
    std::string line{kind.text};
    if (!detail.empty()) line.append(": ").append(detail);
    if (seen.held_back > 0) line += " (and " + std::to_string(seen.held_back) + " more)";
    seen = {now, 0, seen.lines + 1};
    return line;
  }

 private:
  struct Kind {
    Instant last{};
    std::uint64_t held_back = 0;
    std::uint64_t lines = 0;
  };

  Duration interval_;
  std::map<std::string_view, Kind> kinds_;
};

}  // namespace vpp::mesh
