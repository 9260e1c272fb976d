// One site's control loop: readings in, set point out. Pure; owned by the device thread, so that
// it never waits for the network or the disk.
//
// The guard is the last word: whatever arrives is clamped to device rating, what the device can do
// now, config limits, connection limits, owner's reserve, the unit's least power and ramp, in that
// order (`limited_by` names the clamp).
// On expiry, end, cancel or silence the set point ramps to zero and the device is released to its
// local default (self-consumption).
//
// Plan       while no order is in force the site follows its home's own plan, if there is one: the
//            set point is what brings the net load of now to the planned one. Orders take over at
//            once; without a fresh meter and state of charge, or beyond its end, a plan counts for
//            nothing. It needs no plant to be heard: it was made here.
// Time       the window of an order is market time; its expiry, the silence of the plant, the age
//            of readings and refreshes are protocol time. Energy and ramps pass at `Now::speed`.
// Frequency  an order of Service::kFrequency arms the droop (device/droop.h): each reading of the
//            frequency becomes the set point in the step that brings it, within ramp and envelope.
//            A frequency that is unknown or older than limits::kFrequencyAgeMax gets no response.
//            From the moment such an order is known, its power, and the energy for
//            limits::kFrequencyHold of it each way, are neither offered nor given to other orders.
//            What it delivers has accounts of its own.
// Silence    an order runs only while the plant was heard within limits::kBeaconLossMax; one that
//            was never heard has no say. Until then, and until its orders expire, a site that is
//            cut off goes from one order to the next as it was told ahead.
// Success    is read-back: a set point that the device denies for kRoundsToLose readings in a row
//            is lost control. The site promises nothing then, and tries again after kLostFor.
// Device     a set point carries the device's own revert timer (kRevert, or less where the owner's
//            reserve is near) and is refreshed at half of it, so that a dead daemon lets go.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/time.h"
#include "device/capability.h"
#include "device/net_load.h"
#include "device/order_ledger.h"
#include "device/set_point_guard.h"
#include "device/site.h"
#include "device/storage_watch.h"

namespace vpp::device {

/// A leaf polls every second; the device may fall back by itself after thirty missed refreshes.
inline constexpr Duration kRevert = std::chrono::seconds{30};
/// Time until the next look at the battery, for the reserve: two polls.
inline constexpr Duration kLookAhead = std::chrono::seconds{2};
inline constexpr Duration kRampStep = std::chrono::milliseconds{200};
inline constexpr int kRoundsToLose = 3;
inline constexpr Duration kLostFor = std::chrono::seconds{60};
/// Pace of attempts to give an unwilling device back to itself.
inline constexpr Duration kReleaseRetry = std::chrono::seconds{5};

struct SiteEffects {
  std::optional<DeviceCommand> write;  ///< on change, or to refresh the revert timer
  SiteStatus status;
};

class SiteController {
 public:
  /// `recovered`: the accounts of an earlier life, which go on.
  explicit SiteController(const SiteLimits& limits,
                          const std::vector<OrderAccount>& recovered = {});

  void connected(const Nameplate& nameplate);
  void disconnected(const Now& now);

  /// The newest order, or nothing: release; and what follows it if nothing newer comes, oldest
  /// first, never overlapping. Takes effect in the next step(), which is due at once: it need not
  /// bring a new reading.
  void set_order(const Now& now, const std::optional<SiteOrder>& order,
                 std::vector<SiteOrder> ahead = {});

  /// What to do while no order is in force; it replaces the last one. Takes effect as an order
  /// does.
  void set_plan(SitePlan plan);

  /// The plant was heard: no beacon for limits::kBeaconLossMax ends any order.
  void plant_heard(const Now& now);

  /// One round. Readings may be partly or wholly unknown, or the same as last time.
  [[nodiscard]] SiteEffects step(const Now& now, const Telemetry& telemetry);

  /// When step() must be called at the latest, readings or not (order begin, end, expiry, ramp,
  /// refresh).
  [[nodiscard]] Instant next_deadline(const Now& now) const;

 private:
  // What we have told the device.
  struct Idle {};  ///< nothing: it is on its local default
  enum class By : std::uint8_t { kNobody, kPlan, kOrder };
  struct Driving {
    Watts set_point;
    By by = By::kNobody;                ///< nobody: on the way home
    std::optional<Instant> written_at;  ///< unset: not written yet
    Duration revert{0};                 ///< protocol time
    int denials = 0;
    Instant judged_at{};  ///< the newest read-back that counted
  };
  struct Releasing {
    std::optional<Instant> written_at;
    int attempts = 0;
  };
  struct Lost {
    Instant retry_at{};
  };
  using Control = std::variant<Idle, Driving, Releasing, Lost>;

  void take_in(const Now& now, const Telemetry& telemetry);
  void take_frequency(const Reading<std::int32_t>& told);
  void take_limit(const Reading<Watts>& told, Reading<Watts>& kept);
  void judge_read_back(const Now& now, const Telemetry& telemetry);
  [[nodiscard]] bool may_execute(const Now& now) const;
  void change_state(const Now& now);
  void end_orders(const Now& now);
  void take_next();
  [[nodiscard]] std::optional<DeviceCommand> act(const Now& now);
  [[nodiscard]] std::optional<DeviceCommand> drive(const Now& now, Driving& driving);
  [[nodiscard]] std::optional<DeviceCommand> release(const Now& now, Releasing& releasing);
  [[nodiscard]] bool armed() const;
  [[nodiscard]] std::optional<std::int32_t> frequency(Instant now) const;
  [[nodiscard]] Watts asked(const Now& now) const;
  [[nodiscard]] std::optional<Watts> planned(const Now& now) const;
  [[nodiscard]] By who_drives(const Now& now) const;
  [[nodiscard]] std::optional<BatteryStatus> battery_status(const Now& now) const;
  [[nodiscard]] Capability pledged() const;
  [[nodiscard]] SiteLimits limits_of_order() const;
  [[nodiscard]] Watts able_by_frequency(const Now& now) const;
  [[nodiscard]] std::optional<Watts> net(const Now& now) const;
  [[nodiscard]] std::uint32_t revert_s(const Now& now, Watts set_point) const;
  [[nodiscard]] Duration horizon(const Now& now) const;
  [[nodiscard]] std::optional<SiteState> state_now(const Now& now) const;
  [[nodiscard]] std::optional<SiteState> state_over_window(const Now& now) const;
  [[nodiscard]] std::optional<Watts> measured(Instant now) const;
  [[nodiscard]] std::optional<Watts> fresh(const Reading<Watts>& reading, Instant now) const;
  [[nodiscard]] SiteStatus status(const Now& now) const;
  [[nodiscard]] FrequencyStatus frequency_status(const Now& now) const;
  [[nodiscard]] Mode mode() const;
  [[nodiscard]] Watts rating() const;
  [[nodiscard]] std::string why_limited(const Now& now) const;

  SiteLimits limits_;
  std::optional<Nameplate> nameplate_;  ///< unset: not connected
  std::optional<SiteOrder> order_;      ///< in force, or the next one to be
  std::vector<SiteOrder> ahead_;        ///< follow it
  Instant order_until_{};               ///< protocol: limits::kSetPointTtlMax after it came
  std::optional<Instant> heard_at_;
  SitePlan plan_;

  StorageWatch storage_;
  NetLoadWindow net_load_window_;
  Reading<Watts> discharge_limit_;  ///< the newest that the device told
  Reading<Watts> charge_limit_;
  OrderLedger ledger_;
  OrderLedger frequency_ledger_;
  Reading<std::int32_t> frequency_;
  Reading<Watts> battery_;
  std::optional<Watts> net_load_;  ///< now
  Instant net_load_at_{};
  std::optional<Instant> stepped_at_;
  Duration gap_{0};   ///< protocol time between the last two steps
  Duration look_{0};  ///< and between the last two readings

  Control control_;
  std::string_view limited_by_;
  bool order_changed_ = false;
  bool first_reading_ = true;  ///< since connected(): may find a set point that is not ours
  bool revert_idle_ = false;   ///< the device's timer was set and does not run
  int astray_ = 0;             ///< readings in a row with power far from the set point
};

}  // namespace vpp::device
