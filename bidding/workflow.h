// From prices to a settled delivery, as a fold over immutable facts. Pure.
//
//   fetch -> forecast -> optimise -> bid -> award -> schedule -> dispatch -> track -> settle
//
// Each step is a pure function of facts; its output is a new fact, durable before anything leaves
// because of it. The state is a fold over the facts: a bidder killed at any instant resumes where
// it was, submits nothing twice (idempotency keys) and forgets no award.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "aggregation/duration_curve.h"
#include "bidding/market.h"
#include "config/ids.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

// Facts. Append only: a new kind gets a new struct at the end.
struct PricesKnown {
  std::vector<PricePoint> prices;
  friend bool operator==(const PricesKnown&, const PricesKnown&) = default;
};
/// What a bid was computed from: the trace from an order back to prices and curve.
struct BidDecided {
  Bid bid;
  std::vector<PricePoint> forecast;
  std::vector<Joules> firm_curve;  ///< discharge, on the grid
  MarketTime at{};
  friend bool operator==(const BidDecided&, const BidDecided&) = default;
};
struct BidAcknowledged {
  std::string key;
  bool accepted = false;
  std::string why;
  friend bool operator==(const BidAcknowledged&, const BidAcknowledged&) = default;
};
struct AwardKnown {
  Award award;
  friend bool operator==(const AwardKnown&, const AwardKnown&) = default;
};
struct OrderScheduled {
  std::string key;  ///< of the award
  OrderId order;
  friend bool operator==(const OrderScheduled&, const OrderScheduled&) = default;
};
struct DeliveryMeasured {
  Delivery delivery;
  std::uint32_t sites_counted = 0;
  std::uint32_t sites_enrolled = 0;
  friend bool operator==(const DeliveryMeasured&, const DeliveryMeasured&) = default;
};
struct SettlementKnown {
  Settlement settlement;
  friend bool operator==(const SettlementKnown&, const SettlementKnown&) = default;
};
using Fact = std::variant<PricesKnown, BidDecided, BidAcknowledged, AwardKnown, OrderScheduled,
                          DeliveryMeasured, SettlementKnown>;

struct WorkflowOptions {
  bool enabled = true;
  Price price_min;                   ///< degradation and other cost: never sells below
  std::int32_t firm_permille = 900;  ///< of the nominal curve; learned from issue to issue
  Duration decide_before = std::chrono::minutes{2};  ///< market time before a gate closes
  Duration settle_after = std::chrono::minutes{3};   ///< market time after delivery ended
};

/// What the plant can do and did, as the root knows it now.
struct PlantState {
  aggregation::DurationCurve discharge;  ///< nominal, of the sites counted
  std::uint32_t sites_counted = 0;
  std::uint32_t sites_enrolled = 0;
  std::map<OrderId, Joules> delivered;  ///< receipts, summed over the sites counted
};

/// Book this order; the node answers with scheduled().
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

/// One bid's life, for people.
struct BidView {
  Bid bid;
  std::string state;  ///< decided, submitted, refused, awarded, lost, scheduled, delivered, settled
  std::optional<Award> award;
  OrderId order;
  std::optional<Joules> delivered;
  std::optional<Settlement> settlement;
};

class Workflow {
 public:
  /// `facts` as persisted, in order.
  Workflow(const WorkflowOptions& options, const std::vector<Fact>& facts);

  void answered(const Now& now, const MarketAnswer& answer);
  void scheduled(const Now& now, const std::string& key, OrderId order);
  void advance(const Now& now, const PlantState& plant);

  /// In market time: gates, retries, settlements.
  [[nodiscard]] MarketTime next_deadline() const;
  [[nodiscard]] WorkflowEffects take_effects();

  [[nodiscard]] std::vector<BidView> bids() const;
  [[nodiscard]] const std::map<MarketTime, PricePoint>& prices() const;
  [[nodiscard]] const std::vector<Gate>& gates() const;
  [[nodiscard]] std::optional<std::vector<Fact>> trace(const std::string& key) const;
};

}  // namespace vpp::bidding
