// What a bidder knows, as immutable facts: the journal holds them, the state is a fold over them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "bidding/forecast_task.h"
#include "bidding/market.h"
#include "bidding/optimise.h"
#include "bidding/task_queue.h"
#include "config/ids.h"
#include "config/role_config.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

// Append only: a new kind gets a new struct at the end.
struct PricesKnown {
  std::vector<PricePoint> prices;
  friend bool operator==(const PricesKnown&, const PricesKnown&) = default;
};
/// What a bid was computed from, beside the prices known then: the trace from an order back to
/// prices and curve, and all that replay.h needs to decide again.
struct BidDecided {
  Bid bid;
  std::vector<PricePoint> forecast;  ///< of the gate's product first, from the gate on
  std::vector<Joules> firm_curve;    ///< discharge, on the grid
  std::int32_t firm_permille = 0;    ///< of it, what is offered; 0: of a version that did not say
  std::vector<Commitment> committed;
  Price price_min;
  Duration horizon{0};
  BidStrategy strategy = BidStrategy::kSegment;
  std::int32_t called_permille = 0;  ///< of reserve, what is expected to be called
  bool by_operator = false;          ///< as somebody asked; nothing was forecast
  std::string model = kNaiveModel;   ///< that expects the gate's own price
  TaskId foreseen;                   ///< the task of its ForecastKnown; 0: naive
  std::string optimiser = {};        ///< whose advice was wanted; empty: nobody's
  TaskId advised = {};               ///< the task of the BidAdvised that it follows; 0: none
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
/// `sites_counted` 0: nothing was known of this delivery, and nothing is what was reported.
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
/// The market holds another bid under our key (our journal was lost): that one counts.
struct BidAdopted {
  Bid bid;
  friend bool operator==(const BidAdopted&, const BidAdopted&) = default;
};
/// A gate closed without a bid; once per gate.
struct GatePassed {
  std::string key;  ///< that a bid would have had
  Gate gate;
  std::string why;
  friend bool operator==(const GatePassed&, const GatePassed&) = default;
};

/// Two accounts of one thing differ. Once for each pair of values.
struct Disagreement {
  std::string key;    ///< of the bid
  std::string about;  ///< stable, with the unit last: "delivered_j"
  std::int64_t ours = 0;
  std::int64_t theirs = 0;
  friend bool operator==(const Disagreement&, const Disagreement&) = default;
};
/// What the owners are paid for one settled order, for each MWh of their own receipts.
struct OwnersCredited {
  std::string key;
  OrderId order;
  Joules receipts;  ///< all of them, when it was settled
  Price per_mwh;
  Amount paid;  ///< for all receipts
  friend bool operator==(const OwnersCredited&, const OwnersCredited&) = default;
};

/// An operator takes a bid back: asked first, then what the market said.
struct WithdrawalAsked {
  std::string key;
  friend bool operator==(const WithdrawalAsked&, const WithdrawalAsked&) = default;
};
struct WithdrawalKnown {
  std::string key;
  bool withdrawn = false;
  std::string why;
  friend bool operator==(const WithdrawalKnown&, const WithdrawalKnown&) = default;
};
/// What a worker made of the prices known before `from`.
struct ForecastKnown {
  TaskId task;
  std::string model;
  std::string worker;
  MarketTime from{};                ///< begin of the first hour
  std::vector<ForecastHour> hours;  ///< one after the other
  friend bool operator==(const ForecastKnown&, const ForecastKnown&) = default;
};
/// What a worker advises to bid at a gate; a newer one takes its place.
struct BidAdvised {
  std::string key;  ///< that a bid has there
  Gate gate;
  TaskId task;
  std::string model;
  std::string worker;
  std::string outlook;               ///< that it rests on, by name: advice_task.h
  std::vector<BidSegment> segments;  ///< none: better no bid
  std::string why;                   ///< of none
  friend bool operator==(const BidAdvised&, const BidAdvised&) = default;
};
/// What a reserve award is called for, or that it was not.
struct CallKnown {
  ReserveCall call;
  friend bool operator==(const CallKnown&, const CallKnown&) = default;
};

inline constexpr Duration kMeterQuarter = std::chrono::minutes{15};
inline constexpr std::chrono::days kMeterKept{60};  ///< the longest look-back of a baseline

/// What the homes whose meters are known drew from the grid in a quarter of an hour. One of which
/// nothing is known is not recorded.
struct HomesMetered {
  MarketTime from{};           ///< a whole quarter
  Joules drawn;                ///< in the time that is known; < 0: they gave
  Duration known{0};           ///< of the quarter
  std::uint32_t metered = 0;   ///< homes, as a mean over that time
  std::uint32_t enrolled = 0;  ///< likewise, with a meter or without
  bool ordered = false;        ///< an order was in force
  friend bool operator==(const HomesMetered&, const HomesMetered&) = default;
};
/// What those meters say of an order that was settled, by meter_book.h. Once for each.
struct BaselineKnown {
  std::string key;
  std::int32_t days = 0;              ///< that it rests on
  bool adjusted = false;              ///< by the hours before it
  std::int32_t metered_permille = 0;  ///< of the homes
  std::optional<Joules> usual;        ///< without the order they would have drawn
  std::optional<Joules> metered;
  std::optional<Joules> delivered;  ///< sum over its quarters of max(0, usual - metered)
  std::string why;                  ///< the three are not known; empty: they are
  friend bool operator==(const BaselineKnown&, const BaselineKnown&) = default;
};

struct Fact {
  std::variant<PricesKnown, BidDecided, BidAcknowledged, AwardKnown, OrderScheduled,
               DeliveryMeasured, SettlementKnown, BidAdopted, GatePassed, Disagreement,
               OwnersCredited, WithdrawalAsked, WithdrawalKnown, ForecastKnown, CallKnown,
               HomesMetered, BaselineKnown, BidAdvised>
      what;
  MarketTime at{};  ///< when it was recorded; the epoch: by a version that did not say
  friend bool operator==(const Fact&, const Fact&) = default;
};

template <class Kind>
[[nodiscard]] const Kind* as(const Fact& fact) {
  return std::get_if<Kind>(&fact.what);
}

}  // namespace vpp::bidding
