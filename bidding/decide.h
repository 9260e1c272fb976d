// What to bid at one gate: forecast, then optimise, then the bid. A pure function of facts.
//
// Advice     of an optimiser counts if it rests on the prices that are expected now, and as far as
//            the curve gives beside what is promised by now: what is beyond is not offered.
// Curve      of prices, where the gate closes just before delivery: at most its own length. Before
//            later gates are decided the award is known then. Of gates that are open side by side
//            the first curve would take everything: they get one segment.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "bidding/advice_task.h"
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
  const PriceSeries* prices = nullptr;  ///< of energy, in the gate's session
  std::vector<Commitment> committed;
  const ForecastKnown* foreseen = nullptr;  ///< the newest; where it does not reach: naively
  BidStrategy strategy = BidStrategy::kSegment;
  const PriceSeries* capacity = nullptr;  ///< of reserve, in the gate's session; for reserve only
  std::int32_t called_permille = 0;       ///< of reserve, what is expected to be called
  std::string optimiser = {};             ///< whose advice is wanted; empty: nobody's
  const BidAdvised* advised = nullptr;    ///< the newest for this gate
};

/// "bid-<begin of delivery in ms>", "bid-da-..." of a day-ahead gate, "bid-up-..." of reserve: the
/// same gate gives the same key, even with a lost journal, and no other gate does.
[[nodiscard]] std::string bid_key(const Gate& gate);

/// Why nothing is offered, for people.
namespace no_bid {
inline constexpr std::string_view kNoForecast =
    "no price is expected: too little is known of the past";
inline constexpr std::string_view kTooCheap = "the price expected is not above price_min";
inline constexpr std::string_view kNothingFree = "nothing is firm enough, or all of it is promised";
inline constexpr std::string_view kOtherTimes = "better sold at other times";
inline constexpr std::string_view kAdvisedAgainst = "the optimiser advises against a bid";
inline constexpr std::string_view kOtherClock = "the market's clock is another one than ours";
inline constexpr std::string_view kSoldElsewhere =
    "sold, or offered, in the market's other session, or as another product";
inline constexpr std::string_view kNoCapacityPrice = "no price of reserve is known";
inline constexpr std::string_view kEnergyIsBetter = "its energy earns more than its reserve";
inline constexpr std::string_view kNoSolver =
    "there is no solver, or it found no solution: nothing of reserve is bid";
}  // namespace no_bid

/// By the newest forecast of a worker, naively where that does not reach. Nothing: it is unknown.
[[nodiscard]] std::optional<Price> expected_price(const DecideInput& input, MarketTime from,
                                                  MarketTime until);

/// Whether a worker's forecast reaches so far.
[[nodiscard]] bool is_foreseen(const DecideInput& input, MarketTime from, MarketTime until);

/// What an optimiser would be asked about a gate of energy. Nothing: there is nothing to decide.
[[nodiscard]] std::optional<AdviceAsk> advice_ask(const DecideInput& input, const FirmCurve& curve,
                                                  const BidLimits& limits);

/// At a gate of energy. Error: one of no_bid.
[[nodiscard]] std::expected<BidDecided, std::string_view> decide(const DecideInput& input,
                                                                 const FirmCurve& curve);

}  // namespace vpp::bidding
