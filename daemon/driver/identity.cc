#include "daemon/driver/identity.h"

#include <utility>

#include "mesh/cert_authority.h"

namespace vpp::driver {
namespace {

std::unexpected<std::string> refuse(std::string_view file, std::string_view cause,
                                    std::string_view hint) {
  return std::unexpected{std::string{file} + ": " + std::string{cause} +
                         "; hint: " + std::string{hint}};
}

std::string_view hint_for(mesh::CertError error) {
  switch (error) {
    case mesh::CertError::kMalformed:
      return "a certificate is the 232-byte file that `vppctl certs sign` writes";
    case mesh::CertError::kFleet:
    case mesh::CertError::kSignature:
      return "it must be signed by the authority whose fleet.pub is [identity] fleet_key";
    case mesh::CertError::kNotYetValid:
      return "check this machine's clock";
    case mesh::CertError::kExpired:
      return "sign the node's request again with `vppctl certs sign`";
  }
  return "";
}

}  // namespace

std::expected<Identity, std::string> load_identity(const IdentityConfig& files, Role role,
                                                   std::string_view region, std::int64_t utc_ms) {
  if (!mesh::crypto_ready()) return std::unexpected{"libsodium cannot be initialised"};
  auto keys = mesh::read_node_keys(files.key);
  if (!keys) {
    return std::unexpected{keys.error() + "; hint: `vppd keygen` makes it, with mode 0600"};
  }
  auto fleet = mesh::read_fleet_public(files.fleet_key);
  if (!fleet)
    return std::unexpected{fleet.error() + "; hint: copy the fleet.pub of your authority"};
  auto bytes = mesh::read_cert(files.certificate);
  if (!bytes) return std::unexpected{bytes.error() + "; hint: `vppctl certs sign` makes it"};
  const auto cert = mesh::verify_cert(*bytes, *fleet, utc_ms);
  if (!cert) {
    return refuse(files.certificate, mesh::to_string(cert.error()), hint_for(cert.error()));
  }
  if (cert->node != keys->id() || cert->curve != keys->curve) {
    return refuse(files.certificate, "is for another key than " + files.key,
                  "sign the request that was made with this key");
  }
  if (cert->role != role) {
    return refuse(files.certificate,
                  "is for the role " + std::string{to_string(cert->role)} + ", not " +
                      std::string{to_string(role)},
                  "sign it again with the right --role");
  }
  if (cert->scope != 0 && cert->scope != mesh::scope_of(region)) {
    return refuse(files.certificate, "is not for the region '" + std::string{region} + "'",
                  "check `region`, or sign it again with the right --region");
  }
  return Identity{*std::move(keys), *fleet, *std::move(bytes), *cert};
}

}  // namespace vpp::driver
