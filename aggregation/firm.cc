#include "aggregation/firm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <numeric>
#include <vector>

#include "aggregation/wide.h"
#include "config/check.h"
#include "config/limits.h"

namespace vpp::aggregation {
namespace {

constexpr double kMillijoules = 1000;  ///< in a joule
constexpr double kBins = 2'000;        ///< of the fleet: half a per mille each
constexpr double kBinsOfBlock = 4;     ///< smaller ones would lose much more than they have
constexpr double kDeviations = 8;      ///< beyond, a normal is 0 or 1
constexpr double kProbabilityMin = 1e-15;
constexpr double kPrecision = 1e-7;  ///< of a quantile; it is rounded down

double joules(Int128 millijoules) {
  return static_cast<double>(millijoules) / kMillijoules;
}

double normal_below(double deviations) {
  return 0.5 * std::erfc(-deviations / std::numbers::sqrt2);
}

/// One grid point: what is delivered is `most`, less losses in whole bins, give or take a normal.
class Outcome {
 public:
  /// Losses of at most `span` joules altogether, before rounding.
  Outcome(double most, double span) : most_{most}, bin_{std::max(span / kBins, 1.0)} {}

  /// Independent of what was added before.
  void add_loss(double loss, double probability) {
    if (probability == 0) return;
    if (loss < kBinsOfBlock * bin_) return add_small_loss(loss, probability);
    const auto bins = static_cast<std::size_t>(std::ceil(loss / bin_));
    std::vector<double> sum(probability_.size() + bins, 0.0);
    for (std::size_t i = 0; i < probability_.size(); ++i) {
      sum[i] += probability_[i] * (1 - probability);
      sum[i + bins] += probability_[i] * probability;
    }
    // What is never seen need not be convolved again and again.
    while (sum.size() > 1 && sum.back() < kProbabilityMin) sum.pop_back();
    probability_ = std::move(sum);
  }

  void add_variance(double variance) { variance_ += variance; }

  /// The most that is delivered but with probability `shortfall`; >= 0.
  [[nodiscard]] Joules quantile(double shortfall) const {
    const double deviation = std::sqrt(variance_);
    double low = 0;  // to deliver less than nothing is impossible
    double high = most_ + kDeviations * deviation;
    if (below(high, deviation) <= shortfall) return whole(high);
    const double enough = std::max(0.5, high * kPrecision);
    while (high - low > enough) {
      const double middle = std::midpoint(low, high);
      (below(middle, deviation) <= shortfall ? low : high) = middle;
    }
    return whole(low);
  }

 private:
  void add_small_loss(double loss, double probability) {
    most_ -= loss * probability;
    variance_ += loss * loss * probability * (1 - probability);
  }

  static Joules whole(double energy) { return {static_cast<std::int64_t>(std::floor(energy))}; }

  /// Probability that less than `energy` is delivered.
  [[nodiscard]] double below(double energy, double deviation) const {
    double sum = 0;
    for (std::size_t i = probability_.size(); i-- > 0;) {
      if (probability_[i] < kProbabilityMin) continue;
      const double above = energy - (most_ - static_cast<double>(i) * bin_);
      if (above <= -kDeviations * deviation) break;  // from here on more is left
      const bool surely = above >= kDeviations * deviation;
      sum += probability_[i] * (surely ? 1.0 : normal_below(above / deviation));
    }
    return sum;
  }

  double most_;
  double bin_;
  double variance_ = 0;
  std::vector<double> probability_{1.0};  ///< by bins lost
};

/// What may come short otherwise than as a block: sites that do not respond, wherever they are.
struct Residual {
  double nominal = 0;  ///< J, of all sites
  double mean = 0;     ///< J, while every block can be reached
  double variance = 0;

  /// So many equal, independent sites would vary as much.
  [[nodiscard]] double sites() const { return std::max(1.0, mean * (nominal - mean) / variance); }
  [[nodiscard]] bool is_binomial() const {
    return variance > 0 && mean < nominal && sites() < kSitesForNormal;
  }
};

struct BlockAt {
  double loss;
  double variance;
  double outage;
};

BlockAt at(const Block& block, std::size_t point) {
  const PerMillion up = std::clamp(block.availability, PerMillion{0}, kCertain);
  return {joules(block.inside.mean_mj(point)),
          static_cast<double>(block.inside.variance_mj2(point)) / kMillijoules / kMillijoules,
          static_cast<double>((kCertain - up).count) / static_cast<double>(kCertain.count)};
}

/// As many equal sites as there can be, and one smaller one, that have the same sum and variance.
void add_binomial(Outcome& outcome, const Residual& residual) {
  const double sites = residual.sites();
  const double equal = std::floor(sites);
  const double failing = 1 - residual.mean / residual.nominal;
  const double root = std::sqrt(std::max(0.0, equal * ((equal + 1) / sites - 1)));
  const double large = residual.nominal * (equal + root) / (equal * (equal + 1));
  for (double i = 0; i < equal; ++i) outcome.add_loss(large, failing);
  outcome.add_loss(std::max(0.0, residual.nominal - equal * large), failing);
}

Joules quantile_at(std::size_t point, Joules nominal, std::span<const Block> blocks,
                   const Moments& rest, double shortfall) {
  Residual residual{static_cast<double>(nominal.count), joules(rest.mean_mj(point)),
                    static_cast<double>(rest.variance_mj2(point)) / kMillijoules / kMillijoules};
  double span = 0;
  for (const Block& block : blocks) {
    const BlockAt here = at(block, point);
    residual.mean += here.loss;
    residual.variance += here.variance * (1 - here.outage);
    span += here.loss;
  }
  const bool binomial = residual.is_binomial();
  if (binomial) span += residual.nominal;
  Outcome outcome{binomial ? residual.nominal : residual.mean, span};
  for (const Block& block : blocks) {
    const BlockAt here = at(block, point);
    outcome.add_loss(here.loss, here.outage);
  }
  if (binomial) {
    add_binomial(outcome, residual);
  } else {
    outcome.add_variance(residual.variance);
  }
  return outcome.quantile(shortfall);
}

bool is_large(const device::Capability& site, const DurationCurve& nominal) {
  const DurationCurve curve = DurationCurve::of_site(site);
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    const Int128 part = Int128{nominal.points()[i].count} * kBlockPart.count;
    if (Int128{curve.points()[i].count} * kCertain.count > part) return true;
  }
  return false;
}

}  // namespace

DurationCurve firm_curve(const DurationCurve& nominal, std::span<const Block> groups,
                         std::span<const SiteReliability> sites, PerMillion shortfall) {
  std::vector<Block> blocks{groups.begin(), groups.end()};
  std::vector<SiteReliability> small;
  for (const SiteReliability& site : sites) {
    if (is_large(site.capability, nominal)) {
      blocks.push_back({.availability = {site.response_permille * kCertain.count / 1000},
                        .inside = Moments::of_site({site.capability, 1000})});
    } else {
      small.push_back(site);
    }
  }
  const Moments rest = Moments::of_sites(small);
  const PerMillion accepted = std::clamp(shortfall, PerMillion{1}, PerMillion{kCertain.count / 2});
  const double probability =
      static_cast<double>(accepted.count) / static_cast<double>(kCertain.count);
  std::array<Joules, kGridPoints> points{};
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    const Joules most = nominal.points()[i];
    points[i] = std::min(most, quantile_at(i, most, blocks, rest, probability));
  }
  return below_concave(points);
}

namespace {

std::int64_t width_of(std::size_t point) {
  return (kGrid[point] - (point == 0 ? std::chrono::seconds{0} : kGrid[point - 1])).count();
}

/// Slopes in whole watts between the grid points of the least concave curve that begins at 0 and is
/// nowhere below `points`, rounded down; flat after its highest point.
std::array<std::int64_t, kGridPoints> hull_slopes(std::span<const Joules, kGridPoints> points) {
  std::array<std::int64_t, kGridPoints> slopes{};
  std::size_t begin = 0;  // of the next edge: grid points already passed
  Joules height{0};
  while (begin < kGridPoints) {
    const std::int64_t start = begin == 0 ? 0 : kGrid[begin - 1].count();
    std::size_t end = begin;
    for (std::size_t i = begin + 1; i < kGridPoints; ++i) {  // the steepest edge from here
      const Int128 rise = (points[i] - height).count;
      const Int128 best = (points[end] - height).count;
      if (rise * (kGrid[end].count() - start) >= best * (kGrid[i].count() - start)) end = i;
    }
    const std::int64_t rise = (points[end] - height).count;
    if (rise <= 0) break;
    for (std::size_t i = begin; i <= end; ++i) slopes[i] = rise / (kGrid[end].count() - start);
    height = points[end];
    begin = end + 1;
  }
  return slopes;
}

}  // namespace

DurationCurve below_concave(std::span<const Joules, kGridPoints> points) {
  // Monotone first: what a longer duration cannot deliver, a shorter one does not promise.
  std::array<Joules, kGridPoints> least{};
  Joules later = points.back();
  for (std::size_t i = kGridPoints; i-- > 0;) {
    later = std::min(later, points[i]);
    least[i] =
        std::clamp(later, Joules{0}, Joules{limits::kGroupPowerMax.count * kGrid[i].count()});
  }
  auto slopes = hull_slopes(least);
  Int128 part = 1;  // the deepest dip, as part / whole
  Int128 whole = 1;
  Int128 height = 0;
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    height += Int128{slopes[i]} * width_of(i);
    if (least[i].count * whole < part * height) {
      part = least[i].count;
      whole = height;
    }
  }
  std::array<Joules, kGridPoints> out{};
  Joules energy{0};
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    const auto slope = static_cast<std::int64_t>(slopes[i] * part / whole);
    out[i] = energy += Joules{slope * width_of(i)};
  }
  const auto curve = DurationCurve::from_wire(kGridId, out);
  VPP_CHECK(curve.has_value());
  return *curve;
}

}  // namespace vpp::aggregation
