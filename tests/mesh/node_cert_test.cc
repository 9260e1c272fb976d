#include "mesh/node_cert.h"

#include <catch2/catch.hpp>

#include "config/limits.h"
#include "tests/mesh/fleet_fixture.h"

using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

TEST_CASE("a certificate says what was signed", "[mesh][cert]") {
  const Fleet fleet;
  const NodeKeys keys = generate_node_keys();
  NodeCert cert = fleet.cert_for(keys, Role::kAggregator);
  cert.serial = 0x0102030405060708;
  cert.key_generation = 3;
  cert.scope = scope_of("north");
  const CertBytes bytes = fleet.issued(cert);
  REQUIRE(bytes.size() == kNodeCertBytes);

  const auto verified = verify_cert(bytes, fleet.authority.pub, kUtcMs);
  REQUIRE(verified);
  cert.node = keys.id();
  cert.fleet = fleet.authority.pub.fleet;
  cert.issuer = node_id_of(fleet.authority.pub.authority);
  CHECK(*verified == cert);
  CHECK(verified->discharge_max() == Watts{5'000});
  CHECK(verified->charge_max() == Watts{4'000});
  CHECK(verified->energy_max() == to_joules(WattHours{13'500}));
}

TEST_CASE("the layout is the documented one", "[mesh][cert]") {
  const Fleet fleet;
  const NodeKeys keys = generate_node_keys();
  NodeCert cert = fleet.cert_for(keys, Role::kRoot);
  cert.serial = 0x1122334455667788;
  cert.discharge_max_w = 0xa1b2c3d4;
  const CertBytes bytes = fleet.issued(cert);
  CHECK(to_hex(std::span{bytes}.first(16)) == "56504301020000001122334455667788");
  CHECK(to_hex(std::span{bytes}.subspan(16, 16)) == to_string(keys.id()));
  CHECK(to_hex(std::span{bytes}.subspan(32, 32)) == to_hex(keys.ed25519));
  CHECK(to_hex(std::span{bytes}.subspan(64, 32)) == to_hex(keys.curve));
  CHECK(to_hex(std::span{bytes}.subspan(128, 4)) == "a1b2c3d4");
  CHECK(to_hex(std::span{bytes}.subspan(152, 16)) == to_string(fleet.authority.pub.fleet));
}

TEST_CASE("every single flipped bit is refused", "[mesh][cert]") {
  const Fleet fleet;
  const CertBytes good = fleet.issued_to(generate_node_keys(), Role::kLeaf);
  REQUIRE(verify_cert(good, fleet.authority.pub, kUtcMs));
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    CertBytes bad = good;
    bad[bit / 8] ^= static_cast<std::uint8_t>(1U << (bit % 8));
    if (verify_cert(bad, fleet.authority.pub, kUtcMs)) FAIL("bit " << bit);
  }
}

TEST_CASE("a certificate of another length is refused", "[mesh][cert]") {
  const Fleet fleet;
  CertBytes bytes = fleet.issued_to(generate_node_keys(), Role::kLeaf);
  bytes.push_back(0);
  CHECK(verify_cert(bytes, fleet.authority.pub, kUtcMs).error() == CertError::kMalformed);
  bytes.resize(kNodeCertBytes - 1);
  CHECK(verify_cert(bytes, fleet.authority.pub, kUtcMs).error() == CertError::kMalformed);
  CHECK(verify_cert({}, fleet.authority.pub, kUtcMs).error() == CertError::kMalformed);
}

TEST_CASE("a certificate holds from its first millisecond to before its last", "[mesh][cert]") {
  const Fleet fleet;
  const NodeCert cert = fleet.cert_for(generate_node_keys(), Role::kLeaf);
  const CertBytes bytes = fleet.issued(cert);
  const FleetPublic& pub = fleet.authority.pub;
  CHECK(verify_cert(bytes, pub, cert.not_before_ms - 1).error() == CertError::kNotYetValid);
  CHECK(verify_cert(bytes, pub, cert.not_before_ms));
  CHECK(verify_cert(bytes, pub, cert.not_after_ms - 1));
  CHECK(verify_cert(bytes, pub, cert.not_after_ms).error() == CertError::kExpired);
}

TEST_CASE("a certificate of another fleet is refused, whatever it claims", "[mesh][cert]") {
  const Fleet ours;
  const Fleet theirs;
  const NodeKeys keys = generate_node_keys();
  const FleetPublic& pub = ours.authority.pub;
  CHECK(verify_cert(theirs.issued_to(keys, Role::kLeaf), pub, kUtcMs).error() == CertError::kFleet);

  // Their key under our fleet's name.
  FleetAuthority forger = theirs.authority;
  forger.pub.fleet = pub.fleet;
  CHECK(verify_cert(Fleet{forger}.issued_to(keys, Role::kLeaf), pub, kUtcMs).error() ==
        CertError::kSignature);

  // Their seed under our fleet's name and our authority's public key.
  forger.pub = pub;
  CHECK(verify_cert(Fleet{forger}.issued_to(keys, Role::kLeaf), pub, kUtcMs).error() ==
        CertError::kSignature);
}

TEST_CASE("a signature made for another purpose is no certificate", "[mesh][cert]") {
  const Fleet fleet;
  CertBytes bytes = fleet.issued_to(generate_node_keys(), Role::kLeaf);
  const std::size_t body = kNodeCertBytes - sizeof(Signature);
  const Signature other = sign(fleet.authority.seed, "vpp order 1", std::span{bytes}.first(body));
  std::ranges::copy(other, bytes.begin() + static_cast<std::ptrdiff_t>(body));
  CHECK(verify_cert(bytes, fleet.authority.pub, kUtcMs).error() == CertError::kSignature);
}

TEST_CASE("without a cap of its own a certificate allows what the system allows", "[mesh][cert]") {
  const NodeCert cert;
  CHECK(cert.discharge_max() == limits::kGroupPowerMax);
  CHECK(cert.charge_max() == limits::kGroupPowerMax);
  CHECK(cert.energy_max() == to_joules(WattHours{limits::kGroupPowerMax.count * 24}));
  CHECK(cert.energy_max().count < std::int64_t{1} << 50);
}

TEST_CASE("scopes tell regions apart; no region is no scope", "[mesh][cert]") {
  CHECK(scope_of("") == 0);
  CHECK(scope_of("north") != 0);
  CHECK(scope_of("north") == scope_of("north"));
  CHECK(scope_of("north") != scope_of("south"));
}
