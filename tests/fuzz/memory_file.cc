#include "tests/fuzz/memory_file.h"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/check.h"

namespace vpp::fuzz {

MemoryFile::MemoryFile()
    : fd_{::memfd_create("input", MFD_CLOEXEC)}, path_{"/proc/self/fd/" + std::to_string(fd_)} {
  VPP_CHECK(fd_ >= 0 && ::fchmod(fd_, 0600) == 0);
}

MemoryFile::~MemoryFile() {
  ::close(fd_);
}

void MemoryFile::fill(std::string_view text) const {
  VPP_CHECK(::ftruncate(fd_, 0) == 0);
  const ssize_t written = ::pwrite(fd_, text.data(), text.size(), 0);
  VPP_CHECK(written == static_cast<ssize_t>(text.size()));
}

}  // namespace vpp::fuzz
