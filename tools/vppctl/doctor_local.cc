// The parts of `vppctl doctor` that look at this machine: identity, clock, disk, limits, and what
// the running vppd says of itself.
#include <fcntl.h>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "mesh/cert_authority.h"
#include "tools/vppctl/doctor.h"
#include "tools/vppctl/format.h"

namespace vpp::ctl {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

constexpr std::int64_t kClockOffMs = 2'000;          ///< the wire and two queries take less
constexpr std::int64_t kFileAheadMs = 60'000;        ///< clocks that are set once jump by less
constexpr std::uint64_t kDiskLowBytes = 64U << 20U;  ///< four stores of a node
constexpr std::uint64_t kDiskFullBytes = 1U << 20U;
constexpr rlim_t kOtherDescriptors = 1'024;  ///< store, HTTP, devices, and room to spare

std::string date(std::int64_t utc_ms) {
  const std::chrono::sys_time<milliseconds> at{milliseconds{utc_ms}};
  return fmt::format(
      "{:%Y-%m-%d %H:%M:%S} UTC",
      fmt::gmtime(std::chrono::time_point_cast<std::chrono::system_clock::duration>(at)));
}

std::string dates(const mesh::NodeCert& cert) {
  return fmt::format("valid from {} to {}", date(cert.not_before_ms), date(cert.not_after_ms));
}

void error(Findings& findings, const char* check, const char* code, std::string text,
           std::string hint) {
  findings.add({Verdict::kError, check, code, std::move(text), std::move(hint)});
}

// --- identity ------------------------------------------------------------------------------------

/// True when it is there and may be read.
bool check_file(const std::string& file, const char* check, const char* kind, std::string hint,
                Findings& findings) {
  const std::string code = fmt::format("VPP_{}_", kind);
  struct stat status{};
  if (::stat(file.c_str(), &status) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    error(findings, check, (code + "MISSING").c_str(), file + " is not there", std::move(hint));
    return false;
  }
  if (::access(file.c_str(), R_OK) != 0) {
    error(findings, check, (code + "UNREADABLE").c_str(), file + ": " + std::strerror(errno),
          "vppd and vppctl doctor run as the user that owns it; `ls -l` shows who that is");
    return false;
  }
  return true;
}

void check_keys(Patient& patient, Findings& findings) {
  const std::string& file = patient.config.identity.key;
  if (!check_file(file, "key", "KEY",
                  "`vppd keygen --dir DIR` makes it; then have its request signed", findings)) {
    return;
  }
  struct stat status{};
  if (::stat(file.c_str(), &status) == 0 && (status.st_mode & 077U) != 0) {
    return error(findings, "key", "VPP_KEY_MODE",
                 fmt::format("{} has mode {:04o}: others can read this secret", file,
                             status.st_mode & 07777U),
                 fmt::format("chmod 600 {}; and if others have seen it, make a new one", file));
  }
  auto keys = mesh::read_node_keys(file);
  if (!keys) {
    return error(findings, "key", "VPP_KEY_BAD", keys.error(),
                 "it is damaged: restore it, or make a new one and have it signed");
  }
  findings.ok("key", fmt::format("{}: node {}", file, to_string(keys->id())));
  patient.keys = *std::move(keys);
}

/// Nothing: told already.
std::optional<mesh::FleetPublic> check_fleet_key(const Patient& patient, Findings& findings) {
  const std::string& file = patient.config.identity.fleet_key;
  if (!check_file(file, "fleet key", "FLEET_KEY", "copy the fleet.pub of your authority",
                  findings)) {
    return std::nullopt;
  }
  auto fleet = mesh::read_fleet_public(file);
  if (!fleet) {
    error(findings, "fleet key", "VPP_FLEET_KEY_BAD", fleet.error(),
          "copy the fleet.pub of your authority again");
    return std::nullopt;
  }
  return *fleet;
}

void refuse_cert(const Patient& patient, const mesh::NodeCert& cert, mesh::CertError why,
                 const mesh::FleetPublic& fleet, Findings& findings) {
  const std::string& file = patient.config.identity.certificate;
  const std::string clock = "this clock says " + date(patient.utc_ms);
  switch (why) {
    case mesh::CertError::kMalformed:
      return error(findings, "certificate", "VPP_CERT_BAD", file + ": malformed",
                   "have the node's request signed again: vppctl certs sign");
    case mesh::CertError::kFleet:
      return error(findings, "certificate", "VPP_CERT_FLEET",
                   fmt::format("{} is of the fleet {}, {} of {}", file, mesh::to_string(cert.fleet),
                               patient.config.identity.fleet_key, mesh::to_string(fleet.fleet)),
                   "use the certificate and the fleet.pub of one authority");
    case mesh::CertError::kSignature:
      return error(findings, "certificate", "VPP_CERT_SIGNATURE",
                   file + " is not signed by the fleet's authority",
                   "the file is damaged or forged: have the request signed again");
    case mesh::CertError::kNotYetValid:
      return error(findings, "certificate", "VPP_CERT_NOT_YET_VALID",
                   fmt::format("{}: {}; {}", file, dates(cert), clock),
                   "this clock is behind, or the authority's was ahead: compare `timedatectl` of "
                   "both machines");
    case mesh::CertError::kExpired:
      return error(findings, "certificate", "VPP_CERT_EXPIRED",
                   fmt::format("{}: {}; {}", file, dates(cert), clock),
                   "have the node's request signed again (vppctl certs sign) and restart vppd; if "
                   "the clock is wrong, set it");
  }
}

/// A good certificate that is not this node's.
bool is_others(const Patient& patient, const mesh::NodeCert& cert, Findings& findings) {
  const std::string& file = patient.config.identity.certificate;
  const Role role = role_of(patient.config);
  if (patient.keys && (cert.node != patient.keys->id() || cert.curve != patient.keys->curve)) {
    error(findings, "certificate", "VPP_CERT_KEY",
          fmt::format("{} is for the node {}, the key is that of {}", file, to_string(cert.node),
                      to_string(patient.keys->id())),
          "sign the node.request that lies beside this node's key");
    return true;
  }
  if (cert.role != role) {
    error(findings, "certificate", "VPP_CERT_ROLE",
          fmt::format("{} is for the role {}, the config says {}", file, to_string(cert.role),
                      to_string(role)),
          "sign it again with the right --role, or correct `role`");
    return true;
  }
  if (cert.scope != 0 && cert.scope != mesh::scope_of(patient.config.region)) {
    error(findings, "certificate", "VPP_CERT_REGION",
          fmt::format("{} is not for the region '{}'", file, patient.config.region),
          "sign it again with the right --region, or correct `region`");
    return true;
  }
  return false;
}

void check_cert(Patient& patient, const mesh::FleetPublic& fleet, Findings& findings) {
  const std::string& file = patient.config.identity.certificate;
  if (!check_file(file, "certificate", "CERT",
                  "have the node's request signed: vppctl certs sign --request node.request ...",
                  findings)) {
    return;
  }
  const auto bytes = mesh::read_cert(file);
  if (!bytes) {
    return error(findings, "certificate", "VPP_CERT_BAD", bytes.error(),
                 "have the node's request signed again: vppctl certs sign");
  }
  const auto cert = mesh::verify_cert(*bytes, fleet, patient.utc_ms);
  if (!cert) {
    const auto said = mesh::parse_cert(*bytes);
    return refuse_cert(patient, said.value_or(mesh::NodeCert{}), cert.error(), fleet, findings);
  }
  if (is_others(patient, *cert, findings)) return;
  patient.cert = *cert;
  const std::int64_t life = cert->not_after_ms - cert->not_before_ms;
  const std::string text = fmt::format("{}: {}, {}", file, to_string(cert->role), dates(*cert));
  if (patient.utc_ms - cert->not_before_ms > life / 3 * 2) {
    return findings.add({Verdict::kWarning, "certificate", "VPP_CERT_EXPIRING", text,
                         "it is past two thirds of its life: have the request signed again"});
  }
  findings.ok("certificate", text);
}

// --- clock ---------------------------------------------------------------------------------------

/// A file of ours that is younger than this clock, if any.
std::optional<std::pair<std::string, std::int64_t>> file_ahead(const Patient& patient) {
  std::optional<std::pair<std::string, std::int64_t>> newest;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator{patient.config.state_dir, ignored}) {
    struct stat status{};
    if (::stat(entry.path().c_str(), &status) != 0) continue;
    const std::int64_t at = static_cast<std::int64_t>(status.st_mtim.tv_sec) * 1000;
    if (!newest || at > newest->second) newest.emplace(entry.path().string(), at);
  }
  if (!newest || newest->second <= patient.utc_ms + kFileAheadMs) return std::nullopt;
  return newest;
}

/// How far this clock is ahead of the tree's market time, as the beacons told it to the vppd.
std::optional<std::int64_t> ahead_of_tree_ms(const Patient& patient) {
  if (!patient.status || role_of(patient.config) == Role::kRoot) return std::nullopt;
  const Document& beacon = member(member(*patient.status, "uplink"), "beacon_age_ms");
  const Document& told = member(member(*patient.status, "now"), "market_ms");
  if (!beacon.is_number() || !told.is_number()) return std::nullopt;
  const MarketTime own = market_time(patient.config.time, UtcTime{milliseconds{patient.utc_ms}});
  const std::int64_t speed = patient.config.time ? patient.config.time->speed : 1;
  return (own.time_since_epoch().count() - told.get<std::int64_t>()) / speed;
}

bool is_unsynchronised() {
  timex state{};
  const int answer = ::adjtimex(&state);
  return answer == TIME_ERROR || (state.status & STA_UNSYNC) != 0;
}

// --- disk and limits -----------------------------------------------------------------------------

/// 0: files can be made in it. Nothing is left behind.
int why_not_writable(const std::string& directory) {
  const int fd = ::open(directory.c_str(), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
  if (fd >= 0) {
    ::close(fd);
    return 0;
  }
  if (errno != EOPNOTSUPP && errno != EISDIR) return errno;
  return ::access(directory.c_str(), W_OK | X_OK) == 0 ? 0 : errno;
}

void check_directory(const std::string& directory, const char* what, Findings& findings) {
  std::error_code ignored;
  // vppd makes the last part of it at its first start.
  const bool there = fs::exists(directory, ignored);
  const std::string looked = there ? directory : fs::path{directory}.parent_path().string();
  if (const int why = why_not_writable(looked); why != 0) {
    return error(findings, "disk", "VPP_STATE_NOT_WRITABLE",
                 fmt::format("{} {}: {}", what, looked, std::strerror(why)),
                 "it has to be there and belong to the user that vppd runs as");
  }
  struct statvfs disk{};
  if (::statvfs(looked.c_str(), &disk) != 0) return;
  const std::uint64_t free = disk.f_bavail * disk.f_frsize;
  const std::string text = fmt::format("{} {}: {} MB free", what, directory, free / 1'000'000);
  if (free >= kDiskLowBytes) return findings.ok("disk", text);
  findings.add({free < kDiskFullBytes ? Verdict::kError : Verdict::kWarning, "disk",
                free < kDiskFullBytes ? "VPP_DISK_FULL" : "VPP_DISK_LOW", text,
                "make room: without it no order and no bid can be made durable"});
}

std::size_t open_descriptors(pid_t pid) {
  std::size_t count = 0;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator{fmt::format("/proc/{}/fd", pid), ignored}) {
    count += entry.path().empty() ? 0U : 1U;
  }
  return count;
}

void check_descriptors(const Patient& patient, Findings& findings) {
  const Document none;
  const Document& node = member(patient.status ? *patient.status : none, "node");
  const Document& pid = member(node, "pid");
  const pid_t asked = pid.is_number() ? pid.get<pid_t>() : 0;  // 0: this process, for its limits
  rlimit limit{};
  if (::prlimit(asked, RLIMIT_NOFILE, nullptr, &limit) != 0) return;
  const rlim_t wanted = limits::kChildrenMax + 2 * kOtherDescriptors;
  const rlim_t allowed = asked != 0 ? limit.rlim_cur : limit.rlim_max;  // vppd raises it itself
  const std::size_t used = asked != 0 ? open_descriptors(asked) : 0;
  const std::string text = fmt::format(
      "{} file descriptors allowed, {} in use, {} wanted for {} "
      "children",
      allowed, used, wanted, limits::kChildrenMax);
  const char* hint = "LimitNOFILE= of the systemd unit, or `ulimit -Hn`";
  if (asked != 0 && used + kOtherDescriptors / 4 > allowed) {
    return error(findings, "limits", "VPP_DESCRIPTORS", text, hint);
  }
  if (allowed >= wanted || listen_of(patient.config) == nullptr) return;
  findings.add({Verdict::kNote, "limits", "VPP_DESCRIPTORS_FEW", text, hint});
}

}  // namespace

void check_identity(Patient& patient, Findings& findings) {
  if (!mesh::crypto_ready()) {
    return error(findings, "key", "VPP_KEY_BAD", "libsodium cannot start: no randomness",
                 "does /dev/urandom work?");
  }
  check_keys(patient, findings);
  const auto fleet = check_fleet_key(patient, findings);
  if (fleet) check_cert(patient, *fleet, findings);
}

void check_clock(const Patient& patient, Findings& findings) {
  constexpr const char* kSetIt =
      "set the clock (`timedatectl`), and let NTP keep it: chrony or "
      "systemd-timesyncd";
  const std::string now = date(patient.utc_ms);
  if (const auto ahead = file_ahead(patient)) {
    return error(findings, "clock", "VPP_CLOCK_BEHIND",
                 fmt::format("this clock says {}, but {} was written at {}", now, ahead->first,
                             date(ahead->second)),
                 kSetIt);
  }
  const auto off = ahead_of_tree_ms(patient);
  if (off && std::abs(*off) > kClockOffMs) {
    return error(findings, "clock", *off > 0 ? "VPP_CLOCK_AHEAD" : "VPP_CLOCK_BEHIND",
                 fmt::format("this clock says {}, {} {} the time that the parent tells", now,
                             age(std::abs(*off)), *off > 0 ? "ahead of" : "behind"),
                 std::string{kSetIt} + "; [time] has to be the same in every config");
  }
  const std::string told =
      off ? fmt::format("{}, {} ms off the time that the parent tells", now, *off) : now;
  if (is_unsynchronised()) {
    return findings.add({Verdict::kNote, "clock", "VPP_CLOCK_UNSYNCED",
                         told + "; the kernel does not say that NTP keeps it", kSetIt});
  }
  findings.ok("clock", told);
}

void check_machine(const Patient& patient, Findings& findings) {
  check_directory(patient.config.state_dir, "state_dir", findings);
  check_descriptors(patient, findings);
}

void check_daemon(const Patient& patient, Findings& findings) {
  if (!patient.status) {
    return findings.add({Verdict::kNote, "vppd", "VPP_NOT_RUNNING",
                         "no vppd answers at " + patient.config.run_dir + "/control.sock",
                         "start it once the rest is well: vppd --config " + patient.file});
  }
  const Document& node = member(*patient.status, "node");
  findings.ok("vppd",
              fmt::format("version {}, process {}, up for {}", plain(member(node, "version")),
                          plain(member(node, "pid")), age(member(node, "uptime_ms"))));
  if (const Document& uplink = member(*patient.status, "uplink"); uplink.is_object()) {
    const Document& parent = member(uplink, "parent");
    if (parent.is_string()) {
      findings.ok("uplink",
                  fmt::format("{} to {}, session {}, beacon {} ago", plain(member(uplink, "state")),
                              plain(parent).substr(0, 12), plain(member(uplink, "session")),
                              age(member(uplink, "beacon_age_ms"))));
    }
  }
  for (const Document& code : member(member(*patient.status, "health"), "codes")) {
    const bool bad = member(code, "severity") == "error";
    findings.add({bad ? Verdict::kError : Verdict::kWarning, "health", plain(member(code, "code")),
                  plain(member(code, "text")), ""});
  }
}

}  // namespace vpp::ctl
