// What to bid at one gate: forecast, then optimise, then the bid. A pure function of facts.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bidding/facts.h"
#include "bidding/forecast.h"
#include "bidding/optimise.h"
#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

struct DecideInput {
  MarketTime now{};
  Gate gate;
  Price price_min;   ///< cost; also the price of the bid, as befits a price taker
  Duration horizon;  ///< market time from the gate on; slots as long as the gate's
  const PriceSeries* prices = nullptr;  ///< of the gate's session
  std::vector<Commitment> committed;
};

/// "bid-<begin of delivery in ms>", "bid-da-..." of a day-ahead gate: the same gate gives the same
/// key, even with a lost journal, and no other gate does.
[[nodiscard]] std::string bid_key(const Gate& gate);

/// Nothing: no forecast for the gate, or better sold at other times, or nothing left to sell.
[[nodiscard]] std::optional<BidDecided> decide(const DecideInput& input, const FirmCurve& curve);

}  // namespace vpp::bidding
