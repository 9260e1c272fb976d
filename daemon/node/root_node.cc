#include "daemon/node/root_node.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <variant>

#include "config/limits.h"
#include "config/planted_bug.h"
#include "daemon/node/firm.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

constexpr Duration kOrderDurationMax = 24h;  ///< market time; the curve's grid ends at 14 h
constexpr std::size_t kPricesShown = 200;
constexpr std::size_t kKnownBytesMax = 400;  ///< of programs and groups in an error

/// Nothing for the default one.
std::string for_scope(const Scope& scope) {
  return scope == Scope{} ? "" : " for " + to_string(scope);
}

mesh::ChildrenOptions children_options(const NodeOptions& options) {
  mesh::ChildrenOptions out;
  out.grid = aggregation::kGrid;
  out.self = options.self;
  out.role = options.role;
  out.region = options.region;
  out.certificate = options.certificate;
  return out;
}

}  // namespace

RootNode::RootNode(const NodeOptions& options, Rng rng, const Now& now, const Recovered& recovered)
    : options_{options},
      lease_{options.root.lease, rng.fork(), now.protocol,
             recovered.term.value_or(TermRecord{}).term},
      journal_{{.roots = options.root.peers.size() + 1,
                .copies = options.root.copies,
                .codec = options.root.codec,
                .prices_kept = prices_kept(options.bidding)},
               recovered},
      peers_{{.peers = options.root.peers,
              .name = options.name,
              .region = options.region,
              .certificate = options.certificate},
             rng.fork(),
             now.protocol},
      group_{children_options(options), options.dispatch, rng.fork()},
      values_{options.self, options.values},
      orders_{{}},
      workflow_{options.bidding, {}},
      openadr_rng_{rng.fork()} {
  if (options.workers) desk_.emplace(*options.workers, recovered.tasks);
  group_.children().set_upstream(now, {}, journal_.promised(), options_.root.peers);
  look_at_lease(now);
  collect(now);
}

void RootNode::step(const Now& now, const Event& event) {
  look_at_lease(now);
  if (const auto* e = std::get_if<mesh::FromChild>(&event)) {
    if (!from_root(now, *e)) group_.children().step(now, *e);
  }
  if (const auto* e = std::get_if<mesh::ChildUnreachable>(&event)) {
    peers_.unreachable(e->connection);
    group_.children().step(now, *e);
  }
  if (const auto* e = std::get_if<mesh::LinkOpened>(&event)) to_root(now, *e);
  if (const auto* e = std::get_if<mesh::LinkLost>(&event)) to_root(now, *e);
  if (const auto* e = std::get_if<mesh::FromParent>(&event)) to_root(now, *e);
  if (const auto* e = std::get_if<LeaseAnswered>(&event)) {
    lease_.answered(now.protocol, *e);
    look_at_lease(now);
  }
  if (const auto* e = std::get_if<MarketAnswered>(&event); e != nullptr && journal_.serves()) {
    workflow_.answered(now, e->answer);
    run_workflow(now);
  }
  if (const auto* e = std::get_if<OpenAdrAnswered>(&event)) openadr_answered(now, e->answer);
  if (const auto* e = std::get_if<WorkerSaid>(&event); e != nullptr && desk_) desk_->said(now, *e);
  if (const auto* e = std::get_if<TaskRetryAsked>(&event)) retry_task(now, *e);
  if (const auto* e = std::get_if<OperatorAsked>(&event)) on_operator(now, *e);
  if (const auto* e = std::get_if<OptOutAsked>(&event)) {
    refuse(e->request, "owners opt out at the leaf beside their battery");
  }
  if (const auto* e = std::get_if<DrainAsked>(&event)) {
    refuse(e->request, "the root cannot be drained: there is nobody else to take its children");
  }
  if (std::holds_alternative<StopAsked>(event)) {
    lease_.resign(now.protocol);
    if (term_) end_term(now);
    effects_.stopped = true;
  }
  collect(now);
}

void RootNode::advance(const Now& now) {
  look_at_lease(now);
  peers_.advance(now.protocol);
  group_.children().advance(now);
  if (term_) {
    tell_values(now);
    values_.advance(now);
  }
  if (journal_.serves()) {
    run_openadr(now);
    if (tick_due_ <= now.protocol ||
        protocol_time_of(now, orders_.next_change(now)) <= now.protocol) {
      tick(now);
    }
    if (workflow_.next_deadline() <= now.market) run_workflow(now);
  }
  if (desk_) desk_->advance(now);
  collect(now);
}

Instant RootNode::next_deadline(const Now& now) const {
  Instant due = std::min({lease_.next_deadline(), peers_.next_deadline(), group_.next_deadline()});
  if (term_) due = std::min(due, values_.next_deadline(now));
  if (desk_) due = std::min(due, desk_->next_deadline());
  if (!journal_.serves()) return due;
  due = std::min({due, tick_due_, protocol_time_of(now, orders_.next_change(now)),
                  journal_.next_silence(now.protocol)});
  if (openadr_) due = std::min(due, openadr_->next_deadline(now));
  if (may_commit(now)) due = std::min(due, protocol_time_of(now, workflow_.next_deadline()));
  return due;
}

void RootNode::on_operator(const Now& now, const OperatorAsked& asked) {
  Reply reply = carry_out(now, asked);
  reply.request = asked.request;
  const bool stored = reply.order && !planted(Bug::kOrderNotPersisted);
  if (stored) book_new(now, *reply.order);
  hold(now, std::move(reply));
  if (journal_.serves()) tick(now);
}

Reply RootNode::carry_out(const Now& now, const OperatorAsked& asked) {
  Reply reply;
  const auto* cancel = std::get_if<CancelOrder>(&asked.command);
  if (!term_) {
    reply.refused = "this root does not lead";
    if (!lease_.holder().empty()) reply.refused += "; ask " + lease_.holder();
  } else if (!journal_.serves()) {
    reply.refused = "this root has yet to hear the other roots before it takes orders";
  } else if (cancel != nullptr) {
    reply = cancel_order(now, cancel->order);
  } else if (!may_commit(now)) {
    reply.refused = "no standby root is there to hold the order, too";
  } else if (const auto* order = std::get_if<SendOrder>(&asked.command)) {
    reply = send_order(now, *order);
  } else {
    reply.refused = change_bids(now, asked);
  }
  return reply;
}

/// What leaves because of it waits for the journal, as with every bid. Empty: done.
std::string RootNode::change_bids(const Now& now, const OperatorAsked& asked) {
  const auto* withdraw = std::get_if<WithdrawBid>(&asked.command);
  const auto done = withdraw != nullptr ? workflow_.withdraw(now, withdraw->key)
                                        : workflow_.submit(now, plant(now, true),
                                                           std::get<SubmitBid>(asked.command).bid);
  if (!done) return done.error();
  run_workflow(now);
  return {};
}

/// Empty: the order can be booked.
std::string RootNode::why_not(const Now& now, const SendOrder& command) const {
  const MarketTime from = command.from == MarketTime{} ? now.market : command.from;
  if (command.duration <= 0ms || command.duration > kOrderDurationMax) {
    return "the duration must be above 0 and at most 24 h";
  }
  if (command.ramp < 0ms || command.ramp > kOrderDurationMax) {
    return "the ramp must be from 0 to 24 h";
  }
  if (std::abs(command.power.count) > limits::kGroupPowerMax.count) {
    return "the power is beyond any fleet (10 GW)";
  }
  if (command.service == Service::kFrequency && command.power <= Watts{0}) {
    return "an order for the frequency arms watts both ways: its power must be above 0";
  }
  if (from + command.duration <= now.market) return "the order would be over before it began";
  if (command.key.empty()) return "an order needs an idempotency key";
  if (command.scope == Scope{}) return {};
  std::set<Scope> open = orders_.open_scopes();
  open.insert(command.scope);
  if (open.size() > limits::kLanesMax) {
    return "orders for " + std::to_string(limits::kLanesMax) +
           " different programs and groups are open already; cancel one, or wait";
  }
  return why_not(command.scope, group_.summary(now));
}

/// A mistyped program or group would be an order to nobody.
std::string RootNode::why_not(const Scope& scope, const mesh::GroupSummary& sum) const {
  const auto& scopes = sum.scopes;
  if (std::ranges::find(scopes, scope, &mesh::ScopeSummary::scope) != scopes.end()) return {};
  std::string known{kDefaultProgram};
  for (const mesh::ScopeSummary& each : scopes) {
    if (known.size() < kKnownBytesMax) known += ", " + to_string(each.scope);
  }
  return "no site below serves " + to_string(scope) + "; known: " + known;
}

Reply RootNode::send_order(const Now& now, const SendOrder& command) {
  Reply reply;
  reply.refused = why_not(now, command);
  if (!reply.refused.empty()) return reply;
  const MarketTime from = command.from == MarketTime{} ? now.market : command.from;
  reply.order = orders_.add(now, {.id = kNoOrder,
                                  .key = command.key,
                                  .source = aggregation::OrderSource::kOperator,
                                  .scope = command.scope,
                                  .service = command.service,
                                  .power = command.power,
                                  .from = from,
                                  .until = from + command.duration,
                                  .issued = now.market,
                                  .ramp = command.ramp});
  notice(Severity::kInfo, "VPP_ORDER_BOOKED",
         "order " + std::to_string(reply.order->id.value) + " of " +
             std::to_string(command.power.count) + " W" + for_scope(command.scope) +
             " by an operator");
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
  const mesh::GroupSummary sum = group_.summary(now);
  read_meters(now, sum);
  measure_for_openadr(now, sum);
  look_at_events(now);
  std::vector<aggregation::Order> changed;
  std::map<Scope, std::optional<aggregation::Order>> next;
  for (const auto& [scope, active] : active_) next[scope].reset();
  for (auto& order : orders_.active(now, changed)) next[order.scope] = std::move(order);
  for (auto& order : changed) book(now, std::move(order));
  const MarketTime horizon = now.market + options_.cut_off_hold * now.speed;
  const Schedule schedule = orders_.schedule(now, horizon, 1 + limits::kStepsAheadMax);
  for (const auto& [scope, orders] : schedule) next.try_emplace(scope);
  for (const Scope& scope : group_.scopes()) next.try_emplace(scope);
  // Whoever is released first can follow another scope's order in the same round.
  for (const bool releases : {true, false}) {
    for (const auto& [scope, order] : next) {
      if (order.has_value() == releases) continue;
      const auto planned = schedule.find(scope);
      tick(now, scope, order,
           planned == schedule.end() ? std::vector<aggregation::Order>{} : planned->second);
    }
  }
  group_.keep_up(now);
}

void RootNode::tick(const Now& now, const Scope& scope,
                    const std::optional<aggregation::Order>& next,
                    const std::vector<aggregation::Order>& schedule) {
  const auto active = acknowledged(now, scope, next);
  mesh::Dispatch told = form(now, scope, active, schedule);
  const auto before = active_.find(scope);
  const bool same = active && before != active_.end() && active->id == before->second.order.id;
  if (!same && (active || before != active_.end())) {
    if (!active) {  // this ends it
      told.order = before->second.order.id;
      told.service = before->second.order.service;
    }
    activate(now, scope, active);
  } else if (!active && told.ahead.empty() && !group_.asks(scope) && !group_.keep_up(now, scope)) {
    return;
  }
  told.sequence = sequence_;
  told.tick = ++tick_;
  const Watts shortfall = group_.dispatch(now, told);
  if (active) say_shortfall(active_.at(scope), *told.share, shortfall);
}

bool RootNode::is_acknowledged(OrderId order) const {
  const auto booked = booked_.find(order);
  return booked == booked_.end() || booked->second <= journal_.committed();
}

/// What may be dispatched: until `order` is acknowledged, what was in force before it.
std::optional<aggregation::Order> RootNode::acknowledged(
    const Now& now, const Scope& scope, const std::optional<aggregation::Order>& order) const {
  if (!order || is_acknowledged(order->id)) return order;
  const auto active = active_.find(scope);
  if (active == active_.end() || active->second.order.until <= now.market) return std::nullopt;
  const auto before = orders_.all().find(active->second.order.id);
  const bool cancelled =
      before == orders_.all().end() || before->second.state == aggregation::OrderState::kCancelled;
  if (cancelled) return std::nullopt;
  return active->second.order;
}

void RootNode::activate(const Now& now, const Scope& scope,
                        const std::optional<aggregation::Order>& active) {
  if (!active) {
    const auto ended = active_.extract(scope);
    notice(Severity::kInfo, "VPP_ORDER_ENDED",
           "order " + std::to_string(ended.mapped().order.id.value));
    return;
  }
  ++sequence_;
  active_.insert_or_assign(scope, Active{*active, now.protocol, Watts{0}});
  notice(Severity::kInfo, "VPP_ORDER_STARTED",
         "order " + std::to_string(active->id.value) + ": " + std::to_string(active->power.count) +
             " W" + for_scope(scope));
}

/// What is in force now, or a release, and what follows within the time that it holds. Whatever
/// follows is acknowledged, too: it moves batteries without another word.
mesh::Dispatch RootNode::form(const Now& now, const Scope& scope,
                              const std::optional<aggregation::Order>& active,
                              const std::vector<aggregation::Order>& schedule) const {
  mesh::Dispatch out{.order = kNoOrder,
                     .term = *term_,
                     .sequence = sequence_,
                     .tick = tick_,
                     .share = std::nullopt,
                     .from = now.market,
                     .until = now.market + limits::kControlTick * now.speed,
                     .expires = stamp_of(now.protocol + options_.cut_off_hold),
                     .repeat = 0,
                     .ahead = {},
                     .scope = scope,
                     .service = Service::kEnergy};
  if (active) {
    out.order = active->id;
    out.share = power_of(now, *active);
    out.service = active->service;
    out.from = active->from;
    out.until = std::max(active->until, now.market + 1ms);
  }
  for (const auto& order : schedule) {
    if (active && order.id == active->id) out.until = std::min(out.until, order.until);
    if (order.from <= now.market || !is_acknowledged(order.id)) continue;
    // A dispatch is of one service: what follows of the other one comes when it begins.
    if (order.service != (active ? active->service : Service::kEnergy)) continue;
    if (out.ahead.size() < limits::kStepsAheadMax) {
      const Watts power = within_limits(order, order.power, order.from);
      out.ahead.push_back({order.id, power, order.from, order.until});
    }
  }
  if (!out.share && !out.ahead.empty()) out.until = out.ahead.back().until;
  return out;
}

Watts RootNode::power_of(const Now& now, const aggregation::Order& order) const {
  const bool ramps = order.ramp > Duration{0} && order.service == Service::kEnergy;
  Watts power = order.power;
  if (ramps) {
    const auto neighbours = aggregation::neighbours_of(order, orders_.all());
    power = aggregation::power_at(order, neighbours, now.market);
  }
  return within_limits(order, power, now.market);
}

void RootNode::say_shortfall(Active& active, Watts asked, Watts shortfall) {
  const auto change = std::abs(shortfall.count - active.told_shortfall.count);
  if (change * 100 <= std::abs(asked.count)) return;
  active.told_shortfall = shortfall;
  notice(shortfall == Watts{0} ? Severity::kInfo : Severity::kWarning, "VPP_SHORTFALL",
         std::to_string(shortfall.count) + " W of " + std::to_string(asked.count) + " W" +
             for_scope(active.order.scope) + " cannot be placed");
}

aggregation::PerMillion RootNode::shortfall_level() const {
  return calibrated(workflow_.bids(), options_.shortfall);
}

bidding::PlantState RootNode::plant(const Now& now, bool decides) const {
  const mesh::GroupSummary sum = group_.summary(now);
  bidding::PlantState plant;
  if (decides) {
    const auto children = group_.children().view(now);
    plant.firm =
        firm_of(children, group_.rates_of(children), shortfall_level(), Direction::kDischarge);
  }
  plant.sites_counted = sum.coverage.online;
  plant.sites_enrolled = sum.coverage.enrolled;
  for (const auto& receipt : sum.receipts) plant.delivered[receipt.order] = receipt.delivered;
  for (const auto& [id, order] : orders_.all()) {
    const bool ours = order.source != aggregation::OrderSource::kMarket;
    if (!aggregation::is_open(order.state) || !ours || order.power <= Watts{0}) continue;
    plant.committed.push_back({.power = order.power, .from = order.from, .until = order.until});
  }
  return plant;
}

void RootNode::run_workflow(const Now& now) {
  if (!may_commit(now)) return;
  workflow_.advance(now, plant(now, workflow_.decides(now)));
  bidding::WorkflowEffects work = workflow_.take_effects();
  for (const auto& fact : work.persist) note_decision(fact);
  for (const auto& ask : work.asks) {
    if (desk_) desk_->ask(now, ask);
  }
  for (const auto& wanted : work.orders) {
    const aggregation::Order order = orders_.add(now, {.id = kNoOrder,
                                                       .key = wanted.key,
                                                       .source = aggregation::OrderSource::kMarket,
                                                       .scope = {},
                                                       .service = Service::kEnergy,
                                                       .power = wanted.power,
                                                       .from = wanted.from,
                                                       .until = wanted.until,
                                                       .issued = now.market});
    workflow_.scheduled(now, wanted.key, order.id);
    // The award is a fact before the order is booked, the order before it is a fact that it was.
    for (auto& fact : work.persist) book(now, std::move(fact));
    work.persist.clear();
    book_new(now, order);
  }
  for (auto& fact : work.persist) book(now, std::move(fact));
  bidding::WorkflowEffects more = workflow_.take_effects();
  for (auto& fact : more.persist) book(now, std::move(fact));
  append(work.calls, more.calls);
  for (auto& call : work.calls) hold(now, std::move(call));
}

void RootNode::retry_task(const Now& now, const TaskRetryAsked& asked) {
  const std::string why = desk_ ? desk_->retry(now, asked.task) : "no worker forecasts here";
  effects_.replies.push_back({.request = asked.request, .order = {}, .refused = why});
}

void RootNode::note_decision(const bidding::Fact& fact) {
  const auto* decided = bidding::as<bidding::BidDecided>(fact);
  if (!desk_ || decided == nullptr) return;
  if (options_.workers->model != bidding::kNaiveModel) note_forecast(*decided);
  if (!decided->optimiser.empty()) note_advice(*decided);
}

/// Says when bids begin to rest on the naive forecast although a worker should make one.
void RootNode::note_forecast(const bidding::BidDecided& decided) {
  const bool naive = decided.foreseen == bidding::TaskId{};
  if (std::exchange(bids_naively_, naive) == naive) return;
  notice(naive ? Severity::kWarning : Severity::kInfo,
         naive ? "VPP_FORECAST_NAIVE" : "VPP_FORECAST_USED",
         naive ? "no worker's forecast reaches " + decided.bid.key + ": it rests on the naive one"
               : "bids rest on the forecast of " + decided.model);
}

/// As note_forecast(), of advice.
void RootNode::note_advice(const bidding::BidDecided& decided) {
  const bool alone = decided.advised == bidding::TaskId{};
  if (std::exchange(bids_alone_, alone) == alone) return;
  notice(alone ? Severity::kWarning : Severity::kInfo,
         alone ? "VPP_ADVICE_MISSING" : "VPP_ADVICE_USED",
         alone ? "no optimiser's advice is there for " + decided.bid.key +
                     ": the bidder decided by itself"
               : "bids follow the advice of " + decided.optimiser);
}

void RootNode::collect_desk(const Now& now) {
  if (!desk_) return;
  if (journal_.serves()) desk_->ask(now, workflow_.prices());
  if (journal_.serves() && may_commit(now)) {
    if (auto made = desk_->take_forecast()) {
      auto& [model, hours] = made->answer;
      workflow_.foreseen(now, {made->task, std::move(model), std::move(made->worker), made->from,
                               std::move(hours)});
      run_workflow(now);
    }
    const auto advice = desk_->take_advice();
    for (const auto& each : advice) workflow_.advised(now, each);
    if (!advice.empty()) run_workflow(now);
  }
  DeskEffects work = desk_->take_effects();
  for (auto& record : work.persist) {
    std::visit([&](auto& each) { effects_.persist.emplace_back(std::move(each)); }, record);
  }
  append(effects_.workers, work.tell);
  append(effects_.notices, work.notices);
}

/// What the homes draw at their meters: a fact for each quarter of an hour.
void RootNode::read_meters(const Now& now, const mesh::GroupSummary& sum) {
  const std::uint32_t enrolled = sum.coverage.enrolled;
  const std::uint32_t metered = enrolled - std::min(sum.net_unknown, enrolled);
  auto quarter = meters_.add({.at = now.market,
                              .drawn = metered > 0 ? std::optional{-sum.net} : std::nullopt,
                              .metered = metered,
                              .enrolled = enrolled,
                              .ordered = std::ranges::any_of(active_, [](const auto& each) {
                                return each.second.order.service == Service::kEnergy;
                              })});
  if (!quarter) return;
  book(now, bidding::Fact{*std::move(quarter), now.market});
  settle_by_meters(now);
}

/// Once the quarters of an order are over; later ones change nothing of them.
void RootNode::settle_by_meters(const Now& now) {
  const MarketTime known = meters_.quarters().rbegin()->first + bidding::kMeterQuarter;
  for (const bidding::BidView& bid : workflow_.bids()) {
    if (bid.metered || bid.order == kNoOrder) continue;
    const bidding::TimeSpan span = bid.call
                                       ? bidding::TimeSpan{bid.call->from, bid.call->until}
                                       : bidding::TimeSpan{bid.bid.gate.from, bid.bid.gate.until};
    if (known < span.until) continue;
    workflow_.metered(now, bidding::baseline_known(bid.bid.key, meters_, options_.zone, span));
  }
  run_workflow(now);
}

Instant RootNode::activated_at(OrderId order) const {
  for (const auto& [scope, active] : active_) {
    if (active.order.id == order) return active.activated_at;
  }
  return {};
}

void RootNode::collect_children(const Now& now) {
  mesh::ChildrenEffects down = group_.children().take_effects();
  refuse_plans(values_.collect(now, group_.children(), down).refused);
  owner_rates_.collect(now, group_.children(), down);
  for (std::size_t i = 0; i < down.acks.size(); ++i) {
    if (group_.acknowledged(down.ack_from[i], down.acks[i])) {
      notice(Severity::kInfo, "VPP_ORDER_ACKNOWLEDGED",
             "order " + std::to_string(down.acks[i].order.value) + " by every child after " +
                 std::to_string((now.protocol - activated_at(down.acks[i].order)).count()) + " ms");
    }
  }
  for (const NodeId child : down.clamped) {
    notice(Severity::kWarning, "VPP_CLAMPED",
           to_string(child) + " claims more than its certificate allows; it is not believed");
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
  if (term_) out.path = {options_.self};
  out.term = journal_.promised();
  out.root = root_status(now);
  group_.fill(out, now);
  out.values = values_.status();
  out.owner_rates = owner_rates_.rates();
  for (const auto& [scope, active] : active_) {
    const aggregation::Order& order = active.order;
    out.in_force.push_back({order.id, scope, order.service, power_of(now, order), order.until});
  }
  fill_target(out);
  out.tick = tick_;
  for (const auto& [id, order] : orders_.all()) out.orders.push_back(order);
  out.bids = workflow_.bids();
  out.shortfall_level = calibrated(out.bids, options_.shortfall);
  for (const auto product : {bidding::Product::kEnergy, bidding::Product::kReserveUp}) {
    for (const auto session : {bidding::Session::kRealTime, bidding::Session::kDayAhead}) {
      const auto& known = workflow_.prices(session, product);
      const auto shown = std::min(kPricesShown, known.size());
      for (auto at = std::prev(known.end(), static_cast<std::ptrdiff_t>(shown)); at != known.end();
           ++at) {
        out.prices.push_back(at->second);
      }
    }
  }
  out.gates = workflow_.gates();
  out.market = workflow_.health(now);
  if (openadr_) out.openadr = openadr_->view(now);
  if (const auto* forecast = workflow_.forecast()) out.forecast = *forecast;
  if (desk_) out.workers = desk_->status();
  return out;
}

std::optional<std::vector<bidding::Fact>> RootNode::trace(const std::string& key) const {
  return workflow_.trace(key);
}

std::vector<bidding::Fact> RootNode::facts() const {
  return journal_.content().second;
}

}  // namespace vpp::node
