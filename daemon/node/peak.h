// An aggregator that keeps the net load of the homes below it under a target. Pure.
//
// Each tick  what the homes would draw without their batteries, now as measured and later as
//            learned by the time of the day, and what the batteries can give: the lowest level that
//            lasts (aggregation/peak_shaving.h), the target where that is enough. What is above it
//            is asked of the homes that are subscribed to the program.
// Begins     when what the meters show is above the level; until then homes serve themselves.
//            Ends when they have been below it without the batteries for kQuiet.
// Its own    orders: no root has booked them. Their ids are of the day (is_local), their place in a
//            fence is the market's clock; they are renewed every tick and end by themselves.
// Others'    what a site does for an order of another program counts as done; it is not asked.
// Unknown    homes without a meter are in neither the load nor the target.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "config/scope.h"
#include "config/time.h"
#include "config/units.h"
#include "device/load_profile.h"
#include "mesh/messages.h"

namespace vpp::node {

struct PeakOptions {
  std::string program = "peak";
  Watts target;  ///< of what flows from the grid into the homes below, >= 0
};

/// For people and programs.
struct PeakStatus {
  Watts target;
  Scope scope;
  std::optional<Watts> load;      ///< load less PV, without batteries; nothing: no meter is known
  std::optional<Watts> drawn;     ///< at the meters, from the grid > 0
  std::uint32_t unknown = 0;      ///< homes without a meter
  std::optional<Watts> level;     ///< what the load is kept under now
  Watts over;                     ///< by how much that passes the target: more cannot be given
  Watts over_most;                ///< of this peak
  std::optional<Watts> asked;     ///< of the homes in the program; nothing: no peak
  std::size_t slots_learned = 0;  ///< quarters of an hour of the day
};

class Peak {
 public:
  Peak(const PeakOptions& options, const device::LoadProfile::Slots& learned);

  /// Once a control tick, with the group's newest sum. What to tell the homes of the program:
  /// a share, a release once a peak is over, or nothing.
  [[nodiscard]] std::optional<mesh::Dispatch> tick(const Now& now, const mesh::GroupSummary& sum);

  /// A release that somebody missed goes on being said.
  void not_released() { releasing_ = true; }

  [[nodiscard]] const Scope& scope() const { return scope_; }
  [[nodiscard]] const PeakStatus& status() const { return status_; }
  /// To be persisted; nothing new: nothing.
  [[nodiscard]] std::optional<device::LoadProfile::Slots> take_learned();
  /// The order in force; nothing: no peak.
  [[nodiscard]] const std::optional<mesh::Dispatch>& order() const { return order_; }

 private:
  [[nodiscard]] std::optional<Watts> needed(const Now& now, const mesh::GroupSummary& sum);
  void begin_or_end(const Now& now, std::optional<Watts> need);
  [[nodiscard]] mesh::Dispatch form(const Now& now, std::optional<Watts> share);

  Watts target_;
  Scope scope_;
  device::LoadProfile profile_;
  bool learned_ = false;
  std::optional<mesh::Dispatch> order_;
  bool releasing_ = false;
  Instant needed_at_{};  ///< newest tick of a peak
  std::uint64_t tick_ = 0;
  PeakStatus status_;
};

}  // namespace vpp::node
