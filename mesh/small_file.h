// Small files of keys and certificates: written once or replaced whole, durable on return.
// Errors     "path: cause".
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <expected>
#include <filesystem>
#include <string>
#include <string_view>

namespace vpp::mesh {

inline constexpr mode_t kSecretMode = 0600;
inline constexpr mode_t kPublicMode = 0644;
inline constexpr std::size_t kSmallFileBytesMax = 65'536;  ///< a key file has 200

/// Fails when the file exists; never leaves half a file.
[[nodiscard]] std::expected<void, std::string> write_new_file(const std::filesystem::path& file,
                                                              std::string_view text, mode_t mode);

/// The old content or the new, whatever happens.
[[nodiscard]] std::expected<void, std::string> replace_file(const std::filesystem::path& file,
                                                            std::string_view text, mode_t mode);

/// `secret`: refuses a file that others than its owner may read or write.
[[nodiscard]] std::expected<std::string, std::string> read_small_file(
    const std::filesystem::path& file, bool secret);

}  // namespace vpp::mesh
