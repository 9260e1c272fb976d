#include "bidding/lear_features.h"

#include <algorithm>
#include <array>

#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr std::array<std::size_t, 4> kPriceLags{1, 2, 3, kLongestLag};
constexpr std::array<std::size_t, 3> kExogenousLags{0, 1, kLongestLag};

}  // namespace

std::size_t feature_count(std::size_t exogenous) {
  return kDayHours * (kPriceLags.size() + kExogenousLags.size() * exogenous) + kWeekdays;
}

bool fill_features(const MarketDays& market, std::size_t day, std::span<double> row) {
  if (day < kLongestLag || day >= market.days.size()) return false;
  const std::size_t exogenous = market.days[day].exogenous.size();
  VPP_CHECK(row.size() == feature_count(exogenous));
  auto at = row.begin();
  bool known = true;
  const auto append = [&](const DayValues& values) {
    known = known && is_known(values);
    at = std::ranges::copy(values, at).out;
  };
  for (const std::size_t lag : kPriceLags) append(market.days[day - lag].price);
  for (std::size_t series = 0; series < exogenous; ++series) {
    for (const std::size_t lag : kExogenousLags) append(market.days[day - lag].exogenous[series]);
  }
  std::fill(at, row.end(), 0.0);
  at[static_cast<std::ptrdiff_t>(market.weekday(day).c_encoding())] = 1;
  return known;
}

}  // namespace vpp::bidding
