// What `vppd keygen` and `vppctl certs init|sign|show` do, apart from reading arguments.
//
// Directory of an authority: authority.key (secret, 0600), fleet.pub (to every node), issued.log
// (one line per certificate; the next serial follows from it).
// Directory of a node: node.key (secret, 0600), node.request (to the authority), node.cert (232
// raw bytes, from the authority), fleet.pub.
// Errors     one line for people: path, cause.
#pragma once

#include <cstdint>
#include <expected>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "config/ids.h"
#include "config/units.h"
#include "mesh/keys.h"
#include "mesh/node_cert.h"

namespace vpp::mesh {

inline constexpr std::string_view kAuthorityFile = "authority.key";
inline constexpr std::string_view kFleetFile = "fleet.pub";
inline constexpr std::string_view kIssuedFile = "issued.log";
inline constexpr std::string_view kNodeKeyFile = "node.key";
inline constexpr std::string_view kRequestFile = "node.request";
inline constexpr std::string_view kCertFile = "node.cert";

/// A new fleet in `directory`, which is created when absent. Refuses to replace one.
[[nodiscard]] std::expected<FleetPublic, std::string> init_authority(
    const std::filesystem::path& directory);

/// A new node in `directory`, which is created when absent. Refuses to replace one.
[[nodiscard]] std::expected<CertRequest, std::string> keygen(
    const std::filesystem::path& directory);

struct SignOptions {
  Role role = Role::kLeaf;
  std::optional<WattHours> energy_max = std::nullopt;  ///< nothing: no cap of its own
  std::optional<Watts> discharge_max = std::nullopt;
  std::optional<Watts> charge_max = std::nullopt;
  std::string region = {};  ///< "": any
  std::int64_t days = 90;   ///< see default_days(); 1 to 3650
};

/// By role: leaf 90, aggregator 30, root 7.
[[nodiscard]] std::int64_t default_days(Role role);

/// Checks the request, signs, logs the certificate in issued.log, and only then returns it. Valid
/// from five minutes before `utc_ms`, so that a clock a little slow still takes it.
[[nodiscard]] std::expected<NodeCertBytes, std::string> sign_request(
    const std::filesystem::path& authority_directory, const CertRequest& request,
    const SignOptions& options, std::int64_t utc_ms);

/// Replaces the file in one step; a renewed certificate takes the old one's place.
[[nodiscard]] std::expected<void, std::string> write_cert(const std::filesystem::path& file,
                                                          const NodeCertBytes& bytes);
[[nodiscard]] std::expected<std::vector<std::uint8_t>, std::string> read_cert(
    const std::filesystem::path& file);

/// Name and value pairs in the order to show them; with `fleet` also whether it holds at
/// `utc_ms` ("valid", "expired", ...), without it "not checked".
[[nodiscard]] std::expected<std::vector<std::pair<std::string, std::string>>, std::string>
describe_cert(const std::vector<std::uint8_t>& bytes, const std::optional<FleetPublic>& fleet,
              std::int64_t utc_ms);

}  // namespace vpp::mesh
