// Documents about orders and the market.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

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

/// In protocol time: negative once it is over.
Json in_ms(const Now& now, MarketTime at) {
  return (at - now.market).count() / std::max<std::int64_t>(1, now.speed);
}

Json series_part(const Now& now, const bidding::SeriesHealth& health) {
  return {{"last", health.last ? price_part(*health.last) : Json()},
          {"last_age_ms",
           health.last ? Json(-in_ms(now, health.last->from).get<std::int64_t>()) : Json()},
          {"gaps", health.gaps},
          {"missing_s", health.missing / std::chrono::seconds{1}}};
}

/// Of one interval.
struct Position {
  std::int64_t offered_w = 0;  ///< not yet answered
  std::int64_t awarded_w = 0;
  std::optional<std::int64_t> delivered_wh;
  Json keys = Json::array();
};

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
    part["closes_in_ms"] = in_ms(now, gate.closes);
    gates.push_back(std::move(part));
  }
  Json out = document("gates");
  out["gates"] = std::move(gates);
  return text(out);
}

std::string market_document(const Snapshot& snapshot) {
  const Now& now = snapshot.status.now;
  const bidding::MarketHealth& health = snapshot.status.market;
  Json out = document("market");
  out["enabled"] = snapshot.vitals.market.has_value();
  out["reachable"] =
      snapshot.vitals.market ? Json(snapshot.vitals.market->problem.empty()) : Json();
  out["real_time"] = series_part(now, health.real_time);
  out["day_ahead"] = series_part(now, health.day_ahead);
  out["prices_refused"] = health.prices_refused;
  const bidding::Corrections& corrections = health.corrections;
  out["corrections"] = {{"all", corrections.all},
                        {"after_settlement", corrections.after_settlement},
                        {"last", corrections.last ? price_part(*corrections.last) : Json()},
                        {"before", corrections.last ? money(corrections.before.count) : Json()}};
  out["awards"] = {{"repeated", health.awards_repeated},
                   {"contradicted", health.awards_contradicted},
                   {"contradiction", health.contradiction}};
  out["clock"] = {{"ahead_ms", health.clock_ahead ? Json(health.clock_ahead->count()) : Json()},
                  {"agrees", health.clock_agrees}};
  const bool failed = !health.last_error.empty();
  out["last_error"] = failed
                          ? Json{{"text", health.last_error},
                                 {"age_ms", -in_ms(now, health.last_error_at).get<std::int64_t>()}}
                          : Json();
  out["failures"] = health.failures;
  out["quiet_for_ms"] = health.quiet_until ? in_ms(now, *health.quiet_until) : Json();
  out["next_gate"] = health.next_gate ? gate_part(*health.next_gate) : Json();
  if (health.next_gate) out["next_gate"]["closes_in_ms"] = in_ms(now, health.next_gate->closes);
  return text(out);
}

std::string position_document(const Snapshot& snapshot) {
  std::map<std::pair<MarketTime, MarketTime>, Position> positions;
  for (const bidding::BidView& view : snapshot.status.bids) {
    if (view.state == "refused") continue;
    Position& position = positions[{view.bid.gate.from, view.bid.gate.until}];
    position.keys.push_back(view.bid.key);
    if (view.award) {
      position.awarded_w += view.award->power.count;
    } else {
      for (const auto& segment : view.bid.segments) position.offered_w += segment.power.count;
    }
    if (view.delivered) {
      position.delivered_wh =
          position.delivered_wh.value_or(0) + to_watt_hours(*view.delivered).count;
    }
  }
  Json list = Json::array();
  for (const auto& [window, position] : positions) {
    list.push_back({{"from_ms", market_ms(window.first)},
                    {"until_ms", market_ms(window.second)},
                    {"offered_w", position.offered_w},
                    {"awarded_w", position.awarded_w},
                    {"delivered_wh", position.delivered_wh ? Json(*position.delivered_wh) : Json()},
                    {"bids", position.keys}});
  }
  Json out = document("position");
  out["position"] = std::move(list);
  return text(out);
}

}  // namespace vpp::driver
