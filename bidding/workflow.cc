#include "bidding/workflow.h"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <ranges>
#include <tuple>
#include <utility>

#include "bidding/decide_reserve.h"
#include "bidding/settlement.h"
#include "config/limits.h"
#include "config/planted_bug.h"

namespace vpp::bidding {
namespace {

using namespace std::chrono_literals;
using std::chrono::days;

constexpr auto kForgetEvery = 1h;
constexpr auto kReceiptsPoll = 5min;

// Patience with the market, in protocol time.
constexpr Duration kAnswerMax = 30s;  ///< an adapter answers far sooner; then the call is lost
constexpr Duration kRetryMax = 4s;    ///< a gate is open for minutes, also at 60 times the speed
constexpr Duration kPollMin = 1s;
constexpr Duration kAdvicePatience = 10s;  ///< the least that an optimiser has

// Market time.
constexpr Duration kPricePoll = 1min;
constexpr Duration kAheadPoll = 15min;   ///< prices of a day come once a day
constexpr Duration kCallsAhead = 15min;  ///< before a reserve's time: a call may be told so early
constexpr Duration kCallPoll = 30s;
constexpr Duration kLookBackEvery = 1h;  ///< for corrections, and for gaps that were filled
constexpr Duration kLookBack = 24h;
constexpr Duration kLateAwardPoll = 10min;  ///< delivery is over: nothing is in a hurry
constexpr Duration kAdviceLook = 30s;       ///< for what changed without a fact
constexpr Duration kAdviceAhead = 5min;     ///< of a decision, it is asked for
constexpr Duration kGateLengthMin = 1min;
constexpr Duration kGateLengthMax = 24h;
constexpr auto kGatesAhead = days{8};

constexpr std::string_view kNotLookedAt = "it closed before the bidder could look at it";

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

/// Reserve only where it is sold, and of whole seconds, as programs about it are.
[[nodiscard]] bool wanted(const WorkflowOptions& options, const Gate& gate) {
  if (gate.product == Product::kEnergy) return true;
  return options.reserve && gate.product == Product::kReserveUp &&
         (gate.until - gate.from) % 1s == Duration{0};
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

/// Of a call about one bid.
struct BidKeyOfCall {
  const std::string& operator()(const SubmitBid& call) const { return call.bid.key; }
  const std::string& operator()(const SubmitDelivery& call) const { return call.delivery.key; }
  const std::string& operator()(const WithdrawBid& call) const { return call.key; }
  template <class Other>
  const std::string& operator()(const Other& /*call*/) const {
    static const std::string kNone;
    return kNone;
  }
};

/// The answer to that call would still move it on.
[[nodiscard]] bool waits_for(const Stage& stage, const MarketCall& call) {
  if (std::holds_alternative<SubmitBid>(call)) return std::holds_alternative<stage::Decided>(stage);
  if (std::holds_alternative<WithdrawBid>(call)) {
    return std::holds_alternative<stage::Withdrawing>(stage);
  }
  return std::holds_alternative<SubmitDelivery>(call) &&
         std::holds_alternative<stage::Delivered>(stage);
}

/// A submission that nobody acknowledged: the last one left before its withdrawal was asked for.
[[nodiscard]] bool may_still_arrive(const Now& now, const BidLife& life) {
  const auto* withdrawing = std::get_if<stage::Withdrawing>(&life.stage);
  if (withdrawing == nullptr || withdrawing->acknowledged) return false;
  const auto asked = std::ranges::find_if(life.facts | std::views::reverse, [](const Fact& f) {
    return as<WithdrawalAsked>(f) != nullptr;
  });
  return now.market < asked->at + stretched(now, kAnswerMax);
}

}  // namespace

Workflow::Workflow(const WorkflowOptions& options, const std::vector<Fact>& facts)
    : options_{options}, ledger_{prices_kept(options)} {
  for (const Fact& fact : facts) {
    const bool lost = planted(Bug::kBidForgotten) && as<PricesKnown>(fact) == nullptr;
    if (!lost) (void)ledger_.apply(fact);
  }
  for (const auto& [key, life] : ledger_.bids()) {
    reset_timer(life);
    if (life.credited) keep_rate(*life.credited);
  }
  for (const Session session : {Session::kRealTime, Session::kDayAhead}) {
    for (const Product product : {Product::kEnergy, Product::kReserveUp}) {
      const SeriesId series{session, product};
      const bool sold = product == Product::kEnergy || options_.reserve;
      const bool known = sold && !ledger_.prices(session, product).empty();
      if (known && series != SeriesId{}) fetch_ahead_.emplace(series, Timer{});
    }
  }
}

void Workflow::answered(const Now& now, const MarketAnswer& answer) {
  std::visit([&](const auto& a) { on(now, a); }, answer);
}

void Workflow::scheduled(const Now& now, const std::string& key, OrderId order) {
  record(now, OrderScheduled{key, order});
}

void Workflow::metered(const Now& now, BaselineKnown known) {
  record(now, std::move(known));
}

void Workflow::foreseen(const Now& now, ForecastKnown forecast) {
  record(now, std::move(forecast));
}

void Workflow::advised(const Now& now, BidAdvised advice) {
  record(now, std::move(advice));
}

std::expected<void, std::string> Workflow::submit(const Now& now, const PlantState& plant,
                                                  const OwnBid& wanted) {
  const auto known = ledger_.bids().find(wanted.key);
  if (known != ledger_.bids().end()) {
    const Bid& bid = known->second.bid;
    const bool same = bid.gate.from == wanted.from && bid.gate.session == wanted.session &&
                      bid.segments == wanted.segments;
    if (same) return {};
    return std::unexpected{"another bid has the key " + wanted.key};
  }
  const auto gate = std::ranges::find_if(gates_, [&](const Gate& each) {
    return each.from == wanted.from && each.session == wanted.session &&
           each.product == Product::kEnergy && each.closes > now.market;
  });
  if (gate == gates_.end()) return std::unexpected{"no gate that is open begins then"};
  if (auto why = why_not(now, plant, wanted, *gate); !why.empty()) return std::unexpected{why};
  const auto firm = plant.firm.points();
  record(now, BidDecided{.bid = {wanted.key, *gate, wanted.segments},
                         .forecast = {},
                         .firm_curve = {firm.begin(), firm.end()},
                         .firm_permille = options_.firm_permille,
                         .committed = commitments(plant),
                         .price_min = options_.price_min,
                         .horizon = options_.horizon,
                         .strategy = options_.strategy,
                         .by_operator = true,
                         .foreseen = {}});
  decide_at_.erase(bid_key(*gate));
  return {};
}

/// Empty: it can be offered.
std::string Workflow::why_not(const Now& now, const PlantState& plant, const OwnBid& wanted,
                              const Gate& gate) const {
  constexpr std::size_t kOwnSegmentsMax = 10;  // what markets take
  if (wanted.key.starts_with("bid-")) return "a key that begins with bid- is the bidder's own";
  if (const std::string standing = standing_for(gate); !standing.empty()) {
    return standing + " is offered for this gate: withdraw it first";
  }
  if (is_sold(gate)) return std::string{no_bid::kSoldElsewhere};
  if (wanted.segments.empty() || wanted.segments.size() > kOwnSegmentsMax)
    return "1 to 10 segments";
  Watts all{0};
  Price before = -kPriceMax;
  for (const BidSegment& segment : wanted.segments) {
    if (segment.power <= Watts{0} || segment.power > limits::kGroupPowerMax) {
      return "the power of a segment is above 0 and at most 10 GW";
    }
    if (segment.price < before || segment.price > kPriceMax) {
      return "prices do not fall from segment to segment, within +-100000 per MWh";
    }
    all += segment.power;
    before = segment.price;
  }
  Profile committed{now.market};
  for (const Commitment& each : commitments(plant)) committed.add(each);
  const Watts most = committed.largest_addition(gate.from, gate.until,
                                                FirmCurve{plant.firm, options_.firm_permille});
  if (all <= most) return {};
  return std::to_string(all.count) + " W is more than the " + std::to_string(most.count) +
         " W that are firm and free then";
}

std::expected<void, std::string> Workflow::withdraw(const Now& now, const std::string& key) {
  const auto it = ledger_.bids().find(key);
  if (it == ledger_.bids().end()) return std::unexpected{"no bid has the key " + key};
  const BidLife& life = it->second;
  const bool gone = std::holds_alternative<stage::Withdrawing>(life.stage) ||
                    std::holds_alternative<stage::Withdrawn>(life.stage);
  if (gone) return {};
  if (life.bid.gate.closes <= now.market) return std::unexpected{"its gate has closed"};
  if (record(now, WithdrawalAsked{key})) return {};
  return std::unexpected{"it is " + std::string{name_of(life.stage)}};
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
  if (look_at_receipts_at_ <= now.market) look_at_receipts(now, plant);
  if (look_for_advice_at_ <= now.market) ask_advice(now, plant);
}

MarketTime Workflow::next_deadline() const {
  MarketTime due = std::min(forget_at_, look_at_receipts_at_);
  for (const auto& [key, timer] : timers_) due = std::min(due, timer.due);
  if (!options_.enabled) return due;
  due = std::min({due, fetch_prices_.due, fetch_gates_.due});
  if (!options_.optimiser.empty()) due = std::min(due, look_for_advice_at_);
  for (const auto& [series, timer] : fetch_ahead_) due = std::min(due, timer.due);
  for (const auto& [key, at] : decide_at_) due = std::min(due, at.due);
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

const PriceSeries& Workflow::prices(Session session, Product product) const {
  return ledger_.prices(session, product);
}

const std::vector<Gate>& Workflow::gates() const {
  return gates_;
}

MarketHealth Workflow::health(const Now& now) const {
  MarketHealth out = feed_.health(now);
  out.real_time = health_of(ledger_.prices());
  out.day_ahead = health_of(ledger_.prices(Session::kDayAhead));
  out.corrections = ledger_.corrections();
  for (const Gate& gate : gates_) {
    if (gate.closes <= now.market) continue;
    if (!out.next_gate || gate.closes < out.next_gate->closes) out.next_gate = gate;
  }
  return out;
}

std::optional<std::vector<Fact>> Workflow::trace(const std::string& key) const {
  const auto it = ledger_.bids().find(key);
  if (it == ledger_.bids().end()) return std::nullopt;
  return it->second.facts;
}

// --- answers ---------------------------------------------------------------------------------

void Workflow::on(const Now& now, const PricesFetched& answer) {
  std::vector<PricePoint> told;
  if (feed_.heard(now, answer.told_at)) told = feed_.believable(now, answer, prices_kept(options_));
  bool news = false;
  for (auto at = told.begin(); at != told.end();) {
    const auto size = std::min<std::ptrdiff_t>(kPricesPerFact, told.end() - at);
    news |= record(now, PricesKnown{{at, at + size}});
    at += size;
  }
  if (const SeriesId series{answer.session, answer.product}; series != SeriesId{}) {
    const Duration wait = std::max(kAheadPoll, stretched(now, 10 * kPollMin));
    const auto timer = fetch_ahead_.find(series);
    if (timer != fetch_ahead_.end()) timer->second = {now.market + wait, 0};
    return;
  }
  const PriceSeries& known = ledger_.prices();
  const MarketTime end = known.empty() ? MarketTime{} : known.rbegin()->second.until;
  // News that do not reach to now: the market answers in parts, ask for the next one.
  const Duration wait =
      news && end < now.market ? backoff(now, 0) : std::max(kPricePoll, stretched(now, kPollMin));
  fetch_prices_ = {std::max(end, now.market + wait), 0};
}

void Workflow::on(const Now& now, const GatesFetched& answer) {
  const Duration wait = std::max(options_.decide_before, kPricePoll);
  fetch_gates_ = {now.market + std::max(wait, stretched(now, kPollMin)), 0};
  drop_closed_gates(now);
  if (!feed_.heard(now, answer.told_at)) return;
  gates_.clear();
  std::ranges::copy_if(answer.gates, std::back_inserter(gates_), [&](const Gate& gate) {
    return sensible(now, gate) && wanted(options_, gate);
  });
  const auto place = [](const Gate& g) { return std::tuple{g.from, g.session, g.product}; };
  std::ranges::sort(gates_, {}, [](const Gate& g) {
    return std::tuple{g.from, g.session, g.product, g.until, g.closes};
  });
  const auto repeated = std::ranges::unique(gates_, {}, place);
  gates_.erase(repeated.begin(), repeated.end());
  if (gates_.size() > kGatesMax) gates_.resize(kGatesMax);

  std::map<std::string, Undecided> decide_at;
  for (const Gate& gate : gates_) {
    const std::string key = bid_key(gate);
    for (const SeriesId& series : {SeriesId{gate.session}, {gate.session, gate.product}}) {
      if (series != SeriesId{}) fetch_ahead_.try_emplace(series, Timer{});
    }
    if (ledger_.bids().contains(key) || !standing_for(gate).empty()) continue;
    const auto before = decide_at_.find(key);
    const bool known = before != decide_at_.end();
    Undecided& undecided = decide_at[key];
    if (known) undecided = before->second;
    undecided.gate = gate;
    if (undecided.due <= now.market) undecided.due = gate.closes - options_.decide_before;
  }
  decide_at_ = std::move(decide_at);
  look_for_advice_at_ = {};
}

void Workflow::on(const Now& now, const BidAccepted& answer) {
  (void)feed_.heard(now, std::nullopt);
  record(now, BidAcknowledged{answer.key, true, {}});
}

void Workflow::on(const Now& now, const BidRefused& answer) {
  if (!answer.final) feed_.failed(now, answer.why, answer.retry_after);
  const auto it = ledger_.bids().find(answer.key);
  if (it == ledger_.bids().end()) return;
  if (answer.standing && can_stand_for(*answer.standing, it->second.bid)) {
    record(now, BidAdopted{*answer.standing});
  } else if (answer.final) {
    record(now, BidAcknowledged{answer.key, false, answer.why});
  } else if (std::holds_alternative<stage::Decided>(it->second.stage)) {
    retry(now, answer.key);
  }
}

void Workflow::on(const Now& now, const AwardsFetched& answer) {
  for (const Award& award : answer.awards) {
    const auto bid = ledger_.bids().find(award.key);
    const auto known = bid == ledger_.bids().end() ? std::nullopt : view_of(bid->second).award;
    if (known) feed_.award_again(*known, award);
    const bool at_once = award.power > Watts{0} && award.gate.product == Product::kEnergy;
    if (record(now, AwardKnown{award}) && at_once) {
      want_order(now, {award}, timers_.at(award.key));
    }
  }
  for (const std::string& key : std::exchange(awards_asked_, {})) {
    const auto it = ledger_.bids().find(key);
    if (it == ledger_.bids().end()) continue;
    const Stage& stage = it->second.stage;
    if (std::holds_alternative<stage::Decided>(stage) ||
        std::holds_alternative<stage::Submitted>(stage) ||
        std::holds_alternative<stage::Withdrawing>(stage)) {
      retry(now, key);
    }
  }
}

void Workflow::on(const Now& now, const CallsFetched& answer) {
  for (const ReserveCall& call : answer.calls) record(now, CallKnown{call});
  for (const std::string& key : std::exchange(calls_asked_, {})) {
    const auto it = ledger_.bids().find(key);
    if (it == ledger_.bids().end()) continue;
    const auto* awarded = std::get_if<stage::Awarded>(&it->second.stage);
    if (awarded == nullptr || awarded->call) continue;
    const bool over = now.market > awarded->award.gate.until + kLateAwardPoll;
    const Duration wait = std::max(kCallPoll, stretched(now, kPollMin));
    timers_.at(key).due = now.market + (over ? kLateAwardPoll : wait);
  }
}

void Workflow::on(const Now& now, const bidding::Settled& answer) {
  const bool news = record(now, SettlementKnown{answer.settlement});
  const auto it = ledger_.bids().find(answer.settlement.key);
  if (it == ledger_.bids().end()) return;
  if (news) return credit_owners(now, it->second);
  // What was settled once stands; that it was settled otherwise again is known.
  const auto* settled = std::get_if<stage::Settled>(&it->second.stage);
  if (settled == nullptr) return;
  for (auto& each : compare(settled->settlement, answer.settlement)) record(now, std::move(each));
}

void Workflow::on(const Now& now, const CallFailed& answer) {
  feed_.failed(now, answer.why, answer.retry_after);
  if (const auto* prices = std::get_if<FetchPrices>(&answer.call)) {
    const auto ahead = fetch_ahead_.find({prices->session, prices->product});
    Timer& timer = ahead != fetch_ahead_.end() ? ahead->second : fetch_prices_;
    timer.due = now.market + backoff(now, timer.failures++);
  } else if (std::holds_alternative<FetchGates>(answer.call)) {
    fetch_gates_.due = now.market + backoff(now, fetch_gates_.failures++);
  } else if (std::holds_alternative<FetchAwards>(answer.call)) {
    on(now, AwardsFetched{});
  } else if (std::holds_alternative<FetchCalls>(answer.call)) {
    on(now, CallsFetched{});
  } else {
    const std::string& key = std::visit(BidKeyOfCall{}, answer.call);
    const auto it = ledger_.bids().find(key);
    if (it != ledger_.bids().end() && waits_for(it->second.stage, answer.call)) retry(now, key);
  }
}

void Workflow::on(const Now& now, const WithdrawalAnswered& answer) {
  (void)feed_.heard(now, std::nullopt);
  const auto it = ledger_.bids().find(answer.key);
  if (it == ledger_.bids().end()) return;
  if (answer.what == Withdrawal::kNotKnown && may_still_arrive(now, it->second)) {
    return retry(now, answer.key);
  }
  record(now, WithdrawalKnown{answer.key, answer.what != Withdrawal::kStands, answer.why});
}

// --- steps -----------------------------------------------------------------------------------

void Workflow::fetch(const Now& now) {
  if (fetch_prices_.due <= now.market) {
    const PriceSeries& known = ledger_.prices();
    const MarketTime end = known.empty() ? MarketTime{} : known.rbegin()->second.until;
    if (end > now.market) {
      fetch_prices_.due = end;
    } else {
      MarketTime from = std::max(end, now.market - options_.history);
      if (look_back_at_ <= now.market) {
        if (look_back_at_ != MarketTime{}) from = std::min(from, now.market - kLookBack);
        look_back_at_ = now.market + std::max(kLookBackEvery, stretched(now, 10 * kPollMin));
      }
      send(now, fetch_prices_, FetchPrices{from, now.market});
    }
  }
  if (fetch_gates_.due <= now.market) send(now, fetch_gates_, FetchGates{});
  for (auto& [series, timer] : fetch_ahead_) {
    if (timer.due <= now.market) fetch_ahead(now, series, timer);
  }
}

/// Always the last day once more: that is where corrections show.
void Workflow::fetch_ahead(const Now& now, const SeriesId& series, Timer& timer) {
  const PriceSeries& known = ledger_.prices(series.session, series.product);
  const MarketTime end = known.empty() ? MarketTime{} : known.rbegin()->second.until;
  const MarketTime from =
      std::max(now.market - options_.history, std::min(end, now.market - kLookBack));
  send(now, timer, FetchPrices{from, now.market + days{2}, series.session, series.product});
}

/// In whole or in part, or may still become so, by a bid in another session or of another product.
bool Workflow::is_sold(const Gate& gate) const {
  return std::ranges::any_of(ledger_.bids(), [&](const auto& entry) {
    const Gate& other = entry.second.bid.gate;
    const bool elsewhere = other.session != gate.session || other.product != gate.product;
    return elsewhere && other.from < gate.until && gate.from < other.until &&
           promised(entry.second) > Watts{0};
  });
}

std::string Workflow::standing_for(const Gate& gate) const {
  for (const auto& [key, life] : ledger_.bids()) {
    const bool over = std::holds_alternative<stage::Refused>(life.stage) ||
                      std::holds_alternative<stage::Withdrawn>(life.stage);
    const Gate& other = life.bid.gate;
    const bool same =
        other.from == gate.from && other.session == gate.session && other.product == gate.product;
    if (!over && same) return key;
  }
  return {};
}

bool Workflow::decides(const Now& now) const {
  return std::ranges::any_of(decide_at_, [&](const auto& at) {
    const Undecided& undecided = at.second;
    return undecided.due <= now.market ||
           (look_for_advice_at_ <= now.market && wants_advice(now, undecided.gate));
  });
}

bool Workflow::wants_advice(const Now& now, const Gate& gate) const {
  if (!options_.enabled || options_.optimiser.empty()) return false;
  const Duration ahead = std::max(kAdviceAhead, stretched(now, kAdvicePatience));
  return gate.product == Product::kEnergy && gate.closes > now.market &&
         gate.closes - options_.decide_before - ahead <= now.market;
}

void Workflow::ask_advice(const Now& now, const PlantState& plant) {
  look_for_advice_at_ = now.market + std::max(kAdviceLook, stretched(now, kPollMin));
  const FirmCurve curve{plant.firm, options_.firm_permille};
  for (auto& [key, undecided] : decide_at_) {
    const Gate& gate = undecided.gate;
    if (!wants_advice(now, gate) || !feed_.clock_agrees() || is_sold(gate)) continue;
    auto ask = advice_ask(input_for(now, plant, gate), curve, options_.limits);
    if (!ask || (undecided.asked && alike(*undecided.asked, *ask))) continue;
    undecided.asked = ask;
    effects_.asks.push_back(*std::move(ask));
  }
}

void Workflow::decide_gates(const Now& now, const PlantState& plant) {
  bool solved = false;
  for (const Gate& gate : gates_) {
    const auto at = decide_at_.find(bid_key(gate));
    if (at == decide_at_.end() || at->second.due > now.market) continue;
    if (gate.product != Product::kEnergy && std::exchange(solved, true)) {
      at->second.due = now.market + 1ms;  // one linear program in a step: others wait for it
      continue;
    }
    const auto decided = decide_gate(now, plant, gate);
    if (decided && record(now, *decided)) {
      decide_at_.erase(at);
    } else {  // prices may still come, batteries may still join
      at->second.due = now.market + std::max(options_.decide_before / 4, backoff(now, 0));
      if (!decided) at->second.why_not = decided.error();
    }
  }
}

std::expected<BidDecided, std::string_view> Workflow::decide_gate(const Now& now,
                                                                  const PlantState& plant,
                                                                  const Gate& gate) const {
  if (!feed_.clock_agrees()) return std::unexpected{no_bid::kOtherClock};
  if (is_sold(gate)) return std::unexpected{no_bid::kSoldElsewhere};
  const DecideInput input = input_for(now, plant, gate);
  const FirmCurve curve{plant.firm, options_.firm_permille};
  if (gate.product == Product::kEnergy) return decide(input, curve);
  return decide_reserve(input, curve, options_.solver);
}

DecideInput Workflow::input_for(const Now& now, const PlantState& plant, const Gate& gate) const {
  return {.now = now.market,
          .gate = gate,
          .price_min = options_.price_min,
          .horizon = options_.horizon,
          .prices = &ledger_.prices(gate.session),
          .committed = commitments(plant),
          .foreseen = ledger_.foreseen(gate.session),
          .strategy = options_.strategy,
          .capacity = &ledger_.prices(gate.session, Product::kReserveUp),
          .called_permille = options_.called_permille,
          .optimiser = options_.optimiser,
          .advised = ledger_.advised(bid_key(gate))};
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
  ask_awards();
  ask_calls();
}

void Workflow::step_bid(const Now& now, const PlantState& plant, const BidLife& life,
                        Timer& timer) {
  if (const auto* awarded = std::get_if<stage::Awarded>(&life.stage)) {
    step_award(now, *awarded, timer);
  } else if (const auto* scheduled = std::get_if<stage::Scheduled>(&life.stage)) {
    measure(now, plant, *scheduled, timer);
  } else if (const auto* delivered = std::get_if<stage::Delivered>(&life.stage)) {
    send(now, timer, SubmitDelivery{delivered->measured.delivery});
  } else if (std::holds_alternative<stage::Decided>(life.stage) &&
             now.market < life.bid.gate.closes) {
    send(now, timer, SubmitBid{life.bid});
  } else if (std::holds_alternative<stage::Withdrawing>(life.stage) &&
             now.market < life.bid.gate.closes) {
    send(now, timer, WithdrawBid{life.bid.key});
  } else if (feed_.quiet(now)) {
    timer.due = feed_.quiet_until();
  } else {  // closed: acknowledged or not, the market knows what became of it
    awards_due_.push_back(life.bid.key);
    timer.due = now.market + stretched(now, kAnswerMax);
  }
}

/// Energy is an order at once, reserve when it is called.
void Workflow::step_award(const Now& now, const stage::Awarded& awarded, Timer& timer) {
  const Award& award = awarded.award;
  const MarketTime from = award.gate.from - kCallsAhead;
  if (award.gate.product == Product::kEnergy || awarded.call) {
    want_order(now, awarded, timer);
  } else if (now.market < from) {
    timer.due = from;
  } else if (feed_.quiet(now)) {
    timer.due = feed_.quiet_until();
  } else {
    calls_due_.push_back(award.key);
    timer.due = now.market + stretched(now, kAnswerMax);
  }
}

void Workflow::want_order(const Now& now, const stage::Awarded& awarded, Timer& timer) {
  const auto& [award, call] = awarded;
  if (call) {
    effects_.orders.push_back({award.key, call->power, call->from, call->until});
  } else {
    effects_.orders.push_back({award.key, award.power, award.gate.from, award.gate.until});
  }
  timer.due = now.market + backoff(now, timer.failures++);
}

void Workflow::measure(const Now& now, const PlantState& plant, const stage::Scheduled& scheduled,
                       Timer& timer) {
  const Award& award = scheduled.award;
  if (scheduled.order == kNoOrder) {  // reserve that was not called: nothing was asked for
    record(now, DeliveryMeasured{
                    {award.key, award.gate, Joules{0}}, plant.sites_counted, plant.sites_enrolled});
    return;
  }
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
  record(now, measured);
}

void Workflow::ask_calls() {
  for (auto at = calls_due_.begin(); at != calls_due_.end();) {
    const auto size = std::min<std::ptrdiff_t>(kAwardKeysMax, calls_due_.end() - at);
    effects_.calls.push_back(FetchCalls{{at, at + size}});
    at += size;
  }
  calls_asked_.insert(calls_asked_.end(), calls_due_.begin(), calls_due_.end());
  calls_due_.clear();
}

void Workflow::ask_awards() {
  for (auto at = awards_due_.begin(); at != awards_due_.end();) {
    const auto size = std::min<std::ptrdiff_t>(kAwardKeysMax, awards_due_.end() - at);
    effects_.calls.push_back(FetchAwards{{at, at + size}});
    at += size;
  }
  awards_asked_.insert(awards_asked_.end(), awards_due_.begin(), awards_due_.end());
  awards_due_.clear();
}

void Workflow::credit_owners(const Now& now, const BidLife& life) {
  const auto& [delivered, settlement] = std::get<stage::Settled>(life.stage);
  const auto& [award, order, call] = delivered.scheduled;
  for (auto& each : compare(award, call, delivered.measured, settlement)) {
    record(now, std::move(each));
  }
  const Joules receipts = delivered.measured.delivery.delivered;
  const Price rate = owner_rate(settlement, award, receipts, options_.owner_share_permille);
  const OwnersCredited credited{settlement.key, order, receipts, rate, worth(receipts, rate)};
  if (record(now, credited)) keep_rate(credited);
}

/// Sites that were away when it was settled come back with receipts of their own.
void Workflow::look_at_receipts(const Now& now, const PlantState& plant) {
  look_at_receipts_at_ = now.market + kReceiptsPoll;
  std::vector<Disagreement> news;
  for (const auto& [key, life] : ledger_.bids()) {
    // Of a settlement, a kill may have left the first facts alone: the market is not asked again.
    const bool settled = std::holds_alternative<stage::Settled>(life.stage);
    if (settled && !life.credited) credit_owners(now, life);
    if (!life.credited) continue;
    const auto now_known = plant.delivered.find(life.credited->order);
    if (now_known == plant.delivered.end()) continue;
    const std::int64_t credited = life.credited->receipts.count;
    const std::int64_t known = now_known->second.count;
    if (std::abs(known - credited) >= kJoulesPerWattHour) {
      news.push_back({key, "receipts_j", credited, known});
    }
  }
  for (auto& each : news) record(now, std::move(each));
}

void Workflow::keep_rate(const OwnersCredited& credited) {
  if (credited.order == kNoOrder) return;
  owner_rates_.emplace(credited.order, credited.per_mwh);
  if (owner_rates_.size() > limits::kReceiptsOfPlant) owner_rates_.erase(owner_rates_.begin());
}

// --- bookkeeping -----------------------------------------------------------------------------

bool Workflow::record(const Now& now, decltype(Fact::what) what) {
  auto news = ledger_.apply({std::move(what), now.market});
  if (!news) return false;
  const auto key = key_of(*news);
  if (key && ledger_.bids().contains(*key)) reset_timer(ledger_.bids().at(*key));
  effects_.persist.push_back(*std::move(news));
  look_for_advice_at_ = {};
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
  if (feed_.quiet(now)) {
    timer.due = feed_.quiet_until();
    return;
  }
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
    const Undecided& undecided = entry.second;
    if (undecided.gate.closes > now.market) return false;
    const std::string_view why = undecided.why_not.empty() ? kNotLookedAt : undecided.why_not;
    record(now, GatePassed{bid_key(undecided.gate), undecided.gate, std::string{why}});
    return true;
  });
}

void Workflow::forget(const Now& now) {
  ledger_.forget_over(now.market);
  std::erase_if(timers_, [&](const auto& entry) { return !ledger_.bids().contains(entry.first); });
  forget_at_ = now.market + kForgetEvery;
}

}  // namespace vpp::bidding
