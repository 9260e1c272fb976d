#include "daemon/node/leaf_node.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <variant>

#include "config/limits.h"
#include "config/planted_bug.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

/// Between two reports that an order or a fault brings about; of a power that changes, the line
/// says how often it bears it (config/link_profile.h).
constexpr Duration kReportSpacing = 200ms;
/// A change waits for what comes with it: a new order, its set point and the power it brings are
/// one report. It also lets a parent that has just asked everybody hear the acknowledgements first:
/// the wait grows with the number of siblings, until changes come with the regular reports.
constexpr Duration kReportGatherMin = 100ms;
constexpr int kReportGatherPart = 4;  ///< of the spread: of 500 siblings, the least
/// Between two writes of the accounts of an order that runs: a memory card lives on it for decades.
constexpr Duration kKeepAccounts = 60s;
/// After the end of an order its last joules come with the next readings.
constexpr Duration kSettled = 3s;
/// A change of power worth telling before the next report is due.
constexpr std::int64_t kDeadBandW = 50;

mesh::SiteSummary summary_of(const std::optional<device::SiteStatus>& site) {
  mesh::SiteSummary out;
  if (!site) return out;
  out.discharge = {site->discharge.power, site->discharge.energy, 1000};
  out.charge = {site->charge.power, site->charge.energy, 1000};
  out.measured = site->measured;
  out.stored = site->stored;
  out.set_point = site->set_point;
  out.order = site->order;
  out.measured_at = site->measured_at;
  out.stale = site->stale;
  for (const auto& account : site->accounts) {
    out.receipts.push_back({account.order, account.delivered});
  }
  return out;
}

std::int64_t watts_of(const std::optional<Watts>& value) {
  return value ? value->count : 0;
}

/// The plant waits for this on any line.
bool pressing(const device::SiteStatus& now, const device::SiteStatus& told) {
  return now.order != told.order || now.stale != told.stale || now.mode != told.mode;
}

bool worth_telling(const device::SiteStatus& now, const device::SiteStatus& told) {
  return pressing(now, told) || now.measured.has_value() != told.measured.has_value() ||
         std::abs(watts_of(now.measured) - watts_of(told.measured)) > kDeadBandW ||
         std::abs(now.discharge.power.count - told.discharge.power.count) > kDeadBandW ||
         std::abs(now.charge.power.count - told.charge.power.count) > kDeadBandW;
}

}  // namespace

LeafNode::LeafNode(const NodeOptions& options, Rng rng, const Recovered& recovered)
    : options_{options},
      uplink_{uplink_options(options), rng, recovered.uplink},
      fence_{planted(Bug::kFenceNotRecovered) ? std::nullopt : recovered.fence},
      kept_{recovered.site} {}

void LeafNode::step(const Now& now, const Event& event) {
  if (const auto* e = std::get_if<mesh::LinkOpened>(&event)) uplink_.step(now, *e);
  if (const auto* e = std::get_if<mesh::LinkLost>(&event)) uplink_.step(now, *e);
  if (const auto* e = std::get_if<mesh::FromParent>(&event)) uplink_.step(now, *e);
  if (const auto* e = std::get_if<SiteReported>(&event)) on_site(now, e->status);
  if (const auto* e = std::get_if<DrainAsked>(&event)) {
    refuse(e->request, "a leaf has no children that could be sent elsewhere");
  }
  if (std::holds_alternative<StopAsked>(event)) {
    keep_due_ = now.protocol;
    if (site_) keep_accounts(now, *site_);
    uplink_.leave(now);
    effects_.site = SiteInstruction{};
    effects_.stopped = true;
  }
  collect(now);
}

void LeafNode::advance(const Now& now) {
  uplink_.advance(now);
  if (report_due_ <= now.protocol) report(now);
  collect(now);
}

Instant LeafNode::next_deadline(const Now& /*now*/) const {
  return std::min(uplink_.next_deadline(), report_due_);
}

Now LeafNode::corrected(const Now& now) const {
  return uplink_.market_now(now.protocol).value_or(now);
}

void LeafNode::on_site(const Now& now, const device::SiteStatus& status) {
  keep_accounts(now, status);
  site_ = status;
  uplink_.set_dispatch_active(status.order != kNoOrder);
  if (!reported_ || worth_telling(status, *reported_)) {
    const bool usable_changed = !reported_ || status.stale != reported_->stale;
    const Instant gathered = now.protocol + (usable_changed ? 0ms : gather());
    const bool at_once = !reported_ || pressing(status, *reported_);
    const Duration spacing = at_once ? kReportSpacing : line().report_spacing;
    report_due_ = std::min(report_due_, std::max(gathered, reported_at_ + spacing));
    if (report_due_ <= now.protocol) report(now);
  }
}

Duration LeafNode::gather() const {
  return std::clamp(uplink_.spread() / kReportGatherPart, kReportGatherMin,
                    limits::kBeaconInterval);
}

void LeafNode::keep_accounts(const Now& now, const device::SiteStatus& status) {
  const bool ended = site_ && site_->order != kNoOrder && status.order != site_->order;
  if (ended) keep_due_ = std::min(keep_due_, now.protocol + kSettled);
  if (status.accounts == kept_.accounts) return;
  const bool same_orders =
      std::ranges::equal(status.accounts, kept_.accounts, {}, &device::OrderAccount::order,
                         &device::OrderAccount::order);
  if (same_orders && now.protocol < keep_due_) return;
  keep_due_ = now.protocol + kKeepAccounts;
  kept_.accounts = status.accounts;
  effects_.persist.emplace_back(kept_);
}

/// While an order runs, with every beacon.
Duration LeafNode::report_interval() const {
  const bool idle = !site_ || site_->order == kNoOrder;
  return idle ? line().report_idle : line().beacon_interval;
}

/// On a line that is paid for, a report that is due goes as the answer to a beacon: it carries
/// TCP's acknowledgement, and the newest stamp.
bool LeafNode::answers_beacon(const Now& now) const {
  const Duration early = line().beacon_interval / 2;
  return options_.link != LinkKind::kLan &&
         now.protocol >= reported_at_ + report_interval() - early;
}

void LeafNode::report(const Now& now) {
  report_due_ = now.protocol + report_interval();
  if (options_.link != LinkKind::kLan) report_due_ += line().beacon_interval / 2;
  if (!uplink_.attached()) return;
  uplink_.report(now, summary_of(site_), {}, {});
  reported_ = site_;
  reported_at_ = now.protocol;
}

void LeafNode::on_dispatch(const Now& now, const mesh::Dispatch& dispatch) {
  const Instant expires =
      std::min(uplink_.local_time_of(dispatch.expires), now.protocol + limits::kSetPointTtlMax);
  const bool late = expires <= now.protocol && !planted(Bug::kExpiryIgnored);
  const bool over = late || dispatch.until <= corrected(now).market;
  const bool obeyed = allegiance_.obeys(uplink_.parent(), !uplink_.path().empty());
  const auto verdict = over || !obeyed ? OrderFence::Verdict::kRefused : fence_.accept(dispatch);
  if (verdict == OrderFence::Verdict::kRefused) {
    uplink_.acknowledge({dispatch.order, dispatch.tick, false});
    notice(Severity::kInfo, "VPP_ORDER_REFUSED",
           "order " + std::to_string(dispatch.order.value) +
               (obeyed ? " is old or over" : " comes from a parent without a root, being left"));
    return;
  }
  if (verdict == OrderFence::Verdict::kAcceptedAndNew) {
    effects_.persist.emplace_back(fence_.value());
    uplink_.acknowledge({dispatch.order, dispatch.tick, true});
    // What is due waits for what the order brings; however many orders come, no longer than that.
    const Instant latest = reported_at_ + limits::kBeaconInterval + gather();
    report_due_ = std::max(report_due_, std::min(now.protocol + gather(), latest));
  }
  allegiance_.told(uplink_.parent(), uplink_.handed_over());
  uplink_.set_dispatch_active(dispatch.share.has_value());
  SiteInstruction instruction;
  if (dispatch.share) {
    instruction.order = device::SiteOrder{.order = dispatch.order,
                                          .power = *dispatch.share,
                                          .from = dispatch.from,
                                          .until = dispatch.until,
                                          .expires = expires};
  }
  for (const mesh::Step& step : dispatch.ahead) {
    instruction.ahead.push_back({.order = step.order,
                                 .power = step.share,
                                 .from = step.from,
                                 .until = step.until,
                                 .expires = expires});
  }
  effects_.site = instruction;
}

void LeafNode::collect(const Now& now) {
  mesh::UplinkEffects up = uplink_.take_effects();
  if (allegiance_.broken(up.asks, !uplink_.path().empty())) effects_.site = SiteInstruction{};
  for (const auto& message : up.deliver) {
    if (const auto* dispatch = std::get_if<mesh::Dispatch>(&message)) on_dispatch(now, *dispatch);
  }
  if (up.attachment_changed && uplink_.attached()) report(now);
  if (!uplink_.path().empty() && uplink_.last_beacon() != beacon_seen_) {
    beacon_seen_ = uplink_.last_beacon();
    effects_.plant_heard = true;
    if (answers_beacon(now)) report(now);
  }
  mesh::UplinkEffects more = uplink_.take_effects();  // acknowledgements and the report above
  for (auto* batch : {&up, &more}) {
    if (batch->persist) effects_.persist.emplace_back(*batch->persist);
    append(effects_.close, batch->close);
    append(effects_.open, batch->open);
    append(effects_.up, batch->send);
  }
}

NodeStatus LeafNode::status(const Now& now) const {
  NodeStatus out;
  out.self = options_.self;
  out.role = options_.role;
  out.name = options_.name;
  out.region = options_.region;
  out.now = corrected(now);
  fill_uplink(out, uplink_, now);
  out.site = site_;
  if (site_ && site_->order != kNoOrder) {
    out.target = site_->set_point;
    out.order = site_->order;
  }
  return out;
}

}  // namespace vpp::node
