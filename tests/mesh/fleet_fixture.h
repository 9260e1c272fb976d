// A fleet with keys and certificates in memory, for tests of identity and transport.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "mesh/keys.h"
#include "mesh/node_cert.h"

namespace vpp::mesh::testing {

inline constexpr std::int64_t kUtcMs = 1'790'000'000'000;
inline constexpr std::int64_t kHourMs = 3'600'000;

using CertBytes = std::vector<std::uint8_t>;

/// Fails the test when libsodium cannot start.
inline FleetAuthority new_authority() {
  if (!crypto_ready()) throw std::runtime_error{"libsodium cannot start"};
  return generate_fleet_authority();
}

struct Fleet {
  FleetAuthority authority = new_authority();

  /// Valid from an hour before kUtcMs to an hour after, with a site's caps.
  [[nodiscard]] NodeCert cert_for(const NodeKeys& keys, Role role) const {
    NodeCert cert;
    cert.role = role;
    cert.serial = 1;
    cert.ed25519 = keys.ed25519;
    cert.curve = keys.curve;
    cert.not_before_ms = kUtcMs - kHourMs;
    cert.not_after_ms = kUtcMs + kHourMs;
    cert.discharge_max_w = 5'000;
    cert.charge_max_w = 4'000;
    cert.energy_max_wh = 13'500;
    return cert;
  }
  [[nodiscard]] CertBytes issued(const NodeCert& cert) const {
    const NodeCertBytes bytes = issue(authority, cert);
    return {bytes.begin(), bytes.end()};
  }
  [[nodiscard]] CertBytes issued_to(const NodeKeys& keys, Role role) const {
    return issued(cert_for(keys, role));
  }
};

}  // namespace vpp::mesh::testing
