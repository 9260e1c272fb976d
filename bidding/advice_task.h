// What an optimiser is asked ahead of a gate of energy, and what it answers.
//
// Units      whole watts, joules and micro-units per MWh; market time.
// Outlook    the cost and the prices that advice rests on. It counts at the gate while these are
//            expected still; what is firm and promised by then is looked at once more (decide.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "bidding/forecast.h"
#include "bidding/market.h"
#include "bidding/optimise.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

inline constexpr std::uint32_t kAdviceTaskVersion = 1;

/// Of one interval, what is expected.
struct AdviceSlot {
  MarketTime from{};
  MarketTime until{};
  Price price;
  std::vector<Price> quantiles;  ///< as ForecastHour has them; empty: not known
  friend bool operator==(const AdviceSlot&, const AdviceSlot&) = default;
};

/// What the market takes as one bid.
struct BidLimits {
  std::size_t segments_max = 10;
  Price price_least = -kPriceMax;
  Price price_most = kPriceMax;
  friend bool operator==(const BidLimits&, const BidLimits&) = default;
};

struct AdviceAsk {
  std::string model;  ///< one of the worker's own
  Gate gate;
  Price price_min;                    ///< cost: never sells below
  std::vector<AdviceSlot> slots;      ///< the gate's own first, then what competes with it
  std::vector<Joules> firm;           ///< discharge, on the grid: of it, what may be promised
  std::vector<Commitment> committed;  ///< not over
  Watts most;                         ///< that the gate can take beside them
  BidLimits limits;
  friend bool operator==(const AdviceAsk&, const AdviceAsk&) = default;
};

struct AdviceAnswer {
  std::string model;
  std::vector<BidSegment> segments;  ///< as of Bid; none: better no bid
  std::string why;                   ///< of none
  friend bool operator==(const AdviceAnswer&, const AdviceAnswer&) = default;
};

/// Whether nothing is new in `now` that would be worth asking again: a curve that moves a little is
/// not.
[[nodiscard]] bool alike(const AdviceAsk& before, const AdviceAsk& now);

/// Names an outlook: equal ones have the same name, others another one.
[[nodiscard]] std::string outlook_name(Price price_min, const std::vector<AdviceSlot>& slots);

/// Power above 0 and prices that do not fall, both within what can be.
[[nodiscard]] bool can_be_bid(const std::vector<BidSegment>& segments);

/// Error: why no bidder may follow it, whoever says it.
[[nodiscard]] std::expected<void, std::string> check(const AdviceAnswer& answer,
                                                     const AdviceAsk& ask);

}  // namespace vpp::bidding
