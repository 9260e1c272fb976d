#include "bidding/bid_formats.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <utility>

#include "config/check.h"
#include "config/limits.h"

namespace vpp::bidding {
namespace {

using namespace std::chrono_literals;

__extension__ typedef __int128 WideLoss;

[[nodiscard]] bool is_whole(Watts power, Watts step) {
  return power.count % step.count == 0;
}

[[nodiscard]] bool is_allowed(Price price, const ShapeRules& rules) {
  return price >= rules.price_min && price <= rules.price_max;
}

/// Power by its price, of what the market can take: what we would sell for less than its least
/// price we sell for that; what costs more than its highest is not offered.
[[nodiscard]] std::map<Price, Watts> power_by_price(const Bid& bid, const ShapeRules& rules) {
  std::map<Price, Watts> by_price;
  for (const BidSegment& segment : bid.segments) {
    if (segment.power <= Watts{0} || segment.price > rules.price_max) continue;
    by_price[std::max(segment.price, rules.price_min)] += segment.power;
  }
  return by_price;
}

/// Offers the power at the one of two neighbouring prices that is higher, where that costs least.
void drop_one_price(std::map<Price, Watts>& by_price) {
  auto best = by_price.begin();
  WideLoss least = -1;
  for (auto it = by_price.begin(); std::next(it) != by_price.end(); ++it) {
    const WideLoss loss = WideLoss{it->second.count} * (std::next(it)->first - it->first).count;
    if (least >= 0 && loss >= least) continue;
    best = it;
    least = loss;
  }
  std::next(best)->second += best->second;
  by_price.erase(best);
}

[[nodiscard]] std::string fault_of_prices(const std::array<Price, kBands>& prices,
                                          const ShapeRules& rules) {
  for (std::size_t i = 0; i < kBands; ++i) {
    if (!is_allowed(prices.at(i), rules)) return "a band's price is beyond the market's bounds";
    if (i > 0 && prices.at(i) <= prices.at(i - 1)) return "prices rise from band to band";
  }
  return {};
}

[[nodiscard]] std::string fault_of_volumes(const std::array<Watts, kBands>& volumes,
                                           const ShapeRules& rules) {
  Watts total{0};
  for (const Watts volume : volumes) {
    if (volume < Watts{0} || volume > limits::kGroupPowerMax) {
      return "a band's volume is from 0 W to 10 GW";
    }
    if (!is_whole(volume, rules.step)) return "a band's volume is in whole steps of power";
    total += volume;
  }
  return total > limits::kGroupPowerMax ? "more than 10 GW in total" : "";
}

}  // namespace

std::string fault_of(const PriceCurve& curve, const ShapeRules& rules) {
  if (curve.steps.empty() || curve.steps.size() > kCurveStepsMax) return "1 to 10 steps";
  CurveStep before{Watts{0}, rules.price_min};
  for (const CurveStep& step : curve.steps) {
    if (step.until <= before.until) return "power rises from step to step, from above 0 W";
    if (step.until > limits::kGroupPowerMax) return "more than 10 GW in total";
    if (!is_whole(step.until, rules.step)) return "power is in whole steps of power";
    if (!is_allowed(step.price, rules)) return "a price is beyond the market's bounds";
    if (step.price < before.price) return "prices do not fall from step to step";
    before = step;
  }
  return {};
}

std::string fault_of(const BandPrices& prices, const ShapeRules& rules) {
  std::string fault = fault_of_prices(prices.generation, rules);
  return fault.empty() ? fault_of_prices(prices.load, rules) : fault;
}

std::string fault_of(const BandVolumes& volumes, const ShapeRules& rules) {
  if (volumes.reason.empty()) return "volumes are changed with a reason";
  if (volumes.reason.size() > kReasonBytesMax) return "a reason has at most 500 bytes";
  std::string fault = fault_of_volumes(volumes.generation, rules);
  return fault.empty() ? fault_of_volumes(volumes.load, rules) : fault;
}

std::string fault_of(const BandVolumes& volumes, const BandPrices& prices) {
  for (std::size_t load = 0; load < kBands; ++load) {
    for (std::size_t gen = 0; gen < kBands; ++gen) {
      const bool both = volumes.load.at(load) > Watts{0} && volumes.generation.at(gen) > Watts{0};
      if (both && prices.load.at(load) >= prices.generation.at(gen)) {
        return "load is bid at a price that generation is offered at, or above it";
      }
    }
  }
  return {};
}

std::expected<PriceCurve, std::string> to_curve(const Bid& bid, const ShapeRules& rules) {
  VPP_CHECK(rules.step > Watts{0});
  std::map<Price, Watts> by_price = power_by_price(bid, rules);
  while (by_price.size() > kCurveStepsMax) drop_one_price(by_price);
  PriceCurve curve{bid.key, bid.gate, {}};
  Watts total{0};
  Watts told{0};
  for (const auto& [price, power] : by_price) {
    total += power;
    const Watts whole = total - Watts{total.count % rules.step.count};
    if (whole > told) curve.steps.push_back({whole, price});
    told = whole;
  }
  if (curve.steps.empty()) return std::unexpected{"no whole step of power is offered"};
  return curve;
}

std::expected<BandVolumes, std::string> to_bands(const Bid& bid, const BandPrices& prices,
                                                 const ShapeRules& rules, std::string reason) {
  VPP_CHECK(rules.step > Watts{0});
  const std::map<Price, Watts> by_price = power_by_price(bid, rules);
  BandVolumes volumes{bid.key, bid.gate, {}, {}, std::move(reason)};
  Watts told{0};
  for (std::size_t i = 0; i < kBands; ++i) {
    Watts total{0};  // offered at this band's price
    for (const auto& [price, power] : by_price) {
      if (price <= prices.generation.at(i)) total += power;
    }
    const Watts whole = total - Watts{total.count % rules.step.count};
    volumes.generation.at(i) = whole - told;
    told = whole;
  }
  if (told == Watts{0}) return std::unexpected{"no whole step of power fits into a band"};
  return volumes;
}

Bid bid_of(const PriceCurve& curve) {
  Bid bid{curve.key, curve.gate, {}};
  Watts before{0};
  for (const CurveStep& step : curve.steps) {
    bid.segments.push_back({step.until - before, step.price});
    before = step.until;
  }
  return bid;
}

Bid bid_of(const BandVolumes& volumes, const BandPrices& prices) {
  Bid bid{volumes.key, volumes.gate, {}};
  for (std::size_t i = 0; i < kBands; ++i) {
    if (volumes.generation.at(i) <= Watts{0}) continue;
    bid.segments.push_back({volumes.generation.at(i), prices.generation.at(i)});
  }
  return bid;
}

Watts offered(const Bid& bid, Price at) {
  Watts power{0};
  for (const BidSegment& segment : bid.segments) {
    if (segment.price <= at) power += segment.power;
  }
  return power;
}

MarketTime band_prices_due(const Zone& zone, std::chrono::local_days trading_day) {
  return zone.first_at(LocalTime{trading_day} - 24h + 12h + 30min);
}

BandPrices band_prices_around(Price cost, const ShapeRules& rules) {
  // Least, cost, and above it further and further apart, to the highest.
  const Price low = std::clamp(cost, rules.price_min + Price{1}, rules.price_max - Price{kBands});
  BandPrices prices;
  prices.generation.front() = rules.price_min;
  const std::int64_t span = (rules.price_max - low).count;
  for (std::size_t i = 1; i < kBands; ++i) {
    // The part of the span doubles from band to band: 1/256 of it lies below the second.
    const auto doubled = std::int64_t{1} << (i - 1);
    const std::int64_t part = i == 1 ? 0 : span / 256 * doubled;
    const auto at_least = static_cast<std::int64_t>(i) - 1;
    prices.generation.at(i) = low + Price{std::max(part, at_least)};
  }
  prices.generation.back() = rules.price_max;
  prices.load = prices.generation;
  return prices;
}

}  // namespace vpp::bidding
