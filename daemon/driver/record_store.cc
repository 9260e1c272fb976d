#include "daemon/driver/record_store.h"

#include <array>
#include <charconv>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "bidding/compaction.h"
#include "daemon/driver/record_json.h"

namespace vpp::driver {
namespace {

constexpr std::string_view kOrderPrefix = "order/";
constexpr std::string_view kFactPrefix = "fact/";
constexpr std::string_view kTaskPrefix = "task/";
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
  if (key == "drain") return RecordKind::kDrain;
  if (key == "journal") return RecordKind::kJournal;
  if (key == "accounts") return RecordKind::kAccounts;
  if (key == "opt-outs") return RecordKind::kOptOuts;
  if (key == "load") return RecordKind::kLearnedLoad;
  if (key == "value-account") return RecordKind::kValueAccount;
  if (key == "owner-account") return RecordKind::kOwnerAccount;
  if (key.starts_with(kOrderPrefix)) return RecordKind::kOrder;
  if (key.starts_with(kFactPrefix)) return RecordKind::kFact;
  if (key.starts_with(kTaskPrefix)) return RecordKind::kTask;
  return std::nullopt;
}

void take(node::Recovered& all, node::Record record) {
  struct Taker {
    node::Recovered& to;
    void operator()(mesh::UplinkRecord&& r) const { to.uplink = std::move(r); }
    void operator()(const node::Fence& r) const { to.fence = r; }
    void operator()(const node::TermRecord& r) const { to.term = r; }
    void operator()(const node::DrainRecord& r) const { to.drain = r; }
    void operator()(node::SiteAccounts&& r) const { to.site = std::move(r); }
    void operator()(node::OptOuts&& r) const { to.opt_outs = std::move(r); }
    void operator()(const node::LearnedLoad& r) const { to.load = r; }
    void operator()(const node::ValueAccount& r) const { to.values = r; }
    void operator()(node::OwnerAccount&& r) const { to.owner = std::move(r); }
    void operator()(aggregation::Order&& r) const { to.orders.push_back(std::move(r)); }
    void operator()(const node::JournalHead& r) const { to.journal = r; }
    void operator()(const node::JournalCleared& /*r*/) const {}
    void operator()(bidding::Task&& r) const { to.tasks.push_back(std::move(r)); }
    void operator()(const bidding::TaskGone& /*r*/) const {}
    void operator()(bidding::Fact&& r) const { to.facts.push_back(std::move(r)); }
  };
  std::visit(Taker{all}, std::move(record));
}

bool is_of_journal(std::string_view key) {
  return key.starts_with(kOrderPrefix) || key.starts_with(kFactPrefix);
}

bool is_over(const aggregation::Order& order) {
  using enum aggregation::OrderState;
  return order.state == kDone || order.state == kCancelled || order.state == kSuperseded;
}

std::string key_of(const node::Record& record, std::uint64_t& fact) {
  switch (kind_of(record)) {
    case RecordKind::kUplink:
      return "uplink";
    case RecordKind::kFence:
      return "fence";
    case RecordKind::kTerm:
      return "term";
    case RecordKind::kDrain:
      return "drain";
    case RecordKind::kAccounts:
      return "accounts";
    case RecordKind::kOptOuts:
      return "opt-outs";
    case RecordKind::kLearnedLoad:
      return "load";
    case RecordKind::kValueAccount:
      return "value-account";
    case RecordKind::kOwnerAccount:
      return "owner-account";
    case RecordKind::kOrder:
      return numbered(kOrderPrefix, std::get<aggregation::Order>(record).id.value);
    case RecordKind::kJournal:
      return "journal";
    case RecordKind::kTask:
      return std::string{kTaskPrefix} + to_string(std::get<bidding::Task>(record).id);
    case RecordKind::kTaskGone:
      return std::string{kTaskPrefix} + to_string(std::get<bidding::TaskGone>(record).id);
    case RecordKind::kFact:
    case RecordKind::kCleared:
      break;
  }
  return numbered(kFactPrefix, fact++);
}

}  // namespace

template <class Take>
std::expected<void, std::string> RecordStore::walk(Take take_record) const {
  return file_.walk(
      [&](std::string_view key, std::string_view text) -> std::expected<void, std::string> {
        if (key == kTrial) return {};
        const std::string name = "key '" + std::string{key} + "'";
        const auto kind = kind_of_key(key);
        if (!kind) return std::unexpected{damaged(file_.name(), name + " is not known")};
        auto record = parse_record(*kind, text);
        if (!record) return std::unexpected{damaged(file_.name(), name + ": " + record.error())};
        take_record(key, *std::move(record));
        return {};
      });
}

std::expected<void, std::string> RecordStore::settle() {
  return walk([&](std::string_view key, const node::Record& /*record*/) {
    if (key.starts_with(kFactPrefix)) next_fact_ = number_of(key, kFactPrefix) + 1;
  });
}

std::expected<node::Recovered, std::string> RecordStore::load() const {
  node::Recovered all;
  auto walked =
      walk([&](std::string_view /*key*/, node::Record record) { take(all, std::move(record)); });
  if (!walked) return std::unexpected{walked.error()};
  return all;
}

/// What the file holds of it, and what of it came before in this batch.
std::expected<void, std::string> RecordStore::forget_journal(std::vector<Change>& changes) const {
  std::erase_if(changes, [](const Change& change) { return is_of_journal(change.key); });
  return file_.walk([&](std::string_view key, std::string_view /*text*/) {
    if (is_of_journal(key)) changes.push_back({std::string{key}, std::nullopt});
    return std::expected<void, std::string>{};
  });
}

std::expected<void, std::string> RecordStore::persist(std::span<const node::Record> batch) {
  std::uint64_t fact = next_fact_;
  std::vector<Change> changes;
  for (const node::Record& record : batch) {
    if (std::holds_alternative<node::JournalCleared>(record)) {
      if (auto walked = forget_journal(changes); !walked) return walked;
    } else if (std::holds_alternative<bidding::TaskGone>(record)) {
      changes.push_back({key_of(record, fact), std::nullopt});
    } else {
      changes.push_back({key_of(record, fact), to_json(record)});
    }
  }
  if (auto written = file_.write(changes); !written) return written;
  next_fact_ = fact;
  return {};
}

std::expected<void, std::string> RecordStore::compact() {
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
  const std::vector<bool> needed =
      bidding::needed_facts(facts, bidding::newest_time(facts), prices_kept_);
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) forgotten.push_back({names[i], std::nullopt});
  }
  // On a full disk they stay: that harms nobody.
  (void)file_.write(forgotten);
  return {};
}

std::expected<void, std::string> RecordStore::try_write() {
  const std::array trial{Change{std::string{kTrial}, std::string(kTrialBytes, '.')}};
  return file_.write(trial);
}

}  // namespace vpp::driver
