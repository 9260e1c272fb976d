#include "daemon/driver/order_request.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "config/limits.h"

namespace vpp::driver {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kKeyBytesMax = 64;
constexpr std::int64_t kDurationMaxS = 86'400;
constexpr std::int64_t kOptOutMaxS = 366 * 86'400;
constexpr std::int64_t kMarketMsMax = 253'402'300'800'000;  ///< the year 10000

bool printable(std::string_view key) {
  return !key.empty() && key.size() <= kKeyBytesMax &&
         std::ranges::all_of(key, [](char c) { return c > ' ' && c < '\x7f'; });
}

/// Whole numbers only: half a watt is a mistake, not a request.
std::optional<std::int64_t> whole(const Json& body, const char* name, std::int64_t least,
                                  std::int64_t most) {
  const auto found = body.find(name);
  if (found == body.end() || !found->is_number_integer()) return std::nullopt;
  if (found->is_number_unsigned() &&
      found->get<std::uint64_t>() >
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
    return std::nullopt;
  }
  const auto value = found->get<std::int64_t>();
  if (value < least || value > most) return std::nullopt;
  return value;
}

std::optional<std::string> text(const Json& body, const char* name) {
  const auto found = body.find(name);
  if (found == body.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

/// What is wrong; nothing: all is well.
std::optional<std::string> take_scope(const Json& body, node::SendOrder& into) {
  if (body.contains("program")) {
    into.scope.program = text(body, "program").value_or("");
    if (!is_program_name(into.scope.program)) {
      return "program: 1 to 32 of a-z, 0-9, '-', '_' and '.'";
    }
  }
  if (body.contains("group")) {
    into.scope.group = text(body, "group").value_or("");
    if (!is_group(into.scope.group)) return R"(group: "key=value", as in "region=north")";
  }
  if (!body.contains("service")) return std::nullopt;
  const auto service = text(body, "service");
  if (service != "energy" && service != "frequency") return R"(service: "energy" or "frequency")";
  into.service = service == "energy" ? Service::kEnergy : Service::kFrequency;
  return std::nullopt;
}

}  // namespace

std::expected<OrderRequest, std::string> parse_order_request(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return std::unexpected{"the body is no JSON object"};
  static constexpr std::array kKnown{"key",     "power_w", "duration_s", "from_ms", "ramp_s",
                                     "program", "group",   "service",    "dry_run"};
  for (const auto& [name, value] : json.items()) {
    if (std::ranges::find(kKnown, name) == kKnown.end()) {
      return std::unexpected{"unknown field '" + name + "'"};
    }
  }
  OrderRequest out;
  const auto key = json.find("key");
  if (key == json.end() || !key->is_string() || !printable(key->get_ref<const std::string&>())) {
    return std::unexpected{"key: 1 to 64 printable characters without blanks"};
  }
  out.command.key = key->get<std::string>();
  const std::int64_t power_max = limits::kGroupPowerMax.count;
  const auto power = whole(json, "power_w", -power_max, power_max);
  if (!power) return std::unexpected{"power_w: whole watts, at most 10 GW either way"};
  out.command.power = {*power};
  const auto duration = whole(json, "duration_s", 1, kDurationMaxS);
  if (!duration) return std::unexpected{"duration_s: whole seconds, 1 to 86400"};
  out.command.duration = std::chrono::seconds{*duration};
  if (json.contains("from_ms")) {
    const auto from = whole(json, "from_ms", 1, kMarketMsMax);
    if (!from) return std::unexpected{"from_ms: milliseconds of market time since 1970"};
    out.command.from = MarketTime{std::chrono::milliseconds{*from}};
  }
  if (const auto why = take_scope(json, out.command)) return std::unexpected{*why};
  if (json.contains("ramp_s")) {
    const auto ramp = whole(json, "ramp_s", 0, kDurationMaxS);
    if (!ramp) return std::unexpected{"ramp_s: whole seconds, 0 to 86400"};
    out.command.ramp = std::chrono::seconds{*ramp};
  }
  if (const auto dry = json.find("dry_run"); dry != json.end()) {
    if (!dry->is_boolean()) return std::unexpected{"dry_run: true or false"};
    out.dry_run = dry->get<bool>();
  }
  return out;
}

std::expected<bidding::OwnBid, std::string> parse_bid_request(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return std::unexpected{"the body is no JSON object"};
  static constexpr std::array kKnown{"key", "from_ms", "session", "segments"};
  for (const auto& [name, value] : json.items()) {
    if (std::ranges::find(kKnown, name) == kKnown.end()) {
      return std::unexpected{"unknown field '" + name + "'"};
    }
  }
  bidding::OwnBid out;
  out.key = text(json, "key").value_or("");
  const auto printable = [](char c) { return c > ' ' && c <= '~' && c != ',' && c != '/'; };
  if (out.key.empty() || out.key.size() > 64 || !std::ranges::all_of(out.key, printable)) {
    return std::unexpected{"key: 1 to 64 printable characters without blank, ',' and '/'"};
  }
  const auto from = whole(json, "from_ms", 0, bidding::kTimeMax.time_since_epoch().count());
  if (!from) return std::unexpected{"from_ms: when delivery begins, in milliseconds since 1970"};
  out.from = MarketTime{Duration{*from}};
  const std::string session = text(json, "session").value_or("real-time");
  if (session != "real-time" && session != "day-ahead") {
    return std::unexpected{"session: real-time or day-ahead"};
  }
  out.session = session == "day-ahead" ? bidding::Session::kDayAhead : bidding::Session::kRealTime;
  const auto segments = json.find("segments");
  if (segments == json.end() || !segments->is_array()) return std::unexpected{"segments: a list"};
  for (const Json& each : *segments) {
    const auto power = whole(each, "power_w", 1, limits::kGroupPowerMax.count);
    const auto price = each.is_object() ? each.find("price") : each.end();
    const bool priced = each.is_object() && price != each.end() && price->is_number() &&
                        std::abs(price->get<double>()) <= 100'000.0;
    if (!power || !priced || each.size() != 2) {
      return std::unexpected{
          "a segment is {\"power_w\": whole watts above 0, \"price\": within +-100000 per MWh}"};
    }
    out.segments.push_back({Watts{*power}, Price{std::llround(price->get<double>() * 1e6)}});
  }
  return out;
}

std::expected<OptOutRequest, std::string> parse_opt_out_request(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return std::unexpected{"the body is no JSON object"};
  static constexpr std::array kKnown{"out", "program", "duration_s"};
  for (const auto& [name, value] : json.items()) {
    if (std::ranges::find(kKnown, name) == kKnown.end()) {
      return std::unexpected{"unknown field '" + name + "'"};
    }
  }
  OptOutRequest out;
  const auto on = json.find("out");
  if (on == json.end() || !on->is_boolean()) return std::unexpected{"out: true or false"};
  out.out = on->get<bool>();
  if (json.contains("program")) {
    out.program = text(json, "program").value_or("");
    if (!is_program_name(out.program)) {
      return std::unexpected{"program: 1 to 32 of a-z, 0-9, '-', '_' and '.'"};
    }
  }
  if (json.contains("duration_s")) {
    const auto duration = whole(json, "duration_s", 1, kOptOutMaxS);
    if (!duration) return std::unexpected{"duration_s: whole seconds, 1 to a year"};
    out.duration = std::chrono::seconds{*duration};
  }
  return out;
}

std::expected<bool, std::string> parse_drain_request(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  const auto on = json.is_object() ? json.find("on") : json.end();
  if (!json.is_object() || json.size() != 1 || on == json.end() || !on->is_boolean()) {
    return std::unexpected{R"(the body is {"on":true} or {"on":false})"};
  }
  return on->get<bool>();
}

}  // namespace vpp::driver
