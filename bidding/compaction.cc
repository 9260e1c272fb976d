#include "bidding/compaction.h"

#include <algorithm>

#include "bidding/ledger.h"

namespace vpp::bidding {

MarketTime newest_time(const std::vector<Fact>& facts) {
  MarketTime newest{};
  for (const Fact& fact : facts) {
    if (const auto* known = std::get_if<PricesKnown>(&fact)) {
      for (const PricePoint& point : known->prices) newest = std::max(newest, point.from);
    } else if (const auto* decided = std::get_if<BidDecided>(&fact)) {
      newest = std::max(newest, decided->at);
    }
  }
  return newest;
}

std::vector<bool> needed_facts(const std::vector<Fact>& facts, MarketTime now) {
  Ledger ledger;
  for (const Fact& fact : facts) (void)ledger.apply(fact);
  ledger.forget_over(now);
  std::vector<bool> needed;
  for (const Fact& fact : facts) {
    if (const auto* known = std::get_if<PricesKnown>(&fact)) {
      needed.push_back(std::ranges::any_of(known->prices, [&](const PricePoint& point) {
        const PriceSeries& series = ledger.prices(point.session);
        const auto it = series.find(point.from);
        return it != series.end() && it->second == point;
      }));
    } else {
      needed.push_back(ledger.bids().contains(*key_of(fact)));
    }
  }
  return needed;
}

}  // namespace vpp::bidding
