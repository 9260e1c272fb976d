// What the root and a market say to each other. One interface for every market; adapters carry it.
//
// Units      whole watts, joules, micro-units of the market's currency; market time (UTC ms).
// Repeats    every call is safe to repeat: keys name bids, awards and deliveries. Whoever carries
//            a call out answers it exactly once, with CallFailed when nothing better is known.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/time.h"
#include "config/units.h"

namespace vpp::bidding {

/// Where it is sold: the day before, or while it runs.
enum class Session : std::uint8_t { kRealTime, kDayAhead };

/// What is sold: energy, or power kept free to be called upwards or downwards.
enum class Product : std::uint8_t { kEnergy, kReserveUp, kReserveDown };

/// A delivery interval and when bids for it close.
struct Gate {
  MarketTime from{};
  MarketTime until{};
  MarketTime closes{};
  Session session = Session::kRealTime;
  Product product = Product::kEnergy;
  friend bool operator==(const Gate&, const Gate&) = default;
};

/// Of energy per MWh; of reserve for each MW kept free for an hour (its capacity price).
struct PricePoint {
  MarketTime from{};
  MarketTime until{};
  Price price;
  Session session = Session::kRealTime;
  Product product = Product::kEnergy;
  friend bool operator==(const PricePoint&, const PricePoint&) = default;
};

/// Sell `power` over the interval if the price is at least `price`.
struct BidSegment {
  Watts power;
  Price price;
  friend bool operator==(const BidSegment&, const BidSegment&) = default;
};

struct Bid {
  std::string key;  ///< idempotency key: sent again after a crash, counted once
  Gate gate;
  std::vector<BidSegment> segments;  ///< power adds up; prices do not fall
  friend bool operator==(const Bid&, const Bid&) = default;
};

struct Award {
  std::string key;  ///< of the bid
  Gate gate;
  Watts power;  ///< 0: the bid lost
  Price clearing;
  friend bool operator==(const Award&, const Award&) = default;
};

/// Of what a reserve award keeps free, what is to be delivered and when; at most once an award.
struct ReserveCall {
  std::string key;  ///< of the award
  Watts power;      ///< 0: it was not called, nor will it be
  MarketTime from{};
  MarketTime until{};
  friend bool operator==(const ReserveCall&, const ReserveCall&) = default;
};

struct Delivery {
  std::string key;  ///< of the award
  Gate gate;
  Joules delivered;
  friend bool operator==(const Delivery&, const Delivery&) = default;
};

struct Settlement {
  std::string key;
  Joules awarded;  ///< that was to be delivered: of reserve what was called
  Joules delivered;
  Amount revenue;  ///< all of it
  Amount penalty;
  Amount availability = {};  ///< of the revenue, what is paid for keeping reserve
  friend bool operator==(const Settlement&, const Settlement&) = default;
};

// Calls, carried out by the adapter; each is safe to repeat.
struct FetchPrices {
  MarketTime from{};
  MarketTime until{};
  Session session = Session::kRealTime;
  Product product = Product::kEnergy;
  friend bool operator==(const FetchPrices&, const FetchPrices&) = default;
};
struct FetchGates {
  friend bool operator==(const FetchGates&, const FetchGates&) = default;
};
struct SubmitBid {
  Bid bid;
  friend bool operator==(const SubmitBid&, const SubmitBid&) = default;
};
struct FetchAwards {
  std::vector<std::string> keys;
  friend bool operator==(const FetchAwards&, const FetchAwards&) = default;
};
/// Of reserve awards.
struct FetchCalls {
  std::vector<std::string> keys;
  friend bool operator==(const FetchCalls&, const FetchCalls&) = default;
};
struct SubmitDelivery {
  Delivery delivery;
  friend bool operator==(const SubmitDelivery&, const SubmitDelivery&) = default;
};
/// Takes a bid back while its gate is open. Answered by WithdrawalAnswered.
struct WithdrawBid {
  std::string key;
  friend bool operator==(const WithdrawBid&, const WithdrawBid&) = default;
};
using MarketCall = std::variant<FetchPrices, FetchGates, SubmitBid, FetchAwards, SubmitDelivery,
                                WithdrawBid, FetchCalls>;

// Answers. `told_at` is what the market's clock showed, if it said so.
struct PricesFetched {
  std::vector<PricePoint> prices;
  Session session = Session::kRealTime;
  std::size_t unreadable = 0;  ///< points of the answer that were none, e.g. a price that is NaN
  std::optional<MarketTime> told_at = {};
  Product product = Product::kEnergy;
};
struct GatesFetched {
  std::vector<Gate> gates;
  std::optional<MarketTime> told_at = {};
};
struct BidAccepted {
  std::string key;
};
struct BidRefused {
  std::string key;
  std::string why;
  bool final = true;            ///< false: try again
  std::optional<Bid> standing;  ///< what the market already holds under this key, if it differs
  std::optional<Duration> retry_after =
      {};  ///< protocol time; nothing at all is to be asked before
};
/// Awards that are known of those asked for; the others are not cleared, or not the market's.
struct AwardsFetched {
  std::vector<Award> awards;
};
/// Calls that are known of the awards asked for; the others may still be called.
struct CallsFetched {
  std::vector<ReserveCall> calls;
};
struct Settled {
  Settlement settlement;
};
struct CallFailed {
  MarketCall call;
  std::string why;
  std::optional<Duration> retry_after = {};  ///< as of BidRefused
};
enum class Withdrawal : std::uint8_t {
  kDone,      ///< its key is spent: a copy of the bid that arrives later is no bid
  kStands,    ///< what it wins is to be delivered
  kNotKnown,  ///< no bid has this key, or none yet: its submission may still be on its way
};
struct WithdrawalAnswered {
  std::string key;
  Withdrawal what = Withdrawal::kNotKnown;
  std::string why;
};
using MarketAnswer =
    std::variant<PricesFetched, GatesFetched, BidAccepted, BidRefused, AwardsFetched, Settled,
                 CallFailed, WithdrawalAnswered, CallsFetched>;

}  // namespace vpp::bidding
