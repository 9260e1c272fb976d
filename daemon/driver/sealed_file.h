// Keys and texts in one LMDB file, each text sealed (seal.h): LMDB has no checksums.
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
#include <memory>
#include <span>
#include <string>

#include "daemon/driver/text_file.h"

namespace vpp::driver {

class SealedFile final : public TextFile {
 public:
  [[nodiscard]] static std::expected<SealedFile, std::string> open(std::filesystem::path file,
                                                                   std::size_t map_bytes);
  ~SealedFile() override;
  SealedFile(SealedFile&&) noexcept;
  SealedFile& operator=(SealedFile&&) = delete;

  /// Whether open() and walk() would work. Forks: call before other threads start.
  [[nodiscard]] static std::expected<void, std::string> probe(const std::filesystem::path& file,
                                                              std::size_t map_bytes);

  [[nodiscard]] std::expected<void, std::string> walk(const Visit& visit) const override;
  [[nodiscard]] std::expected<void, std::string> write(std::span<const Change> changes) override;
  [[nodiscard]] std::string name() const override;

  [[nodiscard]] StoreUse use() const;

  /// Clears slots of readers that died; a stale one keeps the file growing.
  void check_readers();

 private:
  class Impl;
  explicit SealedFile(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpp::driver
