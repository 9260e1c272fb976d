// Keys and texts in one LMDB file, each text sealed by a BLAKE2b tag over its key and itself: LMDB
// has no checksums, and a value that moved to another key is damage too.
//
// Durable    write() is one transaction with LMDB's default sync: one fsync, all of it or nothing.
// Damage     to LMDB's own pages can crash LMDB; so probe() reads everything in a child process.
// Errors     one line for people that names the file, and the key where it is about one.
// Ownership  one thread. One owner per file and process, as LMDB demands.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <memory>
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

class SealedFile {
 public:
  using Visit =
      std::function<std::expected<void, std::string>(std::string_view key, std::string_view text)>;

  [[nodiscard]] static std::expected<SealedFile, std::string> open(std::filesystem::path file,
                                                                   std::size_t map_bytes);
  ~SealedFile();
  SealedFile(SealedFile&&) noexcept;
  SealedFile& operator=(SealedFile&&) = delete;

  /// Whether open() and walk() would work. Forks: call before other threads start.
  [[nodiscard]] static std::expected<void, std::string> probe(const std::filesystem::path& file,
                                                              std::size_t map_bytes);

  /// In key order, verified; stops at the first error.
  [[nodiscard]] std::expected<void, std::string> walk(const Visit& visit) const;

  /// On error nothing is written, and a later call may work: disk or map full, disk fails.
  [[nodiscard]] std::expected<void, std::string> write(std::span<const Change> changes);

  [[nodiscard]] StoreUse use() const;

  /// Clears slots of readers that died; a stale one keeps the file growing.
  void check_readers();

 private:
  class Impl;
  explicit SealedFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// "file: what; hint: ..." for a file that cannot be trusted any more.
[[nodiscard]] std::string damaged(const std::filesystem::path& file, const std::string& what);

}  // namespace vpp::driver
