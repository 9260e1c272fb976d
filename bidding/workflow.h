// From prices to a settled delivery, as a fold over immutable facts. Pure.
//
//   fetch -> forecast -> optimise -> bid -> award -> schedule -> dispatch -> track -> settle
//
// Each step is a pure function of facts; its output is a new fact, durable before anything leaves
// because of it. The state is a fold over the facts: a bidder killed at any instant resumes where
// it was, submits nothing twice (idempotency keys) and forgets no award.
//
// Time       gates, deliveries and settlements live in market time; patience with the market is
//            protocol time, stretched by Now::speed, so that a fast market is not asked too often.
// Back       a bid is withdrawn once the market says so; that it has no such bid counts when none
//            can be on its way any more: it was acknowledged, or an answer's time has passed.
// Killed     between any two facts of a batch: what the later ones follow from is there, and they
//            follow again. Only that a gate passed may be lost, which is told for people.
// Doubt      what a market tells is looked at first (market_feed.h): with another clock than ours
//            it is not bid to, and what it asks us to wait is waited. No price, no forecast: no
//            bid.
// Advice     of an optimiser is asked for some minutes before a gate is decided, and again when
//            prices or promises changed; what is not there by then is not waited for.
// One order  an interval in which one session's bid may still win is not offered in another one,
//            nor as energy what may be won as reserve: at one time one order of a market is in
//            force.
// Reserve    counts as promised with its whole power for its whole time, called or not. Once it is
//            awarded its calls are asked for; a call is an order, and that there was none is a
//            fact.
// Bounded    forgets prices after 15 days, or after the history that it is to keep, finished bids
//            after 2, any bid after 7 days; keeps at
//            most kGatesMax gates.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregation/duration_curve.h"
#include "bidding/advice_task.h"
#include "bidding/decide.h"
#include "bidding/facts.h"
#include "bidding/ledger.h"
#include "bidding/linear_program.h"
#include "bidding/market.h"
#include "bidding/market_feed.h"
#include "bidding/optimise.h"
#include "config/ids.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

struct WorkflowOptions {
  bool enabled = true;               ///< false: no new bids; what was won is still delivered
  Price price_min;                   ///< degradation and other cost: never sells below
  std::int32_t firm_permille = 900;  ///< of the firm curve, what is offered
  Duration decide_before = std::chrono::minutes{2};   ///< market time before a gate closes
  Duration settle_after = std::chrono::minutes{3};    ///< market time after delivery ended
  Duration receipts_wait = std::chrono::minutes{10};  ///< market time more, while none is known
  std::int32_t owner_share_permille = 1000;           ///< of what is earned after penalties
  std::chrono::days history{8};  ///< of prices: seven of the naive forecast, and one of slack
  Duration horizon = std::chrono::hours{24};  ///< market time from a gate on: what competes with it
  BidStrategy strategy = BidStrategy::kSegment;
  bool reserve = false;                 ///< sell reserve upwards, too; needs a solver
  std::int32_t called_permille = 100;   ///< of reserve, what is expected to be called
  MakeLinearProgram* solver = nullptr;  ///< none: nothing of reserve is bid
  std::string optimiser;  ///< the worker's model that advises on bids of energy; empty: nobody does
  BidLimits limits;       ///< what is advised keeps to
};

/// Of prices; a bidder that asks for a long history keeps it.
[[nodiscard]] constexpr std::chrono::days prices_kept(const WorkflowOptions& options) {
  return std::max(kPricesKept, options.history + std::chrono::days{1});
}

/// What the plant can do and did, as the root knows it now.
struct PlantState {
  aggregation::DurationCurve firm;  ///< discharge, of the sites counted; needed if decides()
  std::uint32_t sites_counted = 0;
  std::uint32_t sites_enrolled = 0;
  std::map<OrderId, Joules> delivered;  ///< receipts, summed over the sites counted
  std::vector<Commitment> committed;    ///< orders that are not the market's, e.g. an operator's
};

/// Book this order; the node answers with scheduled(). The same key is the same order.
struct OrderWanted {
  std::string key;
  Watts power;
  MarketTime from{};
  MarketTime until{};
};

/// What an operator offers for the gate that begins then.
struct OwnBid {
  std::string key;
  MarketTime from{};
  Session session = Session::kRealTime;
  std::vector<BidSegment> segments;
};

/// Carried out in field order.
struct WorkflowEffects {
  std::vector<Fact> persist;
  std::vector<OrderWanted> orders;
  std::vector<MarketCall> calls;
  std::vector<AdviceAsk> asks;  ///< each takes the place of what was asked of its gate before
};

inline constexpr std::size_t kGatesMax = 512;       ///< 5-minute gates for more than a day ahead
inline constexpr std::size_t kAwardKeysMax = 32;    ///< per call: an adapter puts them in one URL
inline constexpr std::size_t kPricesPerFact = 256;  ///< keeps a journal record below 32 kB

/// Not thread-safe; one owner drives it. Answers may be lost, repeated, late or wrong.
class Workflow {
 public:
  /// `facts` as persisted, in order.
  Workflow(const WorkflowOptions& options, const std::vector<Fact>& facts);

  void answered(const Now& now, const MarketAnswer& answer);
  void scheduled(const Now& now, const std::string& key, OrderId order);
  /// A worker's forecast is there.
  void foreseen(const Now& now, ForecastKnown forecast);
  /// What the homes' meters say of a bid; the first counts.
  void metered(const Now& now, BaselineKnown known);
  /// A worker's advice is there.
  void advised(const Now& now, BidAdvised advice);

  /// An operator's own bid, under a key of its own. The same again is the same. Error: why not, for
  /// people; a bid beyond what is firm and free is refused.
  [[nodiscard]] std::expected<void, std::string> submit(const Now& now, const PlantState& plant,
                                                        const OwnBid& wanted);
  /// Takes a bid back: gone once the market says so. Error: why not.
  [[nodiscard]] std::expected<void, std::string> withdraw(const Now& now, const std::string& key);

  /// Fires what is due. Call at next_deadline() or later; earlier is a no-op.
  void advance(const Now& now, const PlantState& plant);

  /// Whether advance() will look at what the plant can do.
  [[nodiscard]] bool decides(const Now& now) const;

  /// In market time: gates, retries, settlements. Later than now after advance(now).
  [[nodiscard]] MarketTime next_deadline() const;

  /// Drains pending work. Carry it out before the next step.
  [[nodiscard]] WorkflowEffects take_effects();

  [[nodiscard]] std::vector<BidView> bids() const;
  [[nodiscard]] const PriceSeries& prices(Session session = Session::kRealTime,
                                          Product product = Product::kEnergy) const;
  /// The newest; null: none.
  [[nodiscard]] const ForecastKnown* forecast() const { return ledger_.foreseen(); }
  [[nodiscard]] const std::vector<Gate>& gates() const;
  /// What the owners are paid for each MWh, of the newest orders that were settled.
  [[nodiscard]] const std::map<OrderId, Price>& owner_rates() const { return owner_rates_; }
  /// What is known, and what is not, of the market and its prices.
  [[nodiscard]] MarketHealth health(const Now& now) const;
  /// The facts behind one bid, oldest first; the first holds the forecast and the curve.
  [[nodiscard]] std::optional<std::vector<Fact>> trace(const std::string& key) const;

 private:
  struct Timer {
    MarketTime due{};  ///< the epoch: at once
    int failures = 0;
  };

  struct Undecided {
    Gate gate;
    MarketTime due{};                     ///< when to look
    std::string_view why_not;             ///< no_bid; empty: not looked at yet
    std::optional<AdviceAsk> asked = {};  ///< newest
  };

  void on(const Now& now, const PricesFetched& answer);
  void on(const Now& now, const GatesFetched& answer);
  void on(const Now& now, const BidAccepted& answer);
  void on(const Now& now, const BidRefused& answer);
  void on(const Now& now, const AwardsFetched& answer);
  void on(const Now& now, const Settled& answer);
  void on(const Now& now, const CallFailed& answer);
  void on(const Now& now, const WithdrawalAnswered& answer);
  void on(const Now& now, const CallsFetched& answer);

  bool record(const Now& now, decltype(Fact::what) what);
  void reset_timer(const BidLife& life);
  void send(const Now& now, Timer& timer, MarketCall call);
  void retry(const Now& now, const std::string& key);
  void drop_closed_gates(const Now& now);
  void fetch(const Now& now);
  void fetch_ahead(const Now& now, const SeriesId& series, Timer& timer);
  [[nodiscard]] bool is_sold(const Gate& gate) const;
  /// The key of what is offered for it and not taken back or refused; empty: nothing is.
  [[nodiscard]] std::string standing_for(const Gate& gate) const;
  [[nodiscard]] std::string why_not(const Now& now, const PlantState& plant, const OwnBid& wanted,
                                    const Gate& gate) const;
  [[nodiscard]] bool wants_advice(const Now& now, const Gate& gate) const;
  void ask_advice(const Now& now, const PlantState& plant);
  [[nodiscard]] DecideInput input_for(const Now& now, const PlantState& plant,
                                      const Gate& gate) const;
  void decide_gates(const Now& now, const PlantState& plant);
  [[nodiscard]] std::expected<BidDecided, std::string_view> decide_gate(const Now& now,
                                                                        const PlantState& plant,
                                                                        const Gate& gate) const;
  [[nodiscard]] std::vector<Commitment> commitments(const PlantState& plant) const;
  void advance_bids(const Now& now, const PlantState& plant);
  void step_bid(const Now& now, const PlantState& plant, const BidLife& life, Timer& timer);
  void step_award(const Now& now, const stage::Awarded& awarded, Timer& timer);
  void want_order(const Now& now, const stage::Awarded& awarded, Timer& timer);
  void measure(const Now& now, const PlantState& plant, const stage::Scheduled& scheduled,
               Timer& timer);
  void ask_awards();
  void ask_calls();
  void credit_owners(const Now& now, const BidLife& life);
  void look_at_receipts(const Now& now, const PlantState& plant);
  void keep_rate(const OwnersCredited& credited);
  void forget(const Now& now);

  WorkflowOptions options_;
  Ledger ledger_;
  MarketFeed feed_;
  std::vector<Gate> gates_;                     // by begin of delivery; not yet closed
  std::map<std::string, Undecided> decide_at_;  // by the key of its bid; no bid yet
  Timer fetch_prices_;
  MarketTime look_back_at_{};  // when to ask once more for prices that may have been corrected
  std::map<SeriesId, Timer> fetch_ahead_;  // of prices told ahead: all but those of real time
  Timer fetch_gates_;
  std::map<std::string, Timer> timers_;    // one per bid that is not finished
  std::vector<std::string> awards_due_;    // to be asked for at the end of this step
  std::vector<std::string> awards_asked_;  // not yet answered
  std::vector<std::string> calls_due_;     // as awards_due_
  std::vector<std::string> calls_asked_;   // not yet answered
  MarketTime forget_at_{};
  MarketTime look_at_receipts_at_{};
  MarketTime look_for_advice_at_{};       // whether there is something new to ask
  std::map<OrderId, Price> owner_rates_;  // at most limits::kReceiptsOfPlant
  WorkflowEffects effects_;
};

}  // namespace vpp::bidding
