// Names of things that outlive a process.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace vpp {

/// First 16 bytes of BLAKE2b(Ed25519 public key), big-endian in two words; 32 hex digits for
/// people. Zero is no node.
struct NodeId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend constexpr auto operator<=>(const NodeId&, const NodeId&) = default;
};
inline constexpr NodeId kNoNode{};

/// 32 lower-case hex digits.
[[nodiscard]] std::string to_string(NodeId id);
[[nodiscard]] std::expected<NodeId, std::string> parse_node_id(std::string_view hex);

/// Which fleet a certificate belongs to; same form as a node id.
struct FleetId {
  std::uint64_t high = 0;
  std::uint64_t low = 0;
  friend constexpr auto operator<=>(const FleetId&, const FleetId&) = default;
};

/// Given by the root, unique and rising within its fleet. Zero is no order.
struct OrderId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(const OrderId&, const OrderId&) = default;
};
inline constexpr OrderId kNoOrder{};

/// From here on an order is of an aggregator, for the homes below it, and no root has booked it:
/// one a day of market time. A double holds every one of them exactly.
inline constexpr OrderId kFirstLocalOrder{std::uint64_t{1} << 52U};
[[nodiscard]] constexpr bool is_local(OrderId id) {
  return id >= kFirstLocalOrder;
}

enum class Role : std::uint8_t { kLeaf, kAggregator, kRoot };

[[nodiscard]] std::string_view to_string(Role role);

using CurveKey = std::array<std::uint8_t, 32>;  ///< CURVE (Curve25519) public key, raw bytes

/// Where a node that takes children listens, and the key its socket proves.
struct Endpoint {
  std::string address;  ///< "tcp://host:port"
  CurveKey server_key{};
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

}  // namespace vpp
