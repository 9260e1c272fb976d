#include "daemon/driver/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "daemon/driver/descriptor.h"
#include "daemon/driver/record_store.h"

namespace vpp::driver {
namespace {

namespace fs = std::filesystem;

std::expected<Descriptor, std::string> lock(const fs::path& dir) {
  std::error_code error;
  if (!fs::exists(dir, error) && fs::create_directories(dir, error)) {
    fs::permissions(dir, fs::perms::owner_all, error);
  }
  const fs::path file = dir / "vppd.lock";
  Descriptor held{::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  if (held.get() < 0) {
    return std::unexpected{file.string() + ": " + std::strerror(errno) +
                           "; hint: state_dir must be a directory that vppd may write"};
  }
  if (::flock(held.get(), LOCK_EX | LOCK_NB) != 0) {
    return std::unexpected{file.string() +
                           ": another vppd uses this state_dir; hint: one state_dir per node"};
  }
  return held;
}

}  // namespace

class Store::Impl {
 public:
  Impl(Descriptor held, SealedFile file, std::chrono::days prices_kept)
      : held_{std::move(held)}, file_{std::move(file)}, records_{file_, prices_kept} {}

  RecordStore& records() { return records_; }
  [[nodiscard]] StoreUse use() const { return file_.use(); }
  void check_readers() { file_.check_readers(); }

 private:
  Descriptor held_;
  SealedFile file_;
  RecordStore records_;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Store::~Store() = default;

std::expected<std::unique_ptr<Store>, std::string> Store::open(const StoreOptions& options) {
  auto held = lock(options.dir);
  if (!held) return std::unexpected{held.error()};
  const fs::path path = options.dir / "vppd.mdb";
  if (auto probed = SealedFile::probe(path, options.map_bytes); !probed) {
    return std::unexpected{probed.error()};
  }
  auto file = SealedFile::open(path, options.map_bytes);
  if (!file) return std::unexpected{file.error()};
  // The file's name is durable only with its directory.
  const Descriptor dir{::open(options.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (dir.get() >= 0) ::fsync(dir.get());
  auto impl = std::make_unique<Impl>(*std::move(held), *std::move(file), options.prices_kept);
  impl->check_readers();
  if (auto settled = impl->records().settle(); !settled) return std::unexpected{settled.error()};
  return std::unique_ptr<Store>{new Store{std::move(impl)}};
}

std::expected<node::Recovered, std::string> Store::load() const {
  return impl_->records().load();
}
std::expected<void, std::string> Store::persist(std::span<const node::Record> batch) {
  return impl_->records().persist(batch);
}
std::expected<void, std::string> Store::try_write() {
  return impl_->records().try_write();
}
std::expected<void, std::string> Store::compact() {
  return impl_->records().compact();
}
StoreUse Store::use() const {
  return impl_->use();
}
void Store::check_readers() {
  impl_->check_readers();
}

}  // namespace vpp::driver
