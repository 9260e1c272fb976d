// An order divided among sites and groups together: all sites are one more group, then exact
// within. Pure.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "aggregation/child.h"
#include "aggregation/duration_curve.h"
#include "config/time.h"
#include "config/units.h"
#include "device/site.h"

namespace vpp::aggregation {

/// What one child could deliver now: a site its power, a group what it can hold for a step.
[[nodiscard]] Watts full_power(const Flexibility& child, Direction direction);

class MixedSplit {
 public:
  explicit MixedSplit(Direction direction) : direction_{direction} {}

  /// `index`: where its share goes.
  void add(std::size_t index, const Flexibility& child);

  /// Once. Magnitudes. Writes the shares by index; returns what could not be placed.
  Watts divide(Watts request, std::span<Watts> shares);

  /// Where that cut (split.h).
  [[nodiscard]] std::optional<Duration> level() const { return level_; }

 private:
  Direction direction_;
  std::vector<std::size_t> sites_;
  std::vector<device::Capability> capabilities_;
  std::vector<std::size_t> groups_;
  std::vector<DurationCurve> curves_;
  std::optional<Duration> level_;
};

}  // namespace vpp::aggregation
