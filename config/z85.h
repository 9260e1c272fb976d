// Z85 (ZeroMQ RFC 32): how people and config files write a 32-byte key in 40 characters.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "config/ids.h"

namespace vpp {

inline constexpr std::size_t kZ85KeyChars = 40;

/// Exactly kZ85KeyChars characters of the Z85 alphabet.
[[nodiscard]] std::string to_z85(const CurveKey& key);

/// Nothing: not 40 characters, a character outside the alphabet, or a group above 2^32 - 1.
[[nodiscard]] std::optional<CurveKey> parse_z85(std::string_view text);

}  // namespace vpp
