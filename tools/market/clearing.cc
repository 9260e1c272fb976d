#include "tools/market/clearing.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>

namespace vpp::market {
namespace {

__extension__ typedef __int128 Wide;

/// `share` of `total`, for each of these offers, in whole watts that add up to `share`.
void divide(std::span<const Offer> offers, const std::vector<std::size_t>& members, Watts total,
            Watts share, std::vector<Watts>& accepted) {
  Watts left = share;
  for (const std::size_t i : members) {
    const Wide part = static_cast<Wide>(offers[i].power.count) * share.count / total.count;
    accepted[i] = Watts{static_cast<std::int64_t>(part)};
    left -= accepted[i];
  }
  for (const std::size_t i : members) {
    if (left <= Watts{0}) break;
    if (accepted[i] >= offers[i].power) continue;
    accepted[i] += Watts{1};
    left -= Watts{1};
  }
}

}  // namespace

Clearing clear_by_merit(std::span<const Offer> offers, Watts demand) {
  std::map<Price, std::vector<std::size_t>> by_price;
  for (std::size_t i = 0; i < offers.size(); ++i) {
    if (offers[i].power > Watts{0}) by_price[offers[i].price].push_back(i);
  }
  Clearing clearing{std::vector<Watts>(offers.size()), std::nullopt, std::max(demand, Watts{0})};
  for (const auto& [price, members] : by_price) {
    if (clearing.unserved <= Watts{0}) break;
    Watts total{0};
    for (const std::size_t i : members) total += offers[i].power;
    const Watts share = std::min(total, clearing.unserved);
    divide(offers, members, total, share, clearing.accepted);
    clearing.price = price;
    clearing.unserved -= share;
  }
  return clearing;
}

}  // namespace vpp::market
