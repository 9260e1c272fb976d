#include "mesh/keys.h"

#include <sodium.h>

#include <vector>

#include "config/check.h"

namespace vpp::mesh {
namespace {

static_assert(sizeof(Ed25519Key) == crypto_sign_PUBLICKEYBYTES);
static_assert(sizeof(Signature) == crypto_sign_BYTES);
static_assert(sizeof(CurveKey) == crypto_scalarmult_BYTES);

/// The key pair libsodium works with: seed and public key; wiped after use.
class SigningKey {
 public:
  explicit SigningKey(const Secret& seed) {
    VPP_CHECK(crypto_ready());
    crypto_sign_seed_keypair(pub_.data(), secret_.data(), seed.bytes().data());
  }
  SigningKey(const SigningKey&) = delete;
  SigningKey& operator=(const SigningKey&) = delete;
  ~SigningKey() { sodium_memzero(secret_.data(), secret_.size()); }

  [[nodiscard]] const Ed25519Key& pub() const { return pub_; }
  [[nodiscard]] const std::uint8_t* secret() const { return secret_.data(); }

 private:
  Ed25519Key pub_{};
  std::array<std::uint8_t, crypto_sign_SECRETKEYBYTES> secret_{};
};

Secret random_secret() {
  VPP_CHECK(crypto_ready());
  Secret secret;
  randombytes_buf(secret.bytes().data(), secret.bytes().size());
  return secret;
}

/// Both hashes and signatures are told apart by the domain in front of what they cover.
std::vector<std::uint8_t> in_domain(std::string_view domain, std::span<const std::uint8_t> bytes) {
  std::vector<std::uint8_t> out(domain.begin(), domain.end());
  out.push_back(0);
  out.insert(out.end(), bytes.begin(), bytes.end());
  return out;
}

}  // namespace

Secret::~Secret() {
  sodium_memzero(bytes_.data(), bytes_.size());
}

NodeKeys::NodeKeys(const Secret& seed, const Secret& curve_secret_key)
    : ed25519_seed{seed}, curve_secret{curve_secret_key}, ed25519{SigningKey{seed}.pub()} {
  VPP_CHECK(crypto_scalarmult_base(curve.data(), curve_secret.bytes().data()) == 0);
}

NodeId NodeKeys::id() const {
  return node_id_of(ed25519);
}

FleetAuthority::FleetAuthority(FleetId fleet, const Secret& secret)
    : pub{fleet, SigningKey{secret}.pub()}, seed{secret} {}

bool crypto_ready() {
  return sodium_init() >= 0;
}

NodeId node_id_of(const Ed25519Key& key) {
  std::array<std::uint8_t, 32> hash{};
  crypto_generichash(hash.data(), hash.size(), key.data(), key.size(), nullptr, 0);
  NodeId id;
  for (std::size_t i = 0; i < 8; ++i) {
    id.high = id.high << 8U | hash[i];
    id.low = id.low << 8U | hash[8 + i];
  }
  return id;
}

NodeKeys generate_node_keys() {
  return NodeKeys{random_secret(), random_secret()};
}

FleetAuthority generate_fleet_authority() {
  VPP_CHECK(crypto_ready());
  FleetId fleet;
  randombytes_buf(&fleet.high, sizeof(fleet.high));
  randombytes_buf(&fleet.low, sizeof(fleet.low));
  return FleetAuthority{fleet, random_secret()};
}

Signature sign(const Secret& seed, std::string_view domain, std::span<const std::uint8_t> bytes) {
  const SigningKey key{seed};
  const auto covered = in_domain(domain, bytes);
  Signature signature{};
  crypto_sign_detached(signature.data(), nullptr, covered.data(), covered.size(), key.secret());
  return signature;
}

bool verify(const Ed25519Key& key, std::string_view domain, std::span<const std::uint8_t> bytes,
            const Signature& signature) {
  const auto covered = in_domain(domain, bytes);
  return crypto_sign_verify_detached(signature.data(), covered.data(), covered.size(),
                                     key.data()) == 0;
}

}  // namespace vpp::mesh
