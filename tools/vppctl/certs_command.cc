#include "tools/vppctl/certs_command.h"

#include <fmt/format.h>

#include <expected>
#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "mesh/cert_authority.h"
#include "tools/vppctl/client.h"
#include "tools/vppctl/format.h"

namespace vpp::ctl {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

int complain(std::ostream& err, Exit exit, const std::string& text) {
  err << "vppctl: " << text << '\n';
  return static_cast<int>(exit);
}

void print_pairs(const Pairs& pairs, bool json, std::ostream& out) {
  if (!json) {
    for (const auto& [name, value] : pairs) out << fmt::format("{:<20} {}\n", name, value);
    return;
  }
  nlohmann::ordered_json document;
  document["schema"] = "vppctl/v1";
  document["kind"] = "certificate";
  for (const auto& [name, value] : pairs) document[name] = value;
  out << document.dump(2) << '\n';
}

std::expected<Role, std::string> parse_role(const std::string& text) {
  for (const Role role : {Role::kLeaf, Role::kAggregator, Role::kRoot}) {
    if (text == to_string(role)) return role;
  }
  return std::unexpected{"--role: '" + text + "' is no role; use leaf, aggregator or root"};
}

/// Fills one cap when it was given.
std::expected<void, std::string> read_cap(const std::string& text, const char* flag,
                                          std::optional<Watts>& cap) {
  if (text.empty()) return {};
  const auto power = parse_power(text);
  if (!power) return std::unexpected{fmt::format("{}: {}", flag, power.error())};
  if (*power < 0) return std::unexpected{fmt::format("{}: a cap is not negative", flag)};
  cap = Watts{*power};
  return {};
}

/// "13500", "13500Wh" or "13.5kWh": the power parser reads it once the hour is taken off.
std::expected<void, std::string> read_energy(std::string text, std::optional<WattHours>& cap) {
  if (text.empty()) return {};
  if (text.back() == 'h' || text.back() == 'H') text.pop_back();
  std::optional<Watts> value;
  if (auto read = read_cap(text, "--energy-max", value); !read) return read;
  cap = WattHours{value->count};
  return {};
}

std::expected<mesh::SignOptions, std::string> sign_options(const SignArguments& arguments) {
  mesh::SignOptions options;
  const auto role = parse_role(arguments.role);
  if (!role) return std::unexpected{role.error()};
  options.role = *role;
  options.region = arguments.region;
  options.days = arguments.days.value_or(mesh::default_days(*role));
  auto caps = read_cap(arguments.discharge_max, "--discharge-max", options.discharge_max);
  if (caps) caps = read_cap(arguments.charge_max, "--charge-max", options.charge_max);
  if (caps) caps = read_energy(arguments.energy_max, options.energy_max);
  if (!caps) return std::unexpected{caps.error()};
  return options;
}

}  // namespace

int certs_init(const std::string& directory, bool json, std::ostream& out, std::ostream& err) {
  const auto fleet = mesh::init_authority(directory);
  if (!fleet) return complain(err, Exit::kFailure, fleet.error());
  print_pairs(
      {{"authority", directory}, {"fleet", to_string(NodeId{fleet->fleet.high, fleet->fleet.low})}},
      json, out);
  err << "vppctl: keep " << directory << '/' << mesh::kAuthorityFile << " offline; give "
      << mesh::kFleetFile << " to every node\n";
  return static_cast<int>(Exit::kOk);
}

int certs_sign(const SignArguments& arguments, bool json, std::ostream& out, std::ostream& err) {
  const auto options = sign_options(arguments);
  if (!options) return complain(err, Exit::kUsage, options.error());
  const auto request = mesh::read_request(arguments.request);
  if (!request) return complain(err, Exit::kFailure, request.error());
  const auto cert = mesh::sign_request(arguments.authority, *request, *options, utc_ms_now());
  if (!cert) return complain(err, Exit::kFailure, cert.error());
  if (const auto written = mesh::write_cert(arguments.out, *cert); !written) {
    return complain(err, Exit::kFailure, written.error());
  }
  return certs_show(arguments.out, arguments.authority + "/" + std::string{mesh::kFleetFile}, json,
                    out, err);
}

int certs_show(const std::string& file, const std::string& fleet, bool json, std::ostream& out,
               std::ostream& err) {
  const auto bytes = mesh::read_cert(file);
  if (!bytes) return complain(err, Exit::kFailure, bytes.error());
  std::optional<mesh::FleetPublic> authority;
  if (!fleet.empty()) {
    auto loaded = mesh::read_fleet_public(fleet);
    if (!loaded) return complain(err, Exit::kFailure, loaded.error());
    authority = *loaded;
  }
  const auto pairs = mesh::describe_cert(*bytes, authority, utc_ms_now());
  if (!pairs) return complain(err, Exit::kFailure, pairs.error());
  print_pairs(*pairs, json, out);
  return static_cast<int>(Exit::kOk);
}

}  // namespace vpp::ctl
