#include "bidding/market_json.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <utility>

namespace vpp::bidding {
namespace {

[[nodiscard]] std::int64_t to_ms(MarketTime time) {
  return time.time_since_epoch().count();
}

[[nodiscard]] MarketTime from_ms(std::int64_t ms) {
  return MarketTime{MarketClock::duration{ms}};
}

// Names on the wire and in the journal; what comes first is meant where nothing is said.
constexpr std::array<std::string_view, 2> kSessions{"real_time", "day_ahead"};
constexpr std::array<std::string_view, 3> kProducts{"energy", "reserve_up", "reserve_down"};

/// Only where it is another one than the first.
template <class Enum, class Names>
void put_name(Json& into, const char* field, Enum value, const Names& names) {
  const auto index = static_cast<std::size_t>(value);
  if (index > 0) into[field] = names.at(index);
}

}  // namespace

std::string_view name_of(Session session) {
  return kSessions.at(static_cast<std::size_t>(session));
}

std::string_view name_of(Product product) {
  return kProducts.at(static_cast<std::size_t>(product));
}

std::optional<Session> session_named(std::string_view name) {
  const auto found = std::ranges::find(kSessions, name);
  if (found == kSessions.end()) return std::nullopt;
  return static_cast<Session>(found - kSessions.begin());
}

std::optional<Product> product_named(std::string_view name) {
  const auto found = std::ranges::find(kProducts, name);
  if (found == kProducts.end()) return std::nullopt;
  return static_cast<Product>(found - kProducts.begin());
}

Json to_json_value(const Gate& gate) {
  Json json{{"from_ms", to_ms(gate.from)},
            {"until_ms", to_ms(gate.until)},
            {"closes_ms", to_ms(gate.closes)}};
  put_name(json, "session", gate.session, kSessions);
  put_name(json, "product", gate.product, kProducts);
  return json;
}

Json to_json_value(const PricePoint& point) {
  Json json{{"from_ms", to_ms(point.from)},
            {"until_ms", to_ms(point.until)},
            {"price_micro_per_mwh", point.price.count}};
  put_name(json, "session", point.session, kSessions);
  put_name(json, "product", point.product, kProducts);
  return json;
}

Json to_json_value(const BidSegment& segment) {
  return {{"power_w", segment.power.count}, {"price_micro_per_mwh", segment.price.count}};
}

Json to_json_value(const Bid& bid) {
  return {{"key", bid.key},
          {"gate", to_json_value(bid.gate)},
          {"segments", to_json_list(bid.segments)}};
}

Json to_json_value(const Award& award) {
  return {{"key", award.key},
          {"gate", to_json_value(award.gate)},
          {"power_w", award.power.count},
          {"clearing_micro_per_mwh", award.clearing.count}};
}

Json to_json_value(const ReserveCall& call) {
  return {{"key", call.key},
          {"power_w", call.power.count},
          {"from_ms", to_ms(call.from)},
          {"until_ms", to_ms(call.until)}};
}

Json to_json_value(const Delivery& delivery) {
  return {{"key", delivery.key},
          {"gate", to_json_value(delivery.gate)},
          {"delivered_j", delivery.delivered.count}};
}

Json to_json_value(const Settlement& settlement) {
  Json json{{"key", settlement.key},
            {"awarded_j", settlement.awarded.count},
            {"delivered_j", settlement.delivered.count},
            {"revenue_micro", settlement.revenue.count},
            {"penalty_micro", settlement.penalty.count}};
  if (settlement.availability != Amount{}) {
    json["availability_micro"] = settlement.availability.count;
  }
  return json;
}

Json to_json_value(Joules energy) {
  return energy.count;
}

Json to_json_value(const ForecastHour& hour) {
  Json quantiles = Json::array();
  for (const Price& each : hour.quantiles) quantiles.push_back(each.count);
  return {{"price_micro_per_mwh", hour.price.count},
          {"quantiles_micro_per_mwh", std::move(quantiles)}};
}

std::int64_t JsonReader::whole(const Json& object, const char* name) {
  const Json* value = field(object, name);
  return value != nullptr ? number(*value, name) : 0;
}

std::int64_t JsonReader::number(const Json& value, const char* name) {
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (!value.is_number_integer() ||
      (value.is_number_unsigned() && value.get<std::uint64_t>() > kMax)) {
    fail(std::string{name} + " is not a whole number of 64 bits");
    return 0;
  }
  return value.get<std::int64_t>();
}

std::uint32_t JsonReader::count(const Json& object, const char* name) {
  const std::int64_t value = whole(object, name);
  if (value < 0 || value > std::numeric_limits<std::uint32_t>::max()) {
    fail(std::string{name} + " is not a count of 32 bits");
    return 0;
  }
  return static_cast<std::uint32_t>(value);
}

bool JsonReader::yes_or_no(const Json& object, const char* name) {
  const Json* value = field(object, name);
  if (value == nullptr) return false;
  if (!value->is_boolean()) fail(std::string{name} + " is neither true nor false");
  return value->is_boolean() && value->get<bool>();
}

std::string JsonReader::text(const Json& object, const char* name) {
  const Json* value = field(object, name);
  if (value == nullptr) return {};
  if (!value->is_string()) {
    fail(std::string{name} + " is not a text");
    return {};
  }
  return value->get<std::string>();
}

MarketTime JsonReader::time(const Json& object, const char* name) {
  return from_ms(whole(object, name));
}

const Json& JsonReader::object(const Json& object, const char* name) {
  static const Json kEmpty = Json::object();
  const Json* value = field(object, name);
  if (value == nullptr) return kEmpty;
  if (!value->is_object()) fail(std::string{name} + " is not an object");
  return value->is_object() ? *value : kEmpty;
}

const Json& JsonReader::array(const Json& object, const char* name) {
  static const Json kEmpty = Json::array();
  const Json* value = field(object, name);
  if (value == nullptr) return kEmpty;
  if (!value->is_array()) fail(std::string{name} + " is not a list");
  return value->is_array() ? *value : kEmpty;
}

template <class Enum, class Names>
Enum JsonReader::name(const Json& object, const char* name, const Names& names) {
  if (!object.is_object() || !object.contains(name)) return Enum{};
  const auto found = std::ranges::find(names, text(object, name));
  if (found == names.end()) fail(std::string{name} + " is not a known one");
  return found == names.end() ? Enum{} : static_cast<Enum>(found - names.begin());
}

void JsonReader::read(const Json& value, Gate& gate) {
  gate = {time(value, "from_ms"), time(value, "until_ms"), time(value, "closes_ms"),
          name<Session>(value, "session", kSessions), name<Product>(value, "product", kProducts)};
}

void JsonReader::read(const Json& value, PricePoint& point) {
  point = {time(value, "from_ms"), time(value, "until_ms"),
           Price{whole(value, "price_micro_per_mwh")}, name<Session>(value, "session", kSessions),
           name<Product>(value, "product", kProducts)};
}

void JsonReader::read(const Json& value, BidSegment& segment) {
  segment = {Watts{whole(value, "power_w")}, Price{whole(value, "price_micro_per_mwh")}};
}

void JsonReader::read(const Json& value, Bid& bid) {
  bid.key = text(value, "key");
  read(object(value, "gate"), bid.gate);
  bid.segments = list<BidSegment>(value, "segments");
}

void JsonReader::read(const Json& value, Award& award) {
  award.key = text(value, "key");
  read(object(value, "gate"), award.gate);
  award.power = Watts{whole(value, "power_w")};
  award.clearing = Price{whole(value, "clearing_micro_per_mwh")};
}

void JsonReader::read(const Json& value, ReserveCall& call) {
  call = {text(value, "key"), Watts{whole(value, "power_w")}, time(value, "from_ms"),
          time(value, "until_ms")};
}

void JsonReader::read(const Json& value, Delivery& delivery) {
  delivery.key = text(value, "key");
  read(object(value, "gate"), delivery.gate);
  delivery.delivered = Joules{whole(value, "delivered_j")};
}

void JsonReader::read(const Json& value, Settlement& settlement) {
  settlement = {text(value, "key"), Joules{whole(value, "awarded_j")},
                Joules{whole(value, "delivered_j")}, Amount{whole(value, "revenue_micro")},
                Amount{whole(value, "penalty_micro")}};
  if (value.is_object() && value.contains("availability_micro")) {
    settlement.availability = Amount{whole(value, "availability_micro")};
  }
}

void JsonReader::read(const Json& value, Joules& energy) {
  energy = Joules{number(value, "an energy")};
}

void JsonReader::read(const Json& value, Price& price) {
  price = Price{number(value, "a price")};
}

void JsonReader::read(const Json& value, ForecastHour& hour) {
  hour.price = Price{whole(value, "price_micro_per_mwh")};
  hour.quantiles = list<Price>(value, "quantiles_micro_per_mwh");
}

TaskId JsonReader::task(const Json& object, const char* name) {
  const auto id = parse_task_id(text(object, name));
  if (!id) fail(std::string{name} + " is no task id of 16 hex digits");
  return id.value_or(TaskId{});
}

void JsonReader::fail(std::string why) {
  if (error_.empty()) error_ = std::move(why);
}

const Json* JsonReader::field(const Json& object, const char* name) {
  if (!object.is_object()) {
    fail("an object with " + std::string{name} + " was expected");
    return nullptr;
  }
  const auto it = object.find(name);
  if (it == object.end()) {
    fail(std::string{name} + " is missing");
    return nullptr;
  }
  return &*it;
}

std::expected<Json, std::string> parse_json_object(std::string_view text) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) return std::unexpected{"not JSON"};
  if (!value.is_object()) return std::unexpected{"JSON, but not an object"};
  return value;
}

}  // namespace vpp::bidding
