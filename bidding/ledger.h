// The fold: from facts to what is known of prices and of every bid. Pure.
//
// A fact that adds nothing (a repetition, one about a strange bid, one that contradicts an earlier
// one) changes nothing and says so: the first that is durable counts.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "bidding/facts.h"
#include "bidding/forecast.h"

namespace vpp::bidding {

/// One bid's life, for people.
struct BidView {
  Bid bid;
  std::string state;  ///< decided, submitted, refused, awarded, lost, scheduled, delivered,
                      ///< settled, withdrawing, withdrawn
  std::optional<Award> award;
  std::optional<ReserveCall> call;  ///< of a reserve award, once that is known
  OrderId order;
  std::optional<Joules> delivered;
  std::optional<Settlement> settlement;
  std::optional<OwnersCredited> credited;
  std::optional<BaselineKnown> metered;  ///< what the homes' meters say of it
  std::vector<Disagreement> disagreements;
};

namespace stage {
struct Decided {};    ///< the market has not said that it has it
struct Submitted {};  ///< the market has it
struct Refused {
  std::string why;
};
struct Withdrawing {          ///< wanted; until the market says so it may still win
  bool acknowledged = false;  ///< the market has it, or had
};
struct Withdrawn {};
struct Awarded {
  Award award;
  std::optional<ReserveCall> call = {};
};
struct Lost {
  Award award;
};
struct Scheduled {
  Award award;
  OrderId order;  ///< none: reserve that was not called
  std::optional<ReserveCall> call = {};
};
struct Delivered {
  Scheduled scheduled;
  DeliveryMeasured measured;
};
struct Settled {
  Delivered delivered;
  Settlement settlement;
};
}  // namespace stage
using Stage = std::variant<stage::Decided, stage::Submitted, stage::Refused, stage::Awarded,
                           stage::Lost, stage::Scheduled, stage::Delivered, stage::Settled,
                           stage::Withdrawing, stage::Withdrawn>;

struct BidLife {
  Bid bid;
  Stage stage;
  std::vector<Fact> facts;  ///< all about this bid, oldest first, after the advice it follows
  std::optional<OwnersCredited> credited = {};
  std::optional<BaselineKnown> metered = {};
  std::vector<Disagreement> disagreements = {};  ///< at most kDisagreementsMax
};

/// A market that settles again and again must not fill a journal.
inline constexpr std::size_t kDisagreementsMax = 16;

/// Of the bid, or the gate passed, that a fact is about; nothing for prices,
/// forecasts and meters.
[[nodiscard]] std::optional<std::string> key_of(const Fact& fact);

[[nodiscard]] std::string_view name_of(const Stage& stage);
/// Lost, refused, withdrawn or settled: nothing more will come of it.
[[nodiscard]] bool finished(const Stage& stage);
[[nodiscard]] BidView view_of(const BidLife& life);

/// An award can only be what was bid for: the same gate, no more power than the segments at or
/// below the clearing price, none negative.
[[nodiscard]] bool answers(const Award& award, const Bid& bid);

/// A call can only be of what is kept free, and when: no more power than the award, within its
/// gate.
[[nodiscard]] bool answers(const ReserveCall& call, const Award& award);

/// Prices that were told again with another value.
struct Corrections {
  std::uint64_t all = 0;
  std::uint64_t after_settlement = 0;  ///< of an interval that a bid of ours was settled for
  std::optional<PricePoint> last;      ///< as it is now
  Price before;                        ///< what the last one was
};

/// Prices of one kind.
struct SeriesId {
  Session session = Session::kRealTime;
  Product product = Product::kEnergy;
  friend auto operator<=>(const SeriesId&, const SeriesId&) = default;
};
inline constexpr std::size_t kSessionCount = 2;
inline constexpr std::size_t kProductCount = 3;

/// Two weeks of the naive forecast, and a day; models that learn want more.
inline constexpr std::chrono::days kPricesKept{15};
inline constexpr std::chrono::days kFinishedKept{2};    ///< bids, for people and for the trace
inline constexpr std::chrono::days kUnfinishedKept{7};  ///< an award or settlement this late
                                                        ///< never comes

class Ledger {
 public:
  explicit Ledger(std::chrono::days prices_kept = kPricesKept) : prices_kept_{prices_kept} {}

  /// Nothing when the fact adds nothing, otherwise the part of it that does.
  std::optional<Fact> apply(const Fact& fact);

  /// Forgets what is over for longer than the times below.
  void forget_over(MarketTime now);

  [[nodiscard]] const PriceSeries& prices(Session session = Session::kRealTime,
                                          Product product = Product::kEnergy) const {
    return series_.at(place_of({session, product}));
  }
  [[nodiscard]] const Corrections& corrections() const { return corrections_; }
  /// By key; keys of one length sort by time.
  [[nodiscard]] const std::map<std::string, BidLife>& bids() const { return bids_; }
  /// The forecast of the newest hours; null: none. Workers foresee real-time prices only.
  [[nodiscard]] const ForecastKnown* foreseen(Session session = Session::kRealTime) const {
    return foreseen_ && session == Session::kRealTime ? &*foreseen_ : nullptr;
  }
  /// The newest for the bid of that key, from before it was decided; null: none.
  [[nodiscard]] const BidAdvised* advised(const std::string& key) const;
  /// Gates that closed without a bid, by the key it would have had.
  [[nodiscard]] const std::map<std::string, GatePassed>& passed() const { return passed_; }

 private:
  static bool on(const PricesKnown&) { return false; }   // merged in apply()
  static bool on(const HomesMetered&) { return false; }  // meter_book.h
  bool on(const BaselineKnown& known);
  bool on(const ForecastKnown& known);
  bool on(const GatePassed& passed);
  bool on(const Disagreement& disagreement);
  bool on(const WithdrawalAsked& asked);
  bool on(const WithdrawalKnown& known);
  bool on(const OwnersCredited& credited);
  bool on(const BidDecided& decided);
  bool on(const BidAcknowledged& acknowledged);
  bool on(const AwardKnown& known);
  bool on(const OrderScheduled& scheduled);
  bool on(const DeliveryMeasured& measured);
  bool on(const SettlementKnown& known);
  bool on(const BidAdopted& adopted);
  bool on(const CallKnown& known);
  [[nodiscard]] bool on(const BidAdvised& news) const;

  bool take_price(const PricePoint& point);
  [[nodiscard]] static std::size_t place_of(const SeriesId& id) {
    return static_cast<std::size_t>(id.product) * kSessionCount +
           static_cast<std::size_t>(id.session);
  }

  std::array<PriceSeries, kSessionCount * kProductCount> series_;
  Corrections corrections_;
  std::chrono::days prices_kept_;
  std::optional<ForecastKnown> foreseen_;
  std::map<std::string, BidLife> bids_;
  std::map<std::string, GatePassed> passed_;
  std::map<std::string, Fact> advised_;  ///< of BidAdvised
};

}  // namespace vpp::bidding
