// No bytes but those that were signed are a certificate; any bytes can be shown.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "mesh/cert_authority.h"
#include "mesh/node_cert.h"

using namespace vpp;
using namespace vpp::mesh;

namespace {

constexpr std::int64_t kUtcMs = 1'790'000'000'000;

/// The same in every run: a found input must stay one.
FleetAuthority fixed_authority() {
  if (!crypto_ready()) __builtin_trap();
  return FleetAuthority{FleetId{1, 2}, Secret{{3}}};
}

NodeCertBytes signed_cert(const FleetAuthority& authority) {
  const NodeKeys keys{Secret{{4}}, Secret{{5}}};
  NodeCert cert;
  cert.ed25519 = keys.ed25519;
  cert.curve = keys.curve;
  cert.not_before_ms = kUtcMs - 1;
  cert.not_after_ms = kUtcMs + 1;
  return issue(authority, cert);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const FleetAuthority authority = fixed_authority();
  static const NodeCertBytes good = signed_cert(authority);
  // The first byte says how much of the good certificate stands before the input.
  const std::size_t kept = size == 0 ? 0 : std::min<std::size_t>(data[0], good.size());
  std::vector<std::uint8_t> bytes{good.begin(), good.begin() + static_cast<std::ptrdiff_t>(kept)};
  if (size > 1) bytes.insert(bytes.end(), data + 1, data + size);

  const bool is_good = std::ranges::equal(bytes, good);
  if (verify_cert(bytes, authority.pub, kUtcMs).has_value() != is_good) __builtin_trap();
  const auto shown = describe_cert(bytes, authority.pub, kUtcMs);
  if (shown && (shown->front().second == "valid") != is_good) __builtin_trap();
  return 0;
}
