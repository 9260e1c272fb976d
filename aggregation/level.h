// Where longest time to go first cuts: the level z at which sites, each serving
// p * clip((e/p - z) / D, 0, 1), serve a request together. Pure.
//
// Units      any pair in which energy = power * time: watts, joules and seconds, or, for a plan,
//            energy per slot, energy and slots. Amounts are magnitudes in one direction.
// Exactness  the level is a fraction of integers; nothing is rounded.
// Cost       O(n): one counting pass over whole seconds, then a selection among the sites whose
//            share bends within one second. 1M sites: see docs/benchmarks.md.
// Source     Evans, Tindemans, Angeli, PSCC 2018.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "device/site.h"

namespace vpp::aggregation {

/// z = whole + part / parts, in seconds; parts > 0, 0 <= part <= parts. Below 0 (down to -D) sites
/// that last less than D give more than e / D: right for a tick much shorter than D.
struct Level {
  std::int64_t whole = 0;
  std::int64_t part = 0;
  std::int64_t parts = 1;
};

/// Sites as the policy sees them, with bounds that keep every sum below 2^63. A view: the sites
/// must outlive it.
class SiteGroup {
 public:
  /// Energy beyond `time_max` at full power counts as `time_max`: up to that horizon nothing
  /// changes. Power beyond 2^62 / (n * (max(time_max, step) + step)) counts as that.
  /// `level_min` is 0 or -step: whether a site may be emptied within less than a step.
  SiteGroup(std::span<const device::Capability> sites, std::int64_t step, std::int64_t time_max,
            std::int64_t level_min);

  [[nodiscard]] std::size_t size() const { return sites_.size(); }
  [[nodiscard]] std::int64_t step() const { return step_; }
  [[nodiscard]] std::int64_t time_max() const { return time_max_; }
  [[nodiscard]] std::int64_t level_min() const { return level_min_; }

  struct Site {
    std::int64_t power;
    std::int64_t energy;
  };
  [[nodiscard]] Site operator[](std::size_t i) const {
    std::int64_t power = sites_[i].power.count;
    power = power < 0 ? 0 : (power > power_max_ ? power_max_ : power);
    const std::int64_t most = power * time_max_;
    std::int64_t energy = sites_[i].energy.count;
    energy = energy < 0 ? 0 : (energy > most ? most : energy);
    return {energy == 0 ? 0 : power, energy};
  }

  /// Energy served within one step at the level `z`: sum of clip(e - p*z, 0, p*step).
  [[nodiscard]] std::int64_t served_at(std::int64_t z) const;

 private:
  std::span<const device::Capability> sites_;
  std::int64_t step_;
  std::int64_t time_max_;
  std::int64_t level_min_;
  std::int64_t power_max_;
};

/// The level at which `energy` is served within one step.
/// Precondition: 0 <= energy <= served_at(level_min()).
[[nodiscard]] Level find_level(const SiteGroup& group, std::int64_t energy);

}  // namespace vpp::aggregation
