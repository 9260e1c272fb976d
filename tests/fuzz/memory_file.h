// A file that never reaches a disk, for readers that want a path.
#pragma once

#include <string>
#include <string_view>

namespace vpp::fuzz {

/// Of mode 0600, empty at first. Can be opened by its path any number of times while this lives.
class MemoryFile {
 public:
  MemoryFile();
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  /// Replaces what the file holds.
  void fill(std::string_view text) const;
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  int fd_;
  std::string path_;
};

}  // namespace vpp::fuzz
