// One market: gates, bids, clearing, awards, settlement. Time comes in; no clock, no socket.
//
// Gates       real time: every interval (aligned to the epoch) whose price is known to the market;
//             bids close `gate_lead` before it begins and are cleared then. Day-ahead, if there is
//             such a session: the hours of a local day, which all close on the day before.
// Prices      real time: told as their interval begins; day-ahead: once they are cleared.
// Clearing    price taker: a bid's segments at or below the interval's price win in full. With
//             rivals: by merit order against them, up to the demand.
// Settlement  what was awarded is paid at the clearing price; what was not delivered of it is
//             charged at that price times penalty_permille / 1000. Surplus earns nothing.
// Reserve     blocks of power kept free, at a capacity price, in a session of their own or beside
//             the day-ahead one. Each block is called or not as the seed says, with all that was
//             awarded for one stretch of whole minutes. Keeping it is paid for its whole time, what
//             is called as real-time energy of the interval in which the call begins; what is not
//             delivered of it is charged at the dearer of both prices, as above.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <variant>
#include <vector>

#include "bidding/forecast.h"
#include "bidding/gate_calendar.h"
#include "bidding/market.h"
#include "config/time.h"
#include "config/units.h"
#include "tools/market/bands.h"
#include "tools/market/clearing.h"
#include "tools/market/outcome.h"

namespace vpp::market {

struct SyntheticPrices {
  std::uint64_t seed = 1;
};
using PriceSource = std::variant<SyntheticPrices, bidding::PriceSeries>;

struct DayAhead {
  bidding::Zone zone;
  bidding::SessionRules rules{.session = bidding::Session::kDayAhead,
                              .interval = std::chrono::hours{1},
                              .closing = bidding::ClosesDayBefore{}};
  std::optional<bidding::PriceSeries> prices;  ///< nothing: the means of the real-time ones
};

struct Reserve {
  bidding::Zone zone;
  bidding::SessionRules rules{.session = bidding::Session::kRealTime,
                              .interval = std::chrono::hours{1},
                              .closing = bidding::ClosesBefore{std::chrono::minutes{30}}};
  std::optional<bidding::PriceSeries> prices;  ///< of capacity; nothing: made up
  std::vector<Offer> rivals;                   ///< in every block; empty: price taker
  Watts demand;                                ///< with rivals
  std::int64_t called_permille = 100;          ///< of what is awarded, on the average
  Duration notice = std::chrono::minutes{5};   ///< a call is told so long before it begins
  std::uint64_t seed = 1;                      ///< of the calls, and of prices that are made up
};

/// How a bid is written: in segments, as a curve of ten steps, or in ten bands.
enum class Format : std::uint8_t { kSegments, kCurve, kBands };

struct MarketOptions {
  Duration interval = std::chrono::minutes{15};
  Duration gate_lead = std::chrono::minutes{5};
  Duration gates_ahead = std::chrono::hours{4};  ///< how early a gate is told
  std::int64_t penalty_permille = 1250;
  std::vector<Offer> rivals;  ///< in every interval; empty: price taker
  Watts demand;               ///< with rivals
  std::optional<DayAhead> day_ahead;
  Format format =
      Format::kSegments;  ///< of bands, trading days are in the day-ahead session's zone
  std::optional<Reserve> reserve;
};

inline constexpr std::size_t kBidsMax = 100'000;
inline constexpr std::size_t kSegmentsMax = 10;  ///< as real price-quantity curves
inline constexpr std::size_t kKeyBytesMax = 64;
inline constexpr std::int64_t kPricesPerAnswer = 3'000;  ///< 8 days of 5-minute intervals

struct BidEntry {
  bidding::Bid bid;
  MarketTime at{};
  int repeats = 0;
  std::optional<bidding::Award> award;
  std::optional<bidding::ReserveCall> call;  ///< of a reserve award; power 0: none comes
  std::optional<bidding::Settlement> settlement;
};

struct BidResult {
  Outcome outcome = Outcome::kInvalid;
  std::string why;
  std::optional<bidding::Bid> standing;  ///< with kConflict
};

struct DeliveryResult {
  Outcome outcome = Outcome::kInvalid;
  std::string why;
  std::optional<bidding::Settlement> settlement;
};

/// What should be zero of a bidder that keeps its promises, and what repeats are harmless.
struct Counters {
  std::uint64_t bids_repeated = 0;
  std::uint64_t bids_conflicting = 0;  ///< same key, other content
  std::uint64_t bids_second = 0;       ///< another key for a gate that has a bid
  std::uint64_t bids_late = 0;
  std::uint64_t bids_invalid = 0;
  std::uint64_t deliveries_repeated = 0;
  std::uint64_t deliveries_conflicting = 0;
  std::uint64_t deliveries_invalid = 0;
};

class Market {
 public:
  Market(MarketOptions options, PriceSource prices);

  /// Clears what has closed; the calls below do so by themselves.
  void advance(MarketTime now);

  [[nodiscard]] std::vector<bidding::Gate> gates(MarketTime now) const;
  /// Those told by now, oldest first, at most kPricesPerAnswer.
  [[nodiscard]] std::vector<bidding::PricePoint> prices(
      MarketTime now, MarketTime from, MarketTime until,
      bidding::Session session = bidding::Session::kRealTime,
      bidding::Product product = bidding::Product::kEnergy) const;
  [[nodiscard]] std::optional<Price> price_of(const bidding::Gate& gate) const;

  BidResult submit(MarketTime now, const bidding::Bid& bid);
  /// While its gate is open; then it is as if it had lost. Unknown: kInvalid.
  Outcome withdraw(MarketTime now, const std::string& key);
  [[nodiscard]] std::vector<bidding::Award> awards(MarketTime now,
                                                   const std::vector<std::string>& keys);
  /// Those told by now; that there is none is told once the block is over.
  [[nodiscard]] std::vector<bidding::ReserveCall> calls(MarketTime now,
                                                        const std::vector<std::string>& keys);
  DeliveryResult deliver(MarketTime now, const bidding::Delivery& delivery);

  BandsResult tell_bands(MarketTime now, MarketTime begin, const bidding::BandPrices& prices);

  /// Restores one line of an earlier journal. False: it is none of ours.
  bool restore(const std::string& line);
  /// What happened since the last call, as JSON lines.
  [[nodiscard]] std::vector<std::string> take_lines();

  [[nodiscard]] const std::map<std::string, BidEntry>& bids() const { return bids_; }
  [[nodiscard]] const Counters& counters() const { return counters_; }
  [[nodiscard]] const MarketOptions& options() const { return options_; }
  [[nodiscard]] const BandBook& bands() const { return bands_; }
  [[nodiscard]] bool synthetic() const;

 private:
  /// In order of their closing: of a gate that is not cleared, its bids' keys.
  using OpenGate = std::tuple<MarketTime, bidding::Session, bidding::Product, MarketTime>;
  [[nodiscard]] static OpenGate open_gate(const bidding::Gate& gate) {
    return {gate.closes, gate.session, gate.product, gate.from};
  }
  [[nodiscard]] std::vector<bidding::Gate> day_ahead_gates(MarketTime from, MarketTime until) const;
  [[nodiscard]] std::vector<bidding::Gate> reserve_gates(MarketTime from, MarketTime until) const;
  /// The one like this, if there is one.
  [[nodiscard]] std::optional<bidding::Gate> gate_like(const bidding::Gate& gate) const;
  [[nodiscard]] MarketTime aligned(MarketTime at) const;
  [[nodiscard]] std::string fault_of(const bidding::Bid& bid) const;
  [[nodiscard]] BidResult judge(MarketTime now, const bidding::Bid& bid);
  [[nodiscard]] DeliveryResult judge(MarketTime now, const bidding::Delivery& delivery);
  void clear_gate(const bidding::Gate& gate, const std::vector<BidEntry*>& entries);
  [[nodiscard]] bidding::ReserveCall call_of(const bidding::Award& award) const;
  [[nodiscard]] bidding::Settlement settle(const BidEntry& entry, Joules delivered) const;
  [[nodiscard]] Amount penalty_of(Joules shortfall, Price price) const;
  void count(Outcome outcome);

  MarketOptions options_;
  PriceSource prices_;
  BandBook bands_;
  std::map<std::string, BidEntry> bids_;
  std::map<OpenGate, std::vector<std::string>> open_;
  Counters counters_;
  std::vector<std::string> lines_;
};

}  // namespace vpp::market
