// vppctl certs: the fleet's authority, offline. Works on files only; asks no daemon.
#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <string>

namespace vpp::ctl {

struct SignArguments {
  std::string authority = ".";  ///< directory of the authority
  std::string request;          ///< a node.request
  std::string out;              ///< the certificate to write
  std::string role = "leaf";
  std::string region;
  std::string discharge_max;  ///< "5kW"; empty: no cap of its own
  std::string charge_max;
  std::string energy_max;  ///< "13500" watt-hours or "13.5kWh"
  std::optional<std::int64_t> days;
};

int certs_init(const std::string& directory, bool json, std::ostream& out, std::ostream& err);
int certs_sign(const SignArguments& arguments, bool json, std::ostream& out, std::ostream& err);
int certs_show(const std::string& file, const std::string& fleet, bool json, std::ostream& out,
               std::ostream& err);

}  // namespace vpp::ctl
