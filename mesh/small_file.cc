#include "mesh/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

namespace vpp::mesh {
namespace {

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_{fd} {}
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

std::unexpected<std::string> failed(const std::filesystem::path& file, int error) {
  return std::unexpected{file.string() + ": " + std::strerror(error)};
}

bool write_all(int fd, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return false;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

/// Of its directory, so that a new name survives a power cut.
void sync_directory(const std::filesystem::path& file) {
  const auto directory = file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
  const Descriptor fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (fd.get() >= 0) (void)::fsync(fd.get());
}

/// Writes text under a name of its own beside `file`.
std::expected<std::filesystem::path, std::string> write_beside(const std::filesystem::path& file,
                                                               std::string_view text, mode_t mode) {
  std::string name = file.string() + ".XXXXXX";
  const Descriptor fd{::mkostemp(name.data(), O_CLOEXEC)};
  if (fd.get() < 0) return failed(file, errno);
  const bool written =
      ::fchmod(fd.get(), mode) == 0 && write_all(fd.get(), text) && ::fsync(fd.get()) == 0;
  if (!written) {
    const int error = errno;
    ::unlink(name.c_str());
    return failed(file, error);
  }
  return name;
}

}  // namespace

std::expected<void, std::string> write_new_file(const std::filesystem::path& file,
                                                std::string_view text, mode_t mode) {
  const auto beside = write_beside(file, text, mode);
  if (!beside) return std::unexpected{beside.error()};
  // Unlike rename, link never replaces what is there.
  const int error = ::link(beside->c_str(), file.c_str()) == 0 ? 0 : errno;
  ::unlink(beside->c_str());
  if (error != 0) return failed(file, error);
  sync_directory(file);
  return {};
}

std::expected<void, std::string> replace_file(const std::filesystem::path& file,
                                              std::string_view text, mode_t mode) {
  const auto beside = write_beside(file, text, mode);
  if (!beside) return std::unexpected{beside.error()};
  if (::rename(beside->c_str(), file.c_str()) != 0) {
    const int error = errno;
    ::unlink(beside->c_str());
    return failed(file, error);
  }
  sync_directory(file);
  return {};
}

std::expected<std::string, std::string> read_small_file(const std::filesystem::path& file,
                                                        bool secret) {
  const Descriptor fd{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (fd.get() < 0) return failed(file, errno);
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) return failed(file, errno);
  if (!S_ISREG(status.st_mode)) return std::unexpected{file.string() + ": not a regular file"};
  if (secret && (status.st_mode & 077U) != 0) {
    return std::unexpected{file.string() + ": others can read this secret; chmod 600 it"};
  }
  std::string text;
  std::array<char, 4096> chunk{};
  while (true) {
    const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return failed(file, errno);
    if (got == 0) return text;
    text.append(chunk.data(), static_cast<std::size_t>(got));
    if (text.size() > kSmallFileBytesMax) return std::unexpected{file.string() + ": too long"};
  }
}

}  // namespace vpp::mesh
