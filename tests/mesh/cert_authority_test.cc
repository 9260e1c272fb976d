#include "mesh/cert_authority.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>

#include "mesh/small_file.h"
#include "tests/mesh/fleet_fixture.h"
#include "tests/mesh/temporary_directory.h"

using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;
namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kDay = 24 * kHourMs;

/// An authority and one node, each in a directory of its own.
struct Bench {
  TemporaryDirectory root;
  fs::path authority = root.path() / "fleet";
  fs::path node = root.path() / "node";
  FleetPublic fleet = init_authority(authority).value();
  CertRequest request = keygen(node).value();
};

std::string slurp(const fs::path& file) {
  std::ifstream in{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{in}, {}};
}

void spit(const fs::path& file, const std::string& text) {
  std::ofstream{file, std::ios::binary} << text;
}

std::map<std::string, std::string> described(const Bench& bench, const NodeCertBytes& bytes,
                                             std::int64_t utc_ms) {
  const auto pairs = describe_cert({bytes.begin(), bytes.end()}, bench.fleet, utc_ms).value();
  return {pairs.begin(), pairs.end()};
}

}  // namespace

TEST_CASE("init, keygen and sign make a certificate that holds in its fleet", "[mesh][ca]") {
  const Bench bench;
  const auto request = read_request(bench.node / kRequestFile);
  REQUIRE(request);
  CHECK(request->node == bench.request.node);
  SignOptions options{.role = Role::kLeaf,
                      .energy_max = WattHours{13'500},
                      .discharge_max = Watts{5'000},
                      .charge_max = Watts{0},
                      .region = "north",
                      .days = 90};
  const auto bytes = sign_request(bench.authority, *request, options, kUtcMs);
  REQUIRE(bytes);
  REQUIRE(write_cert(bench.node / kCertFile, *bytes));

  const auto stored = read_cert(bench.node / kCertFile).value();
  const auto fleet = read_fleet_public(bench.authority / kFleetFile).value();
  CHECK(fleet == bench.fleet);
  const auto cert = verify_cert(stored, fleet, kUtcMs).value();
  const auto keys = read_node_keys(bench.node / kNodeKeyFile).value();
  CHECK(cert.node == keys.id());
  CHECK(cert.curve == keys.curve);
  CHECK(cert.charge_max() == Watts{0});
  CHECK(cert.scope == scope_of("north"));
  CHECK(verify_cert(stored, fleet, kUtcMs + 90 * kDay - 1));
  CHECK_FALSE(verify_cert(stored, fleet, kUtcMs + 90 * kDay));
}

TEST_CASE("secrets are readable by their owner only, and refused when others can read them",
          "[mesh][ca]") {
  const Bench bench;
  for (const fs::path& file : {bench.authority / kAuthorityFile, bench.node / kNodeKeyFile}) {
    CAPTURE(file);
    CHECK((fs::status(file).permissions() & fs::perms::mask) ==
          (fs::perms::owner_read | fs::perms::owner_write));
    fs::permissions(file, fs::perms::group_read, fs::perm_options::add);
  }
  CHECK_THAT(read_node_keys(bench.node / kNodeKeyFile).error(), Catch::Contains("chmod 600"));
  CHECK_THAT(read_authority(bench.authority / kAuthorityFile).error(),
             Catch::Contains("chmod 600"));
}

TEST_CASE("keys are never overwritten", "[mesh][ca]") {
  const Bench bench;
  const std::string before = slurp(bench.node / kNodeKeyFile);
  CHECK_THAT(keygen(bench.node).error(), Catch::Contains("File exists"));
  CHECK(slurp(bench.node / kNodeKeyFile) == before);
  const std::string authority = slurp(bench.authority / kAuthorityFile);
  CHECK_FALSE(init_authority(bench.authority));
  CHECK(slurp(bench.authority / kAuthorityFile) == authority);
  // Nothing half-written stays behind.
  CHECK(std::distance(fs::directory_iterator{bench.node}, {}) == 2);
}

TEST_CASE("serials rise from one and every certificate is logged", "[mesh][ca]") {
  const Bench bench;
  for (std::uint64_t serial = 1; serial <= 3; ++serial) {
    const auto bytes = sign_request(bench.authority, bench.request, {}, kUtcMs).value();
    CHECK(parse_cert(bytes)->serial == serial);
  }
  const std::string log = slurp(bench.authority / kIssuedFile);
  CHECK(std::ranges::count(log, '\n') == 3);
  CHECK(log.starts_with("1\t" + to_string(bench.request.node) + "\tleaf\t"));
}

TEST_CASE("a damaged log of certificates stops the signing", "[mesh][ca]") {
  const Bench bench;
  const fs::path log = bench.authority / kIssuedFile;
  spit(log, "1\tx");
  CHECK_THAT(sign_request(bench.authority, bench.request, {}, kUtcMs).error(),
             Catch::Contains("cut off"));
  spit(log, "one\tx\n");
  CHECK_THAT(sign_request(bench.authority, bench.request, {}, kUtcMs).error(),
             Catch::Contains("serial"));
  spit(log, "18446744073709551615\tx\n");  // the next one would be zero, and then one again
  CHECK_THAT(sign_request(bench.authority, bench.request, {}, kUtcMs).error(),
             Catch::Contains("no serial is left"));
}

TEST_CASE("a request altered on its way is refused", "[mesh][ca]") {
  const Bench bench;
  const fs::path file = bench.node / kRequestFile;
  const std::string good = slurp(file);
  // Another's CURVE key under this node's name.
  const Bench other;
  const std::string theirs = slurp(other.node / kRequestFile);
  const auto line_of = [](const std::string& text, const std::string& field) {
    const std::size_t at = text.find("\n" + field + " ") + 1;
    return std::pair{at, text.find('\n', at) - at};
  };
  for (const std::string field : {"node", "ed25519", "curve", "signature"}) {
    CAPTURE(field);
    std::string mixed = good;
    const auto [at, size] = line_of(mixed, field);
    const auto [from, length] = line_of(theirs, field);
    mixed.replace(at, size, theirs, from, length);
    spit(file, mixed);
    CHECK_FALSE(read_request(file));
    std::string without = good;
    without.erase(at, size + 1);
    spit(file, without);
    CHECK_THAT(read_request(file).error(), Catch::Contains(field));
  }
  spit(file, good);
  CHECK(read_request(file));
}

TEST_CASE("files that are not what they should be are errors that name the file", "[mesh][ca]") {
  const Bench bench;
  CHECK_THAT(read_cert(bench.node / kRequestFile).error(), Catch::Contains("node.request"));
  CHECK_THAT(read_request(bench.authority / kFleetFile).error(),
             Catch::Contains("vpp-cert-request 1"));
  CHECK_THAT(read_fleet_public(bench.node / "absent").error(), Catch::Contains("No such file"));
  CHECK_THAT(read_fleet_public(bench.node).error(), Catch::Contains("not a regular file"));
  CHECK_FALSE(keygen(bench.authority / kFleetFile));
  spit(bench.node / "long", std::string(kSmallFileBytesMax + 1, 'x'));
  CHECK_THAT(read_fleet_public(bench.node / "long").error(), Catch::Contains("too long"));
}

TEST_CASE("caps and days out of range are refused before anything is logged", "[mesh][ca]") {
  const Bench bench;
  const auto refused = [&](const SignOptions& options) {
    return !sign_request(bench.authority, bench.request, options, kUtcMs);
  };
  CHECK(refused({.days = 0}));
  CHECK(refused({.days = 3651}));
  CHECK(refused({.energy_max = WattHours{-1}}));
  CHECK(refused({.discharge_max = Watts{kNoCap}}));
  CHECK(refused({.region = std::string(65, 'x')}));
  CHECK_FALSE(fs::exists(bench.authority / kIssuedFile));
}

TEST_CASE("show tells what a certificate says and whether it holds", "[mesh][ca]") {
  const Bench bench;
  const auto bytes =
      sign_request(bench.authority, bench.request,
                   {.role = Role::kAggregator, .discharge_max = Watts{7'000'000}, .days = 30},
                   1'767'225'600'000)
          .value();  // 2026-01-01T00:00:00Z
  auto shown = described(bench, bytes, 1'767'225'600'000);
  CHECK(shown["status"] == "valid");
  CHECK(shown["role"] == "aggregator");
  CHECK(shown["node"] == to_string(bench.request.node));
  CHECK(shown["not_before"] == "2025-12-31T23:55:00Z");
  CHECK(shown["not_after"] == "2026-01-31T00:00:00Z");
  CHECK(shown["discharge_max"] == "7000000 W");
  CHECK(shown["energy_max"] == "none");
  CHECK(described(bench, bytes, 1'767'225'600'000 + 31 * kDay)["status"] == "expired");
  CHECK_FALSE(describe_cert({1, 2, 3}, bench.fleet, 0));
}
