// A file descriptor with an owner, and how many the process may still have.
#pragma once

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace vpp::driver {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_{fd} {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  Descriptor& operator=(Descriptor&&) = delete;

  [[nodiscard]] int get() const { return fd_; }  ///< negative: none

 private:
  int fd_;
};

struct DescriptorUse {
  std::uint64_t used = 0;  ///< at least so many
  std::uint64_t limit = 0;
  friend bool operator==(const DescriptorUse&, const DescriptorUse&) = default;
};

/// A new descriptor gets the lowest free number, so as many as that are in use.
inline DescriptorUse descriptor_use() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return {};
  const Descriptor lowest{::open("/dev/null", O_RDONLY | O_CLOEXEC)};
  const auto free = static_cast<std::uint64_t>(std::max(lowest.get(), 0));
  return {lowest.get() < 0 ? limit.rlim_cur : free, limit.rlim_cur};
}

}  // namespace vpp::driver
