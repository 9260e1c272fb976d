#include "daemon/driver/store.h"

#include <fcntl.h>
#include <lmdb.h>
#include <sodium.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <functional>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "config/check.h"
#include "daemon/driver/record_json.h"

namespace vpp::driver {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kTagBytes = 32;
using Tag = std::array<std::uint8_t, kTagBytes>;
constexpr std::string_view kOrderPrefix = "order/";
constexpr std::string_view kFactPrefix = "fact/";
constexpr std::string_view kTrial = "trial";
constexpr std::size_t kTrialBytes = 8'192;  ///< some pages: more than an order and its kin
constexpr unsigned kProbeSeconds = 60;      ///< a damaged tree may also send LMDB round in circles

// --- small owners ----------------------------------------------------------------------------

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
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

// --- records as keys and values ----------------------------------------------------------------

MDB_val view(std::string_view text) {
  return {text.size(), const_cast<char*>(text.data())};  // LMDB's C interface; it only reads
}
std::string_view text_of(const MDB_val& value) {
  return {static_cast<const char*>(value.mv_data), value.mv_size};
}

/// Over the key too: a value moved to another key is damage.
Tag tag_of(std::string_view key, std::string_view text) {
  constexpr std::string_view kDomain = "vpp store record v1";
  const auto add = [](crypto_generichash_state& state, std::string_view part) {
    const std::uint64_t size = part.size();
    crypto_generichash_update(&state, reinterpret_cast<const std::uint8_t*>(&size), sizeof size);
    crypto_generichash_update(&state, reinterpret_cast<const std::uint8_t*>(part.data()),
                              part.size());
  };
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, kTagBytes);
  add(state, kDomain);
  add(state, key);
  add(state, text);
  Tag tag{};
  crypto_generichash_final(&state, tag.data(), tag.size());
  return tag;
}

std::string seal(std::string_view key, std::string_view text) {
  const Tag tag = tag_of(key, text);
  std::string value(reinterpret_cast<const char*>(tag.data()), tag.size());
  value += text;
  return value;
}

std::optional<std::string_view> unseal(std::string_view key, std::string_view value) {
  if (value.size() < kTagBytes) return std::nullopt;
  const std::string_view text = value.substr(kTagBytes);
  const Tag tag = tag_of(key, text);
  if (std::memcmp(tag.data(), value.data(), tag.size()) != 0) return std::nullopt;
  return text;
}

/// Fixed width, so that the order of keys is the order of numbers.
std::string numbered(std::string_view prefix, std::uint64_t number) {
  std::array<char, 16> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  const auto count = static_cast<std::size_t>(end - digits.data());
  return std::string{prefix} + std::string(16 - count, '0') + std::string(digits.data(), count);
}

std::optional<RecordKind> kind_of_key(std::string_view key) {
  if (key == "uplink") return RecordKind::kUplink;
  if (key == "fence") return RecordKind::kFence;
  if (key == "term") return RecordKind::kTerm;
  if (key.starts_with(kOrderPrefix)) return RecordKind::kOrder;
  if (key.starts_with(kFactPrefix)) return RecordKind::kFact;
  return std::nullopt;
}

void take(node::Recovered& all, node::Record record) {
  struct Taker {
    node::Recovered& to;
    void operator()(mesh::UplinkRecord&& r) const { to.uplink = std::move(r); }
    void operator()(const node::Fence& r) const { to.fence = r; }
    void operator()(const node::TermRecord& r) const { to.term = r; }
    void operator()(aggregation::Order&& r) const { to.orders.push_back(std::move(r)); }
    void operator()(bidding::Fact&& r) const { to.facts.push_back(std::move(r)); }
  };
  std::visit(Taker{all}, std::move(record));
}

bool is_over(const aggregation::Order& order) {
  using enum aggregation::OrderState;
  return order.state == kDone || order.state == kCancelled || order.state == kSuperseded;
}

std::string because(const fs::path& file, const std::string& what, int error) {
  return file.string() + ": " + what + ": " + mdb_strerror(error);
}

std::string damaged(const fs::path& file, const std::string& what) {
  return file.string() + ": " + what +
         "; hint: the store is damaged: put it aside and start again, the node rejoins as new";
}

// --- opening -----------------------------------------------------------------------------------

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
    return std::unexpected{because(file, "open", error)};
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
    return std::unexpected{because(file, "read", error)};
  }
  txn.reset(begun);
  if (const int error = mdb_dbi_open(begun, nullptr, 0, &dbi); error != 0) {
    return std::unexpected{because(file, "read", error)};
  }
  if (const int error = mdb_txn_commit(txn.release()); error != 0) {
    return std::unexpected{because(file, "read", error)};
  }
  return Opened{std::move(env), dbi};
}

using Visit = std::function<std::expected<void, std::string>(std::string_view, std::string_view)>;

/// Key and text of each record in key order, verified.
std::expected<void, std::string> walk(const fs::path& file, const Opened& opened,
                                      const Visit& visit) {
  MDB_txn* begun = nullptr;
  if (const int error = mdb_txn_begin(opened.env.get(), nullptr, MDB_RDONLY, &begun); error != 0) {
    return std::unexpected{because(file, "read", error)};
  }
  const Txn txn{begun};
  MDB_cursor* made = nullptr;
  if (const int error = mdb_cursor_open(begun, opened.dbi, &made); error != 0) {
    return std::unexpected{because(file, "read", error)};
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
    if (name != kTrial) {
      if (auto done = visit(name, *text); !done) return done;
    }
    last = name;
  }
  if (error != MDB_NOTFOUND) return std::unexpected{damaged(file, mdb_strerror(error))};
  return {};
}

std::expected<void, std::string> no_visit(std::string_view, std::string_view) {
  return {};
}

/// Damage to LMDB's own pages can crash its code; better a child's than ours. Called before threads
/// start, or where none holds a lock that the child needs.
std::expected<void, std::string> probe(const fs::path& file, std::size_t map_bytes) {
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
    } else if (auto walked = walk(file, *opened, no_visit); !walked) {
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

}  // namespace

// --- the store ---------------------------------------------------------------------------------

class Store::Impl {
 public:
  Impl(Descriptor held, StoreOptions options, fs::path file, Opened opened)
      : held_{std::move(held)},
        options_{std::move(options)},
        file_{std::move(file)},
        opened_{std::move(opened)} {}

  [[nodiscard]] std::expected<void, std::string> settle() {
    std::vector<aggregation::Order> over;
    auto walked = walk(file_, opened_, [&](std::string_view key, std::string_view text) {
      return inspect(key, text, over);
    });
    if (!walked) return walked;
    forget_orders(over);
    return {};
  }

  [[nodiscard]] std::expected<node::Recovered, std::string> load() const {
    if (!opened_.env) return std::unexpected{failure(MDB_PANIC)};
    node::Recovered all;
    auto walked =
        walk(file_, opened_,
             [&](std::string_view key, std::string_view text) -> std::expected<void, std::string> {
               auto record = read_record(key, text);
               if (!record) return std::unexpected{record.error()};
               take(all, *std::move(record));
               return {};
             });
    if (!walked) return std::unexpected{walked.error()};
    return all;
  }

  [[nodiscard]] std::expected<void, std::string> persist(std::span<const node::Record> batch) {
    if (batch.empty()) return {};
    std::uint64_t fact = next_fact_;
    const int error = commit([&](MDB_txn* txn) {
      for (const node::Record& record : batch) {
        if (const int failed = put(txn, record, fact); failed != 0) return failed;
      }
      return 0;
    });
    if (error != 0) return std::unexpected{failure(error)};
    next_fact_ = fact;
    return {};
  }

  [[nodiscard]] std::expected<void, std::string> try_write() {
    const std::string value = seal(kTrial, std::string(kTrialBytes, '.'));
    const int error = commit([&](MDB_txn* txn) {
      MDB_val key = view(kTrial);
      MDB_val data = view(value);
      return mdb_put(txn, opened_.dbi, &key, &data, 0);
    });
    if (error != 0) return std::unexpected{failure(error)};
    return {};
  }

  [[nodiscard]] StoreUse use() const {
    if (!opened_.env) return {0, options_.map_bytes};
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
  [[nodiscard]] std::expected<node::Record, std::string> read_record(std::string_view key,
                                                                     std::string_view text) const {
    const auto kind = kind_of_key(key);
    if (!kind) {
      return std::unexpected{damaged(file_, "key '" + std::string{key} + "' is not known")};
    }
    auto record = parse_record(*kind, text);
    if (record) return record;
    return std::unexpected{damaged(file_, "key '" + std::string{key} + "': " + record.error())};
  }

  std::expected<void, std::string> inspect(std::string_view key, std::string_view text,
                                           std::vector<aggregation::Order>& over) {
    if (key.starts_with(kFactPrefix)) {
      std::uint64_t number = 0;
      const std::string_view digits = key.substr(kFactPrefix.size());
      std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
      next_fact_ = number + 1;
    }
    if (!key.starts_with(kOrderPrefix)) return {};
    auto record = read_record(key, text);
    if (!record) return std::unexpected{record.error()};
    if (auto& order = std::get<aggregation::Order>(*record); is_over(order)) over.push_back(order);
    return {};
  }

  /// `over` rises by id. On a full disk they stay: that harms nobody.
  void forget_orders(const std::vector<aggregation::Order>& over) {
    if (over.size() <= kOrdersKept) return;
    commit([&](MDB_txn* txn) {
      for (std::size_t i = 0; i + kOrdersKept < over.size(); ++i) {
        const std::string name = numbered(kOrderPrefix, over[i].id.value);
        MDB_val key = view(name);
        if (const int failed = mdb_del(txn, opened_.dbi, &key, nullptr); failed != 0) return failed;
      }
      return 0;
    });
  }

  int put(MDB_txn* txn, const node::Record& record, std::uint64_t& fact) const {
    const std::string name = name_of(record, fact);
    const std::string value = seal(name, to_json(record));
    MDB_val key = view(name);
    MDB_val data = view(value);
    return mdb_put(txn, opened_.dbi, &key, &data, 0);
  }

  static std::string name_of(const node::Record& record, std::uint64_t& fact) {
    switch (kind_of(record)) {
      case RecordKind::kUplink:
        return "uplink";
      case RecordKind::kFence:
        return "fence";
      case RecordKind::kTerm:
        return "term";
      case RecordKind::kOrder:
        return numbered(kOrderPrefix, std::get<aggregation::Order>(record).id.value);
      case RecordKind::kFact:
        break;
    }
    return numbered(kFactPrefix, fact++);
  }

  template <class Fill>
  int commit(Fill fill) {
    if (!opened_.env) {
      if (auto again = open_env(file_, options_.map_bytes); again) {
        opened_ = *std::move(again);
      } else {
        return MDB_PANIC;
      }
    }
    MDB_txn* begun = nullptr;
    int error = mdb_txn_begin(opened_.env.get(), nullptr, 0, &begun);
    if (error == 0) {
      Txn txn{begun};
      error = fill(begun);
      if (error == 0) error = mdb_txn_commit(txn.release());
    }
    // After a meta page that could not be written LMDB refuses everything until opened again.
    if (error == MDB_PANIC) opened_.env.reset();
    return error;
  }

  [[nodiscard]] std::string failure(int error) const {
    if (error == MDB_MAP_FULL) {
      return file_.string() + ": full: " + std::to_string(options_.map_bytes >> 20U) +
             " MiB are the limit";
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

  Descriptor held_;
  StoreOptions options_;
  fs::path file_;
  Opened opened_;
  std::uint64_t next_fact_ = 0;
};

Store::Store(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
Store::~Store() = default;

std::expected<std::unique_ptr<Store>, std::string> Store::open(const StoreOptions& options) {
  VPP_CHECK(sodium_init() >= 0);
  auto held = lock(options.dir);
  if (!held) return std::unexpected{held.error()};
  const fs::path file = options.dir / "vppd.mdb";
  if (auto probed = probe(file, options.map_bytes); !probed) {
    return std::unexpected{probed.error()};
  }
  auto opened = open_env(file, options.map_bytes);
  if (!opened) return std::unexpected{opened.error()};
  // The file's name is durable only with its directory.
  const Descriptor dir{::open(options.dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (dir.get() >= 0) ::fsync(dir.get());
  auto impl = std::make_unique<Impl>(*std::move(held), options, file, *std::move(opened));
  impl->check_readers();
  if (auto settled = impl->settle(); !settled) return std::unexpected{settled.error()};
  return std::unique_ptr<Store>{new Store{std::move(impl)}};
}

std::expected<node::Recovered, std::string> Store::load() const {
  return impl_->load();
}
std::expected<void, std::string> Store::persist(std::span<const node::Record> batch) {
  return impl_->persist(batch);
}
std::expected<void, std::string> Store::try_write() {
  return impl_->try_write();
}
StoreUse Store::use() const {
  return impl_->use();
}
void Store::check_readers() {
  impl_->check_readers();
}

}  // namespace vpp::driver
