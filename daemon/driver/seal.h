// A text sealed by a BLAKE2b tag over its key and itself: a disk that answers with other bytes than
// it was given is found out, and so is a value that moved to another key.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace vpp::driver {

/// The tag, then the text. Precondition: sodium_init() has been called.
[[nodiscard]] std::string seal(std::string_view key, std::string_view text);

/// Nothing: the tag does not fit.
[[nodiscard]] std::optional<std::string_view> unseal(std::string_view key, std::string_view value);

}  // namespace vpp::driver
