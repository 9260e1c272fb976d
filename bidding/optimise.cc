#include "bidding/optimise.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <iterator>
#include <numeric>
#include <tuple>
#include <utility>

#include "config/check.h"
#include "config/limits.h"

namespace vpp::bidding {
namespace {

using std::chrono::milliseconds;

constexpr std::int64_t kMillisPerSecond = 1000;

}  // namespace

FirmCurve::FirmCurve(const aggregation::DurationCurve& firm, std::int32_t permille)
    : firm_{firm}, permille_{std::clamp(permille, 0, 1000)} {}

Joules FirmCurve::at(milliseconds duration) const {
  return {firm_.at(duration).count * permille_ / 1000};
}

void Profile::split_at(MarketTime at) {
  auto next = steps_.upper_bound(at);
  const Watts power = next == steps_.begin() ? Watts{0} : std::prev(next)->second;
  steps_.try_emplace(at, power);
}

void Profile::add(const Commitment& commitment) {
  const MarketTime from = std::max(commitment.from, now_);
  const MarketTime until = std::min(commitment.until, now_ + kProfileMax);
  if (commitment.power <= Watts{0} || from >= until) return;
  split_at(from);
  split_at(until);
  for (auto it = steps_.find(from); it->first < until; ++it) {
    // Saturates: more than any curve gives is infeasible anyway, and sums stay far from 2^63.
    const Watts limit = limits::kGroupPowerMax;
    it->second = std::min(it->second, limit) + std::min(commitment.power, limit);
  }
}

Watts Profile::mean(MarketTime from, MarketTime until) const {
  VPP_CHECK(from < until);
  std::int64_t energy_mj = 0;
  for (auto it = steps_.begin(); it != steps_.end() && std::next(it) != steps_.end(); ++it) {
    const MarketTime begin = std::max(it->first, from);
    const MarketTime end = std::min(std::next(it)->first, until);
    if (begin < end) energy_mj += it->second.count * (end - begin).count();
  }
  return {energy_mj / (until - from).count()};
}

// For a concave curve it is enough to look where the sorted blocks end: between these the asked
// energy is linear, so that asked minus curve is convex and largest at an end.
bool Profile::within(std::vector<Block> blocks, const FirmCurve& curve) {
  std::ranges::sort(blocks, std::greater{}, [](const Block& b) { return b.power; });
  milliseconds duration{0};
  std::int64_t asked_mj = 0;  // millijoules: watts * milliseconds, exact
  for (const Block& block : blocks) {
    duration += block.duration;
    asked_mj += block.power.count * block.duration.count();
    if (asked_mj > curve.at(duration).count * kMillisPerSecond) return false;
  }
  return true;
}

std::vector<Profile::Block> Profile::blocks(MarketTime from, MarketTime until, Watts more) const {
  std::vector<Block> blocks;
  for (auto it = steps_.begin(); it != steps_.end() && std::next(it) != steps_.end(); ++it) {
    const bool inside = it->first >= from && it->first < until;
    const Watts power = inside ? it->second + more : it->second;
    if (power > Watts{0}) blocks.push_back({power, std::next(it)->first - it->first});
  }
  return blocks;
}

bool Profile::feasible(const FirmCurve& curve) const {
  return within(blocks(now_, now_, Watts{0}), curve);
}

Watts Profile::largest_addition(MarketTime from, MarketTime until, const FirmCurve& curve) const {
  VPP_CHECK(from < until);
  from = std::max(from, now_);
  until = std::min(until, now_ + kProfileMax);
  if (from >= until) return {0};
  Profile split = *this;
  split.split_at(from);
  split.split_at(until);
  const auto fits = [&](std::int64_t watts) {
    return within(split.blocks(from, until, Watts{watts}), curve);
  };
  if (!fits(1)) return {0};
  const std::int64_t slot_ms = (until - from).count();
  std::int64_t low = 1;  // fits
  std::int64_t high = curve.at(milliseconds{slot_ms}).count * kMillisPerSecond / slot_ms + 1;
  while (high - low > 1) {
    const std::int64_t middle = std::midpoint(low, high);
    (fits(middle) ? low : high) = middle;
  }
  return {low};
}

std::vector<Watts> allocate(std::span<const PricePoint> slots, Price cost, Profile committed,
                            const FirmCurve& curve) {
  std::vector<std::size_t> dearest(slots.size());
  std::iota(dearest.begin(), dearest.end(), std::size_t{0});
  std::ranges::sort(dearest, {},
                    [&](std::size_t i) { return std::tuple{-slots[i].price, slots[i].from, i}; });
  std::vector<Watts> sold(slots.size());
  for (const std::size_t i : dearest) {
    if (slots[i].price <= cost) break;
    sold[i] = committed.largest_addition(slots[i].from, slots[i].until, curve);
    committed.add({sold[i], slots[i].from, slots[i].until});
  }
  return sold;
}

}  // namespace vpp::bidding
