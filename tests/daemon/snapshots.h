// Snapshots to render: a root with two aggregators and a leaf below it, and a leaf of its own.
#pragma once

#include "daemon/driver/snapshot.h"

namespace vpp::test {

using namespace std::chrono_literals;

inline mesh::GroupSummary group_of(Watts power, Joules energy, mesh::Coverage coverage) {
  mesh::GroupSummary out;
  out.grid_id = aggregation::kGridId;
  const auto curve = aggregation::DurationCurve::of_site({power, energy});
  out.discharge.assign(curve.points().begin(), curve.points().end());
  out.charge = out.discharge;
  out.coverage = coverage;
  out.measured = Watts{power.count / 2};
  out.stored = energy;
  return out;
}

inline mesh::ChildView child(std::uint64_t number, Role role) {
  mesh::ChildView out;
  out.id = {0, number};
  out.name = "node-" + std::to_string(number);
  out.region = "west";
  out.role = role;
  out.session = number;
  out.attached = true;
  out.counted = true;
  out.heard_at = Instant{99s};
  out.lease_until = Instant{104s};
  out.discharge_max = Watts{5'000};
  out.charge_max = Watts{4'000};
  out.energy_max = to_joules(WattHours{13'500});
  return out;
}

inline driver::Snapshot root_snapshot() {
  driver::Snapshot out;
  node::NodeStatus& status = out.status;
  status.self = {0, 1};
  status.role = Role::kRoot;
  status.name = "root-1";
  status.now = {Instant{100s}, MarketTime{1'000'000s}, 60};
  status.path = {status.self};
  status.term = 41;
  status.group = group_of(Watts{12'000}, to_joules(WattHours{20'000}), {3, 3, 0, 0});
  status.group.receipts = {{OrderId{7}, to_joules(WattHours{1'500})}};
  auto group = child(2, Role::kAggregator);
  group.summary = group_of(Watts{7'000}, to_joules(WattHours{10'000}), {2, 2, 0, 0});
  group.serves = Endpoint{"tcp://127.0.0.1:9402", {}};
  auto leaf = child(3, Role::kLeaf);
  mesh::SiteSummary site;
  site.stale = false;
  site.discharge = {Watts{5'000}, to_joules(WattHours{10'000}), 1000};
  site.measured = Watts{2'500};
  site.order = {7};
  leaf.summary = site;
  status.children = {group, leaf};
  status.asked = {Watts{3'500}, Watts{2'500}};
  status.undelivered = {{}, {aggregation::UndeliveredReason::kMeasuredLess, Watts{700}}};
  status.books = {node::DispatchBooks{.scope = {},
                                      .asked = Watts{6'500},
                                      .reserved = Watts{0},
                                      .capped = Watts{0},
                                      .not_placed = Watts{500},
                                      .asked_for = Watts{6'000},
                                      .measured = Watts{5'300},
                                      .unmeasured = 0}};
  status.rates.assign(2, {.response_permille = 900, .availability = {990'000}});
  aggregation::Order order;
  order.id = {7};
  order.key = "op-7";
  order.power = Watts{6'000};
  order.from = MarketTime{999'000s};
  order.until = MarketTime{1'003'600s};
  order.state = aggregation::OrderState::kActive;
  status.orders = {order};
  status.asked_for[order.scope] = status.asked;
  status.in_force = {{order.id, order.scope, order.service, order.power, order.until}};
  mesh::ScopeSummary north;
  north.scope = {"energy", "region=north"};
  north.online = 2;
  status.group.scopes = {north};
  status.order = order.id;
  status.target = order.power;
  bidding::BidView bid;
  bid.bid.key = "bid-1";
  bid.bid.gate = {MarketTime{1'000'800s}, MarketTime{1'001'700s}, MarketTime{1'000'600s}};
  bid.bid.segments = {{Watts{4'000}, {88'500'000}}};
  bid.state = "submitted";
  status.bids = {bid};
  status.gates = {bid.bid.gate};
  status.prices = {{MarketTime{999'000s}, MarketTime{999'900s}, {91'250'000}}};
  out.vitals.market.emplace();
  out.vitals.firm_permille = 900;
  out.vitals.store = {40'960, 16U << 20U};
  return out;
}

inline driver::Snapshot leaf_snapshot() {
  driver::Snapshot out;
  node::NodeStatus& status = out.status;
  status.self = {0, 9};
  status.role = Role::kLeaf;
  status.name = "home-9";
  status.now = {Instant{100s}, MarketTime{1'000'000s}, 1};
  status.uplink_state = "attached";
  status.parent = NodeId{0, 2};
  status.path = {status.self, {0, 2}, {0, 1}};
  status.beacon_age = 300ms;
  device::SiteStatus site;
  site.discharge = {Watts{5'000}, to_joules(WattHours{8'000})};
  site.charge = {Watts{4'000}, to_joules(WattHours{5'000})};
  site.measured = Watts{-100};
  site.soc_permille = 640;
  site.stale = false;
  status.site = site;
  status.subscriptions = {{.program = "energy"}, {.program = "emergency", .priority = 10}};
  status.groups = {"region=north"};
  status.opt_outs = {{"energy", MarketTime{1'003'600s}}};
  out.vitals.device = driver::Vitals::Device{true, "", ""};
  return out;
}

}  // namespace vpp::test
