// The market's own record, as JSON lines: what a test reads to find double bids.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "bidding/bid_formats.h"
#include "bidding/market.h"
#include "tools/market/market.h"

namespace vpp::market::journal {

[[nodiscard]] std::string_view name_of(Outcome outcome);

[[nodiscard]] std::string bid_line(MarketTime at, const bidding::Bid& bid, Outcome outcome);
[[nodiscard]] std::string award_line(MarketTime at, const bidding::Award& award);
[[nodiscard]] std::string call_line(MarketTime at, const bidding::ReserveCall& call);
[[nodiscard]] std::string delivery_line(MarketTime at, const bidding::Delivery& delivery,
                                        Outcome outcome);
[[nodiscard]] std::string settlement_line(MarketTime at, const bidding::Settlement& settlement);
[[nodiscard]] std::string bands_line(MarketTime at, MarketTime begin,
                                     const bidding::BandPrices& prices);

struct BidEvent {
  bidding::Bid bid;
  MarketTime at{};
  Outcome outcome = Outcome::kInvalid;
};
struct DeliveryEvent {};  ///< what came of it is in its settlement
struct BandsEvent {
  MarketTime begin{};  ///< of the trading day
  bidding::BandPrices prices;
};
using Event = std::variant<BidEvent, bidding::Award, DeliveryEvent, bidding::Settlement, BandsEvent,
                           bidding::ReserveCall>;

/// Nothing: no line of ours.
[[nodiscard]] std::optional<Event> read(std::string_view line);

}  // namespace vpp::market::journal
