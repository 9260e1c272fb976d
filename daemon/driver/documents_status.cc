// Documents about how this node is.
#include <algorithm>

#include "daemon/driver/documents.h"
#include "daemon/driver/json_parts.h"
#include "daemon/driver/names.h"
#include "daemon/driver/version.h"
#include "mesh/messages.h"

namespace vpp::driver {
namespace {

using namespace parts;

Json health_part(const std::vector<HealthCode>& codes) {
  Json list = Json::array();
  for (const HealthCode& code : codes) {
    list.push_back(
        {{"code", code.code}, {"severity", to_string(code.severity)}, {"text", code.text}});
  }
  return {{"state", health_state(codes)}, {"codes", std::move(list)}};
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
  const auto firm = firm_flexibility_of(snapshot.status);
  using Curve = aggregation::DurationCurve;
  const auto side = [&](Curve Flexibility::* way, Watts mesh::ChildView::* cap) {
    std::optional<Watts> power;
    std::optional<Joules> energy;
    std::optional<Watts> promised;
    if (flexibility) {
      power = held_power((*flexibility).*way, kShortest);
      energy = ((*flexibility).*way).at(kLongest);
    }
    if (firm) promised = held_power((*firm).*way, kShortest);
    return Json{{"power_w", watts(power)},
                {"firm_w", watts(promised)},
                {"energy_wh", watt_hours(energy)},
                {"unknown_w", unknown_part(snapshot.status, cap)}};
  };
  return {{"up", side(&Flexibility::up, &mesh::ChildView::discharge_max)},
          {"down", side(&Flexibility::down, &mesh::ChildView::charge_max)}};
}

Json age_of(MarketTime at, const Now& now) {
  if (at == MarketTime{}) return {};
  return (now.market - at).count() / std::max<std::int64_t>(1, now.speed);
}

Watts asked_below(const node::NodeStatus& status) {
  Watts sum;
  for (const Watts share : status.asked) sum += share;
  return sum;
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
  const auto served = std::ranges::find(status.in_force, status.order, &node::InForce::order);
  const bool known = served != status.in_force.end();
  const bool grouped = known && !served->scope.group.empty();
  return {{"id", order_id(status.order)},
          {"program", known ? Json(served->scope.program) : Json()},
          {"group", grouped ? Json(served->scope.group) : Json()},
          {"source", source},
          {"target_w", status.target->count},
          {"measured_w", watts(measured)},
          {"measured_age_ms", measured ? age_of(oldest, status.now) : Json()},
          {"error_permille", optional(error_permille(status))},
          {"shortfall_w", leaf ? Json() : Json(status.group.shortfall.count)},
          {"reserved_w", leaf ? Json() : Json(status.group.reserved.count)},
          {"asked_below_w", leaf ? Json() : Json(asked_below(status).count)},
          {"level_s", level_part(status)},
          {"until_ms", until}};
}

Json direction_part(const device::Capability& capability) {
  return {{"power_w", capability.power.count}, {"energy_wh", watt_hours(capability.energy)}};
}

Json frequency_part(const device::FrequencyStatus& frequency) {
  Json accounts = Json::array();
  for (const device::FrequencyAccount& account : frequency.accounts) {
    accounts.push_back({{"order", account.order.value},
                        {"discharged_wh", watt_hours(account.discharged)},
                        {"charged_wh", watt_hours(account.charged)}});
  }
  return {{"measured_mhz", optional(frequency.measured_mhz)},
          {"armed", frequency.armed},
          {"asked_w", frequency.asked.count},
          {"able_w", frequency.able.count},
          {"accounts", std::move(accounts)}};
}

/// What the parent told it, which the guard may have made less of.
Json told_part(const node::NodeStatus& status) {
  if (!status.told.order) return {};
  const device::SiteOrder& told = *status.told.order;
  return {{"order", order_id(told.order)},
          {"power_w", told.power.count},
          {"from_ms", market_ms(told.from)},
          {"until_ms", market_ms(told.until)},
          {"expires_in_ms", (told.expires - status.now.protocol).count()}};
}

Json opted_out_part(const node::NodeStatus& status) {
  Json out = Json::array();
  for (const node::OptOut& each : status.opt_outs) {
    out.push_back({{"program", each.program}, {"until_ms", market_ms(each.until)}});
  }
  return out;
}

Json site_part(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
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
          {"net_w", watts(site.net)},
          {"soc_permille", optional(site.soc_permille)},
          {"stored_wh", watt_hours(site.stored)},
          {"up", direction_part(site.discharge)},
          {"down", direction_part(site.charge)},
          {"stale", site.stale},
          {"limited_by", site.limited_by.empty() ? Json() : Json(site.limited_by)},
          {"measured_market_ms",
           site.measured_at == MarketTime{} ? Json() : market_ms(site.measured_at)},
          {"order", order_id(site.order)},
          {"told", told_part(status)},
          {"told_ahead", status.told.ahead.size()},
          {"reserve_permille", optional(snapshot.vitals.reserve_permille)},
          {"accounts", std::move(accounts)},
          {"frequency", frequency_part(site.frequency)},
          {"values", follower_part(status)},
          {"opted_out", opted_out_part(status)}};
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

Json root_part(const node::NodeStatus& status) {
  if (!status.root) return {};
  const node::RootStatus& root = *status.root;
  Json peers = Json::array();
  for (const node::RootPeerStatus& peer : root.peers) {
    peers.push_back({{"address", peer.to.address},
                     {"id", peer.id ? Json(to_string(*peer.id)) : Json()},
                     {"linked", peer.linked},
                     {"journal_term", peer.held ? Json(peer.held->term) : Json()},
                     {"journal_length", peer.held ? Json(peer.held->length) : Json()}});
  }
  return {{"state", root.state},
          {"lease", root.lease == node::LeaseKind::kEtcd ? "etcd" : "static"},
          {"lease_left_ms", root.lease_left ? Json(root.lease_left->count()) : Json()},
          {"holder", root.holder},
          {"serves", root.serves},
          {"journal",
           {{"term", root.journal.term},
            {"length", root.journal.length},
            {"acknowledged", root.acknowledged},
            {"copies", root.copies},
            {"standbys", root.standbys}}},
          {"peers", std::move(peers)}};
}

Json peak_part(const std::optional<node::PeakStatus>& peak) {
  if (!peak) return {};
  return {{"target_w", peak->target.count},      {"program", peak->scope.program},
          {"drawn_w", watts(peak->drawn)},       {"load_w", watts(peak->load)},
          {"level_w", watts(peak->level)},       {"asked_w", watts(peak->asked)},
          {"over_w", peak->over.count},          {"sites_unknown", peak->unknown},
          {"slots_learned", peak->slots_learned}};
}

Json wire_part(const mesh::TransportCounters& wire) {
  return {{"frames_in", wire.frames_in},
          {"frames_out", wire.frames_out},
          {"other_version", wire.other_version},
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
          {"conflated", wire.conflated},
          {"table_full", wire.table_full},
          {"handshakes_failed", wire.handshakes_failed}};
}

}  // namespace

namespace parts {

Json move_part(const mesh::Move& move, Instant now) {
  return {{"age_ms", (now - move.at).count()},
          {"from", move.from ? Json(to_string(*move.from)) : Json()},
          {"to", move.to ? Json(to_string(*move.to)) : Json()},
          {"reason", mesh::to_string(move.reason)},
          {"gap_ms", move.to ? Json(move.gap.count()) : Json()}};
}

Json undelivered_part(const node::NodeStatus& status, std::size_t child) {
  if (child >= status.undelivered.size()) return {};
  const aggregation::Undelivered& missing = status.undelivered[child];
  if (missing.reason == aggregation::UndeliveredReason::kNone) return {};
  return {{"power_w", missing.power.count}, {"reason", to_string(missing.reason)}};
}

Json uplink_part(const node::NodeStatus& status) {
  if (status.role == Role::kRoot) return {};
  Json path = Json::array();
  for (const NodeId id : status.path) path.push_back(to_string(id));
  Json alternates = Json::array();
  for (const Endpoint& endpoint : status.alternates) alternates.push_back(endpoint.address);
  Json moves = Json::array();
  for (auto move = status.moves.rbegin(); move != status.moves.rend(); ++move) {
    moves.push_back(move_part(*move, status.now.protocol));
  }
  return {{"state", status.uplink_state},
          {"parent", status.parent ? Json(to_string(*status.parent)) : Json()},
          {"path", std::move(path)},
          {"session", status.session},
          {"beacon_age_ms", status.beacon_age ? Json(status.beacon_age->count()) : Json()},
          {"alternates", std::move(alternates)},
          {"standby", status.standby ? Json(status.standby->address) : Json()},
          {"moves", std::move(moves)}};
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
          {"draining", status.draining},
          {"coverage", coverage_part(status.group.coverage)}};
}

Json membership_part(const mesh::ChildrenCounters& counters) {
  return {{"refused", counters.refused},
          {"stale_session", counters.stale_session},
          {"replayed", counters.replayed},
          {"unproven", counters.unproven},
          {"leases_lost", counters.leases_lost}};
}

}  // namespace parts

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
  out["root"] = root_part(status);
  out["capacity"] = capacity_part(snapshot);
  out["measured_w"] = watts(measured);
  out["net_w"] = watts(net_of(status));
  out["net_unknown"] = status.role == Role::kLeaf ? Json() : Json(status.group.net_unknown);
  const bool below = status.role != Role::kLeaf && net_of(status);
  out["load_w"] = below ? Json(status.group.load.count) : Json();
  out["stored_wh"] = stored_part(status);
  out["order"] = order_part(status);
  out["site"] = status.role == Role::kLeaf ? site_part(snapshot) : Json();
  out["peak"] = peak_part(status.peak);
  out["market"] = market_part(snapshot);
  out["store"] = {{"used_bytes", vitals.store.used_bytes},
                  {"map_bytes", vitals.store.map_bytes},
                  {"used_permille", vitals.store.permille()}};
  out["wire"] = wire_part(vitals.wire);
  out["membership"] = membership_part(status.counters);
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
