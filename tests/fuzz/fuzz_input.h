// The bytes of one fuzz input, taken apart from the front: numbers, pieces, the rest. Once they are
// used up everything reads as zero, so that every input means something.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "config/check.h"

namespace vpp::fuzz {

/// Views of what is taken live as long as the input's bytes.
class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* data, std::size_t size)
      : left_{reinterpret_cast<const char*>(data), size} {}

  [[nodiscard]] bool empty() const { return left_.empty(); }

  std::uint8_t byte() { return static_cast<std::uint8_t>(number(1)); }

  /// From `bytes` bytes, at most 8; the first is the lowest.
  std::uint64_t number(std::size_t bytes) {
    std::uint64_t value = 0;
    std::size_t shift = 0;
    for (const char c : take(bytes)) {
      value |= std::uint64_t{static_cast<unsigned char>(c)} << shift;
      shift += 8;
    }
    return value;
  }

  /// In [0, bound), bound in 1 to 65536; from one byte where that is enough.
  std::size_t below(std::size_t bound) {
    VPP_CHECK(bound > 0 && bound <= 65'536);
    return number(bound <= 256 ? 1 : 2) % bound;
  }

  bool coin() { return below(2) == 1; }

  std::string_view take(std::size_t bytes) {
    const std::string_view taken = left_.substr(0, bytes);
    left_.remove_prefix(taken.size());
    return taken;
  }

  /// Up to the next line feed, which goes too.
  std::string_view line() {
    const std::string_view taken = take(std::min(left_.find('\n'), left_.size()));
    take(1);
    return taken;
  }

  std::string_view rest() { return take(left_.size()); }

 private:
  std::string_view left_;
};

}  // namespace vpp::fuzz
