#include "daemon/node/leaf_node.h"

#include <algorithm>
#include <cstdlib>
#include <utility>
#include <variant>

#include "config/limits.h"
#include "config/planted_bug.h"
#include "daemon/node/scoped.h"

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
/// Orders whose scope is remembered: more than a site accounts for.
constexpr std::size_t kScopesKept = 2 * limits::kReceiptsMax;
/// A change of power worth telling before the next report is due.
constexpr std::int64_t kDeadBandW = 50;

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
      fences_{planted(Bug::kFenceNotRecovered) ? std::nullopt : recovered.fence},
      subscriptions_{options.subscriptions, options.groups, recovered.opt_outs},
      values_{options.follows, recovered.load.slots, recovered.values},
      owner_{recovered.owner},
      kept_{recovered.site} {}

void LeafNode::step(const Now& now, const Event& event) {
  if (const auto* e = std::get_if<mesh::LinkOpened>(&event)) uplink_.step(now, *e);
  if (const auto* e = std::get_if<mesh::LinkLost>(&event)) uplink_.step(now, *e);
  if (const auto* e = std::get_if<mesh::FromParent>(&event)) uplink_.step(now, *e);
  if (const auto* e = std::get_if<SiteReported>(&event)) on_site(now, e->status);
  if (const auto* e = std::get_if<DrainAsked>(&event)) {
    refuse(e->request, "a leaf has no children that could be sent elsewhere");
  }
  if (const auto* e = std::get_if<OptOutAsked>(&event)) opt_out(now, *e);
  if (std::holds_alternative<StopAsked>(event)) {
    keep_due_ = now.protocol;
    if (site_) keep_accounts(now, *site_);
    if (const auto learned = values_.take_learned(now.protocol, true)) {
      effects_.persist.emplace_back(LearnedLoad{*learned});
    }
    uplink_.leave(now);
    instruct({});
    effects_.plan = device::SitePlan{};
    effects_.stopped = true;
  }
  collect(now);
}

void LeafNode::advance(const Now& now) {
  uplink_.advance(now);
  stop_where_not_served(now);
  values_.advance(corrected(now));
  if (report_due_ <= now.protocol) report(now);
  collect(now);
}

Instant LeafNode::next_deadline(const Now& now) const {
  MarketTime change = serving_ ? subscriptions_.next_change(corrected(now).market) : kEndOfTime;
  change = std::min(change, values_.next_change());
  return std::min({uplink_.next_deadline(), report_due_, protocol_time_of(corrected(now), change)});
}

Now LeafNode::corrected(const Now& now) const {
  return uplink_.market_now(now.protocol).value_or(now);
}

void LeafNode::on_site(const Now& now, const device::SiteStatus& status) {
  keep_accounts(now, status);
  site_ = status;
  values_.seen(corrected(now), status);
  be_paid();
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
  uplink_.report(now, summary(now), {}, {});
  reported_ = site_;
  reported_at_ = now.protocol;
}

bool LeafNode::goes_on(const Now& now) const {
  if (!serving_ || serving_->expires <= now.protocol) return false;
  const MarketTime market = corrected(now).market;
  const mesh::Dispatch& told = serving_->told;
  const bool ahead = !told.ahead.empty() && market < told.ahead.back().until;
  return ahead || (told.share && market < told.until);
}

bool LeafNode::commits(const Now& now) const {
  if (!goes_on(now)) return false;
  const mesh::Dispatch& told = serving_->told;
  return told.share.value_or(Watts{0}) != Watts{0} ||
         std::ranges::any_of(told.ahead,
                             [](const mesh::Step& step) { return step.share != Watts{0}; });
}

/// Empty: it is carried out. Never said of a release.
std::string LeafNode::why_refused(const Now& now, const mesh::Dispatch& dispatch) const {
  if (!dispatch.share && dispatch.ahead.empty()) return {};
  const Scope& scope = dispatch.scope;
  const MarketTime market = corrected(now).market;
  if (!subscriptions_.has(scope.program)) return "is of a program without subscription";
  if (!subscriptions_.serves(scope.program, market)) return "is of a program that is opted out of";
  if (!subscriptions_.serves(scope, market)) return "is for another group";
  const bool nothing = dispatch.share.value_or(Watts{0}) == Watts{0};
  if (nothing || !commits(now) || serving_->told.scope == scope) return {};
  return takes_over(scope.program) ? "" : "comes while the site serves another one";
}

/// From what the site serves.
bool LeafNode::takes_over(const std::string& program) const {
  const std::string& serves = serving_->told.scope.program;
  return subscriptions_.priority(program) > subscriptions_.priority(serves);
}

void LeafNode::on_dispatch(const Now& now, const mesh::Dispatch& dispatch) {
  const Instant expires =
      std::min(uplink_.local_time_of(dispatch.expires), now.protocol + limits::kSetPointTtlMax);
  const bool late = expires <= now.protocol && !planted(Bug::kExpiryIgnored);
  const bool over = late || dispatch.until <= corrected(now).market;
  const bool obeyed = allegiance_.obeys(uplink_.parent(), !uplink_.path().empty());
  std::string why = over ? "is old or over" : why_refused(now, dispatch);
  if (!obeyed) why = "comes from a parent without a root, being left";
  const auto verdict = why.empty() ? fences_.accept(dispatch) : OrderFence::Verdict::kRefused;
  if (verdict == OrderFence::Verdict::kRefused) {
    uplink_.acknowledge({dispatch.order, dispatch.tick, false});
    if (std::exchange(refused_, dispatch.order) != dispatch.order || why.empty() || over) {
      notice(Severity::kInfo, "VPP_ORDER_REFUSED",
             "order " + std::to_string(dispatch.order.value) + " " +
                 (why.empty() ? "is old or over" : why));
    }
    return;
  }
  if (const auto risen = fences_.take_risen()) effects_.persist.emplace_back(*risen);
  if (verdict == OrderFence::Verdict::kAcceptedAndNew) {
    uplink_.acknowledge({dispatch.order, dispatch.tick, true});
    // What is due waits for what the order brings; however many orders come, no longer than that.
    const Instant latest = reported_at_ + limits::kBeaconInterval + gather();
    report_due_ = std::max(report_due_, std::min(now.protocol + gather(), latest));
  }
  allegiance_.told(uplink_.parent(), uplink_.handed_over());
  const bool ours = !goes_on(now) || serving_->told.scope == dispatch.scope;
  const bool nothing = dispatch.share.value_or(Watts{0}) == Watts{0};
  if (ours || (!nothing && dispatch.scope != serving_->told.scope)) obey(now, dispatch, expires);
}

void LeafNode::obey(const Now& /*now*/, const mesh::Dispatch& dispatch, Instant expires) {
  uplink_.set_dispatch_active(dispatch.share.has_value());
  const auto site_order = [&](OrderId order, Watts power, MarketTime from, MarketTime until) {
    scopes_[order] = dispatch.scope;
    return device::SiteOrder{.order = order,
                             .power = power,
                             .from = from,
                             .until = until,
                             .expires = expires,
                             .service = dispatch.service,
                             .reserve_permille = subscriptions_.reserve(dispatch.scope.program)};
  };
  SiteInstruction instruction;
  if (dispatch.share) {
    instruction.order = site_order(dispatch.order, *dispatch.share, dispatch.from, dispatch.until);
  }
  for (const mesh::Step& step : dispatch.ahead) {
    instruction.ahead.push_back(site_order(step.order, step.share, step.from, step.until));
  }
  instruct(instruction);
  serving_ = Serving{dispatch, expires};
  while (scopes_.size() > kScopesKept) scopes_.erase(scopes_.begin());
}

void LeafNode::instruct(const SiteInstruction& instruction) {
  told_ = instruction;
  effects_.site = instruction;
}

/// Back to the local default.
void LeafNode::release(const Now& now) {
  serving_.reset();
  instruct({});
  report_due_ = std::min(report_due_, now.protocol);
}

/// A subscription has ended, or its owner has opted out.
void LeafNode::stop_where_not_served(const Now& now) {
  if (!serving_) return;
  if (!subscriptions_.serves(serving_->told.scope, corrected(now).market)) release(now);
}

void LeafNode::opt_out(const Now& now, const OptOutAsked& asked) {
  const MarketTime market = corrected(now).market;
  const bool serving = goes_on(now);
  const std::string program =
      asked.program.empty() && asked.out && serving ? serving_->told.scope.program : asked.program;
  const bool one_event = asked.out && asked.duration == Duration{0};
  if (asked.out && program.empty()) {
    return refuse(asked.request, "no order is in force: name the program, and for how long");
  }
  if (!program.empty() && !subscriptions_.has(program)) {
    return refuse(asked.request, "the site is not subscribed to " + program);
  }
  if (one_event && (!serving || serving_->told.scope.program != program)) {
    return refuse(asked.request, "no order of " + program + " is in force: say for how long");
  }
  if (asked.out) {
    subscriptions_.opt_out(program, one_event ? serving_->told.until : market + asked.duration);
  } else if (!subscriptions_.opt_in(program)) {
    return refuse(asked.request, "nothing was opted out of");
  }
  effects_.persist.emplace_back(subscriptions_.opt_outs(market));
  notice(Severity::kInfo, asked.out ? "VPP_OPTED_OUT" : "VPP_OPTED_IN",
         (program.empty() ? std::string{"every program"} : program) + " by the owner");
  effects_.replies.push_back({.request = asked.request, .order = {}, .refused = {}});
  stop_where_not_served(now);
  report(now);
}

bool LeafNode::serves_frequency(const Now& now) const {
  return goes_on(now) && serving_->told.service == Service::kFrequency;
}

/// Nothing while the site is committed to another program that this one does not take it over
/// from. Whatever is armed for the frequency is
/// kept from all others by the site itself; to its own scope it offers what can be armed.
Offer LeafNode::offer_of(const Now& now, const std::string& program) const {
  const bool ours = goes_on(now) && serving_->told.scope.program == program;
  const bool free = ours || !commits(now) || takes_over(program);
  if (!free || !subscriptions_.serves(program, corrected(now).market)) return {};
  if (ours && serves_frequency(now)) {
    const Watts able = site_->frequency.able;
    const mesh::SiteDirection way{
        able, {able.count * (limits::kFrequencyHold / std::chrono::seconds{1})}, 1000};
    return {way, way};
  }
  device::Capability discharge = site_->discharge;
  const auto& programs = subscriptions_.programs();
  const auto at = std::ranges::find(programs, program, &Subscription::program);
  const auto index = static_cast<std::size_t>(at - programs.begin());
  if (index < site_->discharge_above.size()) discharge = site_->discharge_above[index];
  return {{discharge.power, discharge.energy, 1000},
          {site_->charge.power, site_->charge.energy, 1000}};
}

mesh::SiteSummary LeafNode::summary(const Now& now) const {
  mesh::SiteSummary out;
  out.energy = subscriptions_.has(kDefaultProgram);
  out.groups = subscriptions_.groups();
  for (const Subscription& each : subscriptions_.programs()) {
    if (each.program != kDefaultProgram) out.offers.push_back({each.program, {}, {}});
  }
  if (!site_) return out;
  for (const Subscription& each : subscriptions_.programs()) {
    const Offer offer = offer_of(now, each.program);
    if (each.program == kDefaultProgram) {
      out.discharge = offer.discharge;
      out.charge = offer.charge;
      continue;
    }
    const auto told = std::ranges::find(out.offers, each.program, &mesh::ProgramOffer::program);
    told->discharge = offer.discharge;
    told->charge = offer.charge;
  }
  out.measured = site_->measured;
  out.stored = site_->stored;
  // What it does by its own plan it does for itself.
  if (site_->mode != device::Mode::kPlanned) out.set_point = site_->set_point;
  out.order = site_->order;
  if (const auto known = scopes_.find(site_->order); known != scopes_.end()) {
    out.scope = known->second;
  }
  out.net = site_->net;
  if (serves_frequency(now)) {
    const Watts asked = serving_->told.share.value_or(Watts{0});
    const bool armed = site_->frequency.armed && site_->frequency.measured_mhz;
    out.armed = armed ? std::min(asked, site_->frequency.able) : Watts{0};
    out.droop = site_->frequency.armed ? site_->measured.value_or(Watts{0}) : Watts{0};
  }
  out.measured_at = site_->measured_at;
  out.stale = site_->stale;
  for (const auto& account : site_->accounts) {
    out.receipts.push_back({account.order, account.delivered});
  }
  return out;
}

void LeafNode::collect(const Now& now) {
  mesh::UplinkEffects up = uplink_.take_effects();
  if (allegiance_.broken(up.asks, !uplink_.path().empty())) {
    serving_.reset();
    instruct({});
  }
  for (const auto& message : up.deliver) {
    if (const auto* dispatch = std::get_if<mesh::Dispatch>(&message)) on_dispatch(now, *dispatch);
    if (const auto* signal = std::get_if<mesh::ValueSignal>(&message)) {
      uplink_.answer(values_.answer(corrected(now), *signal));
    }
    if (const auto* told = std::get_if<mesh::OwnerRates>(&message)) {
      owner_rates_.add(told->rates);
      be_paid();
    }
  }
  collect_values(now);
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

void LeafNode::be_paid() {
  if (!site_) return;
  if (pay(owner_, owner_rates_.rates(), site_->accounts, site_->order)) {
    effects_.persist.emplace_back(owner_);
  }
}

void LeafNode::collect_values(const Now& now) {
  if (effects_.stopped) return;
  if (auto plan = values_.take_plan()) effects_.plan = std::move(plan);
  if (const auto account = values_.take_account()) effects_.persist.emplace_back(*account);
  if (const auto learned = values_.take_learned(now.protocol)) {
    effects_.persist.emplace_back(LearnedLoad{*learned});
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
  out.told = told_;
  out.follows = values_.status(out.now);
  out.owner = owner_;
  out.owner_rates = owner_rates_.rates();
  out.subscriptions = subscriptions_.programs();
  out.groups = subscriptions_.groups();
  out.opt_outs = subscriptions_.opt_outs(out.now.market).programs;
  if (site_ && site_->order != kNoOrder) {
    const auto scope = scopes_.find(site_->order);
    const bool served = serving_ && serving_->told.order == site_->order;
    out.in_force.push_back({.order = site_->order,
                            .scope = scope == scopes_.end() ? Scope{} : scope->second,
                            .service = served ? serving_->told.service : Service::kEnergy,
                            .target = site_->set_point,
                            .until = served ? serving_->told.until : MarketTime{}});
    fill_target(out);
  }
  return out;
}

}  // namespace vpp::node
