#include <sodium.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "config/z85.h"
#include "mesh/keys.h"
#include "mesh/small_file.h"

namespace vpp::mesh {
namespace {

constexpr std::string_view kNodeKeyKind = "vpp-node-key 1";
constexpr std::string_view kAuthorityKind = "vpp-fleet-authority 1";
constexpr std::string_view kFleetKind = "vpp-fleet 1";
constexpr std::string_view kRequestKind = "vpp-cert-request 1";

template <std::size_t N>
std::optional<std::array<std::uint8_t, N>> parse_hex(std::string_view hex) {
  std::array<std::uint8_t, N> bytes{};
  if (hex.size() != 2 * N) return std::nullopt;
  for (std::size_t i = 0; i < N; ++i) {
    const char* at = hex.data() + 2 * i;
    const auto [end, error] = std::from_chars(at, at + 2, bytes[i], 16);
    if (error != std::errc{} || end != at + 2) return std::nullopt;
  }
  return bytes;
}

std::optional<Secret> as_secret(const std::optional<std::array<std::uint8_t, 32>>& bytes) {
  return bytes ? std::optional{Secret{*bytes}} : std::nullopt;
}

/// The lines of one of our files; remembers the first field that is missing or wrong.
class Fields {
 public:
  static std::expected<Fields, std::string> read(const std::filesystem::path& file,
                                                 std::string_view kind, bool secret) {
    auto text = read_small_file(file, secret);
    if (!text) return std::unexpected{text.error()};
    Fields fields{file};
    std::string_view rest = *text;
    const std::string_view first = take_line(rest);
    if (first == kind) {
      while (!rest.empty()) fields.add(take_line(rest));
    } else {
      fields.fail("the first line is not \"" + std::string{kind} + "\"");
    }
    sodium_memzero(text->data(), text->size());
    return fields;
  }
  Fields(Fields&&) = default;
  Fields& operator=(Fields&&) = default;
  ~Fields() {
    for (auto& [name, value] : values_) sodium_memzero(value.data(), value.size());
  }

  /// `parse` returns an optional; nothing makes the whole file bad.
  template <class Parse>
  auto get(std::string_view name, Parse parse) {
    const auto found = values_.find(name);
    auto value = found == values_.end() ? decltype(parse(std::string_view{})){}
                                        : parse(std::string_view{found->second});
    if (!value) fail("field \"" + std::string{name} + "\" is missing or malformed");
    return value;
  }

  void fail(std::string_view cause) {
    if (!error_) error_ = file_.string() + ": " + std::string{cause};
  }
  [[nodiscard]] const std::optional<std::string>& error() const { return error_; }

 private:
  explicit Fields(std::filesystem::path file) : file_{std::move(file)} {}

  static std::string_view take_line(std::string_view& rest) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
  }

  void add(std::string_view line) {
    if (line.empty()) return;
    const std::size_t blank = line.find(' ');
    if (blank == std::string_view::npos) return fail("a line is not \"field value\"");
    const bool fresh =
        values_.emplace(line.substr(0, blank), std::string{line.substr(blank + 1)}).second;
    if (!fresh) fail("a field comes twice");
  }

  std::filesystem::path file_;
  std::map<std::string, std::string, std::less<>> values_;
  std::optional<std::string> error_;
};

std::optional<FleetId> parse_fleet_id(std::string_view hex) {
  const auto id = parse_node_id(hex);  // the same form
  return id ? std::optional{FleetId{id->high, id->low}} : std::nullopt;
}

std::optional<NodeId> parse_id(std::string_view hex) {
  const auto id = parse_node_id(hex);
  return id ? std::optional{*id} : std::nullopt;
}

std::string line(std::string_view name, std::string_view value) {
  return std::string{name} + ' ' + std::string{value} + '\n';
}

std::string heading(std::string_view kind) {
  return std::string{kind} + '\n';
}

/// What a request signs: both keys, in this order.
std::array<std::uint8_t, 64> request_body(const Ed25519Key& ed25519, const CurveKey& curve) {
  std::array<std::uint8_t, 64> body{};
  std::ranges::copy(curve, std::ranges::copy(ed25519, body.begin()).out);
  return body;
}

std::expected<void, std::string> write_secret(const std::filesystem::path& file, std::string text) {
  auto written = write_new_file(file, text, kSecretMode);
  sodium_memzero(text.data(), text.size());
  return written;
}

}  // namespace

std::string to_hex(std::span<const std::uint8_t> bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  out.reserve(2 * bytes.size());
  for (const std::uint8_t byte : bytes) {
    out.push_back(kDigits[byte >> 4U]);
    out.push_back(kDigits[byte & 0xfU]);
  }
  return out;
}

std::string to_string(FleetId id) {
  return to_string(NodeId{id.high, id.low});
}

std::expected<void, std::string> write_node_keys(const std::filesystem::path& file,
                                                 const NodeKeys& keys) {
  return write_secret(file, heading(kNodeKeyKind) +
                                line("ed25519-seed", to_hex(keys.ed25519_seed.bytes())) +
                                line("curve-secret", to_z85(keys.curve_secret.bytes())));
}

std::expected<NodeKeys, std::string> read_node_keys(const std::filesystem::path& file) {
  auto fields = Fields::read(file, kNodeKeyKind, true);
  if (!fields) return std::unexpected{fields.error()};
  const auto seed = as_secret(fields->get("ed25519-seed", parse_hex<32>));
  const auto curve = as_secret(fields->get("curve-secret", parse_z85));
  if (fields->error()) return std::unexpected{*fields->error()};
  return NodeKeys{*seed, *curve};
}

std::expected<void, std::string> write_authority(const std::filesystem::path& file,
                                                 const FleetAuthority& authority) {
  return write_secret(file, heading(kAuthorityKind) +
                                line("fleet", to_string(authority.pub.fleet)) +
                                line("ed25519-seed", to_hex(authority.seed.bytes())));
}

std::expected<FleetAuthority, std::string> read_authority(const std::filesystem::path& file) {
  auto fields = Fields::read(file, kAuthorityKind, true);
  if (!fields) return std::unexpected{fields.error()};
  const auto fleet = fields->get("fleet", parse_fleet_id);
  const auto seed = as_secret(fields->get("ed25519-seed", parse_hex<32>));
  if (fields->error()) return std::unexpected{*fields->error()};
  return FleetAuthority{*fleet, *seed};
}

std::expected<void, std::string> write_fleet_public(const std::filesystem::path& file,
                                                    const FleetPublic& fleet) {
  return write_new_file(file,
                        heading(kFleetKind) + line("fleet", to_string(fleet.fleet)) +
                            line("authority", to_hex(fleet.authority)),
                        kPublicMode);
}

std::expected<FleetPublic, std::string> read_fleet_public(const std::filesystem::path& file) {
  auto fields = Fields::read(file, kFleetKind, false);
  if (!fields) return std::unexpected{fields.error()};
  const auto fleet = fields->get("fleet", parse_fleet_id);
  const auto authority = fields->get("authority", parse_hex<32>);
  if (fields->error()) return std::unexpected{*fields->error()};
  return FleetPublic{*fleet, *authority};
}

std::expected<void, std::string> write_request(const std::filesystem::path& file,
                                               const NodeKeys& keys) {
  const auto body = request_body(keys.ed25519, keys.curve);
  return write_new_file(file,
                        heading(kRequestKind) + line("node", to_string(keys.id())) +
                            line("ed25519", to_hex(keys.ed25519)) +
                            line("curve", to_z85(keys.curve)) +
                            line("signature", to_hex(sign(keys.ed25519_seed, kRequestKind, body))),
                        kPublicMode);
}

std::expected<CertRequest, std::string> read_request(const std::filesystem::path& file) {
  auto fields = Fields::read(file, kRequestKind, false);
  if (!fields) return std::unexpected{fields.error()};
  const auto node = fields->get("node", parse_id);
  const auto ed25519 = fields->get("ed25519", parse_hex<32>);
  const auto curve = fields->get("curve", parse_z85);
  const auto signature = fields->get("signature", parse_hex<64>);
  if (fields->error()) return std::unexpected{*fields->error()};
  if (*node != node_id_of(*ed25519)) {
    fields->fail("the node id is not that of the key");
  } else if (!verify(*ed25519, kRequestKind, request_body(*ed25519, *curve), *signature)) {
    fields->fail("not signed by the key it names");
  }
  if (fields->error()) return std::unexpected{*fields->error()};
  return CertRequest{*node, *ed25519, *curve};
}

}  // namespace vpp::mesh
