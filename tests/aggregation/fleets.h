// Random fleets for the tests of this folder, and a few words to speak about them.
#pragma once

#include <cstdint>
#include <vector>

#include "aggregation/duration_curve.h"
#include "config/rng.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::aggregation::testing {

inline std::int64_t between(Rng& rng, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(high - low) + 1));
}

/// Home batteries of 1 to 20 kW that last up to 5 h; some empty, some off, some alike.
inline std::vector<device::Capability> random_sites(Rng& rng, std::size_t count) {
  std::vector<device::Capability> sites;
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0 && rng.below(8) == 0) {
      sites.push_back(sites[rng.below(sites.size())]);
      continue;
    }
    const std::int64_t power = rng.below(20) == 0 ? 0 : between(rng, 1'000, 20'000);
    const std::int64_t energy = rng.below(20) == 0 ? 0 : between(rng, 1, power * 18'000 + 1);
    sites.push_back({Watts{power}, Joules{energy}});
  }
  return sites;
}

inline DurationCurve curve_of(const std::vector<device::Capability>& sites) {
  DurationCurve curve;
  for (const auto& site : sites) curve += DurationCurve::of_site(site);
  return curve;
}

inline Watts sum_of(const std::vector<Watts>& powers) {
  Watts sum{0};
  for (const Watts power : powers) sum += power;
  return sum;
}

}  // namespace vpp::aggregation::testing
