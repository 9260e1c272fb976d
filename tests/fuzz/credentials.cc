// Certificates, and the files of keys around them. No bytes but those that were signed are a
// certificate, and any bytes can be shown. A key file reads as itself or as an error that names
// it; a request is one only if its own key signed it. A serial comes after the log's last one.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "config/check.h"
#include "mesh/cert_authority.h"
#include "mesh/issued_log.h"
#include "mesh/node_cert.h"
#include "tests/fuzz/fuzz_input.h"
#include "tests/fuzz/memory_file.h"

using namespace vpp;
using namespace vpp::mesh;

namespace {

constexpr std::int64_t kUtcMs = 1'790'000'000'000;

/// The same in every run: a found input must stay one.
FleetAuthority fixed_authority() {
  VPP_CHECK(crypto_ready());
  return FleetAuthority{FleetId{1, 2}, Secret{{3}}};
}

NodeKeys fixed_keys() {
  return {Secret{{4}}, Secret{{5}}};
}

NodeCertBytes signed_cert(const FleetAuthority& authority) {
  const NodeKeys keys = fixed_keys();
  NodeCert cert;
  cert.ed25519 = keys.ed25519;
  cert.curve = keys.curve;
  cert.not_before_ms = kUtcMs - 1;
  cert.not_after_ms = kUtcMs + 1;
  return issue(authority, cert);
}

const fuzz::MemoryFile& file() {
  static const fuzz::MemoryFile one;
  return one;
}

void names_the_file(const std::string& error) {
  VPP_CHECK(error.starts_with(file().path() + ": ") && error.find('\n') == std::string::npos);
}

void certificate(fuzz::FuzzInput input) {
  static const FleetAuthority authority = fixed_authority();
  static const NodeCertBytes good = signed_cert(authority);
  // The first byte says how much of the good certificate stands before the input.
  const std::size_t kept = std::min<std::size_t>(input.byte(), good.size());
  std::vector<std::uint8_t> bytes{good.begin(), good.begin() + static_cast<std::ptrdiff_t>(kept)};
  const std::string_view rest = input.rest();
  bytes.insert(bytes.end(), rest.begin(), rest.end());

  const bool is_good = std::ranges::equal(bytes, good);
  VPP_CHECK(verify_cert(bytes, authority.pub, kUtcMs).has_value() == is_good);
  const auto shown = describe_cert(bytes, authority.pub, kUtcMs);
  if (shown) VPP_CHECK((shown->front().second == "valid") == is_good);
}

void node_keys(std::string_view text) {
  file().fill(text);
  const auto keys = read_node_keys(file().path());
  if (!keys) return names_the_file(keys.error());
  VPP_CHECK(keys->id() != kNoNode);
}

void authority_key(std::string_view text) {
  file().fill(text);
  const auto authority = read_authority(file().path());
  if (!authority) return names_the_file(authority.error());
  VPP_CHECK(FleetAuthority(authority->pub.fleet, authority->seed).pub == authority->pub);
}

void fleet_key(std::string_view text) {
  file().fill(text);
  const auto fleet = read_fleet_public(file().path());
  if (!fleet) names_the_file(fleet.error());
}

void request(std::string_view text) {
  file().fill(text);
  const auto asked = read_request(file().path());
  if (!asked) return names_the_file(asked.error());
  // Nobody but the holder of a secret makes one, and the only secret here is this.
  static const NodeKeys keys = fixed_keys();
  VPP_CHECK(asked->node == keys.id() && asked->ed25519 == keys.ed25519);
  VPP_CHECK(asked->curve == keys.curve);
}

void issued_log(std::string_view text) {
  file().fill(text);
  std::uint64_t given = 0;
  const auto serial = log_issued(file().path(), [&](std::uint64_t number) {
    given = number;
    return std::to_string(number) + "\tnode";
  });
  if (!serial) return names_the_file(serial.error());
  VPP_CHECK(*serial == given && *serial > 0);
  // The next one finds what this one wrote.
  const auto next = log_issued(
      file().path(), [](std::uint64_t number) { return std::to_string(number) + "\tnode"; });
  VPP_CHECK(next ? *next == *serial + 1 : *serial == UINT64_MAX);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  VPP_CHECK(crypto_ready());
  fuzz::FuzzInput input{data, size};
  switch (input.below(6)) {
    case 0:
      certificate(input);
      break;
    case 1:
      node_keys(input.rest());
      break;
    case 2:
      authority_key(input.rest());
      break;
    case 3:
      fleet_key(input.rest());
      break;
    case 4:
      request(input.rest());
      break;
    default:
      issued_log(input.rest());
  }
  return 0;
}
