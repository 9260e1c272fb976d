#include "tools/vppctl/node_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <thread>

#include "tools/vppctl/format.h"
#include "tools/vppctl/why.h"

namespace vpp::ctl {
namespace {

using namespace std::chrono_literals;

constexpr auto kDrainLook = 500ms;
constexpr std::size_t kIdShown = 12;

/// What people call the nodes, as far as the daemons asked know.
class Names {
 public:
  explicit Names(const Session& session) {
    for (const Client& daemon : session.daemons) {
      const auto nodes = daemon.get("/v1/nodes");
      if (!nodes) continue;
      for (const Document& node : member(*nodes, "nodes")) {
        if (member(node, "name").is_string()) {
          names_[plain(member(node, "id"))] = plain(member(node, "name"));
        }
      }
    }
  }
  [[nodiscard]] std::string of(const Document& id) const {
    if (!id.is_string()) return "-";
    const auto found = names_.find(id.get<std::string>());
    return found != names_.end() ? found->second : id.get<std::string>().substr(0, kIdShown);
  }

 private:
  std::map<std::string, std::string> names_;
};

void line(const Session& session, std::string_view title, const std::string& text) {
  session.out << fmt::format("{:<12} {}\n", title, text);
}

std::string list(const Document& texts) {
  std::string out;
  for (const Document& text : texts) out += (out.empty() ? "" : ", ") + plain(text);
  return out.empty() ? "none" : out;
}

std::string direction(const Document& side) {
  if (!side.is_object()) return "unknown";
  return fmt::format("{} for 5 min, {}", kilowatts(member(side, "power_w")),
                     kilowatt_hours(member(side, "energy_wh")));
}

std::string coverage(const Document& sites) {
  return fmt::format("{} of {} sites online, {} stale, {} offline", plain(member(sites, "online")),
                     plain(member(sites, "enrolled")), plain(member(sites, "stale")),
                     plain(member(sites, "offline")));
}

void print_power(const Session& session, const Document& node) {
  line(session, "POWER",
       fmt::format("measured {}, net {}, asked {}, stored {}",
                   kilowatts(member(node, "measured_w"), true),
                   kilowatts(member(node, "net_w"), true), kilowatts(member(node, "asked_w"), true),
                   kilowatt_hours(member(node, "stored_wh"))));
  line(session, "UP", direction(member(node, "up")));
  line(session, "DOWN", direction(member(node, "down")));
  if (member(node, "coverage").is_object()) {
    line(session, "SITES", coverage(member(node, "coverage")));
  }
}

/// As its parent sees it.
void print_child(const Session& session, const Document& node, const Names& names) {
  line(session, "PARENT",
       fmt::format("{}, {} link, session {}, attached for {}", names.of(member(node, "parent")),
                   plain(member(node, "link")), plain(member(node, "session")),
                   age(member(node, "attached_age_ms"))));
  line(session, "BEFORE", names.of(member(node, "last_parent")));
  line(session, "LEASE",
       fmt::format("{} left; {}; last report {} ago", age(member(node, "lease_left_ms")),
                   member(node, "counted") == true ? "counted" : "not counted",
                   age(member(node, "heard_age_ms"))));
  if (member(node, "address").is_string()) line(session, "SERVES", plain(member(node, "address")));
  print_power(session, node);
  const auto& caps = member(node, "certificate");
  const auto up_to = [](const Document& cap, const std::string& text) {
    return cap.is_number() ? "up to " + text : std::string{"any"};
  };
  const auto& out = member(caps, "discharge_max_w");
  const auto& in = member(caps, "charge_max_w");
  const auto& energy = member(caps, "energy_max_wh");
  line(session, "CERTIFICATE",
       fmt::format("{} out, {} in, {} stored", up_to(out, kilowatts(out)), up_to(in, kilowatts(in)),
                   up_to(energy, kilowatt_hours(energy))));
  if (const auto& below = member(node, "descendants"); below.is_array() && !below.empty()) {
    line(session, "BELOW", fmt::format("{} nodes", below.size()));
  }
}

void print_moves(const Session& session, const Document& moves, const Names& names) {
  if (moves.empty()) return;
  session.out << "MOVES        the newest first\n";
  Table table{{"", "AGO", "FROM", "TO", "REASON", "WITHOUT A PARENT"}};
  for (const Document& move : moves) {
    table.row({"", age(member(move, "age_ms")), names.of(member(move, "from")),
               names.of(member(move, "to")), plain(member(move, "reason")),
               age(member(move, "gap_ms"))});
  }
  table.print(session.out);
}

/// As it sees itself.
void print_self(const Session& session, const Document& node, const Names& names) {
  const auto& uplink = member(node, "uplink");
  if (uplink.is_object()) {
    line(session, "PARENT",
         fmt::format("{}, {}, session {}, beacon {} ago", names.of(member(uplink, "parent")),
                     plain(member(uplink, "state")), plain(member(uplink, "session")),
                     age(member(uplink, "beacon_age_ms"))));
    std::string path;
    for (const Document& id : member(uplink, "path")) {
      path += (path.empty() ? "" : " < ") + names.of(id);
    }
    line(session, "PATH", path.empty() ? "reaches no root" : path);
    line(session, "STANDBY", plain(member(uplink, "standby")));
    line(session, "ALTERNATES", list(member(uplink, "alternates")));
  }
  print_power(session, node);
  if (const auto& tree = member(node, "tree"); tree.is_object()) {
    line(session, "CHILDREN",
         fmt::format("{} attached, {} counted{}", plain(member(tree, "attached")),
                     plain(member(tree, "counted")),
                     member(tree, "draining") == true ? "; being drained" : ""));
  }
  if (const auto& valid = member(node, "valid"); valid.is_object()) {
    line(session, "CERTIFICATE",
         fmt::format("valid from {} to {} UTC", utc(member(valid, "from_ms")),
                     utc(member(valid, "until_ms"))));
  }
  if (const auto& counters = member(node, "membership"); counters.is_object()) {
    std::string text;
    for (const auto& [name, value] : counters.items()) {
      if (value != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", name, plain(value));
    }
    line(session, "REFUSED", text.empty() ? "nothing" : text);
  }
  print_moves(session, member(uplink, "moves"), names);
}

// --- drain -----------------------------------------------------------------------------------

/// The daemon of that name among those asked.
std::expected<const Client*, Failure> daemon_of(const Session& session, const std::string& name) {
  for (const Client& daemon : session.daemons) {
    const auto status = daemon.get("/v1/status");
    if (!status) return std::unexpected{status.error()};
    const auto& node = member(*status, "node");
    if (name == plain(member(node, "name")) || name == plain(member(node, "id"))) return &daemon;
  }
  return std::unexpected{Failure{Exit::kUsage, "none of the daemons asked is " + name,
                                 "a node is drained at its own control socket: --socket"}};
}

/// For a person at a terminal; scripts say --yes.
bool agreed(const Session& session, const Document& status, const DrainArguments& arguments) {
  const auto& tree = member(status, "tree");
  (arguments.dry_run ? session.out : session.err) << fmt::format(
      "would {} {}: {} children with {} sites\n",
      arguments.undo ? "let children in again at" : "send everybody elsewhere from", arguments.node,
      plain(member(tree, "attached")), plain(member(member(tree, "coverage"), "enrolled")));
  return !arguments.dry_run && confirmed(session, arguments.undo ? "undo it?" : "drain it?");
}

int print_drain(const Session& session, const Document& answer, const std::string& node) {
  if (session.json) {
    session.out << answer.dump(2) << '\n';
  } else if (member(answer, "draining") == false) {
    session.out << node << " takes children again\n";
  } else {
    const auto& left = member(answer, "attached");
    session.out << (left == 0 ? node + " is empty: it can be stopped\n"
                              : fmt::format("{} is being drained, {} children are still attached\n",
                                            node, plain(left)));
  }
  return static_cast<int>(Exit::kOk);
}

int await_empty(const Session& session, const Client& daemon, const DrainArguments& arguments) {
  const auto until = std::chrono::steady_clock::now() + arguments.most;
  Document before;
  while (true) {
    const auto now = daemon.get("/v1/drain");
    if (!now) return fail(session, now.error());
    const auto& left = member(*now, "attached");
    if (left == 0 || member(*now, "draining") == false) {
      return print_drain(session, *now, arguments.node);
    }
    if (left != before) session.err << fmt::format("{} children left\n", plain(left));
    before = left;
    if (std::chrono::steady_clock::now() >= until) {
      return fail(session, {Exit::kTimeout,
                            fmt::format("{} children have found no other parent", plain(left)),
                            "they stay, counted and dispatched as before; give them alternates, "
                            "or undo it with --undo"});
    }
    std::this_thread::sleep_for(kDrainLook);
  }
}

}  // namespace

int nodes_show(const Session& session, const std::string& node) {
  const auto document = session.daemons.front().get("/v1/nodes/" + node);
  if (!document) return fail(session, document.error());
  if (session.json) {
    session.out << document->dump(2) << '\n';
    return static_cast<int>(Exit::kOk);
  }
  const Document& shown = member(*document, "node");
  const Names names{session};
  if (member(shown, "via").is_string()) {
    line(session, "NODE", plain(member(shown, "id")));
    line(session, "LIVES",
         fmt::format("below {}, session {}; ask that node's own vppd for more",
                     names.of(member(shown, "via")), plain(member(shown, "session"))));
    return static_cast<int>(Exit::kOk);
  }
  line(session, "NODE",
       fmt::format("{} ({}) {}", plain(member(shown, "name")), plain(member(shown, "role")),
                   plain(member(shown, "id"))));
  line(session, "STATE",
       fmt::format("{}, region {}", plain(member(shown, "state")), plain(member(shown, "region"))));
  if (member(shown, "self") == true) {
    print_self(session, shown, names);
  } else {
    print_child(session, shown, names);
  }
  return static_cast<int>(Exit::kOk);
}

int why(const Session& session, const std::string& node) {
  std::optional<Failure> failure;
  std::optional<Document> found;
  bool by_itself = false;
  for (const Client& daemon : session.daemons) {
    const auto document = daemon.get("/v1/nodes/" + node);
    const auto status = document ? daemon.get("/v1/status") : document;
    const auto tree = status ? daemon.get("/v1/tree") : status;
    if (!tree) {
      if (!failure) failure = tree.error();
      continue;
    }
    const Document& shown = member(*document, "node");
    by_itself = member(shown, "self") == true;
    if (member(shown, "via").is_string() && !found) {
      failure = Failure{
          Exit::kFailure,
          node + " lives deeper in the tree, below " + Names{session}.of(member(shown, "via")),
          "ask that node: --socket"};
    } else if (by_itself) {
      found = why_self(*status, *tree);
    } else if (!found) {
      found = why_child(shown, *status);
    }
    if (by_itself) break;
  }
  if (!found) return fail(session, *failure);
  session.out << (session.json ? found->dump(2) + "\n" : why_text(*found));
  return static_cast<int>(Exit::kOk);
}

int nodes_drain(const Session& session, const DrainArguments& arguments) {
  const auto daemon = daemon_of(session, arguments.node);
  if (!daemon) return fail(session, daemon.error());
  const auto status = (*daemon)->get("/v1/status");
  if (!status) return fail(session, status.error());
  if (!agreed(session, *status, arguments)) {
    return static_cast<int>(arguments.dry_run ? Exit::kOk : Exit::kRefused);
  }
  const auto answer = (*daemon)->post("/v1/drain", {{"on", !arguments.undo}});
  if (!answer) return fail(session, answer.error());
  if (arguments.wait && !arguments.undo) return await_empty(session, **daemon, arguments);
  return print_drain(session, *answer, arguments.node);
}

}  // namespace vpp::ctl
