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
// Bounded    forgets prices after 15 days, finished bids after 2, any bid after 7 days; keeps at
//            most kGatesMax gates.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "aggregation/duration_curve.h"
#include "bidding/decide.h"
#include "bidding/facts.h"
#include "bidding/ledger.h"
#include "bidding/market.h"
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
  Duration horizon = std::chrono::hours{24};  ///< market time from a gate on: what competes with it
  BidStrategy strategy = BidStrategy::kSegment;
};

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

/// Carried out in field order.
struct WorkflowEffects {
  std::vector<Fact> persist;
  std::vector<OrderWanted> orders;
  std::vector<MarketCall> calls;
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

  /// Fires what is due. Call at next_deadline() or later; earlier is a no-op.
  void advance(const Now& now, const PlantState& plant);

  /// Whether advance() will look at what the plant can do.
  [[nodiscard]] bool decides(const Now& now) const;

  /// In market time: gates, retries, settlements. Later than now after advance(now).
  [[nodiscard]] MarketTime next_deadline() const;

  /// Drains pending work. Carry it out before the next step.
  [[nodiscard]] WorkflowEffects take_effects();

  [[nodiscard]] std::vector<BidView> bids() const;
  [[nodiscard]] const std::map<MarketTime, PricePoint>& prices() const;
  [[nodiscard]] const std::vector<Gate>& gates() const;
  /// The facts behind one bid, oldest first; the first holds the forecast and the curve.
  [[nodiscard]] std::optional<std::vector<Fact>> trace(const std::string& key) const;

 private:
  struct Timer {
    MarketTime due{};  ///< the epoch: at once
    int failures = 0;
  };

  void on(const Now& now, const PricesFetched& answer);
  void on(const Now& now, const GatesFetched& answer);
  void on(const Now& now, const BidAccepted& answer);
  void on(const Now& now, const BidRefused& answer);
  void on(const Now& now, const AwardsFetched& answer);
  void on(const Now& now, const Settled& answer);
  void on(const Now& now, const CallFailed& answer);

  bool record(const Fact& fact);
  void reset_timer(const BidLife& life);
  void send(const Now& now, Timer& timer, MarketCall call);
  void retry(const Now& now, const std::string& key);
  void drop_closed_gates(const Now& now);
  void fetch(const Now& now);
  void decide_gates(const Now& now, const PlantState& plant);
  [[nodiscard]] std::vector<Commitment> commitments(const PlantState& plant) const;
  void advance_bids(const Now& now, const PlantState& plant);
  void step_bid(const Now& now, const PlantState& plant, const BidLife& life, Timer& timer);
  void want_order(const Now& now, const Award& award, Timer& timer);
  void measure(const Now& now, const PlantState& plant, const stage::Scheduled& scheduled,
               Timer& timer);
  void ask_awards(const Now& now);
  void forget(const Now& now);

  WorkflowOptions options_;
  Ledger ledger_;
  std::vector<Gate> gates_;                     // by begin of delivery; not yet closed
  std::map<MarketTime, MarketTime> decide_at_;  // begin of delivery -> when to look; no bid yet
  Timer fetch_prices_;
  Timer fetch_gates_;
  std::map<std::string, Timer> timers_;    // one per bid that is not finished
  std::vector<std::string> awards_due_;    // to be asked for at the end of this step
  std::vector<std::string> awards_asked_;  // not yet answered
  MarketTime forget_at_{};
  WorkflowEffects effects_;
};

}  // namespace vpp::bidding
