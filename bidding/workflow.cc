#include "bidding/workflow.h"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <tuple>
#include <utility>

#include "config/limits.h"
#include "config/planted_bug.h"

namespace vpp::bidding {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

constexpr auto kHistory = days{8};  ///< what the forecast needs: seven days, and a day of slack
constexpr auto kForgetEvery = 1h;

// Patience with the market, in protocol time.
constexpr Duration kAnswerMax = 30s;  ///< an adapter answers far sooner; then the call is lost
constexpr Duration kRetryMax = 4s;    ///< a gate is open for minutes, also at 60 times the speed
constexpr Duration kPollMin = 1s;

// Market time.
constexpr Duration kPricePoll = 1min;
constexpr Duration kLateAwardPoll = 10min;  ///< delivery is over: nothing is in a hurry
constexpr Duration kGateLengthMin = 1min;
constexpr Duration kGateLengthMax = 24h;
constexpr auto kGatesAhead = days{8};

[[nodiscard]] Duration stretched(const Now& now, Duration patience) {
  return patience * std::max<std::int64_t>(now.speed, 1);
}

[[nodiscard]] Duration backoff(const Now& now, int failures) {
  constexpr int kDoublingsMax = 6;
  const Duration wait = limits::kBackoffMin * (1 << std::min(failures, kDoublingsMax));
  return stretched(now, std::min(wait, kRetryMax));
}

/// When an undisturbed bid wants its next step.
[[nodiscard]] MarketTime natural_due(const BidLife& life, Duration settle_after) {
  if (std::holds_alternative<stage::Submitted>(life.stage)) return life.bid.gate.closes;
  if (std::holds_alternative<stage::Scheduled>(life.stage)) {
    return life.bid.gate.until + settle_after;
  }
  return {};
}

[[nodiscard]] bool sensible(const Now& now, const Gate& gate) {
  if (!is_sane(gate.from) || !is_sane(gate.until) || !is_sane(gate.closes)) return false;
  const auto length = gate.until - gate.from;
  return length >= kGateLengthMin && length <= kGateLengthMax && gate.closes > now.market &&
         gate.closes <= gate.from && gate.from <= now.market + kGatesAhead;
}

/// What the market says it holds under our key, of a gate that we know.
[[nodiscard]] bool can_stand_for(const Bid& standing, const Bid& ours) {
  constexpr std::size_t kSegmentsMax = 100;  // of a curve we never sent: markets take about ten
  return standing.key == ours.key && standing.gate == ours.gate &&
         standing.segments.size() <= kSegmentsMax &&
         std::ranges::all_of(standing.segments, [](const BidSegment& segment) {
           return segment.power >= Watts{0} && segment.power <= limits::kGroupPowerMax;
         });
}

/// What a life may still have to deliver; nothing once that is behind it.
[[nodiscard]] Watts promised(const BidLife& life) {
  if (finished(life.stage) || std::holds_alternative<stage::Delivered>(life.stage)) return {0};
  if (const auto* awarded = std::get_if<stage::Awarded>(&life.stage)) return awarded->award.power;
  if (const auto* scheduled = std::get_if<stage::Scheduled>(&life.stage)) {
    return scheduled->award.power;
  }
  Watts all{0};
  for (const BidSegment& segment : life.bid.segments) all += segment.power;
  return all;
}

}  // namespace

Workflow::Workflow(const WorkflowOptions& options, const std::vector<Fact>& facts)
    : options_{options} {
  for (const Fact& fact : facts) {
    const bool lost = planted(Bug::kBidForgotten) && !std::holds_alternative<PricesKnown>(fact);
    if (!lost) (void)ledger_.apply(fact);
  }
  for (const auto& [key, life] : ledger_.bids()) reset_timer(life);
}

void Workflow::answered(const Now& now, const MarketAnswer& answer) {
  std::visit([&](const auto& a) { on(now, a); }, answer);
}

void Workflow::scheduled(const Now&, const std::string& key, OrderId order) {
  record(OrderScheduled{key, order});
}

void Workflow::advance(const Now& now, const PlantState& plant) {
  if (now.market < next_deadline()) return;
  if (forget_at_ <= now.market) forget(now);
  drop_closed_gates(now);
  if (options_.enabled) {
    fetch(now);
    decide_gates(now, plant);
  }
  advance_bids(now, plant);
}

MarketTime Workflow::next_deadline() const {
  MarketTime due = forget_at_;
  for (const auto& [key, timer] : timers_) due = std::min(due, timer.due);
  if (!options_.enabled) return due;
  due = std::min({due, fetch_prices_.due, fetch_gates_.due});
  for (const auto& [from, at] : decide_at_) due = std::min(due, at);
  return due;
}

WorkflowEffects Workflow::take_effects() {
  return std::exchange(effects_, {});
}

std::vector<BidView> Workflow::bids() const {
  std::vector<BidView> views;
  for (const auto& [key, life] : ledger_.bids()) views.push_back(view_of(life));
  std::ranges::stable_sort(views, {}, [](const BidView& view) { return view.bid.gate.from; });
  return views;
}

const std::map<MarketTime, PricePoint>& Workflow::prices() const {
  return ledger_.prices();
}

const std::vector<Gate>& Workflow::gates() const {
  return gates_;
}

std::optional<std::vector<Fact>> Workflow::trace(const std::string& key) const {
  const auto it = ledger_.bids().find(key);
  if (it == ledger_.bids().end()) return std::nullopt;
  return it->second.facts;
}

// --- answers ---------------------------------------------------------------------------------

void Workflow::on(const Now& now, const PricesFetched& answer) {
  std::vector<PricePoint> recent;
  std::ranges::copy_if(answer.prices, std::back_inserter(recent), [&](const PricePoint& point) {
    return point.until > now.market - kPricesKept && point.from <= now.market + kGatesAhead;
  });
  bool news = false;
  for (auto at = recent.begin(); at != recent.end();) {
    const auto size = std::min<std::ptrdiff_t>(kPricesPerFact, recent.end() - at);
    news |= record(PricesKnown{{at, at + size}});
    at += size;
  }
  const PriceSeries& known = ledger_.prices();
  const MarketTime end = known.empty() ? MarketTime{} : known.rbegin()->second.until;
  // News that do not reach to now: the market answers in parts, ask for the next one.
  const Duration wait =
      news && end < now.market ? backoff(now, 0) : std::max(kPricePoll, stretched(now, kPollMin));
  fetch_prices_ = {std::max(end, now.market + wait), 0};
}

void Workflow::on(const Now& now, const GatesFetched& answer) {
  gates_.clear();
  std::ranges::copy_if(answer.gates, std::back_inserter(gates_),
                       [&](const Gate& gate) { return sensible(now, gate); });
  std::ranges::sort(gates_, {},
                    [](const Gate& g) { return std::tuple{g.from, g.until, g.closes}; });
  const auto repeated = std::ranges::unique(gates_, {}, &Gate::from);
  gates_.erase(repeated.begin(), repeated.end());
  if (gates_.size() > kGatesMax) gates_.resize(kGatesMax);

  std::map<MarketTime, MarketTime> decide_at;
  for (const Gate& gate : gates_) {
    if (ledger_.bids().contains(bid_key(gate))) continue;
    const auto before = decide_at_.find(gate.from);
    decide_at[gate.from] = before != decide_at_.end() && before->second > now.market
                               ? before->second
                               : gate.closes - options_.decide_before;
  }
  decide_at_ = std::move(decide_at);
  const Duration wait = std::max(options_.decide_before, kPricePoll);
  fetch_gates_ = {now.market + std::max(wait, stretched(now, kPollMin)), 0};
}

void Workflow::on(const Now&, const BidAccepted& answer) {
  record(BidAcknowledged{answer.key, true, {}});
}

void Workflow::on(const Now& now, const BidRefused& answer) {
  const auto it = ledger_.bids().find(answer.key);
  if (it == ledger_.bids().end()) return;
  if (answer.standing && can_stand_for(*answer.standing, it->second.bid)) {
    record(BidAdopted{*answer.standing});
  } else if (answer.final) {
    record(BidAcknowledged{answer.key, false, answer.why});
  } else if (std::holds_alternative<stage::Decided>(it->second.stage)) {
    retry(now, answer.key);
  }
}

void Workflow::on(const Now& now, const AwardsFetched& answer) {
  for (const Award& award : answer.awards) {
    if (record(AwardKnown{award}) && award.power > Watts{0}) {
      want_order(now, award, timers_.at(award.key));
    }
  }
  for (const std::string& key : std::exchange(awards_asked_, {})) {
    const auto it = ledger_.bids().find(key);
    if (it == ledger_.bids().end()) continue;
    const Stage& stage = it->second.stage;
    if (std::holds_alternative<stage::Decided>(stage) ||
        std::holds_alternative<stage::Submitted>(stage)) {
      retry(now, key);
    }
  }
}

void Workflow::on(const Now&, const bidding::Settled& answer) {
  record(SettlementKnown{answer.settlement});
}

void Workflow::on(const Now& now, const CallFailed& answer) {
  if (std::holds_alternative<FetchPrices>(answer.call)) {
    fetch_prices_.due = now.market + backoff(now, fetch_prices_.failures++);
  } else if (std::holds_alternative<FetchGates>(answer.call)) {
    fetch_gates_.due = now.market + backoff(now, fetch_gates_.failures++);
  } else if (std::holds_alternative<FetchAwards>(answer.call)) {
    on(now, AwardsFetched{});
  } else {
    const auto* submit = std::get_if<SubmitBid>(&answer.call);
    const std::string& key =
        submit != nullptr ? submit->bid.key : std::get<SubmitDelivery>(answer.call).delivery.key;
    const auto it = ledger_.bids().find(key);
    if (it == ledger_.bids().end()) return;
    const Stage& stage = it->second.stage;
    const bool waiting = submit != nullptr ? std::holds_alternative<stage::Decided>(stage)
                                           : std::holds_alternative<stage::Delivered>(stage);
    if (waiting) retry(now, key);
  }
}

// --- steps -----------------------------------------------------------------------------------

void Workflow::fetch(const Now& now) {
  if (fetch_prices_.due <= now.market) {
    const PriceSeries& known = ledger_.prices();
    const MarketTime end = known.empty() ? MarketTime{} : known.rbegin()->second.until;
    if (end > now.market) {
      fetch_prices_.due = end;
    } else {
      send(now, fetch_prices_, FetchPrices{std::max(end, now.market - kHistory), now.market});
    }
  }
  if (fetch_gates_.due <= now.market) send(now, fetch_gates_, FetchGates{});
}

bool Workflow::decides(const Now& now) const {
  return std::ranges::any_of(decide_at_, [&](const auto& at) { return at.second <= now.market; });
}

void Workflow::decide_gates(const Now& now, const PlantState& plant) {
  for (const Gate& gate : gates_) {
    const auto at = decide_at_.find(gate.from);
    if (at == decide_at_.end() || at->second > now.market) continue;
    const DecideInput input{now.market,         gate,
                            options_.price_min, options_.horizon,
                            &ledger_.prices(),  commitments(plant),
                            options_.strategy};
    const auto decided = decide(input, FirmCurve{plant.firm, options_.firm_permille});
    if (decided && record(*decided)) {
      decide_at_.erase(at);
    } else {  // prices may still come, batteries may still join
      at->second = now.market + std::max(options_.decide_before / 4, backoff(now, 0));
    }
  }
}

std::vector<Commitment> Workflow::commitments(const PlantState& plant) const {
  std::vector<Commitment> all = plant.committed;
  for (const auto& [key, life] : ledger_.bids()) {
    all.push_back({promised(life), life.bid.gate.from, life.bid.gate.until});
  }
  return all;
}

void Workflow::advance_bids(const Now& now, const PlantState& plant) {
  for (auto& [key, timer] : timers_) {
    // A step that moves the bid on may make the next one due: both leave in this batch.
    while (timer.due <= now.market) step_bid(now, plant, ledger_.bids().at(key), timer);
  }
  ask_awards(now);
}

void Workflow::step_bid(const Now& now, const PlantState& plant, const BidLife& life,
                        Timer& timer) {
  if (const auto* awarded = std::get_if<stage::Awarded>(&life.stage)) {
    want_order(now, awarded->award, timer);
  } else if (const auto* scheduled = std::get_if<stage::Scheduled>(&life.stage)) {
    measure(now, plant, *scheduled, timer);
  } else if (const auto* delivered = std::get_if<stage::Delivered>(&life.stage)) {
    send(now, timer, SubmitDelivery{delivered->measured.delivery});
  } else if (std::holds_alternative<stage::Decided>(life.stage) &&
             now.market < life.bid.gate.closes) {
    send(now, timer, SubmitBid{life.bid});
  } else {  // closed: acknowledged or not, the market knows what became of it
    awards_due_.push_back(life.bid.key);
    timer.due = now.market + stretched(now, kAnswerMax);
  }
}

void Workflow::want_order(const Now& now, const Award& award, Timer& timer) {
  effects_.orders.push_back({award.key, award.power, award.gate.from, award.gate.until});
  timer.due = now.market + backoff(now, timer.failures++);
}

void Workflow::measure(const Now& now, const PlantState& plant, const stage::Scheduled& scheduled,
                       Timer& timer) {
  const Award& award = scheduled.award;
  const auto receipts = plant.delivered.find(scheduled.order);
  const bool known = receipts != plant.delivered.end();
  const MarketTime give_up = award.gate.until + options_.settle_after + options_.receipts_wait;
  if (!known && now.market < give_up) {
    timer.due = std::min(give_up, now.market + std::max(kPricePoll, stretched(now, kPollMin)));
    return;
  }
  DeliveryMeasured measured{{award.key, award.gate, known ? receipts->second : Joules{0}},
                            known ? plant.sites_counted : 0,
                            plant.sites_enrolled};
  record(measured);
}

void Workflow::ask_awards(const Now&) {
  for (auto at = awards_due_.begin(); at != awards_due_.end();) {
    const auto size = std::min<std::ptrdiff_t>(kAwardKeysMax, awards_due_.end() - at);
    effects_.calls.push_back(FetchAwards{{at, at + size}});
    at += size;
  }
  awards_asked_.insert(awards_asked_.end(), awards_due_.begin(), awards_due_.end());
  awards_due_.clear();
}

// --- bookkeeping -----------------------------------------------------------------------------

bool Workflow::record(const Fact& fact) {
  auto news = ledger_.apply(fact);
  if (!news) return false;
  if (const auto key = key_of(*news)) reset_timer(ledger_.bids().at(*key));
  effects_.persist.push_back(*std::move(news));
  return true;
}

void Workflow::reset_timer(const BidLife& life) {
  if (finished(life.stage)) {
    timers_.erase(life.bid.key);
  } else {
    timers_[life.bid.key] = {natural_due(life, options_.settle_after), 0};
  }
}

void Workflow::send(const Now& now, Timer& timer, MarketCall call) {
  timer.due = now.market + stretched(now, kAnswerMax);
  effects_.calls.push_back(std::move(call));
}

void Workflow::retry(const Now& now, const std::string& key) {
  const MarketTime until = ledger_.bids().at(key).bid.gate.until;
  Timer& timer = timers_.at(key);
  const Duration wait = backoff(now, timer.failures++);
  timer.due = now.market + (now.market < until ? wait : std::max(wait, kLateAwardPoll));
}

void Workflow::drop_closed_gates(const Now& now) {
  std::erase_if(gates_, [&](const Gate& gate) { return gate.closes <= now.market; });
  std::erase_if(decide_at_, [&](const auto& entry) {
    return !std::ranges::binary_search(gates_, entry.first, {}, &Gate::from);
  });
}

void Workflow::forget(const Now& now) {
  ledger_.forget_over(now.market);
  std::erase_if(timers_, [&](const auto& entry) { return !ledger_.bids().contains(entry.first); });
  forget_at_ = now.market + kForgetEvery;
}

}  // namespace vpp::bidding
