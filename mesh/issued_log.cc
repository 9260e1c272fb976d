#include "mesh/issued_log.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string_view>

#include "config/check.h"

namespace vpp::mesh {
namespace {

constexpr off_t kTailBytes = 1024;  // longer than any line

/// The file, open and locked for as long as this lives.
class LockedFile {
 public:
  explicit LockedFile(const std::filesystem::path& file)
      : fd_{::open(file.c_str(), O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0600)} {}
  LockedFile(const LockedFile&) = delete;
  LockedFile& operator=(const LockedFile&) = delete;
  ~LockedFile() {
    if (fd_ >= 0) ::close(fd_);
  }

  [[nodiscard]] bool lock() const {
    if (fd_ < 0) return false;
    while (::flock(fd_, LOCK_EX) != 0) {
      if (errno != EINTR) return false;
    }
    return true;
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

/// The serial of the last line; 0 for an empty file, nothing for one that is not ours.
std::expected<std::uint64_t, std::string> last_serial(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return std::unexpected{std::strerror(errno)};
  if (status.st_size == 0) return 0;
  std::array<char, kTailBytes> bytes{};
  const off_t from = std::max<off_t>(0, status.st_size - kTailBytes);
  const ssize_t got = ::pread(fd, bytes.data(), bytes.size(), from);
  if (got <= 0) return std::unexpected{got < 0 ? std::strerror(errno) : "cannot be read"};
  std::string_view tail{bytes.data(), static_cast<std::size_t>(got)};
  // A line without its end was cut off by a crash: its certificate never left, its serial may not
  // be told. Better to stop than to guess.
  if (!tail.ends_with('\n')) return std::unexpected{"the last line is cut off; remove it"};
  tail.remove_suffix(1);
  const std::size_t start = tail.rfind('\n');
  const std::string_view line = start == std::string_view::npos ? tail : tail.substr(start + 1);
  std::uint64_t serial = 0;
  const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), serial);
  if (error != std::errc{} || end == line.data() + line.size() || *end != '\t') {
    return std::unexpected{"the last line does not begin with a serial"};
  }
  return serial;
}

}  // namespace

std::expected<std::uint64_t, std::string> log_issued(
    const std::filesystem::path& file, const std::function<std::string(std::uint64_t)>& line) {
  const auto failed = [&](std::string_view cause) {
    return std::unexpected{file.string() + ": " + std::string{cause}};
  };
  const LockedFile log{file};
  if (!log.lock()) return failed(std::strerror(errno));
  const auto last = last_serial(log.get());
  if (!last) return failed(last.error());
  if (*last == UINT64_MAX) return failed("no serial is left after the last line");
  const std::uint64_t serial = *last + 1;
  const std::string text = line(serial) + '\n';
  VPP_CHECK(text.size() < static_cast<std::size_t>(kTailBytes));
  const ssize_t written = ::write(log.get(), text.data(), text.size());
  if (written < 0) return failed(std::strerror(errno));
  if (static_cast<std::size_t>(written) != text.size()) return failed("disk full");
  if (::fdatasync(log.get()) != 0) return failed(std::strerror(errno));
  return serial;
}

}  // namespace vpp::mesh
