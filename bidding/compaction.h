// Which facts a bidder still needs, so that a journal need not keep them all. Pure.
#pragma once

#include <chrono>
#include <vector>

#include "bidding/facts.h"
#include "bidding/ledger.h"
#include "config/time.h"

namespace vpp::bidding {

/// The market time that the newest fact was recorded at or speaks of; the epoch when there is none.
/// Lags real market time by an interval or so, thus forgets rather too little.
[[nodiscard]] MarketTime newest_time(const std::vector<Fact>& facts);

/// One flag per fact, in order. A workflow made of the needed facts alone is, once it has
/// forgotten what is over at `now`, the one made of all of them; and a replay decides on the bids
/// that are kept as one of all facts does.
[[nodiscard]] std::vector<bool> needed_facts(const std::vector<Fact>& facts, MarketTime now,
                                             std::chrono::days prices_kept = kPricesKept);

}  // namespace vpp::bidding
