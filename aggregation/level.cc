#include "aggregation/level.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "aggregation/wide.h"
#include "config/check.h"

namespace vpp::aggregation {
namespace {

constexpr std::int64_t kSumMax = std::int64_t{1} << 62;

/// Buckets of one second: 18 h, as far as the grid of the curves and further; 1 MB of counters.
constexpr std::int64_t kWindow = 65'536;
/// Below this many sites, halving the interval by passes is cheaper than clearing the counters.
constexpr std::size_t kFewSites = 4'096;

/// Rounded down; a floating quotient put right, since a 64-bit division costs five times as much.
std::int64_t quotient(std::int64_t numerator, std::int64_t denominator) {
  auto q =
      static_cast<std::int64_t>(static_cast<double>(numerator) / static_cast<double>(denominator));
  while (q * denominator > numerator) --q;
  while ((q + 1) * denominator <= numerator) ++q;
  return q;
}

/// The last whole second in [low, high) at which more than `energy` is served, or low; nothing when
/// that is so at `high` too. With the sums over sites of energy and power by whole seconds of time
/// to go, what lies beyond z, A(z) = sum of max(e - p*z, 0), is known exactly at each second, and
/// A(z) - A(z + step) is served.
std::optional<std::int64_t> last_second_above(const SiteGroup& group, std::int64_t low,
                                              std::int64_t high, std::int64_t energy) {
  struct Bucket {
    std::int64_t energy = 0;  ///< beyond p * low
    std::int64_t power = 0;
  };
  const std::int64_t step = group.step();
  const std::int64_t span = high - low + step;
  std::vector<Bucket> buckets(static_cast<std::size_t>(span) + 1);
  std::int64_t always = 0;  ///< power of sites that serve fully throughout
  for (std::size_t i = 0; i < group.size(); ++i) {
    const auto [p, e] = group[i];
    const std::int64_t beyond = e - p * low;
    if (beyond <= 0) continue;
    if (beyond >= p * span) {
      always += p;
      continue;
    }
    auto& bucket = buckets[static_cast<std::size_t>(quotient(beyond, p))];
    bucket.energy += beyond;
    bucket.power += p;
  }
  for (std::size_t b = buckets.size() - 1; b-- > 0;) {
    buckets[b].energy += buckets[b + 1].energy;
    buckets[b].power += buckets[b + 1].power;
  }
  const auto left_at = [&](std::int64_t z) {
    const auto& bucket = buckets[static_cast<std::size_t>(z - low)];
    return bucket.energy - bucket.power * (z - low);
  };
  const auto served_at = [&](std::int64_t z) {
    return left_at(z) - left_at(z + step) + always * step;
  };
  if (served_at(high) > energy) return std::nullopt;
  std::int64_t above = low;
  while (high - above > 1) {
    const std::int64_t z = above + (high - above) / 2;
    (served_at(z) > energy ? above : high) = z;
  }
  return above;
}

/// Where the share of one site, or of several that are alike, bends: at num/den of the second.
/// Crossing it adds weight*num to the constant of what is served and weight*den to its slope.
struct Bend {
  std::int64_t num;
  std::int64_t den;
  std::int64_t weight;
};

/// What is served within the second: constant - slope * fraction.
struct Line {
  std::int64_t constant = 0;
  std::int64_t slope = 0;

  void cross(const Bend& bend) {
    constant += bend.weight * bend.num;
    slope += bend.weight * bend.den;
  }
};

bool at_left_of(const Bend& a, const Bend& b) {
  return Int128{a.num} * b.den < Int128{b.num} * a.den;
}

/// `line` holds at the left end of the second, before any of `bends`.
Level solve_within(std::int64_t second, Line line, std::vector<Bend>& bends, std::int64_t energy) {
  Bend at{0, 1, 0};  // the last bend known to lie at or left of the level
  auto begin = bends.begin();
  auto end = bends.end();
  while (begin != end) {
    const Bend pivot = begin[(end - begin) / 2];
    const auto left = std::partition(begin, end, [&](auto& b) { return at_left_of(b, pivot); });
    const auto same = std::partition(left, end, [&](auto& b) { return !at_left_of(pivot, b); });
    Line beyond = line;
    std::for_each(begin, left, [&](auto& b) { beyond.cross(b); });
    const Int128 served = Int128{beyond.constant - energy} * pivot.den;
    if (served < Int128{beyond.slope} * pivot.num) {  // too little is served at the pivot
      end = left;
      continue;
    }
    std::for_each(left, same, [&](auto& b) { beyond.cross(b); });
    line = beyond;
    at = pivot;
    begin = same;
  }
  if (line.slope == 0) return {second, at.num, at.den};
  return {second, line.constant - energy, line.slope};
}

/// The level lies in [second, second + 1].
Level level_within(const SiteGroup& group, std::int64_t second, std::int64_t energy) {
  const std::int64_t step = group.step();
  Line line;
  std::vector<Bend> bends;
  const auto add_bend = [&](std::int64_t num, std::int64_t den, std::int64_t weight) {
    if (!bends.empty() && bends.back().num == num && bends.back().den == den &&
        (bends.back().weight > 0) == (weight > 0)) {
      bends.back().weight += weight;
    } else {
      bends.push_back({num, den, weight});
    }
  };
  for (std::size_t i = 0; i < group.size(); ++i) {
    const auto [p, e] = group[i];
    const std::int64_t beyond = e - p * second;
    if (beyond <= 0) continue;
    const std::int64_t full = p * step;
    if (beyond > full) {
      line.constant += full;
      if (beyond < full + p) add_bend(beyond - full, p, +1);
    } else {
      line.constant += beyond;
      line.slope += p;
      if (beyond < p) add_bend(beyond, p, -1);
    }
  }
  return solve_within(second, line, bends, energy);
}

}  // namespace

SiteGroup::SiteGroup(std::span<const device::Capability> sites, std::int64_t step,
                     std::int64_t time_max, std::int64_t level_min)
    : sites_{sites}, step_{step}, time_max_{time_max}, level_min_{level_min} {
  VPP_CHECK(step >= 1 && time_max >= 1);
  VPP_CHECK(level_min == 0 || level_min == -step);
  const auto n = static_cast<std::int64_t>(std::max<std::size_t>(sites.size(), 1));
  power_max_ = kSumMax / n / (std::max(step, time_max) + step + 1);
  VPP_CHECK(power_max_ >= 1);
}

std::int64_t SiteGroup::served_at(std::int64_t z) const {
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < size(); ++i) {
    const auto [p, e] = (*this)[i];
    sum += std::clamp(e - p * z, std::int64_t{0}, p * step_);
  }
  return sum;
}

Level find_level(const SiteGroup& group, std::int64_t energy) {
  VPP_CHECK(energy >= 0);
  // Throughout: not less than `energy` is served at low, not more at high.
  std::int64_t low = group.level_min();
  std::int64_t high = group.time_max();
  const auto halve_down_to = [&](std::int64_t width) {
    while (high - low > width) {
      const std::int64_t z = low + (high - low) / 2;
      (group.served_at(z) > energy ? low : high) = z;
    }
  };
  if (group.size() <= kFewSites) {
    halve_down_to(1);
    return level_within(group, low, energy);
  }
  auto second = last_second_above(group, low, std::min(high, low + kWindow), energy);
  if (!second) {
    low += kWindow;
    halve_down_to(kWindow);
    second = last_second_above(group, low, high, energy);
  }
  VPP_CHECK(second.has_value());
  return level_within(group, *second, energy);
}

}  // namespace vpp::aggregation
