// Bids in the shapes that real markets take, made from ours. Pure.
//
// Curve      as CAISO: a staircase of at most ten steps, each "up to so much power in all, at this
//            price"; power rises, prices do not fall.
// Bands      as AEMO: ten prices for each direction, fixed once for a trading day (from 04:00 to
//            04:00) at 12:30 of the day before; later only the volumes in them change, each time
//            with a reason.
// Careful    at no price does the shape offer more than the bid it was made of; what does not fit
//            (whole steps of power, ten prices, the market's least and highest price) is not
//            offered.
// Errors     name the rule that is broken, for people.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <expected>
#include <string>
#include <vector>

#include "bidding/gate_calendar.h"
#include "bidding/market.h"
#include "config/units.h"

namespace vpp::bidding {

struct ShapeRules {
  Watts step{1'000};  ///< power is a whole multiple of it; > 0
  Price price_min;    ///< no price below ...
  Price price_max;    ///< ... nor above
};

/// Energy from -150 to 1,000 USD/MWh; what is dearer needs its costs verified first, which this
/// does not do (CAISO tariff, section 39.6.1).
inline constexpr ShapeRules kCaisoRules{.price_min = {-150'000'000}, .price_max = {1'000'000'000}};
/// From the floor to the market price cap of July 2025 to June 2026, in AUD/MWh (AEMC, schedule of
/// reliability settings). The cap rises from year to year: an old one only offers less.
inline constexpr ShapeRules kAemoRules{.price_min = {-1'000'000'000},
                                       .price_max = {20'300'000'000}};

inline constexpr std::size_t kCurveStepsMax = 10;
inline constexpr std::size_t kBands = 10;
inline constexpr std::size_t kReasonBytesMax = 500;

struct CurveStep {
  Watts until;  ///< in all, from 0
  Price price;
  friend bool operator==(const CurveStep&, const CurveStep&) = default;
};
struct PriceCurve {
  std::string key;
  Gate gate;
  std::vector<CurveStep> steps;
  friend bool operator==(const PriceCurve&, const PriceCurve&) = default;
};

struct BandPrices {
  std::array<Price, kBands> generation{};
  std::array<Price, kBands> load{};
  friend bool operator==(const BandPrices&, const BandPrices&) = default;
};
struct BandVolumes {
  std::string key;
  Gate gate;
  std::array<Watts, kBands> generation{};
  std::array<Watts, kBands> load{};
  std::string reason;
  friend bool operator==(const BandVolumes&, const BandVolumes&) = default;
};

/// The rule that is broken; empty: none.
[[nodiscard]] std::string fault_of(const PriceCurve& curve, const ShapeRules& rules);
[[nodiscard]] std::string fault_of(const BandPrices& prices, const ShapeRules& rules);
[[nodiscard]] std::string fault_of(const BandVolumes& volumes, const ShapeRules& rules);
/// Of bands with volume, each price of load is below each of generation, so that the same unit is
/// never called both ways (AEMO, "bid convexity"; loss factors are 1 here).
[[nodiscard]] std::string fault_of(const BandVolumes& volumes, const BandPrices& prices);

/// Error: nothing of the bid fits.
[[nodiscard]] std::expected<PriceCurve, std::string> to_curve(const Bid& bid,
                                                              const ShapeRules& rules);
[[nodiscard]] std::expected<BandVolumes, std::string> to_bands(const Bid& bid,
                                                               const BandPrices& prices,
                                                               const ShapeRules& rules,
                                                               std::string reason);

/// What the shape offers, as a bid of ours. Of bands, the generation.
[[nodiscard]] Bid bid_of(const PriceCurve& curve);
[[nodiscard]] Bid bid_of(const BandVolumes& volumes, const BandPrices& prices);

/// What is sold if the price is `at`.
[[nodiscard]] Watts offered(const Bid& bid, Price at);

/// A trading day of the bands, and until when its prices can be told.
inline constexpr Duration kTradingDayBegins = std::chrono::hours{4};
[[nodiscard]] MarketTime band_prices_due(const Zone& zone, std::chrono::local_days trading_day);

/// Prices for a plant that sells at `cost` or above: dense there, and from least to highest.
[[nodiscard]] BandPrices band_prices_around(Price cost, const ShapeRules& rules);

}  // namespace vpp::bidding
