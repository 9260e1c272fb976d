// Which certificates an authority has signed: one line each, appended before the certificate
// leaves. Serials rise by one from line to line; two signers at once take turns.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <string>

namespace vpp::mesh {

/// Takes the next serial and makes `line(serial)` durable (no newline in it, the serial comes
/// before the first tab). Errors: "path: cause".
[[nodiscard]] std::expected<std::uint64_t, std::string> log_issued(
    const std::filesystem::path& file, const std::function<std::string(std::uint64_t)>& line);

}  // namespace vpp::mesh
