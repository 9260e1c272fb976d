// One consistent picture of this vppd, for documents, health and metrics. Plain values: made on the
// node's loop, read on the HTTP thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "aggregation/duration_curve.h"
#include "config/time.h"
#include "daemon/driver/descriptor.h"
#include "daemon/driver/store.h"
#include "daemon/node/node.h"
#include "mesh/zmq_transport.h"

namespace vpp::driver {

struct DeviceVitals {
  bool connected = false;
  std::string problem;  ///< empty: none
  std::string meter_problem;
};

struct MarketVitals {
  std::uint64_t calls = 0;
  std::uint64_t failures = 0;
  std::string problem;  ///< of the newest answer; empty: it was good
};

/// What the driver knows beside the node.
struct Vitals {
  std::int64_t pid = 0;
  Duration uptime{0};
  std::int64_t utc_ms = 0;
  StoreUse store;
  DescriptorUse descriptors;
  std::optional<Duration> clock_step;  ///< of the wall clock, not believed yet
  std::string store_problem;           ///< why state is not durable now; empty: it is
  mesh::TransportCounters wire;
  std::optional<mesh::OtherVersion> other_version;  ///< lately

  using Device = DeviceVitals;
  std::optional<Device> device;  ///< leaf, from its first report on

  using Market = MarketVitals;
  std::optional<Market> market;  ///< root with a market

  std::int32_t firm_permille = 1000;             ///< of the firm capacity, what is offered
  std::optional<std::int32_t> reserve_permille;  ///< leaf: of the battery, the owner's
  std::int64_t cert_not_before_ms = 0;
  std::int64_t cert_not_after_ms = 0;      ///< 0: unknown
  std::uint64_t requests_dropped = 0;      ///< for a full queue
  bool queue_full = false;                 ///< within the last minute
  std::array<std::uint64_t, 3> notices{};  ///< by severity
};

struct Snapshot {
  node::NodeStatus status;
  Vitals vitals;
};

/// What this node can do now, in both directions.
struct Flexibility {
  aggregation::DurationCurve up;    ///< discharge
  aggregation::DurationCurve down;  ///< charge
};

/// Of what is counted below, or of the leaf's own site. Nothing: unknown.
[[nodiscard]] std::optional<Flexibility> flexibility_of(const node::NodeStatus& status);

/// Of the sites in one scope. Nothing: unknown, or none of them is below.
[[nodiscard]] std::optional<Flexibility> flexibility_of(const node::NodeStatus& status,
                                                        const Scope& scope);

/// What of it is firm, at the node's level. Nothing: unknown, or a leaf, which knows no rates.
[[nodiscard]] std::optional<Flexibility> firm_flexibility_of(const node::NodeStatus& status);

/// Constant power that can be held for all of `duration`, rounded down; duration > 0.
[[nodiscard]] Watts held_power(const aggregation::DurationCurve& curve,
                               std::chrono::milliseconds duration);

/// Of all the sites below that follow an order for energy, whatever its scope.
[[nodiscard]] Watts measured_of(const mesh::GroupSummary& group);

/// Battery power below (or of the leaf) now; nothing: unknown.
[[nodiscard]] std::optional<Watts> measured_of(const node::NodeStatus& status);

/// At the connection points of the sites that know it, export > 0; nothing: none does.
[[nodiscard]] std::optional<Watts> net_of(const mesh::GroupSummary& group);
[[nodiscard]] std::optional<Watts> net_of(const node::NodeStatus& status);

/// Measured against target, in permille of the target; nothing: no target, or unknown.
[[nodiscard]] std::optional<std::int64_t> error_permille(const node::NodeStatus& status);

enum class NodeState : std::uint8_t { kAlive, kStale, kLost, kDrained };
[[nodiscard]] NodeState state_of(const mesh::ChildView& child);

/// Children that live below another parent now are not this node's to show.
void hide_moved(node::NodeStatus& status);
[[nodiscard]] std::string_view to_string(NodeState state);

}  // namespace vpp::driver
