// Documents about this node and what is below it.
#include <array>
#include <map>
#include <variant>

#include "config/limits.h"
#include "config/link_profile.h"
#include "daemon/driver/documents.h"
#include "daemon/driver/json_parts.h"
#include "daemon/driver/names.h"
#include "daemon/driver/version.h"
#include "daemon/node/scoped.h"
#include "mesh/messages.h"
#include "mesh/node_cert.h"

namespace vpp::driver {
namespace {

using namespace parts;
using namespace std::chrono_literals;

/// A curve in two numbers: what it holds for 5 minutes, and all of it.
Json short_part(const aggregation::DurationCurve& curve) {
  return {{"power_w", held_power(curve, kShortest).count},
          {"energy_wh", watt_hours(curve.at(kLongest))}};
}

// --- one child -----------------------------------------------------------------------------------

/// Whether the closed loop believes that it does what it is asked.
Json doubt_part(const node::NodeStatus& status, std::size_t index) {
  if (index >= status.standing.size()) return {};
  const aggregation::Standing& standing = status.standing[index];
  if (standing.doubt == aggregation::UndeliveredReason::kNone) return {};
  return {{"reason", to_string(standing.doubt)},
          {"held_w", standing.held_to.count},
          {"age_ms", (status.now.protocol - standing.since).count()},
          {"on_trial", standing.on_trial}};
}

void add_summary(Json& out, const mesh::SiteSummary& site) {
  const auto side = [&](const mesh::SiteDirection& direction) {
    if (site.stale) return Json();
    return Json{{"power_w", direction.power.count}, {"energy_wh", watt_hours(direction.energy)}};
  };
  out["measured_w"] = watts(site.measured);
  out["net_w"] = watts(site.stale ? std::nullopt : site.net);
  out["stored_wh"] = watt_hours(site.stored);
  out["set_point_w"] = site.set_point.count;
  out["order"] = order_id(site.order);
  out["up"] = side(site.discharge);
  out["down"] = side(site.charge);
}

void add_summary(Json& out, const mesh::GroupSummary& group) {
  const bool known = group.coverage.online > 0;
  const auto side = [&](const std::vector<Joules>& points) {
    const auto curve = aggregation::DurationCurve::from_wire(group.grid_id, points);
    return curve ? short_part(*curve) : Json();
  };
  out["measured_w"] = known ? watts(measured_of(group)) : Json();
  out["net_w"] = watts(net_of(group));
  out["net_unknown"] = group.net_unknown;
  out["stored_wh"] = known ? watt_hours(group.stored) : Json();
  out["up"] = side(group.discharge);
  out["down"] = side(group.charge);
  out["shortfall_w"] = group.shortfall.count;
  out["coverage"] = coverage_part(group.coverage);
}

/// The nodes known below each child, itself apart; nothing where they are too many to tell.
using Places = std::optional<std::map<NodeId, Json>>;

Places places_of(const node::NodeStatus& status) {
  if (!status.located) return std::nullopt;
  std::map<NodeId, Json> below;
  for (const mesh::Located& at : *status.located) {
    if (at.node == at.via) continue;
    Json& list = below.try_emplace(at.via, Json::array()).first->second;
    list.push_back({{"id", to_string(at.node)}, {"session", at.session}});
  }
  return below;
}

Json descendants_of(const Places& places, const mesh::ChildView& child) {
  if (child.role == Role::kLeaf) return Json::array();
  if (!places) return {};
  const auto found = places->find(child.id);
  return found == places->end() ? Json::array() : found->second;
}

Json child_part(const node::NodeStatus& status, const Places& places, std::size_t index) {
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
           {"link", profile_of(child.link).name},
           {"session", child.session},
           {"attached_age_ms", child.attached ? Json((now - child.attached_at).count()) : Json()},
           {"last_parent", child.last_parent ? Json(to_string(*child.last_parent)) : Json()},
           {"heard_age_ms", heard ? Json((now - child.heard_at).count()) : Json()},
           {"lease_left_ms", child.attached ? Json((child.lease_until - now).count()) : Json()},
           {"measured_w", nullptr},
           {"net_w", nullptr},
           {"net_unknown", nullptr},
           {"asked_w", index < status.asked.size() ? Json(status.asked[index].count) : Json()},
           {"set_point_w", nullptr},
           {"order", nullptr},
           {"doubt", doubt_part(status, index)},
           {"undelivered", undelivered_part(status, index)},
           {"stored_wh", nullptr},
           {"shortfall_w", nullptr},
           {"coverage", nullptr},
           {"up", nullptr},
           {"down", nullptr},
           {"address", child.serves ? Json(child.serves->address) : Json()},
           {"descendants", descendants_of(places, child)}};
  // The last values of a child that is gone are not its values now.
  if (child.attached && child.summary) {
    std::visit([&](const auto& summary) { add_summary(out, summary); }, *child.summary);
  }
  return out;
}

/// The order that it is asked watts for; else one that it could be.
OrderId order_asked_of(const node::NodeStatus& status, std::size_t index) {
  OrderId could = kNoOrder;
  for (const node::InForce& each : status.in_force) {
    const auto asked = status.asked_for.find(each.scope);
    const bool known = asked != status.asked_for.end() && index < asked->second.size();
    if (known && asked->second[index] != Watts{0}) return each.order;
    const bool serves = node::is_member(status.children[index], each.scope);
    if (could == kNoOrder && serves) could = each.order;
  }
  return could;
}

Json node_of_child(const node::NodeStatus& status, const Places& places, std::size_t index) {
  const mesh::ChildView& child = status.children[index];
  Json out = child_part(status, places, index);
  out["order_asked"] = order_id(order_asked_of(status, index));
  out["level_s"] = level_part(status);
  out["self"] = false;
  out["parent"] = to_string(status.self);
  // What a certificate without a cap of its own allows is no figure of this node.
  const bool capped = child.energy_max < mesh::NodeCert{}.energy_max();
  const auto power = [](Watts cap) {
    return cap < limits::kGroupPowerMax ? Json(cap.count) : Json();
  };
  out["certificate"] = {{"discharge_max_w", power(child.discharge_max)},
                        {"charge_max_w", power(child.charge_max)},
                        {"energy_max_wh", capped ? watt_hours(child.energy_max) : Json()}};
  return out;
}

/// Deeper than a child: only where it is.
Json node_by_place(const mesh::Located& at) {
  return {{"id", to_string(at.node)}, {"name", nullptr}, {"state", nullptr},
          {"session", at.session},    {"self", false},   {"via", to_string(at.via)}};
}

/// What becomes of the watts that this node is asked, for each program and group.
Json books_part(const std::vector<node::DispatchBooks>& all) {
  Json out = Json::array();
  for (const node::DispatchBooks& books : all) {
    const std::string& group = books.scope.group;
    out.push_back({{"program", books.scope.program},
                   {"group", group.empty() ? Json() : Json(group)},
                   {"asked_w", books.asked.count},
                   {"asked_for_w", books.asked_for.count},
                   {"measured_w", books.measured.count},
                   {"unmeasured", books.unmeasured},
                   {"reserved_w", books.reserved.count},
                   {"node_cap_w", books.capped.count},
                   {"not_placed_w", books.not_placed.count}});
  }
  return out;
}

Json node_of_self(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  const bool leaf = status.role == Role::kLeaf;
  const auto flexibility = flexibility_of(status);
  const bool stale = leaf && (!status.site || status.site->stale);
  return {{"id", to_string(status.self)},
          {"name", status.name},
          {"role", to_string(status.role)},
          {"region", status.region},
          {"state", status.draining ? "drained"
                    : stale         ? "stale"
                                    : "alive"},
          {"attached", status.role == Role::kRoot || status.parent.has_value()},
          {"counted", nullptr},
          {"session", status.session},
          {"heard_age_ms", 0},
          {"lease_left_ms", nullptr},
          {"measured_w", watts(measured_of(status))},
          {"net_w", watts(net_of(status))},
          {"net_unknown", leaf ? Json() : Json(status.group.net_unknown)},
          {"asked_w", watts(status.target)},
          {"stored_wh", stored_part(status)},
          {"dispatch", books_part(status.books)},
          {"shortfall_w", leaf ? Json() : Json(status.group.shortfall.count)},
          {"coverage", leaf ? Json() : coverage_part(status.group.coverage)},
          {"up", flexibility ? short_part(flexibility->up) : Json()},
          {"down", flexibility ? short_part(flexibility->down) : Json()},
          {"address", nullptr},
          {"descendants", nullptr},
          {"self", true},
          {"parent", status.parent ? Json(to_string(*status.parent)) : Json()},
          {"certificate", nullptr},
          {"valid",
           {{"from_ms", snapshot.vitals.cert_not_before_ms},
            {"until_ms", snapshot.vitals.cert_not_after_ms}}},
          {"uplink", uplink_part(status)},
          {"tree", tree_part(status)},
          {"membership", leaf ? Json() : membership_part(status.counters)}};
}

}  // namespace

std::string tree_document(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  const bool leaf = status.role == Role::kLeaf;
  Json children = Json::array();
  const Places places = places_of(status);
  for (std::size_t i = 0; i < status.children.size(); ++i) {
    children.push_back(child_part(status, places, i));
  }
  const Json self = node_of_self(snapshot);
  Json out = document("tree");
  for (const char* key : {"id", "name", "role", "region", "state"}) out["node"][key] = self[key];
  out["node"]["last_move"] =
      status.moves.empty() ? Json() : move_part(status.moves.back(), status.now.protocol);
  out["coverage"] = leaf ? Json() : coverage_part(status.group.coverage);
  out["children"] = std::move(children);
  return text(out);
}

std::string nodes_document(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  Json nodes = Json::array();
  nodes.push_back(node_of_self(snapshot));
  const Places places = places_of(status);
  for (std::size_t i = 0; i < status.children.size(); ++i) {
    nodes.push_back(node_of_child(status, places, i));
  }
  for (const mesh::Located& at : status.located.value_or(std::vector<mesh::Located>{})) {
    if (at.node != at.via) nodes.push_back(node_by_place(at));
  }
  Json out = document("nodes");
  out["nodes"] = std::move(nodes);
  return text(out);
}

std::optional<std::string> node_document(const Snapshot& snapshot, std::string_view id_or_name) {
  const node::NodeStatus& status = snapshot.status;
  Json out = document("node");
  if (id_or_name == status.name || id_or_name == to_string(status.self)) {
    out["node"] = node_of_self(snapshot);
    return text(out);
  }
  for (std::size_t i = 0; i < status.children.size(); ++i) {
    const mesh::ChildView& child = status.children[i];
    if (id_or_name != child.name && id_or_name != to_string(child.id)) continue;
    out["node"] = node_of_child(status, places_of(status), i);
    return text(out);
  }
  for (const mesh::Located& at : status.located.value_or(std::vector<mesh::Located>{})) {
    if (at.node == at.via || id_or_name != to_string(at.node)) continue;
    out["node"] = node_by_place(at);
    return text(out);
  }
  return std::nullopt;
}

std::string drain_document(const Snapshot& snapshot) {
  std::size_t attached = 0;
  for (const mesh::ChildView& child : snapshot.status.children) attached += child.attached ? 1 : 0;
  Json out = document("drain");
  out["draining"] = snapshot.status.draining;
  out["attached"] = attached;
  return text(out);
}

namespace {

Json capacity_side(const aggregation::DurationCurve& nominal,
                   const aggregation::DurationCurve* firm) {
  constexpr std::array kHorizons{300s, 900s, 3'600s, 14'400s};
  Json horizons = Json::array();
  for (const auto horizon : kHorizons) {
    horizons.push_back(
        {{"duration_s", horizon.count()},
         {"power_w", held_power(nominal, horizon).count},
         {"firm_w", firm != nullptr ? Json(held_power(*firm, horizon).count) : Json()}});
  }
  Json points = Json::array();
  for (const auto at : aggregation::kGrid) {
    points.push_back({{"duration_s", at.count()},
                      {"energy_wh", watt_hours(nominal.at(at))},
                      {"firm_wh", firm != nullptr ? watt_hours(firm->at(at)) : Json()}});
  }
  return {{"horizons", std::move(horizons)}, {"curve", std::move(points)}};
}

}  // namespace

std::string capacity_document(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  const auto nominal = flexibility_of(status);
  const auto firm = firm_flexibility_of(status);
  Json out = document("capacity");
  out["coverage"] = status.role == Role::kLeaf ? Json() : coverage_part(status.group.coverage);
  out["firm_permille"] = snapshot.vitals.firm_permille;
  out["shortfall_ppm"] = firm ? Json(status.shortfall_level.count) : Json();
  out["up"] = nominal ? capacity_side(nominal->up, firm ? &firm->up : nullptr) : Json();
  out["down"] = nominal ? capacity_side(nominal->down, firm ? &firm->down : nullptr) : Json();
  return text(out);
}

namespace {

Json scope_part(const Scope& scope) {
  return {{"program", scope.program}, {"group", scope.group.empty() ? Json() : Json(scope.group)}};
}

Json in_force_part(const node::NodeStatus& status) {
  Json out = Json::array();
  for (const node::InForce& each : status.in_force) {
    Json part{{"order", each.order.value}};
    part.update(scope_part(each.scope));
    part["service"] = to_string(each.service);
    part["target_w"] = each.target.count;
    part["until_ms"] = each.until == MarketTime{} ? Json() : market_ms(each.until);
    out.push_back(std::move(part));
  }
  return out;
}

/// One scope below, from the fields that a group and a part of it have in common.
template <class Summary>
Json below_part(const node::NodeStatus& status, const Scope& scope, std::uint32_t online,
                const Summary& part) {
  const auto able = flexibility_of(status, scope);
  Json out = scope_part(scope);
  out["online"] = online;
  out["measured_w"] = online > 0 ? Json(part.measured.count) : Json();
  out["asked_w"] = part.asked.count;
  out["shortfall_w"] = part.shortfall.count;
  out["reserved_w"] = part.reserved.count;
  out["up"] = able ? capacity_side(able->up, nullptr) : Json();
  out["down"] = able ? capacity_side(able->down, nullptr) : Json();
  return out;
}

Json scopes_below(const node::NodeStatus& status) {
  if (status.role == Role::kLeaf) return {};
  Json out = Json::array();
  out.push_back(below_part(status, Scope{}, status.group.coverage.online, status.group));
  for (const mesh::ScopeSummary& each : status.group.scopes) {
    out.push_back(below_part(status, each.scope, each.online, each));
  }
  return out;
}

Json subscriptions_part(const node::NodeStatus& status) {
  if (status.role != Role::kLeaf) return {};
  Json out = Json::array();
  for (const node::Subscription& each : status.subscriptions) {
    const auto opted = std::ranges::find(status.opt_outs, each.program, &node::OptOut::program);
    out.push_back({{"program", each.program},
                   {"priority", each.priority},
                   {"from_ms", each.from == MarketTime{} ? Json() : market_ms(each.from)},
                   {"until_ms", each.until == kEndOfTime ? Json() : market_ms(each.until)},
                   {"opted_out_until_ms",
                    opted == status.opt_outs.end() ? Json() : market_ms(opted->until)}});
  }
  return out;
}

}  // namespace

std::string programs_document(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  Json out = document("programs");
  out["in_force"] = in_force_part(status);
  out["below"] = scopes_below(status);
  out["below_left_out"] = status.group.scopes_left_out;
  const bool leaf = status.role == Role::kLeaf;
  out["armed_w"] = leaf ? Json() : Json(status.group.armed.count);
  out["droop_w"] = leaf ? Json() : Json(status.group.droop.count);
  out["subscriptions"] = subscriptions_part(status);
  out["groups"] = leaf ? Json(status.groups) : Json();
  return text(out);
}

}  // namespace vpp::driver
