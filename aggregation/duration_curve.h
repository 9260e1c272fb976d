// The most energy a group can deliver in any duration, in one direction.
//
// Omega(s) = sum over sites of min(e, p*s), sampled on a fixed grid, linear between its points.
//
// Units      joules at the connection points, losses already taken off; durations in market time.
// Exactness  `a += b` is exactly both groups together. A site rounds nothing on whole-second grid
//            points. The chord of a concave function lies below it: between points the sketch
//            promises less than or as much as the truth, never more.
// Invariant  starts at 0, non-decreasing, concave; at most kGroupPowerMax * s.
// Ownership  plain value, 48 * 8 bytes, never allocates.
// Source     Evans, Tindemans, Angeli, "A graphical measure of aggregate flexibility for
//            energy-constrained distributed resources", IEEE TSG 2019.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>

#include "config/units.h"
#include "device/site.h"

namespace vpp::aggregation {

/// Names the grid below on the wire; another grid gets another number.
inline constexpr std::uint16_t kGridId = 1;
inline constexpr std::size_t kGridPoints = 48;

/// 5-minute steps to 2 h, 15-minute to 6 h, hourly to 14 h.
[[nodiscard]] constexpr std::array<std::chrono::seconds, kGridPoints> make_grid() {
  std::array<std::chrono::seconds, kGridPoints> grid{};
  std::chrono::seconds at{0};
  for (std::size_t i = 0; i < kGridPoints; ++i) {
    at += i < 24 ? std::chrono::minutes{5}
                 : (i < 40 ? std::chrono::minutes{15} : std::chrono::minutes{60});
    grid[i] = at;
  }
  return grid;
}
inline constexpr auto kGrid = make_grid();
static_assert(kGrid.back() == std::chrono::hours{14});

enum class CurveError : std::uint8_t {
  kUnknownGrid,
  kWrongLength,
  kOutOfRange,  ///< negative, or above kGroupPowerMax for that duration
  kFalling,     ///< a longer duration promises less energy
  kConvex,      ///< slope rises
};

class DurationCurve {
 public:
  /// The empty group.
  constexpr DurationCurve() = default;

  /// One site. Negative inputs count as zero.
  [[nodiscard]] static DurationCurve of_site(const device::Capability& capability);

  /// Many sites: the sum of of_site(), in one pass.
  [[nodiscard]] static DurationCurve of_sites(std::span<const device::Capability> sites);

  /// The only way in for values from a peer: the result holds the invariant.
  [[nodiscard]] static std::expected<DurationCurve, CurveError> from_wire(
      std::uint16_t grid_id, std::span<const Joules> points);

  /// Omega at any duration >= 0; beyond the last point it stays flat.
  [[nodiscard]] Joules at(std::chrono::milliseconds duration) const;
  [[nodiscard]] std::span<const Joules> points() const { return energy_; }

  /// Saturates at kGroupPowerMax * s.
  DurationCurve& operator+=(const DurationCurve& other);
  friend bool operator==(const DurationCurve&, const DurationCurve&) = default;

 private:
  std::array<Joules, kGridPoints> energy_{};
};

}  // namespace vpp::aggregation
