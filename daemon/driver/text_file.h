// What a store of records rests on: keys and texts, all or nothing per write. LMDB carries it
// (sealed_file.h), and the simulator's virtual disk.
#pragma once

#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace vpp::driver {

struct StoreUse {
  std::uint64_t used_bytes = 0;
  std::uint64_t map_bytes = 0;
  [[nodiscard]] int permille() const {
    return map_bytes == 0 ? 0 : static_cast<int>(used_bytes * 1000 / map_bytes);
  }
};

/// A key's new text; nothing: the key goes.
struct Change {
  std::string key;
  std::optional<std::string> text;
};

class TextFile {
 public:
  using Visit =
      std::function<std::expected<void, std::string>(std::string_view key, std::string_view text)>;

  TextFile() = default;
  virtual ~TextFile() = default;
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  TextFile(TextFile&&) = default;
  TextFile& operator=(TextFile&&) = delete;

  /// In key order, verified; stops at the first error.
  [[nodiscard]] virtual std::expected<void, std::string> walk(const Visit& visit) const = 0;

  /// Durable when it returns. On error nothing is written, and a later call may work: disk or map
  /// full, disk fails.
  [[nodiscard]] virtual std::expected<void, std::string> write(std::span<const Change> changes) = 0;

  /// For people: which file it is.
  [[nodiscard]] virtual std::string name() const = 0;
};

/// "file: what; hint: ..." for a file that cannot be trusted any more.
[[nodiscard]] std::string damaged(const std::string& file, const std::string& what);

}  // namespace vpp::driver
