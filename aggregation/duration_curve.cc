#include "aggregation/duration_curve.h"

#include <algorithm>
#include <iterator>

#include "aggregation/wide.h"
#include "config/check.h"
#include "config/limits.h"

namespace vpp::aggregation {
namespace {

constexpr Joules energy_max_at(std::size_t point) {
  return {limits::kGroupPowerMax.count * kGrid[point].count()};
}

/// Number of grid points up to a duration, by its whole 5-minute steps: the grid has no others.
constexpr auto kPointsUpTo = [] {
  std::array<std::uint8_t, kGrid.back() / kGrid.front() + 1> points{};
  std::size_t point = 0;
  for (std::size_t steps = 0; steps < points.size(); ++steps) {
    while (point < kGridPoints && kGrid[point] <= kGrid.front() * static_cast<int>(steps)) ++point;
    points[steps] = static_cast<std::uint8_t>(point);
  }
  return points;
}();

constexpr std::size_t kAtOnce = 4;
static_assert(kGridPoints % kAtOnce == 0);

/// All are read before any is written: so the compiler need not fear that a curve is added to
/// itself and adds several in one instruction. A third of a plain loop's time.
void add_at_once(Joules* sums, const Joules* added) {
  const Joules a = added[0];
  const Joules b = added[1];
  const Joules c = added[2];
  const Joules d = added[3];
  sums[0] += a;
  sums[1] += b;
  sums[2] += c;
  sums[3] += d;
}

}  // namespace

DurationCurve DurationCurve::of_site(const device::Capability& capability) {
  const Watts power = std::clamp(capability.power, Watts{0}, limits::kGroupPowerMax);
  const Joules energy = std::max(capability.energy, Joules{0});
  DurationCurve curve;
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    curve.energy_[i] = std::min(energy, Joules{power.count * kGrid[i].count()});
  }
  return curve;
}

DurationCurve DurationCurve::of_sites(std::span<const device::Capability> sites) {
  // By the first grid point at which the site's energy binds: its power counts before, its energy
  // from there on.
  struct Sum {
    Int128 power = 0;
    Int128 energy = 0;
  };
  std::array<Sum, kGridPoints + 1> sums{};
  for (const auto& site : sites) {
    const std::int64_t power = std::clamp(site.power, Watts{0}, limits::kGroupPowerMax).count;
    const std::int64_t energy =
        std::clamp(site.energy.count, std::int64_t{0}, power * kGrid.back().count());
    const std::int64_t per_step = power * kGrid.front().count();
    const auto steps = per_step == 0 ? 0 : static_cast<std::size_t>(energy / per_step);
    auto& sum = sums[kPointsUpTo[steps]];
    sum.power += power;
    sum.energy += energy;
  }
  DurationCurve curve;
  Int128 power = 0;
  Int128 energy = 0;
  for (const auto& sum : sums) power += sum.power;
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    power -= sums[i].power;
    energy += sums[i].energy;
    const Int128 both = energy + power * kGrid[i].count();
    curve.energy_[i] = {static_cast<std::int64_t>(std::min(both, Int128{energy_max_at(i).count}))};
  }
  return curve;
}

std::expected<DurationCurve, CurveError> DurationCurve::from_wire(std::uint16_t grid_id,
                                                                  std::span<const Joules> points) {
  if (grid_id != kGridId) return std::unexpected{CurveError::kUnknownGrid};
  if (points.size() != kGridPoints) return std::unexpected{CurveError::kWrongLength};
  DurationCurve curve;
  Joules before{0};
  std::int64_t width_before = 1;
  Joules rise_before{limits::kGroupPowerMax.count};
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    const Joules energy = points[i];
    if (energy < Joules{0} || energy > energy_max_at(i)) {
      return std::unexpected{CurveError::kOutOfRange};
    }
    if (energy < before) return std::unexpected{CurveError::kFalling};
    const std::int64_t width = kGrid[i].count() - (i == 0 ? 0 : kGrid[i - 1].count());
    const Joules rise = energy - before;
    // Slopes as cross products: at most 10 GW * 1 h * 1 h, well below 2^63.
    if (rise * width_before > rise_before * width) return std::unexpected{CurveError::kConvex};
    curve.energy_[i] = before = energy;
    width_before = width;
    rise_before = rise;
  }
  return curve;
}

Joules DurationCurve::at(std::chrono::milliseconds duration) const {
  VPP_CHECK(duration.count() >= 0);
  const auto right = std::ranges::upper_bound(kGrid, duration);
  if (right == kGrid.end()) return energy_.back();
  const auto i = static_cast<std::size_t>(std::distance(kGrid.begin(), right));
  const Joules low = i == 0 ? Joules{0} : energy_[i - 1];
  const std::chrono::milliseconds from = i == 0 ? std::chrono::seconds{0} : kGrid[i - 1];
  const std::chrono::milliseconds width = kGrid[i] - from;
  const Int128 rise = (energy_[i] - low).count;
  return low + Joules{static_cast<std::int64_t>(rise * (duration - from).count() / width.count())};
}

DurationCurve& DurationCurve::operator+=(const DurationCurve& other) {
  for (std::size_t i = 0; i < kGridPoints; i += kAtOnce)
    add_at_once(&energy_[i], &other.energy_[i]);
  // Concave from 0: what is within the first limit is within all.
  if (energy_[0] > energy_max_at(0)) {
    for (std::size_t i = 0; i < kGridPoints; ++i) {
      energy_[i] = std::min(energy_[i], energy_max_at(i));
    }
  }
  return *this;
}

}  // namespace vpp::aggregation
