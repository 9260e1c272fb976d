// Documents about this node and what is below it.
#include <array>
#include <variant>

#include "daemon/driver/documents.h"
#include "daemon/driver/json_parts.h"
#include "daemon/driver/names.h"
#include "daemon/driver/version.h"
#include "mesh/messages.h"

namespace vpp::driver {
namespace {

using namespace parts;
using namespace std::chrono_literals;

constexpr auto kShortest = std::chrono::milliseconds{5min};
constexpr auto kLongest = std::chrono::milliseconds{aggregation::kGrid.back()};

Json coverage_part(const mesh::Coverage& coverage) {
  return {{"enrolled", coverage.enrolled},
          {"online", coverage.online},
          {"stale", coverage.stale},
          {"offline", coverage.offline}};
}

Json health_part(const std::vector<HealthCode>& codes) {
  Json list = Json::array();
  for (const HealthCode& code : codes) {
    list.push_back(
        {{"code", code.code}, {"severity", to_string(code.severity)}, {"text", code.text}});
  }
  return {{"state", health_state(codes)}, {"codes", std::move(list)}};
}

/// A curve in two numbers: what it holds for 5 minutes, and all of it.
Json short_part(const aggregation::DurationCurve& curve) {
  return {{"power_w", held_power(curve, kShortest).count},
          {"energy_wh", watt_hours(curve.at(kLongest))}};
}

Watts firm(Watts power, std::int32_t permille) {
  return {power.count * permille / 1000};
}

/// What children that are not counted could add; of groups nobody knows.
Json unknown_part(const node::NodeStatus& status, Watts mesh::ChildView::* cap) {
  if (status.role == Role::kLeaf) return 0;
  Watts sum;
  for (const mesh::ChildView& child : status.children) {
    if (child.counted && state_of(child) == NodeState::kAlive) continue;
    if (child.role != Role::kLeaf) return {};
    sum += child.*cap;
  }
  return sum.count;
}

Json capacity_part(const Snapshot& snapshot) {
  const auto flexibility = flexibility_of(snapshot.status);
  const auto side = [&](const aggregation::DurationCurve* curve, Watts mesh::ChildView::* cap) {
    std::optional<Watts> power;
    std::optional<Joules> energy;
    std::optional<Watts> promised;
    if (curve != nullptr) {
      power = held_power(*curve, kShortest);
      promised = firm(*power, snapshot.vitals.firm_permille);
      energy = curve->at(kLongest);
    }
    return Json{{"power_w", watts(power)},
                {"firm_w", watts(promised)},
                {"energy_wh", watt_hours(energy)},
                {"unknown_w", unknown_part(snapshot.status, cap)}};
  };
  return {{"up", side(flexibility ? &flexibility->up : nullptr, &mesh::ChildView::discharge_max)},
          {"down", side(flexibility ? &flexibility->down : nullptr, &mesh::ChildView::charge_max)}};
}

Json uplink_part(const node::NodeStatus& status) {
  if (status.role == Role::kRoot) return {};
  Json path = Json::array();
  for (const NodeId id : status.path) path.push_back(to_string(id));
  Json alternates = Json::array();
  for (const Endpoint& endpoint : status.alternates) alternates.push_back(endpoint.address);
  return {{"state", status.uplink_state},
          {"parent", status.parent ? Json(to_string(*status.parent)) : Json()},
          {"path", std::move(path)},
          {"session", status.session},
          {"beacon_age_ms", status.beacon_age ? Json(status.beacon_age->count()) : Json()},
          {"alternates", std::move(alternates)}};
}

Json tree_part(const node::NodeStatus& status) {
  if (status.role == Role::kLeaf) return {};
  std::size_t attached = 0;
  std::size_t counted = 0;
  for (const mesh::ChildView& child : status.children) {
    attached += child.attached ? 1U : 0U;
    counted += child.counted ? 1U : 0U;
  }
  return {{"children", status.children.size()},
          {"attached", attached},
          {"counted", counted},
          {"coverage", coverage_part(status.group.coverage)}};
}

Json age_of(MarketTime at, const Now& now) {
  if (at == MarketTime{}) return {};
  return (now.market - at).count() / std::max<std::int64_t>(1, now.speed);
}

Json order_part(const node::NodeStatus& status) {
  if (!status.target) return {};
  const bool leaf = status.role == Role::kLeaf;
  Json source;
  Json until;
  for (const aggregation::Order& order : status.orders) {
    if (order.id != status.order) continue;
    source = to_string(order.source);
    until = market_ms(order.until);
  }
  const MarketTime oldest = leaf && status.site ? status.site->measured_at : status.group.oldest;
  const auto measured = measured_of(status);
  return {{"id", order_id(status.order)},
          {"source", source},
          {"target_w", status.target->count},
          {"measured_w", watts(measured)},
          {"measured_age_ms", measured ? age_of(oldest, status.now) : Json()},
          {"error_permille", optional(error_permille(status))},
          {"shortfall_w", leaf ? Json() : Json(status.group.shortfall.count)},
          {"until_ms", until}};
}

Json direction_part(const device::Capability& capability) {
  return {{"power_w", capability.power.count}, {"energy_wh", watt_hours(capability.energy)}};
}

Json site_part(const node::NodeStatus& status) {
  if (!status.site) return {};
  const device::SiteStatus& site = *status.site;
  Json accounts = Json::array();
  for (const device::OrderAccount& account : site.accounts) {
    accounts.push_back(
        {{"order", account.order.value}, {"delivered_wh", watt_hours(account.delivered)}});
  }
  return {{"mode", to_string(site.mode)},
          {"set_point_w", site.set_point.count},
          {"measured_w", watts(site.measured)},
          {"soc_permille", optional(site.soc_permille)},
          {"stored_wh", watt_hours(site.stored)},
          {"up", direction_part(site.discharge)},
          {"down", direction_part(site.charge)},
          {"stale", site.stale},
          {"limited_by", site.limited_by.empty() ? Json() : Json(site.limited_by)},
          {"measured_market_ms",
           site.measured_at == MarketTime{} ? Json() : market_ms(site.measured_at)},
          {"order", order_id(site.order)},
          {"accounts", std::move(accounts)}};
}

Json market_part(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  if (!snapshot.vitals.market) return {};
  Json next;
  for (const bidding::Gate& gate : status.gates) {
    if (gate.closes <= status.now.market) continue;
    if (!next.is_null() && next["closes_ms"] <= market_ms(gate.closes)) continue;
    next = {{"from_ms", market_ms(gate.from)},
            {"until_ms", market_ms(gate.until)},
            {"closes_ms", market_ms(gate.closes)},
            {"closes_in_ms", (gate.closes - status.now.market).count() /
                                 std::max<std::int64_t>(1, status.now.speed)}};
  }
  const bidding::BidView* last = nullptr;
  for (const bidding::BidView& bid : status.bids) {
    if (last == nullptr || bid.bid.gate.from > last->bid.gate.from) last = &bid;
  }
  Json last_bid;
  if (last != nullptr) last_bid = {{"key", last->bid.key}, {"state", last->state}};
  return {{"enabled", true}, {"next_gate", next}, {"last_bid", last_bid}};
}

Json wire_part(const mesh::TransportCounters& wire) {
  return {{"frames_in", wire.frames_in},
          {"frames_out", wire.frames_out},
          {"malformed", wire.malformed},
          {"oversize", wire.oversize},
          {"misdirected", wire.misdirected},
          {"strangers", wire.unproven + wire.bad_cert + wire.key_mismatch},
          {"unproven", wire.unproven},
          {"bad_cert", wire.bad_cert},
          {"key_mismatch", wire.key_mismatch},
          {"expired", wire.expired},
          {"unknown", wire.unknown_connection},
          {"slow", wire.slow_peer},
          {"table_full", wire.table_full},
          {"handshakes_failed", wire.handshakes_failed}};
}

Json membership_part(const mesh::ChildrenCounters& counters) {
  return {{"refused", counters.refused},
          {"stale_session", counters.stale_session},
          {"replayed", counters.replayed},
          {"unproven", counters.unproven},
          {"leases_lost", counters.leases_lost}};
}

// --- one child -----------------------------------------------------------------------------------

void add_summary(Json& out, const mesh::SiteSummary& site) {
  const auto side = [&](const mesh::SiteDirection& direction) {
    if (site.stale) return Json();
    return Json{{"power_w", direction.power.count}, {"energy_wh", watt_hours(direction.energy)}};
  };
  out["measured_w"] = watts(site.measured);
  out["stored_wh"] = watt_hours(site.stored);
  out["up"] = side(site.discharge);
  out["down"] = side(site.charge);
}

void add_summary(Json& out, const mesh::GroupSummary& group) {
  const bool known = group.coverage.online > 0;
  const auto side = [&](const std::vector<Joules>& points) {
    const auto curve = aggregation::DurationCurve::from_wire(group.grid_id, points);
    return curve ? short_part(*curve) : Json();
  };
  out["measured_w"] = known ? watts(group.measured) : Json();
  out["stored_wh"] = known ? watt_hours(group.stored) : Json();
  out["up"] = side(group.discharge);
  out["down"] = side(group.charge);
  out["shortfall_w"] = group.shortfall.count;
  out["coverage"] = coverage_part(group.coverage);
}

Json child_part(const node::NodeStatus& status, std::size_t index) {
  const mesh::ChildView& child = status.children[index];
  const Instant now = status.now.protocol;
  const bool heard = child.heard_at != Instant{};
  Json out{{"id", to_string(child.id)},
           {"name", child.name},
           {"role", to_string(child.role)},
           {"region", child.region},
           {"state", to_string(state_of(child))},
           {"attached", child.attached},
           {"counted", child.counted},
           {"session", child.session},
           {"heard_age_ms", heard ? Json((now - child.heard_at).count()) : Json()},
           {"lease_left_ms", child.attached ? Json((child.lease_until - now).count()) : Json()},
           {"measured_w", nullptr},
           {"asked_w", index < status.asked.size() ? Json(status.asked[index].count) : Json()},
           {"stored_wh", nullptr},
           {"shortfall_w", nullptr},
           {"coverage", nullptr},
           {"up", nullptr},
           {"down", nullptr},
           {"address", child.serves ? Json(child.serves->address) : Json()},
           {"descendants", nullptr}};
  // The last values of a child that is gone are not its values now.
  if (child.attached && child.summary) {
    std::visit([&](const auto& summary) { add_summary(out, summary); }, *child.summary);
  }
  return out;
}

Json node_of_child(const node::NodeStatus& status, std::size_t index) {
  const mesh::ChildView& child = status.children[index];
  Json out = child_part(status, index);
  out["self"] = false;
  out["parent"] = to_string(status.self);
  out["certificate"] = {{"discharge_max_w", child.discharge_max.count},
                        {"charge_max_w", child.charge_max.count},
                        {"energy_max_wh", watt_hours(child.energy_max)}};
  return out;
}

Json node_of_self(const node::NodeStatus& status) {
  const bool leaf = status.role == Role::kLeaf;
  const auto flexibility = flexibility_of(status);
  const bool stale = leaf && (!status.site || status.site->stale);
  Json stored;
  if (leaf && status.site) stored = watt_hours(status.site->stored);
  if (!leaf && status.group.coverage.online > 0) stored = watt_hours(status.group.stored);
  return {{"id", to_string(status.self)},
          {"name", status.name},
          {"role", to_string(status.role)},
          {"region", status.region},
          {"state", stale ? "stale" : "alive"},
          {"attached", status.role == Role::kRoot || status.parent.has_value()},
          {"counted", nullptr},
          {"session", status.session},
          {"heard_age_ms", 0},
          {"lease_left_ms", nullptr},
          {"measured_w", watts(measured_of(status))},
          {"asked_w", watts(status.target)},
          {"stored_wh", stored},
          {"shortfall_w", leaf ? Json() : Json(status.group.shortfall.count)},
          {"coverage", leaf ? Json() : coverage_part(status.group.coverage)},
          {"up", flexibility ? short_part(flexibility->up) : Json()},
          {"down", flexibility ? short_part(flexibility->down) : Json()},
          {"address", nullptr},
          {"descendants", nullptr},
          {"self", true},
          {"parent", status.parent ? Json(to_string(*status.parent)) : Json()},
          {"certificate", nullptr}};
}

}  // namespace

std::string version_document() {
  Json out = document("version");
  out["version"] = kVersion;
  out["protocol"] = mesh::kProtocolVersion;
  return text(out);
}

std::string health_document(const std::vector<HealthCode>& codes) {
  Json out = document("health");
  out.update(health_part(codes));
  return text(out);
}

std::string status_document(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  const Vitals& vitals = snapshot.vitals;
  const auto measured = measured_of(status);
  Json out = document("status");
  out["node"] = {{"id", to_string(status.self)},
                 {"name", status.name},
                 {"role", to_string(status.role)},
                 {"region", status.region},
                 {"term", status.term},
                 {"pid", vitals.pid},
                 {"version", kVersion},
                 {"uptime_ms", vitals.uptime.count()}};
  out["now"] = {{"market_ms", market_ms(status.now.market)}, {"speed", status.now.speed}};
  out["health"] = health_part(health_of(snapshot));
  out["uplink"] = uplink_part(status);
  out["tree"] = tree_part(status);
  out["capacity"] = capacity_part(snapshot);
  out["measured_w"] = watts(measured);
  out["stored_wh"] = node_of_self(status)["stored_wh"];
  out["order"] = order_part(status);
  out["site"] = status.role == Role::kLeaf ? site_part(status) : Json();
  out["market"] = market_part(snapshot);
  out["store"] = {{"used_bytes", vitals.store.used_bytes},
                  {"map_bytes", vitals.store.map_bytes},
                  {"used_permille", vitals.store.permille()}};
  out["wire"] = wire_part(vitals.wire);
  out["membership"] = membership_part(status.counters);
  return text(out);
}

std::string tree_document(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  const bool leaf = status.role == Role::kLeaf;
  Json children = Json::array();
  for (std::size_t i = 0; i < status.children.size(); ++i) {
    children.push_back(child_part(status, i));
  }
  const Json self = node_of_self(status);
  Json out = document("tree");
  for (const char* key : {"id", "name", "role", "region", "state"}) out["node"][key] = self[key];
  out["coverage"] = leaf ? Json() : coverage_part(status.group.coverage);
  out["children"] = std::move(children);
  return text(out);
}

std::string nodes_document(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  Json nodes = Json::array();
  nodes.push_back(node_of_self(status));
  for (std::size_t i = 0; i < status.children.size(); ++i) {
    nodes.push_back(node_of_child(status, i));
  }
  Json out = document("nodes");
  out["nodes"] = std::move(nodes);
  return text(out);
}

std::optional<std::string> node_document(const Snapshot& snapshot, std::string_view id_or_name) {
  const node::NodeStatus& status = snapshot.status;
  Json out = document("node");
  if (id_or_name == status.name || id_or_name == to_string(status.self)) {
    out["node"] = node_of_self(status);
    return text(out);
  }
  for (std::size_t i = 0; i < status.children.size(); ++i) {
    const mesh::ChildView& child = status.children[i];
    if (id_or_name != child.name && id_or_name != to_string(child.id)) continue;
    out["node"] = node_of_child(status, i);
    return text(out);
  }
  return std::nullopt;
}

std::string capacity_document(const Snapshot& snapshot) {
  constexpr std::array kHorizons{300s, 900s, 3'600s, 14'400s};
  const std::int32_t permille = snapshot.vitals.firm_permille;
  const auto side = [&](const aggregation::DurationCurve& curve) {
    Json horizons = Json::array();
    for (const auto horizon : kHorizons) {
      const Watts power = held_power(curve, horizon);
      horizons.push_back({{"duration_s", horizon.count()},
                          {"power_w", power.count},
                          {"firm_w", firm(power, permille).count}});
    }
    Json points = Json::array();
    for (const auto at : aggregation::kGrid) {
      points.push_back({{"duration_s", at.count()}, {"energy_wh", watt_hours(curve.at(at))}});
    }
    return Json{{"horizons", std::move(horizons)}, {"curve", std::move(points)}};
  };
  const auto flexibility = flexibility_of(snapshot.status);
  const bool leaf = snapshot.status.role == Role::kLeaf;
  Json out = document("capacity");
  out["coverage"] = leaf ? Json() : coverage_part(snapshot.status.group.coverage);
  out["firm_permille"] = permille;
  out["up"] = flexibility ? side(flexibility->up) : Json();
  out["down"] = flexibility ? side(flexibility->down) : Json();
  return text(out);
}

std::string config_document(std::string_view file, std::string_view toml) {
  Json out = document("config");
  out["file"] = file;
  out["toml"] = toml;
  return text(out);
}

std::string error_document(std::string_view code, std::string_view what, std::string_view hint) {
  Json out = document("error");
  out["code"] = code;
  out["text"] = what;
  out["hint"] = hint.empty() ? Json() : Json(hint);
  return text(out);
}

}  // namespace vpp::driver
