// Keys of a node and of a fleet, and the text files that hold them.
//
// Every node has an Ed25519 key (who it is; signs requests) and a CURVE key (which connection is
// its own). Both are born on the device. Secrets are wiped when their owner goes, are never
// printed, and live in files of mode 0600 that are never overwritten.
//
// Files are lines "field value" below a first line that names kind and version. Ed25519 keys and
// ids are hex, CURVE keys Z85, as ZeroMQ prints them.
// Errors     one line for people: path, cause.
#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "config/ids.h"

namespace vpp::mesh {

using Ed25519Key = std::array<std::uint8_t, 32>;  ///< public key, raw bytes
using Signature = std::array<std::uint8_t, 64>;   ///< Ed25519, detached

/// 32 secret bytes, wiped on destruction.
class Secret {
 public:
  Secret() = default;
  explicit Secret(const std::array<std::uint8_t, 32>& bytes) : bytes_{bytes} {}
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret();

  [[nodiscard]] const std::array<std::uint8_t, 32>& bytes() const { return bytes_; }
  [[nodiscard]] std::array<std::uint8_t, 32>& bytes() { return bytes_; }

 private:
  std::array<std::uint8_t, 32> bytes_{};
};

struct NodeKeys {
  NodeKeys() = default;
  NodeKeys(const Secret& seed, const Secret& curve_secret_key);  ///< derives the public halves

  Secret ed25519_seed;
  Secret curve_secret;
  Ed25519Key ed25519{};
  CurveKey curve{};

  [[nodiscard]] NodeId id() const;
};

/// Proves a fleet: what every node holds to check the others' certificates.
struct FleetPublic {
  FleetId fleet;
  Ed25519Key authority{};
  friend bool operator==(const FleetPublic&, const FleetPublic&) = default;
};

/// The fleet authority; kept offline.
struct FleetAuthority {
  FleetAuthority(FleetId fleet, const Secret& secret);  ///< derives the public key

  FleetPublic pub;
  Secret seed;
};

/// What a device tells the authority about itself, signed with its Ed25519 key, so that nobody
/// asks in the name of another's key.
struct CertRequest {
  NodeId node;
  Ed25519Key ed25519{};
  CurveKey curve{};
};

/// Must succeed once before anything else here; cheap when repeated.
[[nodiscard]] bool crypto_ready();

/// First 16 bytes of BLAKE2b of the key.
[[nodiscard]] NodeId node_id_of(const Ed25519Key& key);

/// Fresh keys from the operating system's generator.
[[nodiscard]] NodeKeys generate_node_keys();
[[nodiscard]] FleetAuthority generate_fleet_authority();

[[nodiscard]] Signature sign(const Secret& seed, std::string_view domain,
                             std::span<const std::uint8_t> bytes);
[[nodiscard]] bool verify(const Ed25519Key& key, std::string_view domain,
                          std::span<const std::uint8_t> bytes, const Signature& signature);

// Text forms.
[[nodiscard]] std::string to_hex(std::span<const std::uint8_t> bytes);
[[nodiscard]] std::string to_string(FleetId id);

// Files. Writers create the file and fail when it exists; secrets get mode 0600. Readers refuse
// a secret that others than its owner can read.
[[nodiscard]] std::expected<void, std::string> write_node_keys(const std::filesystem::path& file,
                                                               const NodeKeys& keys);
[[nodiscard]] std::expected<NodeKeys, std::string> read_node_keys(
    const std::filesystem::path& file);
[[nodiscard]] std::expected<void, std::string> write_authority(const std::filesystem::path& file,
                                                               const FleetAuthority& authority);
[[nodiscard]] std::expected<FleetAuthority, std::string> read_authority(
    const std::filesystem::path& file);
[[nodiscard]] std::expected<void, std::string> write_fleet_public(const std::filesystem::path& file,
                                                                  const FleetPublic& fleet);
[[nodiscard]] std::expected<FleetPublic, std::string> read_fleet_public(
    const std::filesystem::path& file);
[[nodiscard]] std::expected<void, std::string> write_request(const std::filesystem::path& file,
                                                             const NodeKeys& keys);
[[nodiscard]] std::expected<CertRequest, std::string> read_request(
    const std::filesystem::path& file);

}  // namespace vpp::mesh
