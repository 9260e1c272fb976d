#include "bidding/compaction.h"

#include <algorithm>
#include <cstddef>
#include <string>

#include "bidding/ledger.h"

namespace vpp::bidding {
namespace {

/// A market that corrects its prices every minute must not fill a disk.
constexpr std::size_t kSupersededKept = 1'000;

[[nodiscard]] bool holds_any_of(const Ledger& ledger, const PricesKnown& known) {
  return std::ranges::any_of(known.prices, [&](const PricePoint& point) {
    const PriceSeries& prices = ledger.prices(point.session, point.product);
    const auto it = prices.find(point.from);
    return it != prices.end() && it->second == point;
  });
}

}  // namespace

MarketTime newest_time(const std::vector<Fact>& facts) {
  MarketTime newest{};
  for (const Fact& fact : facts) {
    newest = std::max(newest, fact.at);
    if (const auto* known = as<PricesKnown>(fact)) {
      for (const PricePoint& point : known->prices) newest = std::max(newest, point.from);
    }
  }
  return newest;
}

std::vector<bool> needed_facts(const std::vector<Fact>& facts, MarketTime now,
                               std::chrono::days prices_kept) {
  Ledger ledger{prices_kept};
  for (const Fact& fact : facts) (void)ledger.apply(fact);
  ledger.forget_over(now);
  // What was known when the first of the bids that are kept was decided, and all that was learned
  // since: a correction must not hide what a decision rested on.
  const auto recent = std::ranges::find_if(facts, [&](const Fact& fact) {
    const auto* decided = as<BidDecided>(fact);
    return decided != nullptr && ledger.bids().contains(decided->bid.key);
  });
  Ledger before{prices_kept};
  for (auto fact = facts.begin(); fact != recent; ++fact) (void)before.apply(*fact);
  before.forget_over(now);
  std::vector<bool> needed(facts.size());
  std::size_t superseded = 0;
  for (std::size_t i = facts.size(); i-- > 0;) {
    const auto* known = as<PricesKnown>(facts[i]);
    const bool then = facts.begin() + static_cast<std::ptrdiff_t>(i) >= recent;
    if (const auto* foreseen = as<ForecastKnown>(facts[i])) {
      // Any of them may have priced the other times that a decision looked at.
      const auto is = [&](const ForecastKnown* newest) {
        return newest != nullptr && *newest == *foreseen;
      };
      needed[i] = then || is(before.foreseen()) || is(ledger.foreseen());
    } else if (const auto* quarter = as<HomesMetered>(facts[i])) {
      needed[i] = quarter->from + kMeterKept >= now;
    } else if (known == nullptr) {
      const std::string key = *key_of(facts[i]);
      const auto* advised = as<BidAdvised>(facts[i]);
      const auto* newest = advised != nullptr ? ledger.advised(key) : nullptr;
      needed[i] = ledger.bids().contains(key) ||
                  (advised == nullptr ? ledger.passed().contains(key)
                                      : newest != nullptr && newest->task == advised->task);
    } else if (holds_any_of(ledger, *known)) {
      needed[i] = true;
    } else {
      needed[i] = (then || holds_any_of(before, *known)) && superseded++ < kSupersededKept;
    }
  }
  return needed;
}

}  // namespace vpp::bidding
