#include "tools/market/bands.h"

#include <iterator>

#include "bidding/forecast.h"

namespace vpp::market {

std::chrono::local_days BandBook::day_at(MarketTime at) const {
  return bidding::day_of(zone_, bidding::kTradingDayBegins, at);
}

MarketTime BandBook::begin_of(std::chrono::local_days day) const {
  return zone_.first_at(bidding::LocalTime{day} + bidding::kTradingDayBegins);
}

MarketTime BandBook::due_of(std::chrono::local_days day) const {
  return bidding::band_prices_due(zone_, day);
}

BandsResult BandBook::tell(MarketTime now, MarketTime begin, const bidding::BandPrices& prices) {
  if (!bidding::is_sane(begin) || begin > now + std::chrono::days{8}) {
    return {Outcome::kInvalid, "no trading day of the next week"};
  }
  const auto day = day_at(begin);
  if (begin_of(day) != begin) return {Outcome::kInvalid, "a trading day begins at 04:00"};
  if (std::string fault = fault_of(prices, bidding::kAemoRules); !fault.empty()) {
    return {Outcome::kInvalid, std::move(fault)};
  }
  if (const auto known = told(day)) {
    if (*known == prices) return {Outcome::kRepeated, {}};
    return {Outcome::kConflict, "other prices stand for this day"};
  }
  const bool first = told_.empty() && day == day_at(now);
  if (!first && due_of(day) <= now)
    return {Outcome::kLate, "prices were due at 12:30 the day before"};
  told_[day] = prices;
  return {Outcome::kAccepted, {}};
}

void BandBook::restore(MarketTime begin, const bidding::BandPrices& prices) {
  told_.try_emplace(day_at(begin), prices);
}

std::optional<bidding::BandPrices> BandBook::told(std::chrono::local_days day) const {
  const auto it = told_.find(day);
  return it == told_.end() ? std::nullopt : std::optional{it->second};
}

std::optional<bidding::BandPrices> BandBook::in_force(std::chrono::local_days day) const {
  const auto after = told_.upper_bound(day);
  return after == told_.begin() ? std::nullopt : std::optional{std::prev(after)->second};
}

}  // namespace vpp::market
