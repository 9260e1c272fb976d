// A leaf under value signals: what it answers, and the plan that its device follows between orders.
// Pure.
//
// Takes part  where its owner follows signals, its meter and battery are known, no order is in
//             force, and its forecast covers the horizon: a new home watches itself for a day.
//             Otherwise it answers that nobody follows, and status says why; nothing is guessed.
// State       of the battery is taken when a slot begins, and anew after an order: within a slot
//             every round is about the same home. A slot that has begun counts as a whole one.
// Cut off     it goes on with the last signal until that ends, planning anew with every slot; then
//             its device is back on its local default. So it is after a restart, until a signal.
#pragma once

#include <optional>
#include <string>

#include "daemon/node/value_books.h"
#include "daemon/node/values.h"
#include "device/load_profile.h"
#include "device/value_follower.h"
#include "mesh/messages.h"

namespace vpp::node {

class ValueHome {
 public:
  ValueHome(const std::optional<ValueHomeOptions>& options,
            const device::LoadProfile::Slots& learned, const ValueAccount& recovered);

  /// The device thread's newest status.
  void seen(const Now& now, const device::SiteStatus& status);
  [[nodiscard]] mesh::PlannedLoad answer(const Now& now, const mesh::ValueSignal& told);
  void advance(const Now& now);
  [[nodiscard]] MarketTime next_change() const;

  /// Where it changed; empty: none any more.
  [[nodiscard]] std::optional<device::SitePlan> take_plan();
  /// To be persisted; nothing new: nothing. What was learned at most once an hour, but `leaving`.
  [[nodiscard]] std::optional<device::LoadProfile::Slots> take_learned(Instant now,
                                                                       bool leaving = false);
  [[nodiscard]] std::optional<ValueAccount> take_account();
  /// Nothing: the owner follows no signals.
  [[nodiscard]] std::optional<ValueHomeStatus> status(const Now& now) const;

 private:
  struct State {
    MarketTime begin{};  ///< of the slot
    device::BatteryStatus battery;
  };
  [[nodiscard]] std::string objection(const Now& now, const mesh::ValueSignal& signal) const;
  [[nodiscard]] bool known() const;
  void open_slot(const Now& now);
  [[nodiscard]] std::optional<device::Home> home_from(MarketTime from) const;
  void follow(const device::Home& home, const device::HomePlan& plan);
  void let_go();
  [[nodiscard]] Price value_at(MarketTime begin) const;

  std::optional<ValueHomeOptions> options_;
  device::LoadProfile profile_;
  ValueBooks books_;
  device::ValueFollower follower_;
  std::optional<device::SiteStatus> site_;
  std::optional<mesh::ValueSignal> signal_;  ///< that holds, its values as clipped
  std::optional<State> state_;
  Price slot_value_;  ///< of the slot of `state_`, as last told
  std::string why_not_;
  device::SitePlan plan_;
  bool plan_changed_ = false;
  bool settled_ = false;  ///< since take_account()
  bool learned_ = false;  ///< since take_learned()
  Instant keep_due_{};
};

}  // namespace vpp::node
