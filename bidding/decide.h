// What to bid at one gate: forecast, then optimise, then the bid. A pure function of facts.
//
// Curve      of prices, where the gate closes just before delivery: at most its own length. Before
//            later gates are decided the award is known then. Of gates that are open side by side
//            the first curve would take everything: they get one segment.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bidding/facts.h"
#include "bidding/forecast.h"
#include "bidding/optimise.h"
#include "config/role_config.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

struct DecideInput {
  MarketTime now{};
  Gate gate;
  Price price_min;   ///< cost; also the price of the bid, as befits a price taker
  Duration horizon;  ///< market time from the gate on; slots as long as the gate's
  const PriceSeries* prices = nullptr;
  std::vector<Commitment> committed;
  BidStrategy strategy = BidStrategy::kSegment;
};

/// "bid-<begin of delivery in ms>": the same gate gives the same key, even with a lost journal.
[[nodiscard]] std::string bid_key(const Gate& gate);

/// Nothing: no forecast for the gate, or better sold at other times, or nothing left to sell.
[[nodiscard]] std::optional<BidDecided> decide(const DecideInput& input, const FirmCurve& curve);

}  // namespace vpp::bidding
