#include "aggregation/split.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <numeric>
#include <utility>

#include "aggregation/level.h"
#include "aggregation/wide.h"
#include "config/check.h"

namespace vpp::aggregation {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::int64_t kMillis = 1000;  ///< in a second

/// What rounding down took from one share, in units common to all shares.
template <class Amount>
struct Remainder {
  Amount amount;
  std::uint32_t child;
};

/// One watt more for each of the `count` largest remainders; the first child wins a tie.
template <class Amount>
void raise_largest(std::vector<Remainder<Amount>>& remainders, std::int64_t count,
                   std::vector<Watts>& shares) {
  VPP_CHECK(count >= 0 && static_cast<std::size_t>(count) <= remainders.size());
  const auto end = remainders.begin() + count;
  std::nth_element(remainders.begin(), end, remainders.end(), [](const auto& a, const auto& b) {
    return a.amount != b.amount ? a.amount > b.amount : a.child < b.child;
  });
  std::for_each(remainders.begin(), end, [&](const auto& r) { shares[r.child] += Watts{1}; });
}

/// A division by 64 bits where it will do: it costs a fifth of the wide one.
std::int64_t quotient_of(Int128 numerator, std::int64_t denominator) {
  if (numerator <= INT64_MAX) return static_cast<std::int64_t>(numerator) / denominator;
  return static_cast<std::int64_t>(numerator / denominator);
}

std::int64_t whole_seconds(milliseconds step, seconds max) {
  VPP_CHECK(step > milliseconds{0} && step <= max && step % seconds{1} == milliseconds{0});
  return std::chrono::duration_cast<seconds>(step).count();
}

/// The children's curves and their sum, with values scaled so that every one at a multiple of
/// gcd(step, 5 min) is whole: no rounding anywhere.
class CurveSum {
 public:
  CurveSum(std::span<const DurationCurve> children, std::int64_t step_s)
      : children_{children}, step_s_{step_s}, scale_{3600 / std::gcd(step_s, kGrid[0].count())} {
    for (const auto& child : children) {
      const auto points = child.points();
      for (std::size_t i = 0; i < kGridPoints; ++i) sum_[i] += points[i].count;
    }
  }

  /// Scaled joules that come within a step at level z: power * unit().
  [[nodiscard]] Int128 served_by_all(std::int64_t z) const { return served(sum_, z); }
  [[nodiscard]] Int128 served_by(std::size_t child, std::int64_t z) const {
    std::array<std::int64_t, kGridPoints> points;
    std::ranges::transform(children_[child].points(), points.begin(), &Joules::count);
    return served(points, z);
  }
  [[nodiscard]] std::int64_t unit() const { return step_s_ * scale_; }

  /// Where what is served may bend: at the grid and one step before it.
  [[nodiscard]] std::vector<std::int64_t> bends() const {
    std::vector<std::int64_t> out{0};
    for (const seconds at : kGrid) {
      out.push_back(at.count());
      if (at.count() > step_s_) out.push_back(at.count() - step_s_);
    }
    std::ranges::sort(out);
    return out;
  }

 private:
  using Points = std::array<std::int64_t, kGridPoints>;

  [[nodiscard]] Int128 value(const Points& points, std::int64_t z) const {
    const auto right = std::ranges::upper_bound(kGrid, seconds{z});
    if (right == kGrid.end()) return Int128{points.back()} * scale_;
    const auto i = static_cast<std::size_t>(right - kGrid.begin());
    const std::int64_t from = i == 0 ? 0 : kGrid[i - 1].count();
    const std::int64_t low = i == 0 ? 0 : points[i - 1];
    return Int128{low} * scale_ +
           Int128{points[i] - low} * ((z - from) * scale_ / (kGrid[i].count() - from));
  }
  [[nodiscard]] Int128 served(const Points& points, std::int64_t z) const {
    return value(points, z + step_s_) - value(points, z);
  }

  std::span<const DurationCurve> children_;
  Points sum_{};
  std::int64_t step_s_;
  std::int64_t scale_;
};

/// One watt more for children with room, the largest remainder first, until `left` is given away.
/// A share that was cut at the child's full power leaves more than the remainders can take.
void raise_within(std::vector<Remainder<Int128>>& remainders, std::int64_t left,
                  const std::vector<Watts>& full, std::vector<Watts>& shares) {
  const auto has_room = [&](const auto& r) { return shares[r.child] < full[r.child]; };
  while (left > 0) {
    std::erase_if(remainders, std::not_fn(has_room));
    const auto count = std::min(left, static_cast<std::int64_t>(remainders.size()));
    VPP_CHECK(count > 0);
    raise_largest(remainders, count, shares);
    left -= count;
  }
}

}  // namespace

Split split_by_curves(Watts request, std::span<const DurationCurve> children, milliseconds step) {
  VPP_CHECK(request >= Watts{0} && children.size() <= 10'000);
  const CurveSum sum{children, whole_seconds(step, std::chrono::hours{1})};
  const std::int64_t unit = sum.unit();
  std::vector<Watts> full(children.size());
  Watts capability{0};
  for (std::size_t i = 0; i < children.size(); ++i) {
    full[i] = {static_cast<std::int64_t>(sum.served_by(i, 0) / unit)};
    capability += full[i];
  }
  if (request >= capability) return {std::move(full), request - capability};

  // Between two bends every G_c is linear, so its value at the level follows from both ends.
  const Int128 wanted = Int128{request.count} * unit;
  const auto bends = sum.bends();
  const auto right = std::ranges::partition_point(
      bends, [&](std::int64_t z) { return sum.served_by_all(z) > wanted; });
  VPP_CHECK(right != bends.begin() && right != bends.end());
  const Int128 before = sum.served_by_all(*(right - 1));
  const Int128 width = before - sum.served_by_all(*right);
  Split split{std::vector<Watts>(children.size()), Watts{0}};
  std::vector<Remainder<Int128>> remainders;
  remainders.reserve(children.size());
  std::int64_t left = request.count;
  for (std::size_t i = 0; i < children.size(); ++i) {
    const Int128 from = sum.served_by(i, *(right - 1));
    const Int128 fall = from - sum.served_by(i, *right);
    const Int128 part = from * width - (before - wanted) * fall;  // of width * unit watts
    const auto share = static_cast<std::int64_t>(part / (width * unit));
    split.shares[i] = std::min(Watts{share}, full[i]);
    remainders.push_back(
        {part - Int128{split.shares[i].count} * width * unit, static_cast<std::uint32_t>(i)});
    left -= split.shares[i].count;
  }
  raise_within(remainders, left, full, split.shares);
  const std::int64_t z = *(right - 1) * kMillis;
  const Int128 beyond = (before - wanted) * (*right * kMillis - z);
  split.level = milliseconds{z + static_cast<std::int64_t>(beyond / width)};
  return split;
}

namespace {

/// The level is in milliseconds where a step is in seconds.
Split split_group(std::int64_t request, const SiteGroup& group) {
  VPP_CHECK(request >= 0 && group.size() <= UINT32_MAX);
  const std::int64_t step = group.step();
  Split split{std::vector<Watts>(group.size()), Watts{0}};
  const std::int64_t capability = group.served_at(group.level_min()) / step;
  const std::int64_t served = std::min(request, capability);
  split.shortfall = {request - served};
  if (served == 0) return split;

  const Level level = find_level(group, served * step);
  if (request < capability) {
    const Int128 part = Int128{level.part} * kMillis / level.parts;
    split.level = milliseconds{level.whole * kMillis + static_cast<std::int64_t>(part)};
  }
  const std::int64_t unit = level.parts * step;
  std::vector<Remainder<std::int64_t>> remainders;
  remainders.reserve(group.size());  // one mapping; only what is written costs memory
  std::int64_t left = served;
  for (std::size_t i = 0; i < group.size(); ++i) {
    const auto [p, e] = group[i];
    const std::int64_t beyond = e - p * level.whole;
    if (beyond <= 0) continue;
    std::int64_t share = p;
    if (beyond < p * (step + 1)) {
      const Int128 part = Int128{beyond} * level.parts - Int128{p} * level.part;
      if (part <= 0) continue;
      share = std::min(quotient_of(part, unit), p);
      const auto rest = static_cast<std::int64_t>(part - Int128{share} * unit);
      if (share < p && rest > 0) remainders.push_back({rest, static_cast<std::uint32_t>(i)});
    }
    split.shares[i] = {share};
    left -= share;
  }
  raise_largest(remainders, left, split.shares);
  return split;
}

}  // namespace

Split split_by_sites(Watts request, std::span<const device::Capability> sites, milliseconds step) {
  const std::int64_t step_s = whole_seconds(step, std::chrono::hours{24});
  return split_group(request.count, {sites, step_s, kTimeToGoMax.count(), -step_s});
}

Split split_slot(std::int64_t request, std::span<const device::Capability> sites,
                 std::int64_t slots_max) {
  Split split = split_group(request, {sites, 1, slots_max, 0});
  split.level.reset();  // it is in slots
  return split;
}

namespace {

/// Calls visit(k * slot, sum of the k largest) for k = 1, 2, ...; negative requests count as zero.
template <class Visit>
void for_each_largest_sum(std::span<const Watts> request, milliseconds slot, Visit visit) {
  VPP_CHECK(slot > milliseconds{0});
  std::vector<Watts> sorted(request.begin(), request.end());
  std::ranges::sort(sorted, std::greater{});
  milliseconds duration{0};
  Watts sum{0};
  for (const Watts power : sorted) {
    if (power <= Watts{0}) break;
    duration += slot;
    sum += power;
    visit(duration, sum);
  }
}

}  // namespace

std::int64_t scale_max_millionths(std::span<const Watts> request, milliseconds slot,
                                  const DurationCurve& curve) {
  Int128 scale = kUnboundedScale;
  for_each_largest_sum(request, slot, [&](milliseconds duration, Watts sum) {
    // Omega [J] / (slot [ms] * sum [W] / 1000), in millionths.
    const Int128 available = Int128{curve.at(duration).count} * 1'000'000'000;
    scale = std::min(scale, available / (Int128{slot.count()} * sum.count));
  });
  return static_cast<std::int64_t>(scale);
}

Joules unserved_min(std::span<const Watts> request, milliseconds slot, const DurationCurve& curve) {
  Int128 worst = 0;
  for_each_largest_sum(request, slot, [&](milliseconds duration, Watts sum) {
    const Int128 wanted = (Int128{slot.count()} * sum.count + 999) / 1000;
    worst = std::max(worst, wanted - curve.at(duration).count);
  });
  return {static_cast<std::int64_t>(worst)};
}

}  // namespace vpp::aggregation
