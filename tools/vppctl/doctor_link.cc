// The parts of `vppctl doctor` that speak to others: parents above, and the own door below.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "config/limits.h"
#include "config/z85.h"
#include "mesh/zmq_probe.h"
#include "tools/vppctl/doctor.h"
#include "tools/vppctl/format.h"
#include "tools/vppctl/tcp_check.h"

namespace vpp::ctl {
namespace {

using namespace std::chrono_literals;
using mesh::ParentProbe;

constexpr auto kResolveMax = 3s;
constexpr auto kProbeMax = 3s;
constexpr auto kGreetMax = 2s;

std::string short_id(NodeId id) {
  return to_string(id).substr(0, 12);
}

/// One address that should answer as a vppd.
struct Target {
  std::string check;  ///< "parent", "listen"
  Endpoint to;
  HostPort at;
};

Finding error(const Target& target, std::string code, const std::string& text, std::string hint) {
  return {Verdict::kError, target.check, std::move(code), target.to.address + ": " + text,
          std::move(hint)};
}

Finding unresolved(const Target& target, const ResolveError& why) {
  const std::string text = fmt::format("'{}' does not resolve: {}", target.at.host, why.cause);
  if (why.kind == ResolveError::Kind::kUnknown) {
    return error(target, "VPP_LINK_NAME_UNKNOWN", text,
                 "is the name spelt right? `getent hosts` asks as vppd does; /etc/hosts, or an "
                 "address instead, will do");
  }
  return error(target, "VPP_LINK_RESOLVER", text,
               "this machine's DNS does not work: look at /etc/resolv.conf and the network");
}

/// What it means when no link with the right key came about.
Finding explain(const Target& target, const TcpAnswer& answer, const std::string& address) {
  const auto is = [&](const char* code, std::string text, std::string hint) {
    return error(target, code, fmt::format("{} ({})", text, address), std::move(hint));
  };
  switch (answer.answer) {
    case Answer::kRefused:
      return is("VPP_LINK_REFUSED", "the machine answers, but nobody listens on the port",
                "does vppd run there? compare the port with its [listen] address");
    case Answer::kNoAnswer:
      return is("VPP_LINK_FILTERED", "no answer at all",
                "is the machine up? a firewall between may drop the port");
    case Answer::kNoRoute:
      return is("VPP_LINK_NO_ROUTE", "cannot be reached from here: " + answer.detail,
                "look at this machine's network: cable, address, route, firewall");
    case Answer::kLocalFailure:
      return is("VPP_LINK_LOCAL", "no connection could be made: " + answer.detail,
                "this machine is short of something, perhaps of descriptors");
    case Answer::kQuiet:
      return is("VPP_LINK_QUIET", "takes the connection and then says nothing",
                "the vppd there is frozen or overloaded, or something else has the port");
    case Answer::kOther:
      return is("VPP_LINK_NOT_VPPD",
                answer.detail.empty()
                    ? "what listens there is no vppd"
                    : fmt::format("what listens there is no vppd; it says '{}'", answer.detail),
                "compare the port with the [listen] address of the parent");
    case Answer::kWithoutCurve:
      return is("VPP_LINK_NO_CURVE",
                fmt::format("speaks ZeroMQ, but {} instead of CURVE", answer.detail),
                "no vppd does that: compare the port with the [listen] address of the parent");
    case Answer::kCurve:
      break;
  }
  return is("VPP_LINK_WRONG_KEY",
            fmt::format("the vppd there has another key than server_key {}",
                        to_z85(target.to.server_key)),
            "copy the parent's key anew: the `curve` line of its node.request; is it the machine "
            "you mean?");
}

Finding no_link(const Target& target, const std::vector<SocketAddress>& addresses) {
  TcpAnswer best;
  std::string at;
  for (const SocketAddress& address : addresses) {
    const TcpAnswer answer = greet(address, kGreetMax);
    if (!at.empty() && answer.answer <= best.answer) continue;
    best = answer;
    at = address.text;
  }
  return explain(target, best, at);
}

Finding not_understood(const Target& target, const ParentProbe& probe) {
  if (probe.outcome == ParentProbe::Outcome::kSilent) {
    return error(target, "VPP_LINK_SILENT",
                 "the key is right, but the vppd there does not answer a probe",
                 "its loop is stuck, or it speaks another protocol version and drops ours: look at "
                 "its log and `vppctl version`");
  }
  const bool version = probe.misread.contains("protocol version");
  return error(target, version ? "VPP_LINK_VERSION" : "VPP_LINK_MISREAD",
               "the key is right, but its answer cannot be read: " + probe.misread,
               version ? "bring both ends to the same release of vppd"
                       : "is it a vppd at all? compare `vppctl version` of both ends");
}

/// A parent that answers may still be no use as one.
std::optional<Finding> unfit(const Target& target, const Patient& patient,
                             const mesh::ProbeAck& ack) {
  const mesh::Path& path = ack.path;
  const std::optional<NodeId> self =
      patient.keys ? std::optional{patient.keys->id()} : std::nullopt;
  if (path.empty()) {
    return error(target, "VPP_LINK_NO_ROOT", "it reaches no root itself",
                 "look further up: run `vppctl doctor` there");
  }
  if (self && path.front() == *self) {
    return error(target, "VPP_LINK_SELF", "that is this node itself",
                 "[[parents]] names nodes above: take this one out");
  }
  if (self && std::ranges::find(path, *self) != path.end()) {
    return error(target, "VPP_LINK_LOOP", "it is below this node: a ring would have no root",
                 "[[parents]] names nodes above: take this one out, or wait until it has moved");
  }
  const std::size_t levels = path.size() + (role_of(patient.config) == Role::kLeaf ? 1U : 2U);
  if (levels > limits::kDepthMax) {
    return error(target, "VPP_LINK_TOO_DEEP",
                 fmt::format("it is {} levels below the root; the tree would be deeper than {}",
                             path.size() - 1, limits::kDepthMax),
                 "name a parent that is nearer to the root");
  }
  return std::nullopt;
}

bool is_present_parent(const Patient& patient, const mesh::ProbeAck& ack) {
  if (!patient.status || ack.path.empty()) return false;
  const Document& parent = member(member(*patient.status, "uplink"), "parent");
  return parent.is_string() && parent == to_string(ack.path.front());
}

Finding answered(const Target& target, const Patient& patient, const ParentProbe& probe) {
  const mesh::ProbeAck& ack = *probe.answer;
  if (auto problem = unfit(target, patient, ack)) return *std::move(problem);
  const bool present = is_present_parent(patient, ack);
  if (!present && ack.free_slots == 0) {
    return error(target, "VPP_LINK_FULL",
                 fmt::format("it takes no more children beside its {}: full, or being drained",
                             ack.children),
                 "name a further parent in [[parents]], or add an aggregator");
  }
  Finding out{Verdict::kOk, target.check, {}, {}, {}};
  out.text =
      fmt::format("{}: {} answers in {} ms{}; term {}, {} below the root, {} children, {} free",
                  target.to.address, short_id(ack.path.front()), probe.took.count(),
                  present ? ", the present parent" : "", ack.term, ack.path.size() - 1,
                  ack.children, ack.free_slots);
  return out;
}

/// Asks in the proper way first; only what fails is looked into.
Finding ask(const Target& target, const Patient& patient) {
  const auto addresses = resolve(target.at.host, target.at.port, kResolveMax);
  if (!addresses) return unresolved(target, addresses.error());
  // Any key may probe: a node without a usable one still learns about its parents.
  const mesh::NodeKeys keys = patient.keys ? *patient.keys : mesh::generate_node_keys();
  const auto probe = mesh::probe_parent(keys, target.to, kProbeMax);
  if (!probe) {
    return error(target, "VPP_LINK_LOCAL", probe.error(), "this machine is short of something");
  }
  switch (probe->outcome) {
    case ParentProbe::Outcome::kNoLink:
      return no_link(target, *addresses);
    case ParentProbe::Outcome::kSilent:
    case ParentProbe::Outcome::kMisread:
      return not_understood(target, *probe);
    case ParentProbe::Outcome::kAnswered:
      break;
  }
  return answered(target, patient, *probe);
}

/// Whether the port could be taken, without keeping it.
std::optional<int> why_not_bindable(const HostPort& at) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(at.port);
  if (!is_any_host(at.host) && ::inet_pton(AF_INET, at.host.c_str(), &address.sin_addr) != 1) {
    return std::nullopt;  // an interface's name or IPv6: vppd itself says what is wrong
  }
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno;
  const int on = 1;
  (void)::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  const int error = ::bind(fd, generic, sizeof address) == 0 ? 0 : errno;
  ::close(fd);
  return error == 0 ? std::nullopt : std::optional{error};
}

void check_port(const ListenConfig& listen, const HostPort& at, Findings& findings) {
  const auto problem = why_not_bindable(at);
  if (!problem) return findings.ok("listen", listen.address + " is free");
  const std::string text = listen.address + ": " + std::strerror(*problem);
  if (*problem == EADDRINUSE) {
    return findings.add({Verdict::kError, "listen", "VPP_LISTEN_TAKEN", text,
                         fmt::format("another process has the port (`ss -ltnp sport = :{}` shows "
                                     "it); stop it or choose another in [listen]",
                                     at.port)});
  }
  findings.add({Verdict::kError, "listen", "VPP_LISTEN_ADDRESS", text,
                *problem == EACCES
                    ? "ports below 1024 need CAP_NET_BIND_SERVICE; choose a higher one"
                    : "[listen] address has to be one of this machine's; tcp://*:PORT "
                      "takes them all"});
}

}  // namespace

void check_listen(const Patient& patient, Findings& findings) {
  const ListenConfig* listen = listen_of(patient.config);
  if (listen == nullptr) return;
  const auto at = parse_tcp_address(listen->address);
  if (!at) return;
  if (!patient.status) return check_port(*listen, *at, findings);
  const auto told = parse_tcp_address(listen->advertise);
  if (!patient.keys || !told) return;
  // As a child would: at the address that children are told, with the key that they are told.
  const Target target{"listen", {listen->advertise, patient.keys->curve}, *told};
  Finding found = ask(target, patient);
  const bool answers = found.verdict == Verdict::kOk || found.code == "VPP_LINK_SELF" ||
                       found.code == "VPP_LINK_NO_ROOT";
  if (answers) return findings.ok("listen", listen->advertise + " answers as this node");
  found.hint = "this is what children are told; " + found.hint;
  findings.add(std::move(found));
}

void check_parents(const Patient& patient, Findings& findings) {
  for (const Endpoint& parent : parents_of(patient.config)) {
    const auto at = parse_tcp_address(parent.address);
    if (at) findings.add(ask({"parent", parent, *at}, patient));
  }
}

}  // namespace vpp::ctl
