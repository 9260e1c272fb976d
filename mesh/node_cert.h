// NodeCert: 232 bytes with which a fleet vouches for a node.
//
// Signed over its raw bytes behind a domain prefix and carried as it is: it is never serialised a
// second time, so there is nothing to canonicalise and no second reading. Big-endian:
//
//     0  header 8     "VPC", version 1, role, three zero bytes
//     8  serial 8
//    16  node id 16   of the Ed25519 key
//    32  ed25519 32
//    64  curve 32
//    96  issuer 16    id of the key that signed
//   112  validity 16  not before, not after; UTC milliseconds
//   128  caps 12      discharge W, charge W, energy Wh; 0xffffffff: none of its own
//   140  generation 4 of the node's keys
//   144  scope 8      of the region it may serve in; zero: any
//   152  fleet 16
//   168  signature 64
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <string_view>

#include "config/ids.h"
#include "config/units.h"
#include "mesh/keys.h"

namespace vpp::mesh {

inline constexpr std::size_t kNodeCertBytes = 232;
inline constexpr std::uint32_t kNoCap = 0xffff'ffffU;
using NodeCertBytes = std::array<std::uint8_t, kNodeCertBytes>;

struct NodeCert {
  Role role = Role::kLeaf;
  std::uint64_t serial = 0;
  NodeId node;
  Ed25519Key ed25519{};
  CurveKey curve{};
  NodeId issuer;
  std::int64_t not_before_ms = 0;  ///< UTC; valid from, included
  std::int64_t not_after_ms = 0;   ///< UTC; valid until, excluded
  std::uint32_t discharge_max_w = kNoCap;
  std::uint32_t charge_max_w = kNoCap;
  std::uint32_t energy_max_wh = kNoCap;
  std::uint32_t key_generation = 1;
  std::uint64_t scope = 0;  ///< scope_of(region); 0: any region
  FleetId fleet;
  friend bool operator==(const NodeCert&, const NodeCert&) = default;

  // The caps as cores use them; a missing one is the system's own limit.
  [[nodiscard]] Watts discharge_max() const;
  [[nodiscard]] Watts charge_max() const;
  [[nodiscard]] Joules energy_max() const;

  [[nodiscard]] bool valid_at(std::int64_t utc_ms) const {
    return not_before_ms <= utc_ms && utc_ms < not_after_ms;
  }
};

enum class CertError : std::uint8_t {
  kMalformed,    ///< wrong size, header, role or order of dates; id not that of the key
  kFleet,        ///< of another fleet
  kSignature,    ///< not signed by the fleet's authority
  kNotYetValid,  ///< our clock or theirs is off
  kExpired,
};
[[nodiscard]] std::string_view to_string(CertError error);

/// 64 bits of BLAKE2b of the region's name; never 0 for a name, 0 for "".
[[nodiscard]] std::uint64_t scope_of(std::string_view region);

/// Fills in issuer and fleet from the authority, and the node id from the key. Precondition:
/// not_before_ms < not_after_ms.
[[nodiscard]] NodeCertBytes issue(const FleetAuthority& authority, NodeCert cert);

/// What the bytes say, unverified: for showing only.
[[nodiscard]] std::expected<NodeCert, CertError> parse_cert(std::span<const std::uint8_t> bytes);

/// Signature, fleet, identity and dates; the only way to trust one. Cost: one Ed25519
/// verification, about 40 us.
[[nodiscard]] std::expected<NodeCert, CertError> verify_cert(std::span<const std::uint8_t> bytes,
                                                             const FleetPublic& fleet,
                                                             std::int64_t utc_ms);

}  // namespace vpp::mesh
