// Seeded randomness. Own algorithm: std:: distributions differ between libraries.
#pragma once

#include <cstdint>

#include "config/check.h"
#include "config/time.h"

namespace vpp {

/// SplitMix64. One per node, so that a run replays from its seed.
class Rng {
 public:
  explicit constexpr Rng(std::uint64_t seed) : state_{seed} {}

  constexpr std::uint64_t next() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30U)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27U)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31U);
  }

  /// Uniform enough in [0, bound); bound > 0.
  constexpr std::uint64_t below(std::uint64_t bound) {
    VPP_CHECK(bound > 0);
    return next() % bound;
  }

  /// Uniform in [0, most]: full jitter.
  constexpr Duration up_to(Duration most) {
    return Duration{
        static_cast<Duration::rep>(below(static_cast<std::uint64_t>(most.count()) + 1))};
  }

  /// `base` plus up to `base / 4`, so that neighbours drift apart.
  constexpr Duration jittered(Duration base) { return base + up_to(base / 4); }

  /// A generator of its own for a part of the node.
  constexpr Rng fork() { return Rng{next()}; }

 private:
  std::uint64_t state_;
};

}  // namespace vpp
