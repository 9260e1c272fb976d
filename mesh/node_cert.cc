#include "mesh/node_cert.h"

#include <sodium.h>

#include <algorithm>

#include "config/check.h"
#include "config/limits.h"

namespace vpp::mesh {
namespace {

constexpr std::string_view kDomain = "vpp node certificate 1";
constexpr std::array<std::uint8_t, 4> kMagic{'V', 'P', 'C', 1};
constexpr std::size_t kSignedBytes = kNodeCertBytes - sizeof(Signature);
constexpr std::int64_t kHoursOfEnergyMax = 24;  // of kGroupPowerMax, where a cert has no cap

/// Walks the layout of the header in order, writing or reading; one list of fields for both.
class Writer {
 public:
  explicit Writer(NodeCertBytes& bytes) : at_{bytes.data()} {}
  template <class Word>
  void word(Word value) {
    for (std::size_t i = sizeof(Word); i-- > 0;) {
      *at_++ = static_cast<std::uint8_t>(static_cast<std::uint64_t>(value) >> (8U * i));
    }
  }
  template <std::size_t N>
  void bytes(const std::array<std::uint8_t, N>& value) {
    at_ = std::ranges::copy(value, at_).out;
  }
  template <class Id>
  void id(const Id& value) {
    word(value.high);
    word(value.low);
  }

 private:
  std::uint8_t* at_;
};

/// Precondition: the bytes are as many as the layout has.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> bytes) : at_{bytes.data()} {}
  template <class Word>
  void word(Word& value) {
    std::uint64_t wide = 0;
    for (std::size_t i = 0; i < sizeof(Word); ++i) wide = wide << 8U | *at_++;
    value = static_cast<Word>(wide);
  }
  template <std::size_t N>
  void bytes(std::array<std::uint8_t, N>& value) {
    std::copy_n(at_, N, value.begin());
    at_ += N;
  }
  template <class Id>
  void id(Id& value) {
    word(value.high);
    word(value.low);
  }

 private:
  const std::uint8_t* at_;
};

/// Everything behind the header and before the signature.
template <class Walker, class Cert>
void walk(Walker& walker, Cert& cert) {
  walker.word(cert.serial);
  walker.id(cert.node);
  walker.bytes(cert.ed25519);
  walker.bytes(cert.curve);
  walker.id(cert.issuer);
  walker.word(cert.not_before_ms);
  walker.word(cert.not_after_ms);
  walker.word(cert.discharge_max_w);
  walker.word(cert.charge_max_w);
  walker.word(cert.energy_max_wh);
  walker.word(cert.key_generation);
  walker.word(cert.scope);
  walker.id(cert.fleet);
}

Watts power_cap(std::uint32_t watts) {
  return watts == kNoCap ? limits::kGroupPowerMax : Watts{watts};
}

}  // namespace

Watts NodeCert::discharge_max() const {
  return power_cap(discharge_max_w);
}

Watts NodeCert::charge_max() const {
  return power_cap(charge_max_w);
}

Joules NodeCert::energy_max() const {
  constexpr WattHours kMost{limits::kGroupPowerMax.count * kHoursOfEnergyMax};
  return to_joules(energy_max_wh == kNoCap ? kMost : WattHours{energy_max_wh});
}

std::string_view to_string(CertError error) {
  switch (error) {
    case CertError::kMalformed:
      return "malformed";
    case CertError::kFleet:
      return "of another fleet";
    case CertError::kSignature:
      return "not signed by the fleet's authority";
    case CertError::kNotYetValid:
      return "not yet valid";
    case CertError::kExpired:
      return "expired";
  }
  return "refused";
}

std::uint64_t scope_of(std::string_view region) {
  if (region.empty()) return 0;
  std::array<std::uint8_t, 32> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const std::uint8_t*>(region.data()),
                     region.size(), nullptr, 0);
  std::uint64_t scope = 0;
  for (std::size_t i = 0; i < sizeof(scope); ++i) scope = scope << 8U | hash[i];
  return std::max<std::uint64_t>(scope, 1);
}

NodeCertBytes issue(const FleetAuthority& authority, NodeCert cert) {
  VPP_CHECK(cert.not_before_ms < cert.not_after_ms);
  cert.node = node_id_of(cert.ed25519);
  cert.issuer = node_id_of(authority.pub.authority);
  cert.fleet = authority.pub.fleet;

  NodeCertBytes bytes{};
  Writer writer{bytes};
  writer.bytes(kMagic);
  writer.word(static_cast<std::uint8_t>(cert.role));
  writer.bytes(std::array<std::uint8_t, 3>{});
  walk(writer, cert);
  writer.bytes(sign(authority.seed, kDomain, std::span{bytes}.first<kSignedBytes>()));
  return bytes;
}

std::expected<NodeCert, CertError> parse_cert(std::span<const std::uint8_t> bytes) {
  if (bytes.size() != kNodeCertBytes) return std::unexpected{CertError::kMalformed};
  Reader reader{bytes};
  std::array<std::uint8_t, 4> magic{};
  std::uint8_t role = 0;
  std::array<std::uint8_t, 3> reserved{};
  reader.bytes(magic);
  reader.word(role);
  reader.bytes(reserved);
  NodeCert cert;
  walk(reader, cert);
  const bool sound = magic == kMagic && role <= static_cast<std::uint8_t>(Role::kRoot) &&
                     reserved == std::array<std::uint8_t, 3>{} &&
                     cert.not_before_ms < cert.not_after_ms &&
                     cert.node == node_id_of(cert.ed25519);
  if (!sound) return std::unexpected{CertError::kMalformed};
  cert.role = static_cast<Role>(role);
  return cert;
}

std::expected<NodeCert, CertError> verify_cert(std::span<const std::uint8_t> bytes,
                                               const FleetPublic& fleet, std::int64_t utc_ms) {
  auto cert = parse_cert(bytes);
  if (!cert) return cert;
  if (cert->fleet != fleet.fleet) return std::unexpected{CertError::kFleet};
  if (cert->issuer != node_id_of(fleet.authority)) return std::unexpected{CertError::kSignature};
  Signature signature{};
  std::copy_n(bytes.begin() + kSignedBytes, signature.size(), signature.begin());
  if (!verify(fleet.authority, kDomain, bytes.first(kSignedBytes), signature)) {
    return std::unexpected{CertError::kSignature};
  }
  if (utc_ms < cert->not_before_ms) return std::unexpected{CertError::kNotYetValid};
  if (utc_ms >= cert->not_after_ms) return std::unexpected{CertError::kExpired};
  return cert;
}

}  // namespace vpp::mesh
