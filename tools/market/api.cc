#include "tools/market/api.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "bidding/format_json.h"
#include "bidding/market_json.h"

namespace vpp::market {
namespace {

using bidding::Json;
using bidding::to_json_list;
using bidding::to_json_value;

constexpr double kMicrosPerUnit = 1e6;

using Query = std::map<std::string, std::string, std::less<>>;

[[nodiscard]] Reply reply(unsigned status, const Json& json) {
  return {status, json.dump(-1, ' ', false, Json::error_handler_t::replace)};
}

[[nodiscard]] Reply refuse(unsigned status, const std::string& why) {
  return reply(status, Json{{"error", why}});
}

[[nodiscard]] std::string unescaped(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    unsigned byte = 0;
    const bool escape = text[i] == '%' && i + 2 < text.size();
    const char* first = text.data() + i + 1;
    if (escape && std::from_chars(first, first + 2, byte, 16).ptr == first + 2) {
      plain += static_cast<char>(byte);
      i += 2;
    } else {
      plain += text[i] == '+' ? ' ' : text[i];
    }
  }
  return plain;
}

[[nodiscard]] std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find(at), text.size());
    parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

[[nodiscard]] Query parse_query(std::string_view text) {
  Query query;
  for (const std::string_view part : split(text, '&')) {
    const std::size_t equals = std::min(part.find('='), part.size());
    query[unescaped(part.substr(0, equals))] =
        equals < part.size() ? part.substr(equals + 1) : std::string_view{};
  }
  return query;
}

[[nodiscard]] std::optional<MarketTime> time_in(const Query& query, std::string_view name) {
  const auto it = query.find(name);
  if (it == query.end()) return std::nullopt;
  std::int64_t ms = 0;
  const char* last = it->second.data() + it->second.size();
  const auto [end, error] = std::from_chars(it->second.data(), last, ms);
  constexpr std::int64_t kMsMax = 4'102'444'800'000;  // the year 2100
  if (error != std::errc{} || end != last || ms < 0 || ms > kMsMax) return std::nullopt;
  return MarketTime{Duration{ms}};
}

[[nodiscard]] std::int64_t to_ms(MarketTime time) {
  return time.time_since_epoch().count();
}

[[nodiscard]] Reply get_clock(const Market& market, const Setting& setting) {
  return reply(200, {{"market_ms", to_ms(setting.now.market)},
                     {"speed", setting.now.speed},
                     {"interval_ms", market.options().interval.count()},
                     {"gate_lead_ms", market.options().gate_lead.count()},
                     {"synthetic", market.synthetic()}});
}

[[nodiscard]] Reply get_prices(const Market& market, const Setting& setting, const Query& query) {
  const auto from = time_in(query, "from_ms");
  const auto until = time_in(query, "until_ms");
  if (!from || !until) return refuse(400, "from_ms and until_ms are UTC milliseconds");
  const auto named = query.find("session");
  const auto session = bidding::session_named(
      named == query.end() ? name_of(bidding::Session::kRealTime) : named->second);
  if (!session) return refuse(400, "session is real_time or day_ahead");
  const auto of = query.find("product");
  const auto product =
      bidding::product_named(of == query.end() ? name_of(bidding::Product::kEnergy) : of->second);
  if (!product) return refuse(400, "product is energy, reserve_up or reserve_down");
  const auto prices = market.prices(setting.now.market, *from, *until, *session, *product);
  return reply(200, {{"market_ms", to_ms(setting.now.market)},
                     {"synthetic", market.synthetic()},
                     {"prices", to_json_list(prices)}});
}

/// Nothing: no keys are named.
[[nodiscard]] std::optional<std::vector<std::string>> keys_in(const Query& query) {
  const auto it = query.find("keys");
  if (it == query.end()) return std::nullopt;
  std::vector<std::string> keys;
  for (const std::string_view key : split(it->second, ',')) keys.push_back(unescaped(key));
  return keys;
}

constexpr const char* kNoKeys = "keys is a list of bid keys, separated by commas";

[[nodiscard]] Reply get_awards(Market& market, const Setting& setting, const Query& query) {
  const auto keys = keys_in(query);
  if (!keys) return refuse(400, kNoKeys);
  return reply(200, {{"awards", to_json_list(market.awards(setting.now.market, *keys))}});
}

[[nodiscard]] Reply get_calls(Market& market, const Setting& setting, const Query& query) {
  const auto keys = keys_in(query);
  if (!keys) return refuse(400, kNoKeys);
  return reply(200, {{"market_ms", to_ms(setting.now.market)},
                     {"calls", to_json_list(market.calls(setting.now.market, *keys))}});
}

[[nodiscard]] Json settlement_for_people(const bidding::Settlement& settlement) {
  Json json = to_json_value(settlement);
  json["awarded_wh"] = static_cast<double>(settlement.awarded.count) / kJoulesPerWattHour;
  json["delivered_wh"] = static_cast<double>(settlement.delivered.count) / kJoulesPerWattHour;
  json["revenue"] = static_cast<double>(settlement.revenue.count) / kMicrosPerUnit;
  json["penalty"] = static_cast<double>(settlement.penalty.count) / kMicrosPerUnit;
  json["availability"] = static_cast<double>(settlement.availability.count) / kMicrosPerUnit;
  return json;
}

[[nodiscard]] Json counters_json(const Counters& counters) {
  return {{"bids_repeated", counters.bids_repeated},
          {"bids_conflicting", counters.bids_conflicting},
          {"bids_second", counters.bids_second},
          {"bids_late", counters.bids_late},
          {"bids_invalid", counters.bids_invalid},
          {"deliveries_repeated", counters.deliveries_repeated},
          {"deliveries_conflicting", counters.deliveries_conflicting},
          {"deliveries_invalid", counters.deliveries_invalid}};
}

[[nodiscard]] Reply get_state(Market& market, const Setting& setting) {
  market.advance(setting.now.market);
  Json bids = Json::array();
  Json awards = Json::array();
  Json calls = Json::array();
  Json settlements = Json::array();
  for (const auto& [key, entry] : market.bids()) {
    Json bid = to_json_value(entry.bid);
    bid["at_ms"] = to_ms(entry.at);
    bid["repeats"] = entry.repeats;
    bids.push_back(std::move(bid));
    if (entry.award) awards.push_back(to_json_value(*entry.award));
    if (entry.call) calls.push_back(to_json_value(*entry.call));
    if (entry.settlement) settlements.push_back(settlement_for_people(*entry.settlement));
  }
  const auto known = market.prices(setting.now.market, setting.now.market,
                                   setting.now.market + market.options().interval);
  const Counters& counters = market.counters();
  return reply(
      200, {{"schema", "vppmarket/v1"},
            {"market_ms", to_ms(setting.now.market)},
            {"speed", setting.now.speed},
            {"synthetic", market.synthetic()},
            {"currency", setting.currency},
            {"price_now",
             known.empty() ? Json{}
                           : Json(static_cast<double>(known.back().price.count) / kMicrosPerUnit)},
            {"gates", to_json_list(market.gates(setting.now.market))},
            {"bids", std::move(bids)},
            {"awards", std::move(awards)},
            {"calls", std::move(calls)},
            {"settlements", std::move(settlements)},
            {"double_bids", counters.bids_conflicting + counters.bids_second},
            {"counters", counters_json(counters)}});
}

[[nodiscard]] unsigned status_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kAccepted:
      return 201;
    case Outcome::kRepeated:
      return 200;
    case Outcome::kConflict:
      return 409;
    case Outcome::kLate:
      return 410;
    case Outcome::kInvalid:
      break;
  }
  return 422;
}

/// The body as T, or why not.
template <class T>
[[nodiscard]] std::expected<T, std::string> read_body(std::string_view body) {
  const auto json = bidding::parse_json_object(body);
  if (!json) return std::unexpected{"the body is " + json.error()};
  bidding::JsonReader reader;
  T value;
  reader.read(*json, value);
  if (!reader.error().empty()) return std::unexpected{reader.error()};
  return value;
}

/// A bid in the market's shape, as one of ours; or the reply that refuses it.
[[nodiscard]] std::expected<bidding::Bid, Reply> read_bid(const Market& market,
                                                          std::string_view body) {
  const auto json = bidding::parse_json_object(body);
  if (!json) return std::unexpected{refuse(400, "the body is " + json.error())};
  bidding::JsonReader reader;
  bidding::Bid bid;
  std::string fault;
  if (market.options().format == Format::kCurve) {
    const auto curve = bidding::read_curve(reader, *json);
    fault = fault_of(curve, bidding::kCaisoRules);
    bid = bid_of(curve);
  } else if (market.options().format == Format::kBands) {
    const auto volumes = bidding::read_band_volumes(reader, *json);
    fault = fault_of(volumes, bidding::kAemoRules);
    const bool sane = bidding::is_sane(volumes.gate.from);
    const auto prices =
        sane ? market.bands().in_force(market.bands().day_at(volumes.gate.from)) : std::nullopt;
    if (fault.empty() && !prices) fault = "no prices hold for that trading day";
    if (fault.empty()) fault = fault_of(volumes, *prices);
    if (prices) bid = bid_of(volumes, *prices);
  } else {
    reader.read(*json, bid);
  }
  if (!reader.error().empty()) return std::unexpected{refuse(400, reader.error())};
  if (!fault.empty()) return std::unexpected{refuse(422, fault)};
  return bid;
}

[[nodiscard]] Json bands_json(const BandBook& bands, std::chrono::local_days day) {
  const auto told = bands.told(day);
  const auto holds = bands.in_force(day);
  return {{"trading_day_ms", to_ms(bands.begin_of(day))},
          {"due_ms", to_ms(bands.due_of(day))},
          {"told", told.has_value()},
          {"prices", holds ? to_json_value(*holds) : Json{}}};
}

/// Of the day in which at_ms lies, or now, and of the day after.
[[nodiscard]] Reply get_bands(const Market& market, const Setting& setting, const Query& query) {
  const auto at = query.contains("at_ms") ? time_in(query, "at_ms") : setting.now.market;
  if (!at) return refuse(400, "at_ms is UTC milliseconds");
  const BandBook& bands = market.bands();
  const auto day = bands.day_at(*at);
  return reply(200, {{"market_ms", to_ms(setting.now.market)},
                     {"days", Json::array({bands_json(bands, day),
                                           bands_json(bands, day + std::chrono::days{1})})}});
}

[[nodiscard]] Reply post_bands(Market& market, const Setting& setting, std::string_view body) {
  const auto json = bidding::parse_json_object(body);
  if (!json) return refuse(400, "the body is " + json.error());
  bidding::JsonReader reader;
  const MarketTime begin = reader.time(*json, "trading_day_ms");
  const auto prices = bidding::read_band_prices(reader, *json);
  if (!reader.error().empty()) return refuse(400, reader.error());
  const BandsResult result = market.tell_bands(setting.now.market, begin, prices);
  Json answer = Json::object();
  if (!result.why.empty()) answer["error"] = result.why;
  return reply(status_of(result.outcome), answer);
}

[[nodiscard]] Reply post_bid(Market& market, const Setting& setting, std::string_view body) {
  const auto bid = read_bid(market, body);
  if (!bid) return bid.error();
  const BidResult result = market.submit(setting.now.market, *bid);
  Json json{{"key", bid->key}};
  if (!result.why.empty()) json["error"] = result.why;
  if (result.standing) json["standing"] = to_json_value(*result.standing);
  return reply(status_of(result.outcome), json);
}

[[nodiscard]] Reply post_withdrawal(Market& market, const Setting& setting, std::string_view body) {
  const auto json = bidding::parse_json_object(body);
  if (!json) return refuse(400, "the body is " + json.error());
  bidding::JsonReader reader;
  const std::string key = reader.text(*json, "key");
  if (!reader.error().empty()) return refuse(400, reader.error());
  const Outcome outcome = market.withdraw(setting.now.market, key);
  if (outcome == Outcome::kInvalid) return refuse(404, "no bid has this key");
  if (outcome == Outcome::kLate) return refuse(410, "its gate has closed");
  return reply(200, {{"key", key}});
}

[[nodiscard]] Reply post_delivery(Market& market, const Setting& setting, std::string_view body) {
  const auto delivery = read_body<bidding::Delivery>(body);
  if (!delivery) return refuse(400, delivery.error());
  const DeliveryResult result = market.deliver(setting.now.market, *delivery);
  Json json{{"key", delivery->key}};
  if (!result.why.empty()) json["error"] = result.why;
  if (result.settlement) json["settlement"] = to_json_value(*result.settlement);
  return reply(status_of(result.outcome), json);
}

[[nodiscard]] Json settlements_json(const Market& market) {
  Json list = Json::array();
  for (const auto& [key, entry] : market.bids()) {
    if (entry.settlement) list.push_back(settlement_for_people(*entry.settlement));
  }
  return {{"settlements", std::move(list)}};
}

}  // namespace

Reply answer(Market& market, const Setting& setting, const Request& request) {
  const std::size_t mark = std::min(request.target.find('?'), request.target.size());
  const std::string_view path = request.target.substr(0, mark);
  const Query query = parse_query(request.target.substr(std::min(mark + 1, request.target.size())));
  const bool get = request.method == "GET";
  const bool post = request.method == "POST";
  if (get && path == "/v1/clock") return get_clock(market, setting);
  if (get && path == "/v1/prices") return get_prices(market, setting, query);
  if (get && path == "/v1/gates") {
    return reply(200, {{"market_ms", to_ms(setting.now.market)},
                       {"gates", to_json_list(market.gates(setting.now.market))}});
  }
  if (get && path == "/v1/awards") return get_awards(market, setting, query);
  if (get && path == "/v1/calls") return get_calls(market, setting, query);
  if (get && path == "/v1/settlements") return reply(200, settlements_json(market));
  if (get && path == "/v1/state") return get_state(market, setting);
  if (get && path == "/v1/bands") return get_bands(market, setting, query);
  if (post && path == "/v1/bands") return post_bands(market, setting, request.body);
  if (post && path == "/v1/bids") return post_bid(market, setting, request.body);
  if (post && path == "/v1/withdrawals") return post_withdrawal(market, setting, request.body);
  if (post && path == "/v1/deliveries") return post_delivery(market, setting, request.body);
  if (!get && !post) return refuse(405, "GET and POST only");
  return refuse(404, "no such path");
}

}  // namespace vpp::market
