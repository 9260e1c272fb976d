// What a home pays for what it draws, and is paid for what it feeds in. Pure.
#pragma once

#include <vector>

#include "config/time.h"
#include "config/units.h"

namespace vpp::device {

/// A part of every day, in the tariff's own time of day; until <= from: past midnight.
struct TariffPeriod {
  Duration from{0};  ///< whole quarters of an hour, like `until`
  Duration until{0};
  Price buy;
  Price sell;
  friend bool operator==(const TariffPeriod&, const TariffPeriod&) = default;
};

struct Tariff {
  Price buy;  ///< where no period holds
  Price sell;
  std::vector<TariffPeriod> periods;  ///< of several that hold, the first
  Duration utc_offset{0};             ///< whole quarters of an hour; no daylight saving
  Price stored_value;                 ///< of what is left in the battery beyond the horizon
  friend bool operator==(const Tariff&, const Tariff&) = default;
};

struct TariffPrices {
  Price buy;
  Price sell;
  friend bool operator==(const TariffPrices&, const TariffPrices&) = default;
};

/// The mean over `length`, which is taken in whole quarters of an hour, at least one.
[[nodiscard]] TariffPrices prices_over(const Tariff& tariff, MarketTime from, Duration length);

}  // namespace vpp::device
