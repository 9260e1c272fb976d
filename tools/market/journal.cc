#include "tools/market/journal.h"

#include <array>
#include <utility>

#include "bidding/format_json.h"
#include "bidding/market_json.h"

namespace vpp::market::journal {
namespace {

using bidding::Json;

constexpr std::array<std::pair<Outcome, std::string_view>, 5> kOutcomes{
    {{Outcome::kAccepted, "accepted"},
     {Outcome::kRepeated, "repeated"},
     {Outcome::kConflict, "conflict"},
     {Outcome::kLate, "late"},
     {Outcome::kInvalid, "invalid"}}};

[[nodiscard]] Json head(std::string_view event, MarketTime at) {
  return {{"event", event}, {"at_ms", at.time_since_epoch().count()}};
}

[[nodiscard]] std::string line_of(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

[[nodiscard]] Outcome read_outcome(bidding::JsonReader& reader, const Json& json) {
  const std::string text = reader.text(json, "outcome");
  for (const auto& [outcome, name] : kOutcomes) {
    if (text == name) return outcome;
  }
  reader.fail("no such outcome");
  return Outcome::kInvalid;
}

template <class T>
[[nodiscard]] T read_part(bidding::JsonReader& reader, const Json& json, const char* name) {
  T part;
  reader.read(reader.object(json, name), part);
  return part;
}

[[nodiscard]] Event read_event(bidding::JsonReader& reader, const Json& json) {
  const std::string event = reader.text(json, "event");
  if (event == "bid") {
    return BidEvent{read_part<bidding::Bid>(reader, json, "bid"), reader.time(json, "at_ms"),
                    read_outcome(reader, json)};
  }
  if (event == "award") return read_part<bidding::Award>(reader, json, "award");
  if (event == "call") return read_part<bidding::ReserveCall>(reader, json, "call");
  if (event == "bands") {
    return BandsEvent{reader.time(json, "trading_day_ms"),
                      bidding::read_band_prices(reader, reader.object(json, "prices"))};
  }
  if (event == "settlement") return read_part<bidding::Settlement>(reader, json, "settlement");
  if (event != "delivery") reader.fail("no such event");
  return DeliveryEvent{};
}

}  // namespace

std::string_view name_of(Outcome outcome) {
  return kOutcomes.at(static_cast<std::size_t>(outcome)).second;
}

std::string bid_line(MarketTime at, const bidding::Bid& bid, Outcome outcome) {
  Json json = head("bid", at);
  json["outcome"] = name_of(outcome);
  json["bid"] = to_json_value(bid);
  return line_of(json);
}

std::string award_line(MarketTime at, const bidding::Award& award) {
  Json json = head("award", at);
  json["award"] = to_json_value(award);
  return line_of(json);
}

std::string call_line(MarketTime at, const bidding::ReserveCall& call) {
  Json json = head("call", at);
  json["call"] = to_json_value(call);
  return line_of(json);
}

std::string delivery_line(MarketTime at, const bidding::Delivery& delivery, Outcome outcome) {
  Json json = head("delivery", at);
  json["outcome"] = name_of(outcome);
  json["delivery"] = to_json_value(delivery);
  return line_of(json);
}

std::string settlement_line(MarketTime at, const bidding::Settlement& settlement) {
  Json json = head("settlement", at);
  json["settlement"] = to_json_value(settlement);
  return line_of(json);
}

std::string bands_line(MarketTime at, MarketTime begin, const bidding::BandPrices& prices) {
  Json json = head("bands", at);
  json["trading_day_ms"] = begin.time_since_epoch().count();
  json["prices"] = to_json_value(prices);
  return line_of(json);
}

std::optional<Event> read(std::string_view line) {
  const auto json = bidding::parse_json_object(line);
  if (!json) return std::nullopt;
  bidding::JsonReader reader;
  Event event = read_event(reader, *json);
  if (!reader.error().empty()) return std::nullopt;
  return event;
}

}  // namespace vpp::market::journal
