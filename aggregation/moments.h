// What a group is expected to deliver in any duration, and how much that varies: the mean and the
// variance of its energy at each point of the grid, beside its duration curve, in one direction.
//
//   a site     w = min(e, p*s):        m = a*w,        v = a(1-a)*w^2     a: its response rate
//   a group    of independent parts:   m = sum m_i,    v = sum v_i
//   behind an uplink of availability A: m' = A*m,      v' = A*v + A(1-A)*m^2   (total variance)
//
// Units      mean in millijoules, variance in millijoules squared: with rates in thousandths, a
//            site's are whole numbers. On the wire: mean and deviation (the root of the variance)
//            in whole joules.
// Exactness  of_site(), of_sites() and `a += b` round nothing, so that the order of merging does
//            not matter. behind() rounds to the next millijoule, the wire to the next joule: the
//            mean down, the variance up, once per level.
// Range      128 bits. A mean is at most kGroupPowerMax * s, below 2^59 mJ. What lies in [0, W] has
//            a variance of at most W^2/4, so that the largest is below 2^116 mJ^2; sums saturate.
// Ownership  plain value, 48 * 32 bytes, never allocates.
// Source     Evans, Tindemans, Angeli 2022 (arXiv 2110.08549), for the hierarchy.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <vector>

#include "aggregation/duration_curve.h"
#include "aggregation/response.h"
#include "aggregation/wide.h"
#include "device/site.h"

namespace vpp::aggregation {

struct SiteReliability {
  device::Capability capability;  ///< negative counts as zero
  std::int32_t response_permille = ResponseRate{ResponseRate::kSite}.permille();  ///< clamped
};

class Moments {
 public:
  /// The empty group.
  constexpr Moments() = default;

  [[nodiscard]] static Moments of_site(const SiteReliability& site);

  /// Many sites: the sum of of_site(), in one pass.
  [[nodiscard]] static Moments of_sites(std::span<const SiteReliability> sites);

  /// A group that tells its nominal curve and no more: as `sites` equal ones, each responding as
  /// ResponseRate::kSite expects. No sites: as one.
  [[nodiscard]] static Moments by_prior(const DurationCurve& nominal, std::uint32_t sites);

  /// The only way in for values from a peer. Refused (kOutOfRange): a negative mean or deviation,
  /// or one above the nominal energy; (kWrongLength) another number of points.
  [[nodiscard]] static std::expected<Moments, CurveError> from_wire(
      const DurationCurve& nominal, std::span<const Joules> mean,
      std::span<const Joules> deviation);

  /// As seen through an uplink; `availability` is clamped to [0, kCertain].
  [[nodiscard]] Moments behind(PerMillion availability) const;

  /// Rounded down, and up; never above `nominal`, which is the same group's: from_wire() takes it.
  [[nodiscard]] std::vector<Joules> mean_to_wire(const DurationCurve& nominal) const;
  [[nodiscard]] std::vector<Joules> deviation_to_wire(const DurationCurve& nominal) const;

  [[nodiscard]] Int128 mean_mj(std::size_t point) const { return mean_[point]; }
  [[nodiscard]] Int128 variance_mj2(std::size_t point) const { return variance_[point]; }

  /// Saturates at what kGroupPowerMax could have.
  Moments& operator+=(const Moments& other);
  friend bool operator==(const Moments&, const Moments&) = default;

 private:
  std::array<Int128, kGridPoints> mean_{};
  std::array<Int128, kGridPoints> variance_{};
};

}  // namespace vpp::aggregation
