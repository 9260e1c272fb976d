#include "daemon/node/aggregator_node.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <variant>

#include "config/limits.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

/// What a dispatch means at `market` if nothing newer came: its share, the next step, or a release.
void move_on(mesh::Dispatch& told, MarketTime market) {
  std::erase_if(told.ahead, [&](const mesh::Step& step) { return step.until <= market; });
  if (told.until <= market) told.share.reset();
  if (told.ahead.empty()) return;
  const mesh::Step next = told.ahead.front();
  if (next.from > market) {
    if (!told.share) told.until = told.ahead.back().until;
    return;
  }
  told.order = next.order;
  told.share = next.share;
  told.from = next.from;
  told.until = next.until;
  told.ahead.erase(told.ahead.begin());
}

/// Between two reports that changes below bring about: many children move at once.
constexpr Duration kSumSpacing = 100ms;

mesh::ChildrenOptions children_options(const NodeOptions& options, const Recovered& recovered) {
  mesh::ChildrenOptions out;
  out.self = options.self;
  out.role = options.role;
  out.region = options.region;
  out.certificate = options.certificate;
  out.grid = aggregation::kGrid;
  out.draining = recovered.drain.value_or(DrainRecord{}).on;
  return out;
}

}  // namespace

AggregatorNode::AggregatorNode(const NodeOptions& options, Rng rng, const Recovered& recovered)
    : options_{options},
      uplink_{uplink_options(options), rng.fork(), recovered.uplink},
      group_{children_options(options, recovered), options.dispatch, rng.fork(), options.feeder},
      values_{options.self, options.values},
      fences_{recovered.fence} {
  if (!options.peak) return;
  peak_.emplace(*options.peak, recovered.load.slots);
  peak_due_ = Instant{};
}

void AggregatorNode::step(const Now& now, const Event& event) {
  if (const auto* e = std::get_if<mesh::LinkOpened>(&event)) uplink_.step(now, *e);
  if (const auto* e = std::get_if<mesh::LinkLost>(&event)) uplink_.step(now, *e);
  if (const auto* e = std::get_if<mesh::FromParent>(&event)) uplink_.step(now, *e);
  if (const auto* e = std::get_if<mesh::FromChild>(&event)) {
    group_.children().step(corrected(now), *e);
    if (std::holds_alternative<mesh::Report>(e->message)) hurry_report(now);
  }
  if (const auto* e = std::get_if<mesh::ChildUnreachable>(&event)) {
    group_.children().step(corrected(now), *e);
  }
  if (const auto* e = std::get_if<OptOutAsked>(&event)) {
    refuse(e->request, "owners opt out at the leaf beside their battery");
  }
  if (const auto* e = std::get_if<DrainAsked>(&event)) drain(now, *e);
  if (std::holds_alternative<StopAsked>(event)) stop(now);
  collect(now);
}

void AggregatorNode::advance(const Now& now) {
  uplink_.advance(now);
  group_.children().advance(corrected(now));
  go_on_where_due(now);
  if (peak_due_ <= now.protocol) shave(now);
  values_.advance(corrected(now));
  if (report_due_ <= now.protocol) report(now);
  collect(now);
}

Instant AggregatorNode::next_deadline(const Now& now) const {
  Instant due = std::min({uplink_.next_deadline(), group_.next_deadline(), report_due_, peak_due_,
                          values_.next_deadline(corrected(now))});
  for (const auto& [scope, told] : told_) due = std::min(due, told.go_on_due);
  return due;
}

Now AggregatorNode::corrected(const Now& now) const {
  return uplink_.market_now(now.protocol).value_or(now);
}

void AggregatorNode::on_parent_message(const Now& now, const mesh::Message& message) {
  mesh::Children& children = group_.children();
  if (const auto* ack = std::get_if<mesh::HelloAck>(&message)) {
    children.evict(now, ack->evict);
    children.announce_all(now);
  }
  if (const auto* evict = std::get_if<mesh::Evict>(&message)) {
    children.evict(now, evict->nodes);
    report(now);  // the summary without them is the answer
  }
  if (const auto* cleared = std::get_if<mesh::Cleared>(&message)) {
    children.cleared(now, cleared->nodes);
  }
  if (const auto* unload = std::get_if<mesh::Unload>(&message)) children.unload(now, *unload);
  if (const auto* dispatch = std::get_if<mesh::Dispatch>(&message)) on_dispatch(now, *dispatch);
  if (const auto* signal = std::get_if<mesh::ValueSignal>(&message)) {
    values_.heard(corrected(now), *signal);
  }
  if (const auto* told = std::get_if<mesh::OwnerRates>(&message)) owner_rates_.add(told->rates);
}

void AggregatorNode::on_dispatch(const Now& now, const mesh::Dispatch& dispatch) {
  const Instant expires = uplink_.local_time_of(dispatch.expires);
  const bool over = expires <= now.protocol || dispatch.until <= corrected(now).market;
  const bool obeyed = allegiance_.obeys(uplink_.parent(), !uplink_.path().empty());
  const bool ours = peak_ && dispatch.scope.program == peak_->scope().program;
  const auto verdict =
      over || !obeyed || ours ? OrderFence::Verdict::kRefused : fences_.accept(dispatch);
  if (verdict == OrderFence::Verdict::kRefused) {
    uplink_.acknowledge({dispatch.order, dispatch.tick, false});
    return;
  }
  if (const auto risen = fences_.take_risen()) effects_.persist.emplace_back(*risen);
  allegiance_.told(uplink_.parent(), uplink_.handed_over());
  Told& told = told_[dispatch.scope];
  told.order = dispatch;
  told.order.expires = stamp_of(expires);
  told.go_on_due = now.protocol + limits::kControlTick * 3 / 2;
  if (!pass_on(now, told)) told_.erase(dispatch.scope);
  if (!group_.children().any_attached()) {
    uplink_.acknowledge({dispatch.order, dispatch.tick, true});
  }
}

/// Makes a release of what it was told.
void AggregatorNode::let_go(const Now& now, Told& told) const {
  const Now market = corrected(now);
  told.order.share.reset();
  told.order.ahead.clear();
  told.order.until = std::max(told.order.until, market.market + limits::kLease * market.speed);
  told.order.expires = stamp_of(now.protocol + limits::kLease);
}

/// Nothing newer came.
void AggregatorNode::go_on(const Now& now, Told& told) {
  mesh::Dispatch& order = told.order;
  if (order.expires <= stamp_of(now.protocol)) let_go(now, told);
  move_on(order, corrected(now).market);
  if (!order.share && order.ahead.empty()) let_go(now, told);
  ++order.repeat;
  told.go_on_due = pass_on(now, told) ? now.protocol + limits::kControlTick : kNever;
}

void AggregatorNode::go_on_where_due(const Now& now) {
  for (auto& [scope, told] : told_) {
    if (told.go_on_due <= now.protocol) go_on(now, told);
  }
  std::erase_if(told_, [](const auto& entry) { return entry.second.go_on_due == kNever; });
}

/// False: it was a release, and nobody is to be released again.
bool AggregatorNode::pass_on(const Now& now, Told& told) {
  const Watts shortfall = group_.dispatch(corrected(now), told.order);
  // A release may be lost, and whoever missed it does what others are asked for by now.
  const bool released = !told.order.share && told.order.ahead.empty();
  const bool goes_on = !released || group_.keep_up(corrected(now), told.order.scope);
  if (std::exchange(told.shortfall, shortfall) != shortfall) report(now);
  return goes_on;
}

/// Its own orders, by its own clock.
void AggregatorNode::shave(const Now& now) {
  peak_due_ = now.protocol + limits::kControlTick;
  const Now market = corrected(now);
  group_.keep_up(market);
  const PeakStatus before = peak_->status();
  const auto asked = peak_->tick(market, group_.summary(market));
  say_peak(before, peak_->status());
  if (const auto learned = peak_->take_learned()) {
    effects_.persist.emplace_back(LearnedLoad{*learned});
  }
  if (!asked) return;
  (void)group_.dispatch(market, *asked);
  if (!asked->share && group_.keep_up(market, asked->scope)) peak_->not_released();
}

void AggregatorNode::say_peak(const PeakStatus& before, const PeakStatus& after) {
  if (!before.asked && after.asked) {
    notice(Severity::kInfo, "VPP_PEAK",
           "the homes below draw " + std::to_string(after.drawn->count) +
               " W: their batteries keep them at " + std::to_string(after.level->count) + " W");
  }
  if (before.asked && !after.asked) notice(Severity::kInfo, "VPP_PEAK_OVER", "the peak is over");
  if (after.over_most > Watts{0} && before.over_most == Watts{0}) {
    notice(Severity::kWarning, "VPP_PEAK_BEYOND",
           "the batteries cannot keep the peak at " + std::to_string(after.target.count) +
               " W: " + std::to_string(after.over.count) + " W more at the least");
  }
}

void AggregatorNode::hurry_report(const Now& now) {
  report_due_ = std::min(report_due_, std::max(now.protocol, reported_at_ + kSumSpacing));
}

void AggregatorNode::report(const Now& now) {
  report_due_ = now.protocol + profile_of(options_.link).beacon_interval;
  reported_at_ = now.protocol;
  if (!uplink_.attached()) return;
  group_.keep_up(corrected(now));
  mesh::GroupSummary summary = group_.summary(corrected(now));
  mesh::Children& children = group_.children();
  std::vector<mesh::Attachment> attached = children.attached_below();
  if (children.more_below()) hurry_report(now);
  uplink_.report(now, std::move(summary), std::move(attached), children.take_evicted(),
                 children.more_below());
}

void AggregatorNode::drain(const Now& now, const DrainAsked& asked) {
  mesh::Children& children = group_.children();
  if (children.draining() != asked.on) {
    effects_.persist.emplace_back(DrainRecord{asked.on});
    notice(Severity::kInfo, asked.on ? "VPP_DRAINING" : "VPP_DRAINING_ENDED",
           asked.on ? "takes no children, and sends those there are elsewhere by an operator"
                    : "takes children again by an operator");
  }
  children.drain(corrected(now), asked.on);
  effects_.replies.push_back({.request = asked.request, .order = {}, .refused = {}});
}

void AggregatorNode::stop(const Now& now) {
  group_.children().set_upstream(now, {}, uplink_.term(), {});
  uplink_.leave(now);
  effects_.stopped = true;
}

void AggregatorNode::collect_values(const Now& now, mesh::ChildrenEffects& down) {
  const ValueGroup::Effects values = values_.collect(corrected(now), group_.children(), down);
  if (values.up) uplink_.answer(*values.up);
  refuse_plans(values.refused);
}

void AggregatorNode::collect(const Now& now) {
  mesh::UplinkEffects up = uplink_.take_effects();
  if (allegiance_.broken(up.asks, !uplink_.path().empty())) {
    for (auto& [scope, told] : told_) {
      let_go(now, told);
      told.go_on_due = now.protocol;
    }
    go_on_where_due(now);
  }
  for (const auto& message : up.deliver) on_parent_message(now, message);
  if (up.attachment_changed || up.path_changed || up.persist) {  // or alternates were learned
    group_.children().set_upstream(corrected(now), uplink_.path(), uplink_.term(),
                                   uplink_.alternates_below(), uplink_.counted_for());
  }
  mesh::ChildrenEffects down = group_.children().take_effects();
  collect_values(now, down);
  owner_rates_.collect(corrected(now), group_.children(), down);
  for (std::size_t i = 0; i < down.acks.size(); ++i) {
    if (group_.acknowledged(down.ack_from[i], down.acks[i])) {
      uplink_.acknowledge({down.acks[i].order, down.acks[i].tick, true});
    }
  }
  uplink_.set_children(now, group_.children().any_attached(), group_.children().longest_lease());
  const bool told = std::ranges::any_of(told_, [&](const auto& entry) {
    const mesh::Dispatch& order = entry.second.order;
    return order.share && order.until > corrected(now).market;
  });
  uplink_.set_dispatch_active(told || (peak_ && peak_->order()));
  if (down.membership_changed) hurry_report(now);
  if (up.attachment_changed && uplink_.attached()) report(now);
  for (const NodeId child : down.clamped) {
    notice(Severity::kWarning, "VPP_CLAMPED",
           to_string(child) + " claims more than its certificate allows; it is not believed");
  }
  for (const NodeId child : group_.take_invalid()) {
    notice(Severity::kWarning, "VPP_BAD_REPORT", to_string(child) + " sent no valid curve");
  }
  mesh::UplinkEffects more = uplink_.take_effects();
  for (auto* batch : {&up, &more}) {
    if (batch->persist) effects_.persist.emplace_back(*batch->persist);
    append(effects_.close, batch->close);
    append(effects_.open, batch->open);
    append(effects_.up, batch->send);
  }
  std::vector<Notice> news = group_.news(now, down.membership_changed);
  append(effects_.notices, news);
  append(effects_.down, down.send);
  append(effects_.drop, down.drop);
}

NodeStatus AggregatorNode::status(const Now& now) const {
  NodeStatus out;
  out.self = options_.self;
  out.role = options_.role;
  out.name = options_.name;
  out.region = options_.region;
  out.now = corrected(now);
  fill_uplink(out, uplink_, now);
  group_.fill(out, out.now);
  out.values = values_.status();
  out.owner_rates = owner_rates_.rates();
  for (const auto& [scope, told] : told_) {
    const mesh::Dispatch& order = told.order;
    if (!order.share || order.until <= out.now.market) continue;
    out.in_force.push_back({order.order, scope, order.service, *order.share, order.until});
    out.tick = std::max(out.tick, order.tick);
  }
  if (peak_) {
    out.peak = peak_->status();
    if (const auto& order = peak_->order()) {
      out.in_force.push_back(
          {order->order, order->scope, Service::kEnergy, *order->share, order->until});
    }
  }
  fill_target(out);
  return out;
}

}  // namespace vpp::node
