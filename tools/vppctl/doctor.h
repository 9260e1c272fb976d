// vppctl doctor: what is wrong with a node's links and what to do about it, whether its vppd runs
// or not. docs/doctor.md lists the codes.
//
// Looks, and changes nothing: no Hello is sent, no file written. Bounded: a few seconds a parent.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "config/role_config.h"
#include "mesh/keys.h"
#include "mesh/node_cert.h"
#include "tools/vppctl/commands.h"
#include "tools/vppctl/findings.h"

namespace vpp::ctl {

/// The node that is looked at, as far as it is known.
struct Patient {
  RoleConfig config;
  std::string file;                    ///< of the config
  std::int64_t utc_ms = 0;             ///< this machine's clock
  std::optional<Document> status;      ///< of its vppd; nothing: it does not run
  std::optional<mesh::NodeKeys> keys;  ///< nothing: unusable
  std::optional<mesh::NodeCert> cert;  ///< nothing: unusable
};

/// Keys and certificate; fills in those of `patient`.
void check_identity(Patient& patient, Findings& findings);
void check_clock(const Patient& patient, Findings& findings);
/// State directory, disk, descriptors.
void check_machine(const Patient& patient, Findings& findings);
/// What the running vppd says of itself.
void check_daemon(const Patient& patient, Findings& findings);
/// Whether children can come in.
void check_listen(const Patient& patient, Findings& findings);
/// Each parent of the config, in its order.
void check_parents(const Patient& patient, Findings& findings);

struct DoctorArguments {
  std::string config;            ///< empty: that of the vppd at the control socket
  bool socket_is_given = false;  ///< else: the one in the config's run_dir
};
int doctor(const Session& session, const DoctorArguments& arguments);

}  // namespace vpp::ctl
