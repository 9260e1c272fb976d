#include "tools/market/faults.h"

#include <algorithm>

namespace vpp::market {
namespace {

using bidding::Json;

constexpr std::int64_t kTooHighMicro = 10'000'000;
constexpr std::int64_t kAbsurdMicro = 9'000'000'000'000'000;

/// The same for one interval whenever it is told.
[[nodiscard]] bool chosen(std::int64_t from_ms, std::uint64_t salt, std::int64_t permille) {
  Rng rng{static_cast<std::uint64_t>(from_ms) * 4 + salt};
  return static_cast<std::int64_t>(rng.below(1000)) < permille;
}

[[nodiscard]] std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::expected<Faults, std::string> read_faults(std::string_view text) {
  const auto json = bidding::parse_json_object(text);
  if (!json) return std::unexpected{"the body is " + json.error()};
  Faults faults;
  for (const auto& [name, value] : json->items()) {
    const auto known =
        std::ranges::find(kFaults, std::string_view{name}, &decltype(kFaults)::value_type::first);
    if (known == kFaults.end()) return std::unexpected{"no such fault: " + name.substr(0, 40)};
    bidding::JsonReader reader;
    faults.*(known->second) = reader.whole(*json, name.c_str());
    if (!reader.error().empty()) return std::unexpected{reader.error()};
  }
  return faults;
}

Reply FaultyMarket::answer(const Setting& setting, const Request& request) {
  const std::string_view path = request.target.substr(0, request.target.find('?'));
  if (path == "/v1/faults") return control(request);
  if (path == "/v1/state" || faults_ == Faults{}) {
    return market::answer(market_, setting, request);
  }
  if (faults_.outage != 0) return {.json = {}, .cut = Cut::kNoAnswer};
  if (strikes(faults_.busy_permille)) {
    Reply busy{429, R"({"error":"too many requests"})"};
    if (faults_.retry_after_s > 0) busy.retry_after_s = faults_.retry_after_s;
    return busy;
  }
  const Reply error{500, R"({"error":"something broke"})"};
  const bool fails = strikes(faults_.error_permille);
  if (fails && strikes(500)) return error;
  Setting shifted = setting;
  shifted.now.market += Duration{faults_.clock_shift_ms};
  Reply reply = market::answer(market_, shifted, request);
  if (fails) return error;
  auto json = bidding::parse_json_object(reply.json);
  if (json && path == "/v1/prices") spoil_prices(shifted, *json);
  if (json && path == "/v1/awards") spoil_awards(*json);
  if (json) reply.json = dumped(*json);
  if (strikes(faults_.half_body_permille)) reply.cut = Cut::kHalfBody;
  return reply;
}

Reply FaultyMarket::control(const Request& request) {
  if (request.method == "POST") {
    const auto faults = read_faults(request.body);
    if (!faults) return {400, dumped({{"error", faults.error()}})};
    faults_ = *faults;
  }
  Json json = Json::object();
  for (const auto& [name, member] : kFaults) json[std::string{name}] = faults_.*member;
  return {200, dumped(json)};
}

bool FaultyMarket::strikes(std::int64_t permille) {
  return permille > 0 && static_cast<std::int64_t>(rng_.below(1000)) < permille;
}

void FaultyMarket::spoil_prices(const Setting& setting, Json& json) {
  if (!json.contains("prices")) return;
  const std::int64_t now_ms = setting.now.market.time_since_epoch().count();
  Json told = Json::array();
  for (Json& point : json["prices"]) {
    const auto from_ms = point["from_ms"].get<std::int64_t>();
    Json& price = point["price_micro_per_mwh"];
    if (from_ms > now_ms - faults_.late_prices_ms) continue;
    if (chosen(from_ms, 1, faults_.gap_permille)) continue;
    if (chosen(from_ms, 2, faults_.corrected_permille) &&
        now_ms < from_ms + faults_.corrected_after_ms) {
      price = price.get<std::int64_t>() + kTooHighMicro;
    }
    if (strikes(faults_.odd_permille)) price = strikes(500) ? Json{} : Json(kAbsurdMicro);
    told.push_back(std::move(point));
  }
  json["prices"] = std::move(told);
}

void FaultyMarket::spoil_awards(Json& json) const {
  if (!json.contains("awards")) return;
  Json told = Json::array();
  for (const Json& award : json["awards"]) {
    told.push_back(award);
    if (faults_.duplicate_awards != 0) told.push_back(award);
    if (faults_.changed_awards == 0) continue;
    told.push_back(award);
    told.back()["power_w"] = award["power_w"].get<std::int64_t>() / 2;
  }
  json["awards"] = std::move(told);
}

}  // namespace vpp::market
