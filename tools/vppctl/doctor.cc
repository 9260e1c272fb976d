#include "tools/vppctl/doctor.h"

#include <fmt/format.h>

#include <utility>

#include "config/role_config_toml.h"
#include "tools/vppctl/format.h"

namespace vpp::ctl {
namespace {

using Read = std::expected<Patient, int>;

/// Nothing can be said of the node, not even its name.
void print_json(const Session& session, const std::vector<ConfigError>& errors) {
  Document out = {{"schema", "vppctl/v1"},  {"kind", "doctor"},
                  {"node", nullptr},        {"state", "error"},
                  {"utc_ms", utc_ms_now()}, {"findings", Document::array()}};
  for (const ConfigError& error : errors) {
    const std::string place = fmt::format("{}:{}:{}", error.file, error.line, error.column);
    out["findings"].push_back({{"verdict", "error"},
                               {"check", "config"},
                               {"code", "VPP_CONFIG_BAD"},
                               {"text", place + ": " + error.cause},
                               {"hint", error.hint.empty() ? Document{} : Document(error.hint)}});
  }
  session.out << out.dump(2, ' ', false, Document::error_handler_t::replace) << '\n';
}

Read bad_config(const Session& session, const std::vector<ConfigError>& errors) {
  if (session.json) {
    print_json(session, errors);
  } else {
    for (const ConfigError& error : errors) session.err << to_string(error) << '\n';
    session.err << "vppctl: the config has to be right first; hint: vppd --check FILE\n";
  }
  return std::unexpected{static_cast<int>(Exit::kFailure)};
}

/// By its config file; the vppd is asked at its control socket if it runs.
Read patient_of_file(const Session& session, const DoctorArguments& arguments) {
  auto config = load_role_config(arguments.config, IdentityFiles::kMayBeMissing);
  if (!config) return bad_config(session, config.error());
  Patient patient;
  patient.config = *std::move(config);
  patient.file = arguments.config;
  const Client own{patient.config.run_dir + "/control.sock", session.daemons.front().timeout()};
  const Client& daemon = arguments.socket_is_given ? session.daemons.front() : own;
  if (auto status = daemon.get("/v1/status")) patient.status = *std::move(status);
  return patient;
}

/// By its control socket; the vppd tells its config.
Read patient_of_daemon(const Session& session) {
  const Client& daemon = session.daemons.front();
  const auto told = daemon.get("/v1/config");
  auto status = daemon.get("/v1/status");
  if (!told || !status) {
    Failure failure = told ? status.error() : told.error();
    failure.hint = "for a vppd that does not run, name its config: vppctl doctor --config FILE";
    return std::unexpected{fail(session, failure)};
  }
  Patient patient;
  patient.file = plain(member(*told, "file"));
  auto config = parse_role_config(plain(member(*told, "toml")), patient.file);
  if (!config) return bad_config(session, config.error());
  patient.config = *std::move(config);
  patient.status = *std::move(status);
  return patient;
}

void print(const Session& session, const Patient& patient, const Findings& findings) {
  session.out << fmt::format("{} '{}', {}, config {}\n", to_string(role_of(patient.config)),
                             patient.config.name, patient.status ? "running" : "not running",
                             patient.file);
  for (const Finding& each : findings.list()) {
    session.out << fmt::format("  {:<8} {:<12} {}", to_string(each.verdict), each.check, each.text);
    if (!each.code.empty()) session.out << "  [" << each.code << ']';
    session.out << '\n';
    if (!each.hint.empty()) session.out << fmt::format("  {:<21} -> {}\n", "", each.hint);
  }
  const std::size_t errors = findings.count(Verdict::kError);
  const std::size_t warnings = findings.count(Verdict::kWarning);
  if (errors + warnings == 0) {
    session.out << "all is well\n";
  } else {
    session.out << fmt::format("{} {}, {} {}\n", errors, errors == 1 ? "error" : "errors", warnings,
                               warnings == 1 ? "warning" : "warnings");
  }
}

void print_json(const Session& session, const Patient& patient, const Findings& findings) {
  Document out;
  out["schema"] = "vppctl/v1";
  out["kind"] = "doctor";
  out["node"] = {{"name", patient.config.name},
                 {"role", to_string(role_of(patient.config))},
                 {"id", patient.keys ? Document(to_string(patient.keys->id())) : Document{}},
                 {"running", patient.status.has_value()},
                 {"config", patient.file}};
  const Verdict worst = findings.worst();
  out["state"] = worst == Verdict::kError     ? "error"
                 : worst == Verdict::kWarning ? "degraded"
                                              : "ok";
  out["utc_ms"] = patient.utc_ms;
  out["findings"] = Document::array();
  const auto text = [](const std::string& value) {
    return value.empty() ? Document{} : Document(value);
  };
  for (const Finding& each : findings.list()) {
    out["findings"].push_back({{"verdict", to_string(each.verdict)},
                               {"check", each.check},
                               {"code", text(each.code)},
                               {"text", each.text},
                               {"hint", text(each.hint)}});
  }
  session.out << out.dump(2, ' ', false, Document::error_handler_t::replace) << '\n';
}

}  // namespace

int doctor(const Session& session, const DoctorArguments& arguments) {
  Read read =
      arguments.config.empty() ? patient_of_daemon(session) : patient_of_file(session, arguments);
  if (!read) return read.error();
  Patient& patient = *read;
  patient.utc_ms = utc_ms_now();
  Findings findings;
  check_daemon(patient, findings);
  check_identity(patient, findings);
  check_clock(patient, findings);
  check_machine(patient, findings);
  check_listen(patient, findings);
  check_parents(patient, findings);
  if (session.json) {
    print_json(session, patient, findings);
  } else {
    print(session, patient, findings);
  }
  return static_cast<int>(findings.worst() < Verdict::kWarning ? Exit::kOk : Exit::kFailure);
}

}  // namespace vpp::ctl
