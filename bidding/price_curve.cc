#include "bidding/price_curve.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>

#include "bidding/forecast.h"
#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr double kKeptAnHour = 0.95;
constexpr double kMillisPerHour = 3'600'000;

/// A later slot is dearer below this price here.
struct Rival {
  Price below;
  PricePoint slot;
};

Rival rival(const PricePoint& here, const PricePoint& later) {
  const auto hours = static_cast<double>((later.from - here.from).count()) / kMillisPerHour;
  const double faded = 1 - std::pow(kKeptAnHour, hours);
  const auto gap = static_cast<double>((later.price - here.price).count);
  const auto most = static_cast<double>(kPriceMax.count);
  const double below = std::ceil(static_cast<double>(here.price.count) + gap / faded);
  return {{static_cast<std::int64_t>(std::clamp(below, -most, most))}, later};
}

/// Joins two neighbours, at the higher price, where it costs the least watts times price.
void join_two(std::vector<BidSegment>& segments) {
  auto best = segments.begin();
  double least = std::numeric_limits<double>::infinity();
  for (auto it = segments.begin(); std::next(it) != segments.end(); ++it) {
    const double lost = static_cast<double>(it->power.count) *
                        static_cast<double>((std::next(it)->price - it->price).count);
    if (lost < least) {
      least = lost;
      best = it;
    }
  }
  std::next(best)->power += best->power;
  segments.erase(best);
}

}  // namespace

std::vector<BidSegment> price_curve(std::span<const PricePoint> slots, Price cost,
                                    const Profile& committed, const FirmCurve& curve,
                                    std::size_t segments_most) {
  VPP_CHECK(!slots.empty() && segments_most > 0);
  const PricePoint& here = slots.front();
  std::vector<Rival> rivals;
  for (const PricePoint& later : slots.subspan(1)) {
    VPP_CHECK(later.from > here.from);
    const Rival one = rival(here, later);
    if (one.below > cost) rivals.push_back(one);
  }
  std::ranges::stable_sort(rivals, std::greater{}, &Rival::below);

  // From the highest price down: with each price there are more rivals, and less is offered.
  Profile profile = committed;
  Watts offered = profile.largest_addition(here.from, here.until, curve);
  std::vector<BidSegment> falling;
  for (const Rival& one : rivals) {
    if (offered <= Watts{0}) break;
    const PricePoint& slot = one.slot;
    profile.add({profile.largest_addition(slot.from, slot.until, curve), slot.from, slot.until});
    const Watts left = std::min(offered, profile.largest_addition(here.from, here.until, curve));
    if (left == offered) continue;
    if (falling.empty() || falling.back().price != one.below) {
      falling.push_back({offered - left, one.below});
    } else {
      falling.back().power += offered - left;
    }
    offered = left;
  }
  if (offered > Watts{0}) falling.push_back({offered, cost});
  std::ranges::reverse(falling);
  while (falling.size() > segments_most) join_two(falling);
  return falling;
}

}  // namespace vpp::bidding
