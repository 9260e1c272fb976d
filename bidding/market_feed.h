// What a market's answers are worth: is its clock ours, can its prices be true, when may it be
// asked again. Pure.
//
// Clock      an answer that says when it was given, by another clock than ours, is not used at all:
//            in the wrong time zone every gate and every price would be another one's.
// Prices     an absurd one, one of no sane time, one that is no number, or a real-time price of
//            energy told before its interval began is refused and counted. What is told again with
//            another value is believed: a correction, which the ledger counts.
// Waiting    a market that says Retry-After is asked nothing before, an hour at most; a restart
//            forgets it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "bidding/ledger.h"
#include "bidding/market.h"
#include "config/time.h"

namespace vpp::bidding {

/// What is known of one series of prices.
struct SeriesHealth {
  std::optional<PricePoint> last;  ///< nothing: no price is known
  std::uint64_t gaps = 0;          ///< holes between known prices, of the last eight days
  Duration missing{0};             ///< how long they are together
};

struct MarketHealth {
  SeriesHealth real_time;
  SeriesHealth day_ahead;
  Corrections corrections;
  std::uint64_t prices_refused = 0;       ///< absurd, or no prices at all
  std::uint64_t awards_repeated = 0;      ///< told again as they were: harmless
  std::uint64_t awards_contradicted = 0;  ///< told again, but other: the first one counts
  std::string contradiction;              ///< the last one, for people
  std::optional<Duration> clock_ahead;    ///< the market's clock before ours; nothing: it told none
  bool clock_agrees = true;
  std::uint64_t failures = 0;
  std::string last_error;  ///< for people; it stays when the market answers again
  MarketTime last_error_at{};
  MarketTime last_answer_at{};
  std::optional<MarketTime> quiet_until;  ///< as the market asked
  std::optional<Gate> next_gate;          ///< to close
};

/// From the first price of the last eight days to the newest one.
[[nodiscard]] SeriesHealth health_of(const PriceSeries& series);

class MarketFeed {
 public:
  /// False: the market's clock is not ours, so that what it told is not to be used.
  [[nodiscard]] bool heard(const Now& now, std::optional<MarketTime> told_at);
  /// Of what was told, what can be true.
  [[nodiscard]] std::vector<PricePoint> believable(const Now& now, const PricesFetched& told,
                                                   std::chrono::days kept);
  void failed(const Now& now, const std::string& why, std::optional<Duration> retry_after);
  void award_again(const Award& known, const Award& told);

  [[nodiscard]] bool clock_agrees() const { return health_.clock_agrees; }
  [[nodiscard]] bool quiet(const Now& now) const { return now.market < quiet_until_; }
  [[nodiscard]] MarketTime quiet_until() const { return quiet_until_; }
  /// Without what the ledger and the gates tell.
  [[nodiscard]] MarketHealth health(const Now& now) const;

 private:
  MarketHealth health_;
  MarketTime quiet_until_{};
};

}  // namespace vpp::bidding
