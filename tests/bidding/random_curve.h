// Curves of some random homes.
#pragma once

#include <cstdint>

#include "aggregation/duration_curve.h"
#include "config/rng.h"

namespace vpp::bidding::testing {

/// Of 1 to `sites_max` homes.
inline aggregation::DurationCurve random_curve(Rng& rng, std::uint64_t sites_max) {
  aggregation::DurationCurve curve;
  const auto sites = 1 + rng.below(sites_max);
  for (std::uint64_t i = 0; i < sites; ++i) {
    const Watts power{static_cast<std::int64_t>(500 + rng.below(9'500))};
    const WattHours energy{static_cast<std::int64_t>(rng.below(14'000))};
    curve += aggregation::DurationCurve::of_site({power, to_joules(energy)});
  }
  return curve;
}

}  // namespace vpp::bidding::testing
