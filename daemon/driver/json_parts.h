// Small pieces that the documents are made of. Internal to daemon/driver/documents*.cc.
#pragma once

#include <chrono>
#include <cmath>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "aggregation/duration_curve.h"
#include "bidding/market.h"
#include "bidding/market_json.h"
#include "config/ids.h"
#include "config/time.h"
#include "config/units.h"
#include "daemon/node/node.h"
#include "mesh/messages.h"

namespace vpp::driver::parts {

using Json = nlohmann::ordered_json;

inline Json document(std::string_view kind) {
  return {{"schema", "vppctl/v1"}, {"kind", kind}};
}

/// Names come from peers: never trust them to be UTF-8.
inline std::string text(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

inline Json watts(std::optional<Watts> power) {
  return power ? Json(power->count) : Json();
}

/// Watt-hours with three decimals: enough to tell one joule from the next thousand.
inline Json watt_hours(std::optional<Joules> energy) {
  if (!energy) return {};
  if (energy->count % kJoulesPerWattHour == 0) return energy->count / kJoulesPerWattHour;
  return std::round(static_cast<double>(energy->count) / 3.6) / 1000.0;
}

inline Json market_ms(MarketTime at) {
  return at.time_since_epoch().count();
}

/// Micro-units as units.
inline Json money(std::int64_t micro) {
  if (micro % 1'000'000 == 0) return micro / 1'000'000;
  return static_cast<double>(micro) / 1e6;
}

inline Json order_id(OrderId id) {
  return id == kNoOrder ? Json() : Json(id.value);
}

template <class T>
Json optional(const std::optional<T>& value) {
  return value ? Json(*value) : Json();
}

inline Json gate_part(const bidding::Gate& gate) {
  return {{"from_ms", market_ms(gate.from)},
          {"until_ms", market_ms(gate.until)},
          {"closes_ms", market_ms(gate.closes)},
          {"session", bidding::name_of(gate.session)},
          {"product", bidding::name_of(gate.product)}};
}

inline Json price_part(const bidding::PricePoint& price) {
  return {{"from_ms", market_ms(price.from)},
          {"until_ms", market_ms(price.until)},
          {"session", bidding::name_of(price.session)},
          {"product", bidding::name_of(price.product)},
          {"price", money(price.price.count)}};
}

inline Json coverage_part(const mesh::Coverage& coverage) {
  return {{"enrolled", coverage.enrolled},
          {"online", coverage.online},
          {"stale", coverage.stale},
          {"offline", coverage.offline}};
}

constexpr auto kShortest = std::chrono::milliseconds{std::chrono::minutes{5}};
constexpr auto kLongest = std::chrono::milliseconds{aggregation::kGrid.back()};

/// documents_status.cc; also parts of a node's own document. Null where the role has none.
/// What is missing of a child's share and why; null where nothing is.
[[nodiscard]] Json undelivered_part(const node::NodeStatus& status, std::size_t child);
/// Of a leaf whose owner follows value signals; documents_values.cc.
[[nodiscard]] Json follower_part(const node::NodeStatus& status);
[[nodiscard]] Json uplink_part(const node::NodeStatus& status);
[[nodiscard]] Json tree_part(const node::NodeStatus& status);
[[nodiscard]] Json membership_part(const mesh::ChildrenCounters& counters);
[[nodiscard]] Json move_part(const mesh::Move& move, Instant now);

/// Of what is below, or of the leaf's own battery.
inline Json stored_part(const node::NodeStatus& status) {
  if (status.role == Role::kLeaf) return status.site ? watt_hours(status.site->stored) : Json();
  return status.group.coverage.online > 0 ? watt_hours(status.group.stored) : Json();
}

/// Where the newest split cut: who lasts longer serves; in seconds, null when nothing was cut.
inline Json level_part(const node::NodeStatus& status) {
  if (!status.level || !status.target) return {};
  return static_cast<double>(status.level->count()) / 1000.0;
}

}  // namespace vpp::driver::parts
