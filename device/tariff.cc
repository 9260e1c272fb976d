#include "device/tariff.h"

#include <algorithm>
#include <chrono>

#include "device/load_profile.h"

namespace vpp::device {
namespace {

bool holds(const TariffPeriod& period, Duration of_day) {
  if (period.from < period.until) return period.from <= of_day && of_day < period.until;
  return period.from <= of_day || of_day < period.until;
}

TariffPrices prices_at(const Tariff& tariff, MarketTime at) {
  constexpr Duration kDay = std::chrono::hours{24};
  const Duration of_day = ((at.time_since_epoch() + tariff.utc_offset) % kDay + kDay) % kDay;
  const auto period = std::ranges::find_if(
      tariff.periods, [&](const TariffPeriod& each) { return holds(each, of_day); });
  if (period == tariff.periods.end()) return {tariff.buy, tariff.sell};
  return {period->buy, period->sell};
}

}  // namespace

TariffPrices prices_over(const Tariff& tariff, MarketTime from, Duration length) {
  const std::int64_t quarters = std::max<std::int64_t>(1, length / LoadProfile::kSlot);
  TariffPrices sum;
  for (std::int64_t i = 0; i < quarters; ++i) {
    const TariffPrices at = prices_at(tariff, from + LoadProfile::kSlot * i);
    sum.buy += at.buy;
    sum.sell += at.sell;
  }
  return {{sum.buy.count / quarters}, {sum.sell.count / quarters}};
}

}  // namespace vpp::device
