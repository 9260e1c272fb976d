// Documents about orders and the market.
#include <algorithm>
#include <cstdlib>

#include "aggregation/split.h"
#include "daemon/driver/documents.h"
#include "daemon/driver/json_parts.h"
#include "daemon/driver/names.h"
#include "daemon/node/scoped.h"

namespace vpp::driver {
namespace {

using namespace parts;

constexpr std::size_t kOrdersShown = 1'000;

Json delivered_part(const node::NodeStatus& status, OrderId id) {
  for (const mesh::Receipt& receipt : status.group.receipts) {
    if (receipt.order == id) return watt_hours(receipt.delivered);
  }
  return {};
}

Json order_part(const node::NodeStatus& status, const aggregation::Order& order) {
  return {{"id", order.id.value},
          {"key", order.key},
          {"source", to_string(order.source)},
          {"state", to_string(order.state)},
          {"program", order.scope.program},
          {"group", order.scope.group.empty() ? Json() : Json(order.scope.group)},
          {"service", to_string(order.service)},
          {"power_w", order.power.count},
          {"from_ms", market_ms(order.from)},
          {"until_ms", market_ms(order.until)},
          {"issued_ms", market_ms(order.issued)},
          {"ramp_s", order.ramp / std::chrono::seconds{1}},
          {"delivered_wh", delivered_part(status, order.id)}};
}

/// For the orders of one scope.
std::optional<Watts> measured_by(mesh::ChildView child, const Scope& scope) {
  if (!child.attached || !child.summary) return std::nullopt;
  node::see_as(child, scope);
  if (const auto* site = std::get_if<mesh::SiteSummary>(&*child.summary)) {
    return site->order == kNoOrder ? Watts{0} : site->measured;
  }
  const auto& group = std::get<mesh::GroupSummary>(*child.summary);
  if (group.coverage.online == 0) return std::nullopt;
  return group.measured;
}

/// The first of those that it takes the place of.
Json superseded_by(const node::NodeStatus& status, const Scope& scope) {
  for (const node::InForce& each : status.in_force) {
    if (overlap(each.scope, scope)) return order_id(each.order);
  }
  return {};
}

Json sites_in(const node::NodeStatus& status, const Scope& scope) {
  if (scope == Scope{}) return status.group.coverage.online;
  const auto& scopes = status.group.scopes;
  const auto found = std::ranges::find(scopes, scope, &mesh::ScopeSummary::scope);
  return found == scopes.end() ? 0 : found->online;
}

Json shares_part(const node::NodeStatus& status, OrderId id) {
  const auto order = std::ranges::find(status.in_force, id, &node::InForce::order);
  if (order == status.in_force.end()) return {};
  const auto asked = status.asked_for.find(order->scope);
  Json shares = Json::array();
  for (std::size_t i = 0; i < status.children.size(); ++i) {
    const mesh::ChildView& child = status.children[i];
    const bool told = asked != status.asked_for.end() && i < asked->second.size();
    const Watts share = told ? asked->second[i] : Watts{0};
    const bool serves = child.attached && node::is_member(child, order->scope);
    if (!serves && share == Watts{0}) continue;
    shares.push_back({{"id", to_string(child.id)},
                      {"name", child.name},
                      {"asked_w", share.count},
                      {"measured_w", watts(measured_by(child, order->scope))},
                      {"undelivered", undelivered_part(status, i)}});
  }
  return shares;
}

}  // namespace

std::string orders_document(const Snapshot& snapshot) {
  std::vector<const aggregation::Order*> newest;
  for (const aggregation::Order& order : snapshot.status.orders) newest.push_back(&order);
  std::ranges::sort(newest, std::greater{}, [](const auto* order) { return order->id; });
  if (newest.size() > kOrdersShown) newest.resize(kOrdersShown);
  Json orders = Json::array();
  for (const auto* order : newest) orders.push_back(order_part(snapshot.status, *order));
  Json out = document("orders");
  out["orders"] = std::move(orders);
  return text(out);
}

std::optional<std::string> order_document(const Snapshot& snapshot, OrderId id) {
  const auto& orders = snapshot.status.orders;
  const auto found = std::ranges::find(orders, id, &aggregation::Order::id);
  if (found == orders.end()) return std::nullopt;
  return order_document(snapshot, *found);
}

std::string order_document(const Snapshot& snapshot, const aggregation::Order& order) {
  Json out = document("order");
  out["order"] = order_part(snapshot.status, order);
  out["order"]["shares"] = shares_part(snapshot.status, order.id);
  return text(out);
}

std::string dry_run_document(const Snapshot& snapshot, const node::SendOrder& command) {
  Json would{{"power_w", command.power.count},
             {"sites", sites_in(snapshot.status, command.scope)},
             {"feasible", nullptr},
             {"held_w", nullptr},
             {"unserved_wh", nullptr},
             {"firm_w", nullptr},
             {"supersedes", superseded_by(snapshot.status, command.scope)}};
  if (const auto flexibility = flexibility_of(snapshot.status, command.scope)) {
    const bool up = command.power.count >= 0;
    const auto& curve = up ? flexibility->up : flexibility->down;
    const std::int64_t sign = up ? 1 : -1;
    const Watts wanted{std::abs(command.power.count)};
    const Watts most = held_power(curve, command.duration);
    const Joules unserved = aggregation::unserved_min(std::vector{wanted}, command.duration, curve);
    would["feasible"] = unserved == Joules{0};
    would["held_w"] = sign * std::min(most, wanted).count;
    would["unserved_wh"] = watt_hours(unserved);
  }
  const bool whole = command.scope == Scope{};
  if (const auto firm = whole ? firm_flexibility_of(snapshot.status) : std::nullopt) {
    const bool up = command.power.count >= 0;
    const Watts held = held_power(up ? firm->up : firm->down, command.duration);
    would["firm_w"] = up ? held.count : -held.count;
  }
  Json out = document("dry_run");
  out["would"] = std::move(would);
  return text(out);
}

std::string prices_document(const Snapshot& snapshot) {
  Json prices = Json::array();
  for (const bidding::PricePoint& price : snapshot.status.prices) {
    prices.push_back(price_part(price));
  }
  Json out = document("prices");
  out["prices"] = std::move(prices);
  return text(out);
}

std::string gates_document(const Snapshot& snapshot) {
  const Now& now = snapshot.status.now;
  Json gates = Json::array();
  for (const bidding::Gate& gate : snapshot.status.gates) {
    Json part = gate_part(gate);
    part["closes_in_ms"] =
        (gate.closes - now.market).count() / std::max<std::int64_t>(1, now.speed);
    gates.push_back(std::move(part));
  }
  Json out = document("gates");
  out["gates"] = std::move(gates);
  return text(out);
}

}  // namespace vpp::driver
