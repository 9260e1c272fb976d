#include "aggregation/moments.h"

#include <algorithm>
#include <cmath>

#include "config/limits.h"

namespace vpp::aggregation {
namespace {

constexpr std::int64_t kPermille = 1000;
constexpr std::int64_t kMillisPerJoule = 1000;  ///< millijoules in a joule

constexpr Int128 mean_max_at(std::size_t point) {
  return Int128{limits::kGroupPowerMax.count} * kGrid[point].count() * kMillisPerJoule;
}

constexpr Int128 variance_max_at(std::size_t point) {
  return mean_max_at(point) / 2 * (mean_max_at(point) / 2);
}

constexpr Int128 divided_up(Int128 a, Int128 b) {
  return (a + b - 1) / b;
}

struct Millionths {
  Int128 whole;
  std::int64_t rest;
};

/// value / 10^6 for 0 <= value < 2^120, in divisions of 64 bits by a constant: a tenth of the wide
/// one's time, and every report of every node takes hundreds.
constexpr Millionths in_millions(Int128 value) {
  constexpr std::uint64_t kMillion = kCertain.count;
  constexpr int kBits = 40;  // a rest and as many bits more stay below 2^60
  constexpr std::uint64_t kMask = (std::uint64_t{1} << kBits) - 1;
  const auto high = static_cast<std::uint64_t>(value >> (2 * kBits));
  const auto middle =
      ((high % kMillion) << kBits) | (static_cast<std::uint64_t>(value >> kBits) & kMask);
  const auto low = ((middle % kMillion) << kBits) | (static_cast<std::uint64_t>(value) & kMask);
  const Int128 whole = (Int128{high / kMillion} << (2 * kBits)) +
                       (Int128{middle / kMillion} << kBits) + low / kMillion;
  return {whole, static_cast<std::int64_t>(low % kMillion)};
}

/// value * part / kCertain, rounded down; 0 <= part <= kCertain.
constexpr Int128 part_down(Int128 value, std::int64_t part) {
  const auto [whole, rest] = in_millions(value);
  return whole * part + rest * part / kCertain.count;
}

/// The same rounded up.
constexpr Int128 part_up(Int128 value, std::int64_t part) {
  const auto [whole, rest] = in_millions(value);
  return whole * part + (rest * part + kCertain.count - 1) / kCertain.count;
}

/// The smallest integer whose square is at least `square`, which is below 2^118.
std::int64_t root_up(Int128 square) {
  // A double is off by less than a part in 2^50: step from there to the exact one.
  auto root = static_cast<std::int64_t>(std::sqrt(static_cast<double>(square)));
  std::int64_t step = root / (std::int64_t{1} << 48) + 1;
  for (; step > 0; step /= 2) {
    while (Int128{root} * root < square) root += step;
    while (root >= step && Int128{root - step} * (root - step) >= square) root -= step;
  }
  return root;
}

struct Rated {
  std::int64_t power;   ///< W
  std::int64_t energy;  ///< J, at most what the power gives over the whole grid
  std::int64_t mean;    ///< thousandths: the rate
  std::int64_t spread;  ///< millionths: rate * (1 - rate)
};

Rated rated(const SiteReliability& site) {
  const auto& able = site.capability;
  const std::int64_t power = std::clamp(able.power, Watts{0}, limits::kGroupPowerMax).count;
  const std::int64_t most = power * kGrid.back().count();
  const std::int64_t rate = std::clamp<std::int64_t>(site.response_permille, 0, kPermille);
  return {power, std::clamp(able.energy.count, std::int64_t{0}, most), rate,
          rate * (kPermille - rate)};
}

/// The first grid point at which the energy binds; kGridPoints: at none.
std::size_t binding_point(const Rated& site) {
  if (site.power == 0) return 0;
  const std::chrono::seconds lasts{site.energy / site.power};
  return static_cast<std::size_t>(std::ranges::upper_bound(kGrid, lasts) - kGrid.begin());
}

/// What sites that bind at one point add before it (per second, per second squared) and from it on.
struct Sum {
  Int128 power = 0;
  Int128 power_squares = 0;
  Int128 energy = 0;
  Int128 energy_squares = 0;

  /// Each part stays below what saturates in the end, so that products with s^2 fit.
  void add(const Sum& other) {
    constexpr Int128 kPowerMax = Int128{limits::kGroupPowerMax.count} * kPermille;
    constexpr std::size_t kLast = kGridPoints - 1;
    power = std::min(power + other.power, kPowerMax);
    power_squares = std::min(power_squares + other.power_squares, kPowerMax / 2 * (kPowerMax / 2));
    energy = std::min(energy + other.energy, mean_max_at(kLast));
    energy_squares = std::min(energy_squares + other.energy_squares, variance_max_at(kLast));
  }
};

}  // namespace

Moments Moments::of_site(const SiteReliability& site) {
  return of_sites(std::span{&site, 1});
}

Moments Moments::of_sites(std::span<const SiteReliability> sites) {
  std::array<Sum, kGridPoints + 1> sums{};
  for (const auto& each : sites) {
    const Rated site = rated(each);
    const Int128 power = site.power;
    const Int128 energy = site.energy;
    sums[binding_point(site)].add({power * site.mean, power * power * site.spread,
                                   energy * site.mean, energy * energy * site.spread});
  }
  // From the last point down for the powers that do not bind yet, up for the energies that do.
  Moments out;
  Sum binding_later;
  for (std::size_t i = kGridPoints; i-- > 0;) {
    const auto& later = sums[i + 1];
    binding_later.add({later.power, later.power_squares, 0, 0});
    const Int128 s = kGrid[i].count();
    out.mean_[i] = binding_later.power * s;
    out.variance_[i] = binding_later.power_squares * s * s;
  }
  Sum bound;
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    bound.add({0, 0, sums[i].energy, sums[i].energy_squares});
    out.mean_[i] = std::min(out.mean_[i] + bound.energy, mean_max_at(i));
    out.variance_[i] = std::min(out.variance_[i] + bound.energy_squares, variance_max_at(i));
  }
  return out;
}

Moments Moments::by_prior(const DurationCurve& nominal, std::uint32_t sites) {
  const std::int64_t rate = ResponseRate{ResponseRate::kSite}.permille();
  Moments out;
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    const Int128 energy = nominal.points()[i].count;
    out.mean_[i] = energy * rate;
    out.variance_[i] =
        divided_up(energy * energy * (rate * (kPermille - rate)), std::max(sites, 1U));
  }
  return out;
}

std::expected<Moments, CurveError> Moments::from_wire(const DurationCurve& nominal,
                                                      std::span<const Joules> mean,
                                                      std::span<const Joules> deviation) {
  if (mean.size() != kGridPoints || deviation.size() != kGridPoints) {
    return std::unexpected{CurveError::kWrongLength};
  }
  Moments out;
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    const Joules most = nominal.points()[i];
    for (const Joules value : {mean[i], deviation[i]}) {
      if (value < Joules{0} || value > most) return std::unexpected{CurveError::kOutOfRange};
    }
    const Int128 deviation_mj = Int128{deviation[i].count} * kMillisPerJoule;
    out.mean_[i] = Int128{mean[i].count} * kMillisPerJoule;
    // Beyond half of the nominal energy it is rounding, or a lie: no variable varies more.
    const Int128 half_mj = Int128{most.count} * kMillisPerJoule / 2;
    const Int128 capped = std::min(deviation_mj, half_mj);
    out.variance_[i] = capped * capped;
  }
  return out;
}

Moments Moments::behind(PerMillion availability) const {
  const std::int64_t up = std::clamp(availability, PerMillion{0}, kCertain).count;
  const std::int64_t down = kCertain.count - up;
  Moments out;
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    const Int128 mean = mean_[i];
    const Int128 of_outages = part_up(mean, up) * part_up(mean, down);
    out.mean_[i] = part_down(mean, up);
    out.variance_[i] = std::min(part_up(variance_[i], up) + of_outages, variance_max_at(i));
  }
  return out;
}

std::vector<Joules> Moments::mean_to_wire(const DurationCurve& nominal) const {
  std::vector<Joules> out;
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    const Joules mean{static_cast<std::int64_t>(mean_[i] / kMillisPerJoule)};
    out.push_back(std::min(mean, nominal.points()[i]));
  }
  return out;
}

std::vector<Joules> Moments::deviation_to_wire(const DurationCurve& nominal) const {
  std::vector<Joules> out;
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    const Joules deviation{(root_up(variance_[i]) + kMillisPerJoule - 1) / kMillisPerJoule};
    out.push_back(std::min(deviation, nominal.points()[i]));
  }
  return out;
}

Moments& Moments::operator+=(const Moments& other) {
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    mean_[i] = std::min(mean_[i] + other.mean_[i], mean_max_at(i));
    variance_[i] = std::min(variance_[i] + other.variance_[i], variance_max_at(i));
  }
  return *this;
}

}  // namespace vpp::aggregation
