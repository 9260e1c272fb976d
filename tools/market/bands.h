// Ten prices for each trading day, told the day before. Pure.
//
// Day        from 04:00 to 04:00 on the market's clock; its prices are due at 12:30 of the day
// before. Default    a day for which nothing was told has the prices of the last day before it that
// has
//            some. While no day has any, those of the present day can be told at any time.
#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "bidding/bid_formats.h"
#include "tools/market/outcome.h"

namespace vpp::market {

struct BandsResult {
  Outcome outcome = Outcome::kInvalid;
  std::string why;
};

class BandBook {
 public:
  explicit BandBook(bidding::Zone zone) : zone_{std::move(zone)} {}

  [[nodiscard]] std::chrono::local_days day_at(MarketTime at) const;
  [[nodiscard]] MarketTime begin_of(std::chrono::local_days day) const;
  [[nodiscard]] MarketTime due_of(std::chrono::local_days day) const;

  /// Told for the day that begins at `begin`; the first telling stands.
  BandsResult tell(MarketTime now, MarketTime begin, const bidding::BandPrices& prices);
  void restore(MarketTime begin, const bidding::BandPrices& prices);

  /// Nothing: none were told for that day.
  [[nodiscard]] std::optional<bidding::BandPrices> told(std::chrono::local_days day) const;
  /// That hold for the day; nothing: none were told for it, nor for any before.
  [[nodiscard]] std::optional<bidding::BandPrices> in_force(std::chrono::local_days day) const;

 private:
  bidding::Zone zone_;
  std::map<std::chrono::local_days, bidding::BandPrices> told_;
};

}  // namespace vpp::market
