#include "daemon/driver/order_request.h"

#include <algorithm>
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

}  // namespace

std::expected<OrderRequest, std::string> parse_order_request(std::string_view body) {
  const Json json = Json::parse(body, nullptr, false);
  if (!json.is_object()) return std::unexpected{"the body is no JSON object"};
  static constexpr std::array kKnown{"key", "power_w", "duration_s", "from_ms", "dry_run"};
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
  if (const auto dry = json.find("dry_run"); dry != json.end()) {
    if (!dry->is_boolean()) return std::unexpected{"dry_run: true or false"};
    out.dry_run = dry->get<bool>();
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
