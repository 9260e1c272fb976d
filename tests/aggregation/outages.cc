#include "tests/aggregation/outages.h"

#include <cmath>
#include <numbers>

#include "tests/aggregation/fleets.h"

namespace vpp::aggregation::testing {
namespace {

double uniform(Rng& rng) {
  return static_cast<double>(rng.next() >> 11U) * 0x1p-53;
}

/// Beta(kept, 1), as the largest of `kept` uniform numbers.
double beta(Rng& rng, const ResponseRate::Prior& prior) {
  return std::pow(uniform(rng), 1.0 / static_cast<double>(prior.kept));
}

std::uint64_t threshold(double probability) {
  return static_cast<std::uint64_t>(probability * 0x1p63) * 2;
}

ResponseRate learn(Rng& rng, const ResponseRate::Prior& prior, std::uint64_t below, int events) {
  ResponseRate rate{prior};
  for (int i = 0; i < events; ++i) rate.observe(rng.next() < below);
  return rate;
}

/// Deviations below the mean that a normal falls short of with that probability.
double normal_quantile(double probability) {
  double low = 0;
  double high = 10;
  while (high - low > 1e-9) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(middle / std::numbers::sqrt2) > probability ? low : high) = middle;
  }
  return low;
}

double part(PerMillion probability) {
  return static_cast<double>(probability.count) / static_cast<double>(kCertain.count);
}

}  // namespace

OutagePlant::OutagePlant(Rng& rng, const OutageOptions& options)
    : options_{options}, regions_(options.regions) {
  const auto average = static_cast<std::int64_t>(options.sites / options.regions);
  for (Region& region : regions_) {
    region.up_below = threshold(beta(rng, ResponseRate::kUplink));
    region.learned =
        learn(rng, ResponseRate::kUplink, region.up_below, options.looks_seen).per_million();
    const auto count = static_cast<std::size_t>(between(rng, average / 2, average * 3 / 2));
    for (const auto& capability : random_sites(rng, count)) {
      Site site;
      site.responds_below = threshold(beta(rng, ResponseRate::kSite));
      const auto rate = learn(rng, ResponseRate::kSite, site.responds_below, options.orders_seen);
      site.learned = {capability, rate.permille()};
      const auto curve = DurationCurve::of_site(capability);
      for (std::size_t i = 0; i < kJudgedAt.size(); ++i) {
        site.energy[i] = curve.points()[kJudgedAt[i]].count;
      }
      nominal_ += curve;
      region.sites.push_back(site);
    }
  }
}

OutagePlant::Energies OutagePlant::firm(PerMillion target) const {
  std::vector<Block> groups;
  for (const Region& region : regions_) {
    Moments inside;
    for (const Site& site : region.sites) inside += Moments::of_site(site.learned);
    groups.push_back({region.learned, inside});
  }
  const auto curve = firm_curve(nominal_, groups, {}, target);
  Energies out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<double>(curve.points()[kJudgedAt[i]].count);
  }
  return out;
}

OutagePlant::Energies OutagePlant::normal(Method method, PerMillion target) const {
  Energies mean{};
  Energies variance{};
  for (const Region& region : regions_) {
    const double up = part(region.learned);
    for (std::size_t i = 0; i < mean.size(); ++i) {
      double inside = 0;
      for (const Site& site : region.sites) {
        const double rate = site.learned.response_permille / 1000.0;
        const auto energy = static_cast<double>(site.energy[i]);
        inside += rate * energy;
        // Given that the region is up; or each for itself, the region's outage its own.
        const double alone = method == Method::kIndependent ? rate * up : rate;
        const double weight = method == Method::kIndependent ? 1.0 : up;
        variance[i] += weight * alone * (1 - alone) * energy * energy;
      }
      mean[i] += up * inside;
      if (method == Method::kNormalAtEvery) variance[i] += up * (1 - up) * inside * inside;
    }
  }
  Energies out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = mean[i] - normal_quantile(part(target)) * std::sqrt(variance[i]);
  }
  return out;
}

OutagePlant::Energies OutagePlant::promise(Method method, PerMillion target) const {
  if (method == Method::kFirm) return firm(target);
  if (method != Method::kNominal) return normal(method, target);
  Energies out{};
  for (std::size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<double>(nominal_.points()[kJudgedAt[i]].count);
  }
  return out;
}

OutagePlant::Energies OutagePlant::happens(Rng& rng) const {
  std::array<std::int64_t, kJudgedAt.size()> sum{};
  for (const Region& region : regions_) {
    if (rng.next() >= region.up_below) continue;
    for (const Site& site : region.sites) {
      const bool responds = rng.next() < site.responds_below;
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += responds ? site.energy[i] : 0;
    }
  }
  Energies out{};
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<double>(sum[i]);
  return out;
}

std::vector<std::vector<BrokenAt>> OutagePlant::broken(
    Rng& rng, const std::vector<PerMillion>& targets) const {
  struct Held {
    Energies promised;
    BrokenAt* out;
  };
  std::vector<std::vector<BrokenAt>> out(kMethods.size(), std::vector<BrokenAt>(targets.size()));
  std::vector<Held> held;
  for (std::size_t m = 0; m < kMethods.size(); ++m) {
    for (std::size_t t = 0; t < targets.size(); ++t) {
      held.push_back({promise(kMethods[m], targets[t]), &out[m][t]});
      for (std::size_t i = 0; i < kJudgedAt.size(); ++i) {
        const auto nominal = static_cast<double>(nominal_.points()[kJudgedAt[i]].count);
        out[m][t][i].promised = held.back().promised[i] / nominal;
      }
    }
  }
  for (int event = 0; event < options_.events; ++event) {
    const Energies delivered = happens(rng);
    for (const Held& each : held) {
      for (std::size_t i = 0; i < delivered.size(); ++i) {
        if (delivered[i] < each.promised[i]) (*each.out)[i].share += 1.0 / options_.events;
      }
    }
  }
  return out;
}

}  // namespace vpp::aggregation::testing
