// Who this node is: its keys, its certificate and the fleet's public key, read and checked at
// start.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "config/role_config.h"
#include "mesh/keys.h"
#include "mesh/node_cert.h"

namespace vpp::driver {

struct Identity {
  mesh::NodeKeys keys;
  mesh::FleetPublic fleet;
  std::vector<std::uint8_t> certificate;  ///< as signed
  mesh::NodeCert cert;                    ///< verified
};

/// Errors are one line with a hint: file missing or open to others, certificate of another fleet,
/// expired, for another key, of another role or region.
[[nodiscard]] std::expected<Identity, std::string> load_identity(const IdentityConfig& files,
                                                                 Role role, std::string_view region,
                                                                 std::int64_t utc_ms);

}  // namespace vpp::driver
