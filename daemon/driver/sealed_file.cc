#include "daemon/driver/sealed_file.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sodium.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "config/check.h"
#include "daemon/driver/descriptor.h"
#include "daemon/driver/seal.h"

namespace vpp::driver {
namespace {

namespace fs = std::filesystem;
using Visit = TextFile::Visit;

constexpr unsigned kProbeSeconds = 60;  ///< a damaged tree may also send LMDB round in circles

struct CloseEnv {
  void operator()(MDB_env* env) const { mdb_env_close(env); }
};
using Env = std::unique_ptr<MDB_env, CloseEnv>;
struct AbortTxn {
  void operator()(MDB_txn* txn) const { mdb_txn_abort(txn); }
};
using Txn = std::unique_ptr<MDB_txn, AbortTxn>;
struct CloseCursor {
  void operator()(MDB_cursor* cursor) const { mdb_cursor_close(cursor); }
};
using Cursor = std::unique_ptr<MDB_cursor, CloseCursor>;

MDB_val view(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};  // LMDB's C interface; it only reads
}
std::string_view text_of(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

std::string because(const fs::path& file, const std::string& what, int error) {
  return file.string() + ": " + what + ": " + mdb_strerror(error);
}

/// Why a file that is there cannot be opened or read.
std::string unreadable(const fs::path& file, const std::string& what, int error) {
  const bool broken = error == MDB_INVALID || error == MDB_VERSION_MISMATCH ||
                      error == MDB_CORRUPTED || error == MDB_PAGE_NOTFOUND;
  return broken ? damaged(file, what + ": " + mdb_strerror(error)) : because(file, what, error);
}

struct Opened {
  Env env;
  MDB_dbi dbi = 0;
};

std::expected<Opened, std::string> open_env(const fs::path& file, std::size_t map_bytes) {
  MDB_env* raw = nullptr;
  if (const int error = mdb_env_create(&raw); error != 0) {
    return std::unexpected{because(file, "create", error)};
  }
  Env env{raw};
  mdb_env_set_mapsize(raw, map_bytes);
  mdb_env_set_maxreaders(raw, 8);
  if (const int error = mdb_env_open(raw, file.c_str(), MDB_NOSUBDIR, 0600); error != 0) {
    return std::unexpected{unreadable(file, "open", error)};
  }
  // A mapped page beyond the end of the file would be a SIGBUS.
  MDB_envinfo info{};
  MDB_stat stat{};
  mdb_env_info(raw, &info);
  mdb_env_stat(raw, &stat);
  struct stat on_disk{};
  if (::stat(file.c_str(), &on_disk) == 0 && info.me_last_txnid > 0 &&
      static_cast<std::uint64_t>(on_disk.st_size) < (info.me_last_pgno + 1) * stat.ms_psize) {
    return std::unexpected{damaged(file, "the file is truncated")};
  }
  Txn txn;
  MDB_txn* begun = nullptr;
  MDB_dbi dbi = 0;
  if (const int error = mdb_txn_begin(raw, nullptr, MDB_RDONLY, &begun); error != 0) {
    return std::unexpected{unreadable(file, "read", error)};
  }
  txn.reset(begun);
  if (const int error = mdb_dbi_open(begun, nullptr, 0, &dbi); error != 0) {
    return std::unexpected{unreadable(file, "read", error)};
  }
  if (const int error = mdb_txn_commit(txn.release()); error != 0) {
    return std::unexpected{unreadable(file, "read", error)};
  }
  return Opened{std::move(env), dbi};
}

std::expected<void, std::string> read_all(const fs::path& file, const Opened& opened,
                                          const Visit& visit) {
  MDB_txn* begun = nullptr;
  if (const int error = mdb_txn_begin(opened.env.get(), nullptr, MDB_RDONLY, &begun); error != 0) {
    return std::unexpected{unreadable(file, "read", error)};
  }
  const Txn txn{begun};
  MDB_cursor* made = nullptr;
  if (const int error = mdb_cursor_open(begun, opened.dbi, &made); error != 0) {
    return std::unexpected{unreadable(file, "read", error)};
  }
  const Cursor cursor{made};
  MDB_val key{};
  MDB_val value{};
  int error = 0;
  std::string last;
  while ((error = mdb_cursor_get(made, &key, &value, MDB_NEXT)) == 0) {
    const std::string name{text_of(key)};
    if (!last.empty() && name <= last) return std::unexpected{damaged(file, "keys out of order")};
    const auto text = unseal(name, text_of(value));
    if (!text) return std::unexpected{damaged(file, "key '" + name + "': the tag does not fit")};
    if (auto done = visit(name, *text); !done) return done;
    last = name;
  }
  if (error != MDB_NOTFOUND) return std::unexpected{damaged(file, mdb_strerror(error))};
  return {};
}

std::expected<void, std::string> no_visit(std::string_view, std::string_view) {
  return {};
}

}  // namespace

class SealedFile::Impl {
 public:
  Impl(fs::path file, std::size_t map_bytes, Opened opened)
      : file_{std::move(file)}, map_bytes_{map_bytes}, opened_{std::move(opened)} {}

  [[nodiscard]] std::expected<void, std::string> walk_all(const Visit& visit) const {
    if (!opened_.env) return std::unexpected{failure(MDB_PANIC)};
    return read_all(file_, opened_, visit);
  }

  std::expected<void, std::string> write(std::span<const Change> changes) {
    if (changes.empty()) return {};
    const int error = commit(changes);
    if (error != 0) return std::unexpected{failure(error)};
    return {};
  }

  [[nodiscard]] std::string name() const { return file_.string(); }

  [[nodiscard]] StoreUse use() const {
    if (!opened_.env) return {0, map_bytes_};
    MDB_envinfo info{};
    MDB_stat stat{};
    mdb_env_info(opened_.env.get(), &info);
    mdb_env_stat(opened_.env.get(), &stat);
    const std::uint64_t pages = info.me_last_pgno + 1;
    return {(pages - std::min(pages, free_pages())) * stat.ms_psize, info.me_mapsize};
  }

  void check_readers() const {
    int dead = 0;
    if (opened_.env) mdb_reader_check(opened_.env.get(), &dead);
  }

 private:
  int commit(std::span<const Change> changes) {
    if (!opened_.env) {
      auto again = open_env(file_, map_bytes_);
      if (!again) return MDB_PANIC;
      opened_ = *std::move(again);
    }
    MDB_txn* begun = nullptr;
    int error = mdb_txn_begin(opened_.env.get(), nullptr, 0, &begun);
    if (error == 0) {
      Txn txn{begun};
      for (const Change& change : changes) {
        if (error == 0) error = apply(begun, change);
      }
      if (error == 0) error = mdb_txn_commit(txn.release());
    }
    // After a meta page that could not be written LMDB refuses everything until opened again.
    if (error == MDB_PANIC) opened_.env.reset();
    return error;
  }

  int apply(MDB_txn* txn, const Change& change) const {
    MDB_val key = view(change.key);
    if (!change.text) {
      const int error = mdb_del(txn, opened_.dbi, &key, nullptr);
      return error == MDB_NOTFOUND ? 0 : error;
    }
    const std::string value = seal(change.key, *change.text);
    MDB_val data = view(value);
    return mdb_put(txn, opened_.dbi, &key, &data, 0);
  }

  [[nodiscard]] std::string failure(int error) const {
    if (error == MDB_MAP_FULL) {
      return file_.string() + ": full: " + std::to_string(map_bytes_ >> 20U) + " MiB are the limit";
    }
    return because(file_, "write", error);
  }

  /// LMDB's own list of pages to reuse: database 0, each value a count and as many page numbers.
  [[nodiscard]] std::uint64_t free_pages() const {
    MDB_txn* begun = nullptr;
    if (mdb_txn_begin(opened_.env.get(), nullptr, MDB_RDONLY, &begun) != 0) return 0;
    const Txn txn{begun};
    MDB_cursor* made = nullptr;
    if (mdb_cursor_open(begun, 0, &made) != 0) return 0;
    const Cursor cursor{made};
    MDB_val key{};
    MDB_val value{};
    std::uint64_t pages = 0;
    while (mdb_cursor_get(made, &key, &value, MDB_NEXT) == 0) {
      std::size_t count = 0;
      std::memcpy(&count, value.mv_data, sizeof count);
      pages += count;
    }
    return pages;
  }

  fs::path file_;
  std::size_t map_bytes_;
  Opened opened_;
};

SealedFile::SealedFile(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
SealedFile::~SealedFile() = default;
SealedFile::SealedFile(SealedFile&&) noexcept = default;

std::expected<SealedFile, std::string> SealedFile::open(fs::path file, std::size_t map_bytes) {
  VPP_CHECK(sodium_init() >= 0);
  auto opened = open_env(file, map_bytes);
  if (!opened) return std::unexpected{opened.error()};
  return SealedFile{std::make_unique<Impl>(std::move(file), map_bytes, *std::move(opened))};
}

std::expected<void, std::string> SealedFile::probe(const fs::path& file, std::size_t map_bytes) {
  std::error_code none;
  if (!fs::exists(file, none)) return {};
  std::array<int, 2> pipe_ends{};
  VPP_CHECK(::pipe2(pipe_ends.data(), O_CLOEXEC) == 0);
  const Descriptor reader{pipe_ends[0]};
  std::optional<Descriptor> writer{pipe_ends[1]};
  const pid_t child = ::fork();
  VPP_CHECK(child >= 0);
  if (child == 0) {
    ::alarm(kProbeSeconds);
    std::string said;
    auto opened = open_env(file, map_bytes);
    if (!opened) {
      said = opened.error();
    } else if (auto walked = read_all(file, *opened, no_visit); !walked) {
      said = walked.error();
    }
    (void)!::write(writer->get(), said.data(), said.size());
    ::_exit(said.empty() ? 0 : 1);
  }
  writer.reset();
  std::string said;
  std::array<char, 512> chunk{};
  for (ssize_t got = 0; (got = ::read(reader.get(), chunk.data(), chunk.size())) != 0;) {
    if (got > 0) said.append(chunk.data(), static_cast<std::size_t>(got));
    if (got < 0 && errno != EINTR) break;
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
  if (!said.empty()) return std::unexpected{said};
  return std::unexpected{damaged(file, "its pages cannot be read")};
}

std::expected<void, std::string> SealedFile::walk(const Visit& visit) const {
  return impl_->walk_all(visit);
}
std::expected<void, std::string> SealedFile::write(std::span<const Change> changes) {
  return impl_->write(changes);
}
std::string SealedFile::name() const {
  return impl_->name();
}
StoreUse SealedFile::use() const {
  return impl_->use();
}
void SealedFile::check_readers() {
  impl_->check_readers();
}

}  // namespace vpp::driver
