#include "daemon/node/root_node.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <variant>

#include "config/limits.h"
#include "config/planted_bug.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

constexpr Duration kOrderDurationMax = 24h;  ///< market time; the curve's grid ends at 14 h
constexpr std::size_t kPricesShown = 200;

mesh::ChildrenOptions children_options(const NodeOptions& options) {
  mesh::ChildrenOptions out;
  out.self = options.self;
  out.role = options.role;
  out.region = options.region;
  out.certificate = options.certificate;
  return out;
}

}  // namespace

RootNode::RootNode(const NodeOptions& options, Rng rng, const Now& now, const Recovered& recovered)
    : options_{options},
      term_{recovered.term.value_or(TermRecord{}).term + 1},
      group_{children_options(options), options.dispatch, rng.fork()},
      orders_{recovered.orders},
      workflow_{options.bidding, recovered.facts} {
  // The new term is durable before anybody hears of it: a node never obeys two roots of one term.
  if (!planted(Bug::kTermNotPersisted)) effects_.persist.emplace_back(TermRecord{term_});
  group_.children().set_upstream(now, {options_.self}, term_, {});
  tick_due_ = now.protocol;
}

void RootNode::step(const Now& now, const Event& event) {
  if (const auto* e = std::get_if<mesh::FromChild>(&event)) group_.children().step(now, *e);
  if (const auto* e = std::get_if<mesh::ChildUnreachable>(&event)) {
    group_.children().step(now, *e);
  }
  if (const auto* e = std::get_if<MarketAnswered>(&event)) {
    workflow_.answered(now, e->answer);
    run_workflow(now);
  }
  if (const auto* e = std::get_if<OperatorAsked>(&event)) on_operator(now, *e);
  if (const auto* e = std::get_if<DrainAsked>(&event)) {
    refuse(e->request, "the root cannot be drained: there is nobody else to take its children");
  }
  if (std::holds_alternative<StopAsked>(event)) {
    group_.children().set_upstream(now, {}, term_, {});
    effects_.stopped = true;
  }
  collect(now);
}

void RootNode::advance(const Now& now) {
  group_.children().advance(now);
  if (tick_due_ <= now.protocol ||
      protocol_time_of(now, orders_.next_change(now)) <= now.protocol) {
    tick(now);
  }
  if (workflow_.next_deadline() <= now.market) run_workflow(now);
  collect(now);
}

Instant RootNode::next_deadline(const Now& now) const {
  return std::min({group_.next_deadline(), tick_due_,
                   protocol_time_of(now, orders_.next_change(now)),
                   protocol_time_of(now, workflow_.next_deadline())});
}

void RootNode::on_operator(const Now& now, const OperatorAsked& asked) {
  Reply reply;
  if (const auto* send = std::get_if<SendOrder>(&asked.command)) reply = send_order(now, *send);
  if (const auto* cancel = std::get_if<CancelOrder>(&asked.command)) {
    reply = cancel_order(now, cancel->order);
  }
  reply.request = asked.request;
  const bool stored = reply.order && !planted(Bug::kOrderNotPersisted);
  if (stored) effects_.persist.emplace_back(*reply.order);
  effects_.replies.push_back(std::move(reply));
  tick(now);
}

Reply RootNode::send_order(const Now& now, const SendOrder& command) {
  Reply reply;
  const MarketTime from = command.from == MarketTime{} ? now.market : command.from;
  if (command.duration <= 0ms || command.duration > kOrderDurationMax) {
    reply.refused = "the duration must be above 0 and at most 24 h";
  } else if (std::abs(command.power.count) > limits::kGroupPowerMax.count) {
    reply.refused = "the power is beyond any fleet (10 GW)";
  } else if (from + command.duration <= now.market) {
    reply.refused = "the order would be over before it began";
  } else if (command.key.empty()) {
    reply.refused = "an order needs an idempotency key";
  } else {
    reply.order = orders_.add(now, {.id = kNoOrder,
                                    .key = command.key,
                                    .source = aggregation::OrderSource::kOperator,
                                    .power = command.power,
                                    .from = from,
                                    .until = from + command.duration,
                                    .issued = now.market});
    notice(Severity::kInfo, "VPP_ORDER_BOOKED",
           "order " + std::to_string(reply.order->id.value) + " of " +
               std::to_string(command.power.count) + " W by an operator");
  }
  return reply;
}

Reply RootNode::cancel_order(const Now& now, OrderId id) {
  Reply reply;
  reply.order = orders_.cancel(now, id);
  if (!reply.order) {
    reply.refused = "order " + std::to_string(id.value) + " does not exist or is over";
  } else {
    notice(Severity::kInfo, "VPP_ORDER_CANCELLED", "order " + std::to_string(id.value));
  }
  return reply;
}

void RootNode::tick(const Now& now) {
  tick_due_ = now.protocol + limits::kControlTick;
  std::vector<aggregation::Order> changed;
  const auto active = orders_.active(now, changed);
  for (auto& order : changed) effects_.persist.emplace_back(std::move(order));
  mesh::Dispatch told = form(now);
  const bool same = active && active_ && active->id == active_->id;
  if (!same && (active || active_)) {
    if (!active) told.order = active_->id;  // this ends it
    activate(now, active);
  } else if (!active && told.ahead.empty()) {
    return;
  }
  told.sequence = sequence_;
  told.tick = ++tick_;
  const Watts shortfall = group_.dispatch(now, told);
  if (active) say_shortfall(active->power, shortfall);
}

void RootNode::activate(const Now& now, const std::optional<aggregation::Order>& active) {
  if (!active) {
    notice(Severity::kInfo, "VPP_ORDER_ENDED", "order " + std::to_string(active_->id.value));
  } else {
    ++sequence_;
    activated_at_ = now.protocol;
    notice(Severity::kInfo, "VPP_ORDER_STARTED",
           "order " + std::to_string(active->id.value) + ": " +
               std::to_string(active->power.count) + " W");
  }
  told_shortfall_ = Watts{0};
  active_ = active;
}

/// What is in force now, or a release, and what follows within the time that it holds.
mesh::Dispatch RootNode::form(const Now& now) const {
  mesh::Dispatch out{.order = kNoOrder,
                     .term = term_,
                     .sequence = sequence_,
                     .tick = tick_,
                     .share = std::nullopt,
                     .from = now.market,
                     .until = now.market + limits::kControlTick * now.speed,
                     .expires = stamp_of(now.protocol + options_.cut_off_hold),
                     .repeat = 0,
                     .ahead = {}};
  const MarketTime horizon = now.market + options_.cut_off_hold * now.speed;
  for (const auto& order : orders_.schedule(now, horizon, 1 + limits::kStepsAheadMax)) {
    if (order.from <= now.market) {
      out.order = order.id;
      out.share = order.power;
      out.from = order.from;
      out.until = order.until;
    } else if (out.ahead.size() < limits::kStepsAheadMax) {
      out.ahead.push_back({order.id, order.power, order.from, order.until});
    }
  }
  if (!out.share && !out.ahead.empty()) out.until = out.ahead.back().until;
  return out;
}

void RootNode::say_shortfall(Watts asked, Watts shortfall) {
  const auto change = std::abs(shortfall.count - told_shortfall_.count);
  if (change * 100 <= std::abs(asked.count)) return;
  told_shortfall_ = shortfall;
  notice(shortfall == Watts{0} ? Severity::kInfo : Severity::kWarning, "VPP_SHORTFALL",
         std::to_string(shortfall.count) + " W of " + std::to_string(asked.count) +
             " W cannot be placed");
}

void RootNode::run_workflow(const Now& now) {
  const mesh::GroupSummary sum = group_.summary(now);
  bidding::PlantState plant;
  const auto curve = aggregation::DurationCurve::from_wire(sum.grid_id, sum.discharge);
  if (curve) plant.discharge = *curve;
  plant.sites_counted = sum.coverage.online;
  plant.sites_enrolled = sum.coverage.enrolled;
  for (const auto& receipt : sum.receipts) plant.delivered[receipt.order] = receipt.delivered;
  for (const auto& [id, order] : orders_.all()) {
    const bool open = order.state == aggregation::OrderState::kScheduled ||
                      order.state == aggregation::OrderState::kActive;
    const bool ours = order.source == aggregation::OrderSource::kOperator;
    if (!open || !ours || order.power <= Watts{0}) continue;
    plant.committed.push_back({.power = order.power, .from = order.from, .until = order.until});
  }
  workflow_.advance(now, plant);

  bidding::WorkflowEffects work = workflow_.take_effects();
  for (const auto& wanted : work.orders) {
    const aggregation::Order order = orders_.add(now, {.id = kNoOrder,
                                                       .key = wanted.key,
                                                       .source = aggregation::OrderSource::kMarket,
                                                       .power = wanted.power,
                                                       .from = wanted.from,
                                                       .until = wanted.until,
                                                       .issued = now.market});
    workflow_.scheduled(now, wanted.key, order.id);
    // The award is a fact before the order is booked, the order before it is a fact that it was.
    for (auto& fact : work.persist) effects_.persist.emplace_back(std::move(fact));
    work.persist.clear();
    effects_.persist.emplace_back(order);
  }
  for (auto& fact : work.persist) effects_.persist.emplace_back(std::move(fact));
  append(effects_.market, work.calls);
  bidding::WorkflowEffects more = workflow_.take_effects();
  for (auto& fact : more.persist) effects_.persist.emplace_back(std::move(fact));
  append(effects_.market, more.calls);
}

void RootNode::collect(const Now& now) {
  mesh::ChildrenEffects down = group_.children().take_effects();
  for (std::size_t i = 0; i < down.acks.size(); ++i) {
    if (group_.acknowledged(down.ack_from[i], down.acks[i])) {
      notice(Severity::kInfo, "VPP_ORDER_ACKNOWLEDGED",
             "order " + std::to_string(down.acks[i].order.value) + " by every child after " +
                 std::to_string((now.protocol - activated_at_).count()) + " ms");
    }
  }
  for (const NodeId child : group_.take_invalid()) {
    notice(Severity::kWarning, "VPP_BAD_REPORT", to_string(child) + " sent no valid curve");
  }
  std::vector<Notice> news = group_.news(now, down.membership_changed);
  append(effects_.notices, news);
  append(effects_.down, down.send);
  append(effects_.drop, down.drop);
}

NodeStatus RootNode::status(const Now& now) const {
  NodeStatus out;
  out.self = options_.self;
  out.role = options_.role;
  out.name = options_.name;
  out.region = options_.region;
  out.now = now;
  out.path = {options_.self};
  out.term = term_;
  group_.fill(out, now);
  if (active_) {
    out.target = active_->power;
    out.order = active_->id;
  }
  out.tick = tick_;
  for (const auto& [id, order] : orders_.all()) out.orders.push_back(order);
  out.bids = workflow_.bids();
  for (const auto& [from, price] : workflow_.prices()) out.prices.push_back(price);
  if (out.prices.size() > kPricesShown) {
    out.prices.erase(out.prices.begin(), out.prices.end() - kPricesShown);
  }
  out.gates = workflow_.gates();
  return out;
}

std::optional<std::vector<bidding::Fact>> RootNode::trace(const std::string& key) const {
  return workflow_.trace(key);
}

}  // namespace vpp::node
