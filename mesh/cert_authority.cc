#include "mesh/cert_authority.h"

#include <chrono>

#include "config/limits.h"
#include "config/z85.h"
#include "mesh/issued_log.h"
#include "mesh/small_file.h"

namespace vpp::mesh {
namespace {

constexpr std::int64_t kDayMs = 24LL * 3600 * 1000;
constexpr std::int64_t kClockSlackMs = 5LL * 60 * 1000;
constexpr std::int64_t kDaysMax = 3650;

std::expected<void, std::string> make_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory, error);
  if (error) return std::unexpected{directory.string() + ": " + error.message()};
  return {};
}

/// "2026-03-01T12:00:00Z"; the number where it is beyond the calendar.
std::string utc_text(std::int64_t utc_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds{utc_ms}};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  if (utc_ms < 0 || !date.ok() || int{date.year()} > 9999) return std::to_string(utc_ms);
  const hh_mm_ss clock{floor<seconds>(time - day)};
  const auto two = [](auto number) {
    const std::string digits = std::to_string(number);
    return digits.size() < 2 ? '0' + digits : digits;
  };
  return std::to_string(int{date.year()}) + '-' + two(unsigned{date.month()}) + '-' +
         two(unsigned{date.day()}) + 'T' + two(clock.hours().count()) + ':' +
         two(clock.minutes().count()) + ':' + two(clock.seconds().count()) + 'Z';
}

std::string cap_text(std::uint32_t cap, std::string_view unit) {
  return cap == kNoCap ? "none" : std::to_string(cap) + ' ' + std::string{unit};
}

/// A cap as the certificate holds it; nothing when it cannot.
template <class Amount>
std::optional<std::uint32_t> as_cap(const std::optional<Amount>& amount) {
  if (!amount) return kNoCap;
  if (amount->count < 0 || amount->count >= std::int64_t{kNoCap}) return std::nullopt;
  return static_cast<std::uint32_t>(amount->count);
}

/// Everything but the serial.
std::expected<NodeCert, std::string> to_sign(const CertRequest& request, const SignOptions& options,
                                             std::int64_t utc_ms) {
  if (options.days < 1 || options.days > kDaysMax) {
    return std::unexpected{"days must be 1 to " + std::to_string(kDaysMax)};
  }
  if (options.region.size() > limits::kNameBytesMax) return std::unexpected{"region is too long"};
  const auto discharge = as_cap(options.discharge_max);
  const auto charge = as_cap(options.charge_max);
  const auto energy = as_cap(options.energy_max);
  if (!discharge || !charge || !energy) {
    return std::unexpected{"a cap must be 0 to " + std::to_string(kNoCap - 1)};
  }
  NodeCert cert;
  cert.role = options.role;
  cert.ed25519 = request.ed25519;
  cert.curve = request.curve;
  cert.not_before_ms = utc_ms - kClockSlackMs;
  cert.not_after_ms = utc_ms + options.days * kDayMs;
  cert.discharge_max_w = *discharge;
  cert.charge_max_w = *charge;
  cert.energy_max_wh = *energy;
  cert.scope = scope_of(options.region);
  return cert;
}

std::string log_line(const NodeCert& cert, const CertRequest& request) {
  return std::to_string(cert.serial) + '\t' + to_string(request.node) + '\t' +
         std::string{to_string(cert.role)} + '\t' + utc_text(cert.not_before_ms) + '\t' +
         utc_text(cert.not_after_ms) + '\t' + cap_text(cert.discharge_max_w, "W") + '\t' +
         cap_text(cert.charge_max_w, "W") + '\t' + cap_text(cert.energy_max_wh, "Wh");
}

std::string status_of(const std::vector<std::uint8_t>& bytes,
                      const std::optional<FleetPublic>& fleet, std::int64_t utc_ms) {
  if (!fleet) return "not checked";
  const auto verified = verify_cert(bytes, *fleet, utc_ms);
  return verified ? "valid" : std::string{to_string(verified.error())};
}

}  // namespace

std::expected<FleetPublic, std::string> init_authority(const std::filesystem::path& directory) {
  if (auto made = make_directory(directory); !made) return std::unexpected{made.error()};
  if (!crypto_ready()) return std::unexpected{"no source of randomness"};
  const FleetAuthority authority = generate_fleet_authority();
  if (auto written = write_authority(directory / kAuthorityFile, authority); !written) {
    return std::unexpected{written.error()};
  }
  if (auto written = write_fleet_public(directory / kFleetFile, authority.pub); !written) {
    return std::unexpected{written.error()};
  }
  return authority.pub;
}

std::expected<CertRequest, std::string> keygen(const std::filesystem::path& directory) {
  if (auto made = make_directory(directory); !made) return std::unexpected{made.error()};
  if (!crypto_ready()) return std::unexpected{"no source of randomness"};
  const NodeKeys keys = generate_node_keys();
  if (auto written = write_node_keys(directory / kNodeKeyFile, keys); !written) {
    return std::unexpected{written.error()};
  }
  if (auto written = write_request(directory / kRequestFile, keys); !written) {
    return std::unexpected{written.error()};
  }
  return CertRequest{keys.id(), keys.ed25519, keys.curve};
}

std::int64_t default_days(Role role) {
  switch (role) {
    case Role::kLeaf:
      return 90;
    case Role::kAggregator:
      return 30;
    case Role::kRoot:
      return 7;
  }
  return 1;
}

std::expected<NodeCertBytes, std::string> sign_request(
    const std::filesystem::path& authority_directory, const CertRequest& request,
    const SignOptions& options, std::int64_t utc_ms) {
  const auto authority = read_authority(authority_directory / kAuthorityFile);
  if (!authority) return std::unexpected{authority.error()};
  auto cert = to_sign(request, options, utc_ms);
  if (!cert) return std::unexpected{cert.error()};
  const auto serial = log_issued(authority_directory / kIssuedFile, [&](std::uint64_t number) {
    cert->serial = number;
    return log_line(*cert, request);
  });
  if (!serial) return std::unexpected{serial.error()};
  return issue(*authority, *cert);
}

std::expected<void, std::string> write_cert(const std::filesystem::path& file,
                                            const NodeCertBytes& bytes) {
  return replace_file(file, {reinterpret_cast<const char*>(bytes.data()), bytes.size()},
                      kPublicMode);
}

std::expected<std::vector<std::uint8_t>, std::string> read_cert(const std::filesystem::path& file) {
  const auto text = read_small_file(file, false);
  if (!text) return std::unexpected{text.error()};
  if (text->size() != kNodeCertBytes) {
    return std::unexpected{file.string() + ": not a certificate: " + std::to_string(text->size()) +
                           " bytes, not " + std::to_string(kNodeCertBytes)};
  }
  return std::vector<std::uint8_t>{text->begin(), text->end()};
}

std::expected<std::vector<std::pair<std::string, std::string>>, std::string> describe_cert(
    const std::vector<std::uint8_t>& bytes, const std::optional<FleetPublic>& fleet,
    std::int64_t utc_ms) {
  const auto cert = parse_cert(bytes);
  if (!cert) return std::unexpected{std::string{to_string(cert.error())}};
  return std::vector<std::pair<std::string, std::string>>{
      {"status", status_of(bytes, fleet, utc_ms)},
      {"serial", std::to_string(cert->serial)},
      {"node", to_string(cert->node)},
      {"role", std::string{to_string(cert->role)}},
      {"fleet", to_string(cert->fleet)},
      {"issuer", to_string(cert->issuer)},
      {"not_before", utc_text(cert->not_before_ms)},
      {"not_after", utc_text(cert->not_after_ms)},
      {"discharge_max", cap_text(cert->discharge_max_w, "W")},
      {"charge_max", cap_text(cert->charge_max_w, "W")},
      {"energy_max", cap_text(cert->energy_max_wh, "Wh")},
      {"region_scope", cert->scope == 0 ? "any" : to_string(NodeId{0, cert->scope}).substr(16)},
      {"key_generation", std::to_string(cert->key_generation)},
      {"ed25519", to_hex(cert->ed25519)},
      {"curve", to_z85(cert->curve)},
  };
}

}  // namespace vpp::mesh
