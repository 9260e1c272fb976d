#include "daemon/driver/record_json.h"

#include <nlohmann/json.hpp>
#include <stdexcept>
#include <utility>

#include "bidding/fact_json.h"
#include "bidding/task_json.h"
#include "config/limits.h"
#include "config/z85.h"

namespace vpp::driver {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kOrderLetter = 'o';
constexpr char kFactLetter = 'f';
/// Of a path, at the longest lease that a parent may give (2 minutes); with room to spare.
constexpr Duration kCountedMax = std::chrono::hours{1};  ///< no sum of leases is nearly as long

template <class Number>
Number whole(const Json& object, const char* key) {
  const Json& value = object.at(key);
  if (!value.is_number_integer()) throw std::runtime_error{std::string{key} + " is no number"};
  const bool fits = value.is_number_unsigned() ? std::in_range<Number>(value.get<std::uint64_t>())
                                               : std::in_range<Number>(value.get<std::int64_t>());
  if (!fits) throw std::runtime_error{std::string{key} + " is out of range"};
  return value.get<Number>();
}

Json to_document(const mesh::UplinkRecord& record) {
  Json alternates = Json::array();
  for (const Endpoint& endpoint : record.alternates) {
    alternates.push_back({{"address", endpoint.address}, {"key", to_z85(endpoint.server_key)}});
  }
  return {{"session", record.session},
          {"last_parent", record.last_parent ? Json(to_string(*record.last_parent)) : Json()},
          {"term", record.term},
          {"path_length", record.path_length},
          {"counted_for_ms", record.counted_for.count()},
          {"alternates", std::move(alternates)}};
}

mesh::UplinkRecord uplink_of(const Json& document) {
  mesh::UplinkRecord record;
  record.session = whole<mesh::Session>(document, "session");
  if (const Json& parent = document.at("last_parent"); !parent.is_null()) {
    const auto id = parse_node_id(parent.get<std::string>());
    if (!id) throw std::runtime_error{"last_parent: " + id.error()};
    record.last_parent = *id;
  }
  record.term = whole<std::uint64_t>(document, "term");
  record.path_length = whole<std::size_t>(document, "path_length");
  if (record.path_length > limits::kDepthMax)
    throw std::runtime_error{"path_length is out of range"};
  record.counted_for = Duration{whole<std::int64_t>(document, "counted_for_ms")};
  if (record.counted_for < Duration{0} || record.counted_for > kCountedMax) {
    throw std::runtime_error{"counted_for_ms is out of range"};
  }
  for (const Json& each : document.at("alternates")) {
    const auto key = parse_z85(each.at("key").get<std::string>());
    if (!key) throw std::runtime_error{"alternates: a key is no Z85"};
    record.alternates.push_back({each.at("address").get<std::string>(), *key});
  }
  return record;
}

Json to_document(const node::Fence& fence) {
  return {{"term", fence.term}, {"sequence", fence.sequence}};
}

Json to_document(const node::TermRecord& record) {
  return {{"term", record.term}};
}

Json to_document(const node::DrainRecord& record) {
  return {{"on", record.on}};
}

Json to_document(const node::JournalHead& head) {
  return {{"term", head.term}, {"length", head.length}};
}

/// It is done, not kept.
Json to_document(const node::JournalCleared& /*cleared*/) {
  return Json::object();
}

/// It is done, not kept.
Json to_document(const bidding::TaskGone& /*gone*/) {
  return Json::object();
}

Json to_document(const aggregation::Order& order) {
  return {{"id", order.id.value},
          {"key", order.key},
          {"source", std::to_underlying(order.source)},
          {"program", order.scope.program},
          {"group", order.scope.group},
          {"service", std::to_underlying(order.service)},
          {"power_w", order.power.count},
          {"from_ms", order.from.time_since_epoch().count()},
          {"until_ms", order.until.time_since_epoch().count()},
          {"issued_ms", order.issued.time_since_epoch().count()},
          {"ramp_ms", order.ramp.count()},
          {"state", std::to_underlying(order.state)}};
}

Json to_document(const node::SiteAccounts& record) {
  Json accounts = Json::array();
  for (const auto& account : record.accounts) {
    accounts.push_back({{"order", account.order.value}, {"delivered_j", account.delivered.count}});
  }
  return {{"accounts", std::move(accounts)}};
}

Json to_document(const node::LearnedLoad& record) {
  Json slots = Json::array();
  for (std::size_t i = 0; i < record.slots.size(); ++i) {
    const auto& slot = record.slots.at(i);
    if (slot.days == 0) continue;
    slots.push_back({{"index", i}, {"mean_w", slot.mean.count}, {"days", slot.days}});
  }
  return {{"slots", std::move(slots)}};
}

Json to_document(const node::OptOuts& record) {
  Json programs = Json::array();
  for (const auto& each : record.programs) {
    programs.push_back(
        {{"program", each.program}, {"until_ms", each.until.time_since_epoch().count()}});
  }
  return {{"programs", std::move(programs)}};
}

Json to_document(const node::OwnerAccount& account) {
  Json newest = Json::array();
  for (const node::OwnerPayment& each : account.newest) {
    newest.push_back({{"order", each.order.value},
                      {"delivered_j", each.delivered.count},
                      {"per_mwh_micro", each.per_mwh.count},
                      {"paid_micro", each.paid.count}});
  }
  return {{"orders", account.orders},
          {"delivered_j", account.delivered.count},
          {"paid_micro", account.paid.count},
          {"newest", std::move(newest)}};
}

Json to_document(const node::ValueAccount& account) {
  return {{"alone", account.alone.count},
          {"bill", account.bill.count},
          {"by_value", account.by_value.count},
          {"slots", account.slots}};
}

Amount amount_of(const Json& document, const char* key) {
  const Amount amount{whole<std::int64_t>(document, key)};
  if (amount < -limits::kAmountMax || amount > limits::kAmountMax) {
    throw std::runtime_error{std::string{key} + " is out of range"};
  }
  return amount;
}

node::ValueAccount value_account_of(const Json& document) {
  return {.alone = amount_of(document, "alone"),
          .bill = amount_of(document, "bill"),
          .by_value = amount_of(document, "by_value"),
          .slots = whole<std::int64_t>(document, "slots")};
}

node::SiteAccounts accounts_of(const Json& document) {
  node::SiteAccounts out;
  for (const Json& each : document.at("accounts")) {
    out.accounts.push_back(
        {{whole<std::uint64_t>(each, "order")}, {whole<std::int64_t>(each, "delivered_j")}});
  }
  return out;
}

node::OwnerAccount owner_account_of(const Json& document) {
  node::OwnerAccount out{.orders = whole<std::int64_t>(document, "orders"),
                         .delivered = {whole<std::int64_t>(document, "delivered_j")},
                         .paid = {whole<std::int64_t>(document, "paid_micro")},
                         .newest = {}};
  for (const Json& each : document.at("newest")) {
    out.newest.push_back({{whole<std::uint64_t>(each, "order")},
                          {whole<std::int64_t>(each, "delivered_j")},
                          {whole<std::int64_t>(each, "per_mwh_micro")},
                          {whole<std::int64_t>(each, "paid_micro")}});
  }
  return out;
}

/// Numbers of enumerators are part of the format: append only.
template <class Enum>
Enum enumerator(const Json& document, const char* key, Enum last) {
  const auto value = whole<std::int64_t>(document, key);
  if (value < 0 || value > std::to_underlying(last)) {
    throw std::runtime_error{std::string{key} + " is out of range"};
  }
  return static_cast<Enum>(value);
}

MarketTime market_ms(const Json& document, const char* key) {
  return MarketTime{std::chrono::milliseconds{whole<std::int64_t>(document, key)}};
}

/// Orders of before have none.
Duration ramp_of(const Json& document) {
  if (!document.contains("ramp_ms")) return Duration{0};
  const auto ms = whole<std::int64_t>(document, "ramp_ms");
  if (ms < 0) throw std::runtime_error{"ramp_ms is below 0"};
  return Duration{ms};
}

node::OptOuts opt_outs_of(const Json& document) {
  node::OptOuts out;
  for (const Json& each : document.at("programs")) {
    out.programs.push_back({each.at("program").get<std::string>(), market_ms(each, "until_ms")});
  }
  return out;
}

/// Slots that were never learned are left out.
node::LearnedLoad learned_load_of(const Json& document) {
  node::LearnedLoad out;
  for (const Json& each : document.at("slots")) {
    const auto index = whole<std::size_t>(each, "index");
    const auto days = whole<std::int64_t>(each, "days");
    const bool sane = index < out.slots.size() && days > 0 && days <= device::LoadProfile::kDays;
    if (!sane) throw std::runtime_error{"no slot of a day's load"};
    out.slots.at(index) = {Watts{whole<std::int64_t>(each, "mean_w")}, days};
  }
  return out;
}

/// Orders of before there were programs are of the default one.
Scope scope_of(const Json& document) {
  Scope scope;
  if (!document.contains("program")) return scope;
  scope.program = document.at("program").get<std::string>();
  scope.group = document.at("group").get<std::string>();
  return scope;
}

aggregation::Order order_of(const Json& document) {
  const bool scoped = document.contains("service");
  return {
      .id = {whole<std::uint64_t>(document, "id")},
      .key = document.at("key").get<std::string>(),
      .source = enumerator(document, "source", aggregation::OrderSource::kOpenAdr),
      .scope = scope_of(document),
      .service = scoped ? enumerator(document, "service", Service::kFrequency) : Service::kEnergy,
      .power = {whole<std::int64_t>(document, "power_w")},
      .from = market_ms(document, "from_ms"),
      .until = market_ms(document, "until_ms"),
      .issued = market_ms(document, "issued_ms"),
      .state = enumerator(document, "state", aggregation::OrderState::kSuperseded),
      .ramp = ramp_of(document)};
}

node::Record record_of(RecordKind kind, const Json& document) {
  switch (kind) {
    case RecordKind::kUplink:
      return uplink_of(document);
    case RecordKind::kFence:
      return node::Fence{whole<std::uint64_t>(document, "term"),
                         whole<std::uint64_t>(document, "sequence")};
    case RecordKind::kTerm:
      return node::TermRecord{whole<std::uint64_t>(document, "term")};
    case RecordKind::kOrder:
      return order_of(document);
    case RecordKind::kDrain:
      return node::DrainRecord{document.at("on").get<bool>()};
    case RecordKind::kJournal:
      return node::JournalHead{whole<std::uint64_t>(document, "term"),
                               whole<std::uint64_t>(document, "length")};
    case RecordKind::kCleared:
      return node::JournalCleared{};
    case RecordKind::kAccounts:
      return accounts_of(document);
    case RecordKind::kOptOuts:
      return opt_outs_of(document);
    case RecordKind::kLearnedLoad:
      return learned_load_of(document);
    case RecordKind::kValueAccount:
      return value_account_of(document);
    case RecordKind::kOwnerAccount:
      return owner_account_of(document);
    case RecordKind::kFact:
    case RecordKind::kTask:
    case RecordKind::kTaskGone:
      break;
  }
  throw std::runtime_error{"unknown kind of record"};
}

}  // namespace

RecordKind kind_of(const node::Record& record) {
  return static_cast<RecordKind>(record.index());
}
static_assert(std::is_same_v<std::variant_alternative_t<5, node::Record>, node::DrainRecord>);
static_assert(std::is_same_v<std::variant_alternative_t<6, node::Record>, node::JournalHead>);
static_assert(std::is_same_v<std::variant_alternative_t<4, node::Record>, bidding::Fact>);
static_assert(std::is_same_v<std::variant_alternative_t<8, node::Record>, node::SiteAccounts>);
static_assert(std::is_same_v<std::variant_alternative_t<9, node::Record>, node::OptOuts>);
static_assert(std::is_same_v<std::variant_alternative_t<10, node::Record>, node::LearnedLoad>);
static_assert(std::is_same_v<std::variant_alternative_t<11, node::Record>, node::ValueAccount>);
static_assert(std::is_same_v<std::variant_alternative_t<12, node::Record>, node::OwnerAccount>);
static_assert(std::is_same_v<std::variant_alternative_t<13, node::Record>, bidding::Task>);
static_assert(std::is_same_v<std::variant_alternative_t<14, node::Record>, bidding::TaskGone>);
static_assert(std::is_same_v<std::variant_alternative_t<3, node::Record>, aggregation::Order>);

std::string to_json(const node::Record& record) {
  if (const auto* fact = std::get_if<bidding::Fact>(&record)) return bidding::to_json(*fact);
  if (const auto* task = std::get_if<bidding::Task>(&record)) return bidding::to_json(*task);
  return std::visit(
      []<class T>(const T& each) {
        if constexpr (std::is_same_v<T, bidding::Fact> || std::is_same_v<T, bidding::Task>) {
          return std::string{};
        }
        // Addresses come from peers: never trust them to be UTF-8.
        else
          return to_document(each).dump(-1, ' ', false, Json::error_handler_t::replace);
      },
      record);
}

std::expected<node::Record, std::string> parse_record(RecordKind kind, std::string_view text) {
  if (kind == RecordKind::kFact) {
    auto fact = bidding::fact_from_json(text);
    if (!fact) return std::unexpected{fact.error()};
    return node::Record{*std::move(fact)};
  }
  if (kind == RecordKind::kTask) {
    auto task = bidding::task_from_json(text);
    if (!task) return std::unexpected{task.error()};
    return node::Record{*std::move(task)};
  }
  try {
    return record_of(kind, Json::parse(text));
  } catch (const std::exception& error) {  // the library reports by exception
    return std::unexpected{std::string{error.what()}};
  }
}

node::JournalCodec journal_codec() {
  node::JournalCodec codec;
  codec.encode = [](const node::JournalEntry& entry) {
    const bool is_order = std::holds_alternative<aggregation::Order>(entry);
    const std::string text =
        (is_order ? kOrderLetter : kFactLetter) +
        std::visit([](const auto& each) { return to_json(node::Record{each}); }, entry);
    return std::vector<std::uint8_t>{text.begin(), text.end()};
  };
  codec.decode = [](std::span<const std::uint8_t> bytes) -> std::optional<node::JournalEntry> {
    const std::string text{bytes.begin(), bytes.end()};
    if (text.empty()) return std::nullopt;
    const bool is_order = text.front() == kOrderLetter;
    if (!is_order && text.front() != kFactLetter) return std::nullopt;
    auto record = parse_record(is_order ? RecordKind::kOrder : RecordKind::kFact,
                               std::string_view{text}.substr(1));
    if (!record) return std::nullopt;
    if (is_order) return std::get<aggregation::Order>(*std::move(record));
    return std::get<bidding::Fact>(*std::move(record));
  };
  return codec;
}

}  // namespace vpp::driver
