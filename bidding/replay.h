// A journal read again: what was known at an instant, and whether the decisions come out again.
// Pure.
//
// A decision is decide() of the prices known when it was made, by the facts before it, and of what
// it recorded of the plant: the curve, what was promised and the options. So a journal that was
// changed, a fact out of place, or a decide() that is no longer the one that ran, show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "bidding/facts.h"
#include "bidding/forecast.h"
#include "bidding/ledger.h"
#include "bidding/linear_program.h"
#include "config/time.h"

namespace vpp::bidding {

enum class Again : std::uint8_t {
  kSame,      ///< bit by bit
  kOther,     ///< decided again, another bid or forecast comes out, or none
  kNotKnown,  ///< of a version that did not record what it rested on
  kAsked,     ///< by an operator: nothing was decided
};

struct DecisionAgain {
  MarketTime at{};
  BidDecided was;
  Again again = Again::kNotKnown;
  std::optional<BidDecided> is;  ///< with kOther; nothing: no bid
};

struct Replay {
  std::size_t facts = 0;  ///< that were known
  PriceSeries prices;
  std::vector<BidView> bids;  ///< by begin of delivery
  std::vector<GatePassed> passed;
  std::vector<DecisionAgain> decisions;  ///< oldest first
};

/// `facts` as persisted, in order; those recorded after `at` were not known yet. A fact of no time
/// is as old as the one before it. `solver`: as Workflow has it; without one, what was decided on
/// reserve is kNotKnown.
[[nodiscard]] Replay replay(const std::vector<Fact>& facts, MarketTime at,
                            MakeLinearProgram* solver = nullptr);

}  // namespace vpp::bidding
