// Whether the state of charge that a device tells can be believed. Pure.
//
// Not believed: not implemented, out of range, exactly 0 without having been near it, a jump that
// no current could have made, a value that stands still while energy flows, or too old. A jump is
// believed in the end, when kRoundsToBelieve readings agree with each other; a 0 never by
// repetition. No belief, no discharge.
#pragma once

#include <optional>
#include <string_view>

#include "config/time.h"
#include "config/units.h"
#include "device/capability.h"
#include "device/site.h"

namespace vpp::device {

/// Readings come every second or so; a flow is not extrapolated over a longer gap.
inline constexpr Duration kFlowGapMax = std::chrono::seconds{10};
inline constexpr int kRoundsToBelieve = 10;
/// Rounding of the device, its recalibrations and our integration: per mille of the capacity.
inline constexpr std::int64_t kJumpSlackPermille = 20;
/// Energy that flows through a battery whose value does not move: likewise.
inline constexpr std::int64_t kFrozenPermille = 50;
/// What a battery at rest may draw for its electronics, and not store: per mille of its rating.
inline constexpr std::int64_t kStandbyPermille = 20;

struct StorageBelief {
  Joules least;  ///< the smaller of what the device's points say
  Joules most;   ///< the larger
  Joules capacity;
  std::int32_t soc_permille = 0;
  Instant at{};              ///< of the reading
  Instant since{};           ///< when this very value was first told: physics counts from there
  std::int64_t flow_mj = 0;  ///< AC energy measured since then; discharge > 0
};

/// What may be in the battery now, `age` of market time after the belief was read: less what was
/// seen to flow while the value stood still, and what may have flowed unseen at full rating.
[[nodiscard]] SiteState stored_range(const StorageBelief& belief, const SiteLimits& limits,
                                     const Nameplate& nameplate, Duration age);

class StorageWatch {
 public:
  /// Another device may be connected now.
  void reset() { *this = StorageWatch{}; }

  /// One round. A telemetry without news keeps the last belief until it is too old.
  void step(const Now& now, const Nameplate& nameplate, const Telemetry& telemetry);

  /// What is believed now, if anything not older than `age_max`.
  [[nodiscard]] std::optional<StorageBelief> belief(Instant now, Duration age_max) const;
  /// For people; empty when there is a belief.
  [[nodiscard]] std::string_view doubt(Instant now, Duration age_max) const;

 private:
  [[nodiscard]] std::string_view objection(const Now& now, const Nameplate& nameplate,
                                           const StorageBelief& told) const;
  [[nodiscard]] bool lacks_stored(const Telemetry& telemetry);
  void integrate(const Now& now, const Nameplate& nameplate, const Telemetry& telemetry);

  std::optional<StorageBelief> believed_;
  std::optional<StorageBelief> told_;  ///< the newest, believed or not
  std::string_view objection_ = "no state of charge yet";
  int rounds_to_miss_stored_ = 0;  ///< until a device counts as one that tells no energy
  int agreeing_ = 0;               ///< told values in a row that agree with each other
  std::int64_t flow_mj_ = 0;       ///< AC energy since the told value last moved
  Instant flow_until_{};
};

}  // namespace vpp::device
