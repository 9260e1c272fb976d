#include "daemon/driver/store.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "bidding/compaction.h"
#include "daemon/driver/descriptor.h"
#include "daemon/driver/record_json.h"

namespace vpp::driver {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kOrderPrefix = "order/";
constexpr std::string_view kFactPrefix = "fact/";
constexpr std::string_view kTrial = "trial";
constexpr std::size_t kTrialBytes = 8'192;  ///< some pages: more than an order and its kin

/// Fixed width, so that the order of keys is the order of numbers.
std::string numbered(std::string_view prefix, std::uint64_t number) {
  std::array<char, 16> digits{};
  const auto* end = std::to_chars(digits.data(), digits.data() + digits.size(), number, 16).ptr;
  const auto count = static_cast<std::size_t>(end - digits.data());
  return std::string{prefix} + std::string(16 - count, '0') + std::string(digits.data(), count);
}

std::uint64_t number_of(std::string_view key, std::string_view prefix) {
  std::uint64_t number = 0;
  const std::string_view digits = key.substr(prefix.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), number, 16);
  return number;
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
  Impl(Descriptor held, fs::path path, SealedFile file)
      : held_{std::move(held)}, path_{std::move(path)}, file_{std::move(file)} {}

  [[nodiscard]] std::expected<node::Recovered, std::string> load() const {
    node::Recovered all;
    auto walked =
        walk([&](std::string_view /*key*/, node::Record record) { take(all, std::move(record)); });
    if (!walked) return std::unexpected{walked.error()};
    return all;
  }

  std::expected<void, std::string> persist(std::span<const node::Record> batch) {
    std::uint64_t fact = next_fact_;
    std::vector<Change> changes;
    for (const node::Record& record : batch) {
      changes.push_back({key_of(record, fact), to_json(record)});
    }
    if (auto written = file_.write(changes); !written) return written;
    next_fact_ = fact;
    return {};
  }

  /// Where the next fact goes.
  std::expected<void, std::string> settle() {
    return walk([&](std::string_view key, const node::Record& /*record*/) {
      if (key.starts_with(kFactPrefix)) next_fact_ = number_of(key, kFactPrefix) + 1;
    });
  }

  std::expected<void, std::string> compact() {
    std::vector<std::string> over;  // keys of orders, rising
    std::vector<std::string> names;
    std::vector<bidding::Fact> facts;
    auto walked = walk([&](std::string_view key, node::Record record) {
      if (auto* fact = std::get_if<bidding::Fact>(&record)) {
        names.emplace_back(key);
        facts.push_back(std::move(*fact));
      }
      const auto* order = std::get_if<aggregation::Order>(&record);
      if (order != nullptr && is_over(*order)) over.emplace_back(key);
    });
    if (!walked) return walked;
    std::vector<Change> forgotten;
    for (std::size_t i = 0; i + kOrdersKept < over.size(); ++i) {
      forgotten.push_back({over[i], std::nullopt});
    }
    const std::vector<bool> needed = bidding::needed_facts(facts, bidding::newest_time(facts));
    for (std::size_t i = 0; i < needed.size(); ++i) {
      if (!needed[i]) forgotten.push_back({names[i], std::nullopt});
    }
    // On a full disk they stay: that harms nobody.
    (void)file_.write(forgotten);
    return {};
  }

  std::expected<void, std::string> try_write() {
    const std::array trial{Change{std::string{kTrial}, std::string(kTrialBytes, '.')}};
    return file_.write(trial);
  }

  [[nodiscard]] StoreUse use() const { return file_.use(); }
  void check_readers() { file_.check_readers(); }

 private:
  template <class Take>
  [[nodiscard]] std::expected<void, std::string> walk(Take take_record) const {
    return file_.walk(
        [&](std::string_view key, std::string_view text) -> std::expected<void, std::string> {
          if (key == kTrial) return {};
          const std::string name = "key '" + std::string{key} + "'";
          const auto kind = kind_of_key(key);
          if (!kind) return std::unexpected{damaged(path_, name + " is not known")};
          auto record = parse_record(*kind, text);
          if (!record) return std::unexpected{damaged(path_, name + ": " + record.error())};
          take_record(key, *std::move(record));
          return {};
        });
  }

  static std::string key_of(const node::Record& record, std::uint64_t& fact) {
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

  Descriptor held_;
  fs::path path_;
  SealedFile file_;
  std::uint64_t next_fact_ = 0;
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
  auto impl = std::make_unique<Impl>(*std::move(held), path, *std::move(file));
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
std::expected<void, std::string> Store::compact() {
  return impl_->compact();
}
StoreUse Store::use() const {
  return impl_->use();
}
void Store::check_readers() {
  impl_->check_readers();
}

}  // namespace vpp::driver
