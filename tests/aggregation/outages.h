// A plant of regions whose uplinks fail and whose sites do not always respond; what is promised of
// it by several methods, and how often that is broken. For a unit test and for bench/.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "aggregation/firm.h"
#include "config/rng.h"

namespace vpp::aggregation::testing {

struct OutageOptions {
  std::size_t regions = 20;
  std::size_t sites = 2'000;
  int orders_seen = 50;    ///< per site, before the first promise: from these its rate is learned
  int looks_seen = 1'000;  ///< per uplink
  int events = 20'000;     ///< against which promises are held
};

enum class Method : std::uint8_t {
  kFirm,           ///< this project's: firm_curve()
  kNormalAtEvery,  ///< mean and variance up the tree, a normal at the root
  kIndependent,    ///< every site by itself, a normal at the root
  kNominal,        ///< powers and energies added up
};
inline constexpr std::array kMethods{Method::kFirm, Method::kNormalAtEvery, Method::kIndependent,
                                     Method::kNominal};
inline constexpr std::array<std::size_t, 3> kJudgedAt{5, 11, 31};  ///< 30 min, 1 h, 4 h

struct Broken {
  double promised = 0;  ///< part of nominal
  double share = 0;     ///< of the events in which less was delivered
};
using BrokenAt = std::array<Broken, kJudgedAt.size()>;

/// One plant, drawn from the priors that are learned from: response rates Beta(9, 1), availability
/// of regions Beta(99, 1), 0.5 to 1.5 times the average region's sites.
class OutagePlant {
 public:
  OutagePlant(Rng& rng, const OutageOptions& options);

  /// What each method promises, then `options.events` events against all of it. By method and
  /// target: [method][target].
  [[nodiscard]] std::vector<std::vector<BrokenAt>> broken(
      Rng& rng, const std::vector<PerMillion>& targets) const;

 private:
  struct Site {
    SiteReliability learned;
    std::uint64_t responds_below = 0;  ///< of 2^64
    std::array<std::int64_t, kJudgedAt.size()> energy{};
  };
  struct Region {
    PerMillion learned;
    std::uint64_t up_below = 0;
    std::vector<Site> sites;
  };
  using Energies = std::array<double, kJudgedAt.size()>;
  [[nodiscard]] Energies promise(Method method, PerMillion target) const;
  [[nodiscard]] Energies firm(PerMillion target) const;
  [[nodiscard]] Energies normal(Method method, PerMillion target) const;
  [[nodiscard]] Energies happens(Rng& rng) const;

  OutageOptions options_;
  std::vector<Region> regions_;
  DurationCurve nominal_;
};

}  // namespace vpp::aggregation::testing
