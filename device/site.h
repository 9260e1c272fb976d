// What one site is, and what its driver and its controller tell each other.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/ids.h"
#include "config/limits.h"
#include "config/service.h"
#include "config/time.h"
#include "config/units.h"
#include "device/droop.h"

namespace vpp::device {

enum class Quality : std::uint8_t {
  kGood,
  kStale,           ///< too old
  kNotImplemented,  ///< the device says it has no such value
  kImplausible,     ///< beyond physics or ratings; scrubbed
};

/// A value with its quality and age. Unknown is unknown: never zero, never the last one.
template <class T>
struct Reading {
  std::optional<T> value;
  Quality quality = Quality::kNotImplemented;
  Instant at{};
  friend bool operator==(const Reading&, const Reading&) = default;
};

/// What the device is, read once per connection. Unset: not implemented by the device.
struct Nameplate {
  std::string manufacturer;
  std::string model;
  std::string serial;
  std::optional<Watts> discharge_max;
  std::optional<Watts> charge_max;  ///< >= 0
  std::optional<WattHours> energy_max;
  bool controllable = false;  ///< every point that control needs is implemented
  std::string why_not;        ///< for people, when not controllable
  bool has_revert_timer = false;
  /// It tells what it can do now (Telemetry::discharge_limit, charge_limit): not to know it is
  /// doubt then.
  bool tells_limits = false;
  std::optional<std::int64_t> ramp_w_per_s;  ///< of the device; nothing: it tells none
  std::string warning;  ///< for people: what a stranger left behind in the device
};

/// One round of readings, in our signs and units.
struct Telemetry {
  Reading<Watts> battery;              ///< AC side; discharge > 0
  Reading<Watts> site;                 ///< connection point; export > 0
  Reading<std::int32_t> soc_permille;  ///< state of charge
  Reading<Joules> stored;
  Reading<Joules> injected;  ///< lifetime counters of the device, battery AC side
  Reading<Joules> absorbed;
  Reading<Watts> inverter;  ///< AC output of a whole inverter that tells no more; export > 0
  /// What the device says it can do now: settings, throttling, temperature, taper near the ends.
  Reading<Watts> discharge_limit;
  Reading<Watts> charge_limit;    ///< >= 0
  bool set_point_active = false;  ///< the device says that it follows an external set point
  Reading<Watts> set_point;       ///< read back
  std::optional<std::uint32_t> revert_remaining_s;
  Reading<std::int32_t> frequency_mhz;  ///< of the grid
  std::uint32_t alarms = 0;             ///< as the device's model numbers them
  std::string
      meter_problem;  ///< for people: why a meter tells no `site`; empty: it does, or none is
};

/// What the owner and the connection allow. From the config.
struct SiteLimits {
  std::int32_t reserve_permille = 200;  ///< of the energy rating, kept for the owner
  std::int32_t full_permille = 950;     ///< beyond it batteries take less and less: not offered
  Watts discharge_max = limits::kSitePowerMax;
  Watts charge_max = limits::kSitePowerMax;          ///< >= 0
  Watts export_max = limits::kSitePowerMax;          ///< at the connection point
  Watts import_max = limits::kSitePowerMax;          ///< >= 0
  std::int64_t ramp_w_per_s = 100'000;               ///< in market time
  std::int32_t charge_efficiency_permille = 950;     ///< the highest of all powers
  std::int32_t discharge_efficiency_permille = 950;  ///< the least of all powers
  Joules own_use{0};   ///< in store, on top of the reserve: the home's own
  Watts power_min{0};  ///< a set point between 0 and this is not possible
  /// How far back the net load is looked at; its extremes count.
  Duration net_load_window = std::chrono::minutes{15};
  /// A reading older than this is no ground for a promise. Several polls.
  Duration reading_age_max = std::chrono::seconds{10};
  Droop droop{};
  /// Of the energy rating, kept from orders of some program: SiteStatus::discharge_above tells
  /// what is left of each.
  std::vector<std::int32_t> further_reserves_permille{};
};

/// What the plant asks of this site for a window of time. Nothing: the local default.
struct SiteOrder {
  OrderId order;
  Watts power;  ///< kFrequency: at full activation, either way; the sign says nothing
  MarketTime from{};
  MarketTime until{};
  Instant expires{};  ///< protocol time: not renewed by then, it ends
  Service service = Service::kEnergy;
  std::int32_t reserve_permille = 0;  ///< kept from this order, where SiteLimits keep less
  friend bool operator==(const SiteOrder&, const SiteOrder&) = default;
};

/// What a site does while no order is in force: the net load that it plans to have, slot by slot of
/// market time. Nothing planned: the local default.
struct SitePlan {
  MarketTime from{};
  Duration slot{0};
  MarketTime until{};           ///< not followed longer
  std::vector<Watts> net_load;  ///< drawn from the grid > 0
  [[nodiscard]] std::optional<Watts> at(MarketTime now) const {
    if (slot <= Duration{0} || now < from || now >= until) return std::nullopt;
    const auto index = static_cast<std::size_t>((now - from) / slot);
    return index < net_load.size() ? std::optional{net_load[index]} : std::nullopt;
  }
  friend bool operator==(const SitePlan&, const SitePlan&) = default;
};

inline constexpr Watts kNothing{0};

constexpr Watts size_of(Watts power) {
  return power < kNothing ? -power : power;
}

/// One direction at the connection point, losses taken off. Unknown makes it smaller, never larger.
struct Capability {
  Watts power;    ///< >= 0
  Joules energy;  ///< >= 0
  friend bool operator==(const Capability&, const Capability&) = default;
};

struct OrderAccount {
  OrderId order;
  Joules delivered;  ///< battery, AC side, since the order began
  friend bool operator==(const OrderAccount&, const OrderAccount&) = default;
};

/// What a site did against the frequency's deviations while that order armed it.
struct FrequencyAccount {
  OrderId order;
  Joules discharged;  ///< battery, AC side
  Joules charged;
  friend bool operator==(const FrequencyAccount&, const FrequencyAccount&) = default;
};

struct FrequencyStatus {
  std::optional<std::int32_t> measured_mhz;  ///< nothing: unknown, implausible or too old
  bool armed = false;                        ///< an order for it runs
  Watts asked;                               ///< by the droop now, before the guard
  Watts able;  ///< what could be armed: both ways, for limits::kFrequencyHold each
  std::vector<FrequencyAccount> accounts;  ///< newest order last, at most kReceiptsMax
};

/// Who decides the battery's power now.
enum class Mode : std::uint8_t {
  kLocalDefault,   ///< self-consumption: the device's own
  kDispatched,     ///< following an order
  kPlanned,        ///< following the home's own plan
  kRampingHome,    ///< an order ended; on the way to the local default
  kUncontrollable  ///< the device cannot be controlled, or control was lost
};

/// What a plan may count on.
struct BatteryStatus {
  Joules stored;        ///< the least that may be in it
  Joules capacity;      ///< > 0
  Watts discharge_max;  ///< of the device; limits::kSitePowerMax when it tells none
  Watts charge_max;
  friend bool operator==(const BatteryStatus&, const BatteryStatus&) = default;
};

/// What the controller tells the node: once a round.
struct SiteStatus {
  Capability discharge;
  Capability charge;
  std::vector<Capability> discharge_above;  ///< of each of SiteLimits::further_reserves_permille
  std::optional<Watts> measured;
  std::optional<Watts> net;  ///< at the connection point, export > 0
  std::optional<Joules> stored;
  std::optional<std::int32_t> soc_permille;
  std::optional<BatteryStatus> battery;  ///< nothing: unknown, or not to be controlled
  Watts set_point;                       ///< after the guard; 0 on the local default
  OrderId order;
  Mode mode = Mode::kLocalDefault;
  bool stale = true;
  std::string limited_by;  ///< which clamp of the guard is active, for people; empty: none
  MarketTime measured_at{};
  std::vector<OrderAccount> accounts;  ///< of energy; newest last, at most limits::kReceiptsMax
  FrequencyStatus frequency;
};

/// What the driver is asked to write. Nothing set: release to the device's own control.
struct DeviceCommand {
  std::optional<Watts> set_point;
  std::uint32_t revert_s = 0;  ///< the device falls back by itself after this
};

}  // namespace vpp::device
