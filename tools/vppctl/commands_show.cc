// Verbs that only look.
#include <fmt/format.h>

#include <functional>
#include <map>
#include <set>

#include "tools/vppctl/commands.h"
#include "tools/vppctl/format.h"

namespace vpp::ctl {
namespace {

const Client& primary(const Session& session) {
  return session.daemons.front();
}

void print_json(const Session& session, const Document& document) {
  session.out << document.dump(2) << '\n';
}

}  // namespace

int show(const Session& session, const std::string& path,
         const std::function<void(const Document&)>& table) {
  const auto document = primary(session).get(path);
  if (!document) return fail(session, document.error());
  if (session.json) {
    print_json(session, *document);
  } else {
    table(*document);
  }
  return static_cast<int>(Exit::kOk);
}

namespace {

std::string coverage_text(const Document& coverage) {
  if (!coverage.is_object()) return "-";
  return fmt::format("{}/{} online, {} stale, {} offline", plain(member(coverage, "online")),
                     plain(member(coverage, "enrolled")), plain(member(coverage, "stale")),
                     plain(member(coverage, "offline")));
}

void print_health(const Session& session, const Document& health) {
  std::string state = plain(member(health, "state"));
  for (auto& c : state) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  std::string lead = fmt::format("HEALTH  {:<9}", state);
  if (member(health, "codes").empty()) session.out << lead << '\n';
  for (const auto& code : member(health, "codes")) {
    session.out << fmt::format("{} {}: {}\n", lead, plain(member(code, "code")),
                               plain(member(code, "text")));
    lead = std::string(lead.size(), ' ');
  }
}

void print_order(const Session& session, const Document& order) {
  if (!order.is_object()) {
    session.out << "ORDER   none\n";
    return;
  }
  const auto& error = member(order, "error_permille");
  session.out << fmt::format(
      "ORDER   #{} target {}  delivered {} (age {})  err {}  until {}\n",
      plain(member(order, "id")), kilowatts(member(order, "target_w"), true),
      kilowatts(member(order, "measured_w"), true), age(member(order, "measured_age_ms")),
      error.is_number() ? fmt::format("{:+.1f} %", error.get<double>() / 10) : "-",
      utc(member(order, "until_ms")));
}

/// The only root has nothing to tell.
void print_root(const Session& session, const Document& root) {
  if (!root.is_object() || plain(member(root, "lease")) == "static") return;
  const auto& journal = member(root, "journal");
  const std::string holder = plain(member(root, "holder"));
  session.out << fmt::format(
      "ROOT    {}{}  lease left {}  journal {}/{}, {} acknowledged, {} of {} "
      "standbys\n",
      plain(member(root, "state")), holder.empty() ? "" : " under " + holder,
      age(member(root, "lease_left_ms")), plain(member(journal, "term")),
      plain(member(journal, "length")), plain(member(journal, "acknowledged")),
      plain(member(journal, "standbys")), plain(member(journal, "copies")));
  for (const auto& peer : member(root, "peers")) {
    session.out << fmt::format("        {} {}  journal {}/{}\n", plain(member(peer, "address")),
                               member(peer, "linked") == true ? "linked" : "not linked",
                               plain(member(peer, "journal_term")),
                               plain(member(peer, "journal_length")));
  }
}

void print_peak(const Session& session, const Document& peak) {
  if (!peak.is_object()) return;
  const auto& over = member(peak, "over_w");
  session.out << fmt::format(
      "PEAK    target {}  drawn {}  load {}  kept at {}{}  asked {} of {}{}\n",
      kilowatts(member(peak, "target_w")), kilowatts(member(peak, "drawn_w")),
      kilowatts(member(peak, "load_w")), kilowatts(member(peak, "level_w")),
      over.is_number() && over != 0 ? ", " + kilowatts(over) + " over the target" : "",
      kilowatts(member(peak, "asked_w"), true), plain(member(peak, "program")),
      member(peak, "sites_unknown") != 0
          ? "  (" + plain(member(peak, "sites_unknown")) + " homes without a meter)"
          : "");
}

void print_status(const Session& session, const Document& status) {
  const auto& node = member(status, "node");
  print_health(session, member(status, "health"));
  session.out << fmt::format("NODE    {} ({}) term {}  region {}\n", plain(member(node, "name")),
                             plain(member(node, "role")), plain(member(node, "term")),
                             plain(member(node, "region")));
  if (const auto& uplink = member(status, "uplink"); uplink.is_object()) {
    session.out << fmt::format("PARENT  {} {}  session {}  beacon age {}\n",
                               plain(member(uplink, "state")), plain(member(uplink, "parent")),
                               plain(member(uplink, "session")),
                               age(member(uplink, "beacon_age_ms")));
  }
  print_root(session, member(status, "root"));
  if (const auto& tree = member(status, "tree"); tree.is_object()) {
    session.out << fmt::format("TREE    {} children, sites {}\n", plain(member(tree, "counted")),
                               coverage_text(member(tree, "coverage")));
    session.out << fmt::format("NET     {} at the meters; {} sites unknown\n",
                               kilowatts(member(status, "net_w"), true),
                               plain(member(status, "net_unknown")));
  }
  const auto& capacity = member(status, "capacity");
  const auto& up = member(capacity, "up");
  const auto& down = member(capacity, "down");
  session.out << fmt::format("UP      {} of which {} firm (+{} unknown)    DOWN {}\n",
                             kilowatts(member(up, "power_w")), kilowatts(member(up, "firm_w")),
                             kilowatts(member(up, "unknown_w")),
                             kilowatts(member(down, "power_w")));
  if (const auto& site = member(status, "site"); site.is_object()) {
    session.out << fmt::format(
        "SITE    {}  set point {}  measured {}  net {}  stored {}{}\n", plain(member(site, "mode")),
        kilowatts(member(site, "set_point_w"), true), kilowatts(member(site, "measured_w"), true),
        kilowatts(member(site, "net_w"), true), kilowatt_hours(member(site, "stored_wh")),
        member(site, "limited_by").is_string() ? "  limited by " + plain(member(site, "limited_by"))
                                               : "");
  }
  print_order(session, member(status, "order"));
  print_peak(session, member(status, "peak"));
  if (const auto& gate = member(member(status, "market"), "next_gate"); gate.is_object()) {
    const auto& bid = member(member(status, "market"), "last_bid");
    session.out << fmt::format("NEXT    gate {} UTC in {}; last bid {} {}\n",
                               utc(member(gate, "closes_ms")), age(member(gate, "closes_in_ms")),
                               plain(member(bid, "key")), plain(member(bid, "state")));
  }
}

/// The trees of all daemons that answer, by the id of the node that told.
using Trees = std::map<std::string, Document>;

void print_branch(const Session& session, const Trees& trees, const Document& node,
                  const std::string& indent, std::set<std::string>& shown) {
  const std::string id = plain(member(node, "id"));
  const auto own = trees.find(id);
  // That it takes no children only itself can tell.
  const bool rests =
      own != trees.end() && member(member(own->second, "node"), "state") == "drained";
  std::string text =
      fmt::format("{}{} ({}) {}", indent, plain(member(node, "name")), plain(member(node, "role")),
                  rests ? "drained" : plain(member(node, "state")));
  if (!member(node, "measured_w").is_null() || node.contains("measured_w")) {
    text += fmt::format("  asked {}  measured {}  up {}", kilowatts(member(node, "asked_w"), true),
                        kilowatts(member(node, "measured_w"), true),
                        kilowatts(member(member(node, "up"), "power_w")));
  }
  if (member(node, "counted").is_boolean() && !member(node, "counted").get<bool>()) {
    text += "  not counted";
  }
  session.out << text << '\n';
  if (!shown.insert(id).second) return;
  if (own != trees.end()) {
    for (const auto& child : member(own->second, "children")) {
      print_branch(session, trees, child, indent + "  ", shown);
    }
  } else if (const auto& below = member(node, "descendants"); !below.empty()) {
    session.out << fmt::format("{}  {} nodes below; ask this node's own vppd for them\n", indent,
                               below.size());
  }
}

Document joined(const Trees& trees, const Document& first) {
  Document out = first;
  Document others = Document::array();
  const std::string own = plain(member(member(first, "node"), "id"));
  for (const auto& [id, tree] : trees) {
    if (id != own) others.push_back(tree);
  }
  out["joined"] = std::move(others);
  return out;
}

void print_horizons(const Session& session, std::string_view title, const Document& direction) {
  Table table{{std::string{title}, "NOMINAL", "FIRM"}};
  for (const auto& horizon : member(direction, "horizons")) {
    const auto& seconds = member(horizon, "duration_s");
    table.row({seconds.is_number() ? fmt::format("{} min", seconds.get<std::int64_t>() / 60) : "-",
               kilowatts(member(horizon, "power_w")), kilowatts(member(horizon, "firm_w"))});
  }
  table.print(session.out);
}

void print_series(const Session& session, std::string_view title, const Document& series) {
  const auto& last = member(series, "last");
  if (!last.is_object()) {
    session.out << fmt::format("{:<9}no price is known\n", title);
    return;
  }
  session.out << fmt::format("{:<9}last price {} for {} UTC ({} ago); {} gaps, {} missing\n", title,
                             plain(member(last, "price")), utc(member(last, "from_ms")),
                             age(member(series, "last_age_ms")), plain(member(series, "gaps")),
                             age(Document(member(series, "missing_s").get<std::int64_t>() * 1000)));
}

void print_market(const Session& session, const Document& market) {
  if (member(market, "enabled") != true) {
    session.out << "MARKET   none: this root has no [market]\n";
    return;
  }
  const auto& error = member(market, "last_error");
  session.out << fmt::format(
      "MARKET   {}; {} failures{}\n",
      member(market, "reachable") == true ? "answers" : "does not answer",
      plain(member(market, "failures")),
      error.is_object() ? fmt::format(", the last {} ago: {}", age(member(error, "age_ms")),
                                      plain(member(error, "text")))
                        : "");
  if (const auto& quiet = member(market, "quiet_for_ms"); quiet.is_number()) {
    session.out << fmt::format("WAITING  {}, as the market asked\n", age(quiet));
  }
  const auto& clock = member(market, "clock");
  const auto& ahead = member(clock, "ahead_ms");
  session.out << fmt::format(
      "CLOCK    {}{}\n",
      ahead.is_number() ? fmt::format("{:+.1f} s before ours", ahead.get<double>() / 1000)
                        : "the market tells none",
      member(clock, "agrees") == true ? "" : ": another clock than ours, nothing is bid");
  print_series(session, "NOW", member(market, "real_time"));
  if (const auto& day_ahead = member(market, "day_ahead"); member(day_ahead, "last").is_object()) {
    print_series(session, "TOMORROW", day_ahead);
  }
  const auto& corrections = member(market, "corrections");
  const auto& last = member(corrections, "last");
  session.out << fmt::format(
      "PRICES   {} refused; {} corrected, {} of them after settlement{}\n",
      plain(member(market, "prices_refused")), plain(member(corrections, "all")),
      plain(member(corrections, "after_settlement")),
      last.is_object()
          ? fmt::format("; the last for {} UTC from {} to {}", utc(member(last, "from_ms")),
                        plain(member(corrections, "before")), plain(member(last, "price")))
          : "");
  const auto& awards = member(market, "awards");
  session.out << fmt::format("AWARDS   {} told twice, {} contradicted{}\n",
                             plain(member(awards, "repeated")),
                             plain(member(awards, "contradicted")),
                             member(awards, "contradicted") == 0
                                 ? ""
                                 : "; the first counts: " + plain(member(awards, "contradiction")));
  if (const auto& gate = member(market, "next_gate"); gate.is_object()) {
    session.out << fmt::format("GATE     {} UTC, {}, closes in {}\n", utc(member(gate, "from_ms")),
                               plain(member(gate, "session")), age(member(gate, "closes_in_ms")));
  } else {
    session.out << "GATE     none is known\n";
  }
}

/// "energy", or "energy region=north".
std::string scope_text(const Document& of) {
  const auto& group = member(of, "group");
  return plain(member(of, "program")) + (group.is_string() ? " " + plain(group) : "");
}

/// For 5 minutes, of a direction with horizons.
std::string shortest(const Document& direction) {
  const auto& horizons = member(direction, "horizons");
  if (!horizons.is_array() || horizons.empty()) return "-";
  return kilowatts(member(horizons.front(), "power_w"));
}

void print_subscriptions(const Session& session, const Document& document) {
  const auto& subscriptions = member(document, "subscriptions");
  if (!subscriptions.is_array()) return;
  Table table{{"PROGRAM", "PRIORITY", "FROM (UTC)", "UNTIL (UTC)", "OPTED OUT UNTIL"}};
  for (const auto& each : subscriptions) {
    table.row({plain(member(each, "program")), plain(member(each, "priority")),
               utc(member(each, "from_ms")), utc(member(each, "until_ms")),
               utc(member(each, "opted_out_until_ms"))});
  }
  table.print(session.out);
  std::string groups;
  for (const auto& group : member(document, "groups")) groups += " " + plain(group);
  session.out << "groups:" << (groups.empty() ? " none" : groups) << '\n';
}

void print_scopes(const Session& session, const Document& document) {
  const auto& below = member(document, "below");
  if (!below.is_array()) return;
  Table table{{"PROGRAM", "GROUP", "ONLINE", "UP", "DOWN", "ASKED", "MEASURED", "MISSING"}};
  for (const auto& each : below) {
    table.row({plain(member(each, "program")), plain(member(each, "group")),
               plain(member(each, "online")), shortest(member(each, "up")),
               shortest(member(each, "down")), kilowatts(member(each, "asked_w"), true),
               kilowatts(member(each, "measured_w"), true),
               kilowatts(member(each, "shortfall_w"), true)});
  }
  table.print(session.out);
  const auto& left_out = member(document, "below_left_out");
  if (left_out.is_number() && left_out != 0) {
    session.out << plain(left_out) << " more did not fit into the reports of aggregators\n";
  }
}

}  // namespace

int fail(const Session& session, const Failure& failure) {
  session.err << "vppctl: " << failure.text;
  if (!failure.hint.empty()) session.err << "; hint: " << failure.hint;
  session.err << '\n';
  return static_cast<int>(failure.exit);
}

int status(const Session& session) {
  const auto document = primary(session).get("/v1/status");
  if (!document) return fail(session, document.error());
  if (session.json) {
    print_json(session, *document);
  } else {
    print_status(session, *document);
  }
  const bool well = member(member(*document, "health"), "state") == "ok";
  return static_cast<int>(well ? Exit::kOk : Exit::kDegraded);
}

int tree(const Session& session) {
  const auto first = primary(session).get("/v1/tree");
  if (!first) return fail(session, first.error());
  Trees trees;
  trees[plain(member(member(*first, "node"), "id"))] = *first;
  for (std::size_t i = 1; i < session.daemons.size(); ++i) {
    const auto other = session.daemons[i].get("/v1/tree");
    if (!other) {
      fail(session, other.error());  // said, and the rest is still shown
      continue;
    }
    trees[plain(member(member(*other, "node"), "id"))] = *other;
  }
  if (session.json) {
    print_json(session, joined(trees, *first));
  } else {
    std::set<std::string> shown;
    print_branch(session, trees, member(*first, "node"), "", shown);
  }
  return static_cast<int>(Exit::kOk);
}

int nodes_list(const Session& session, const std::string& state) {
  const auto document = primary(session).get("/v1/nodes");
  if (!document) return fail(session, document.error());
  Document chosen = *document;
  if (!state.empty()) {
    auto& nodes = chosen["nodes"];
    Document kept = Document::array();
    for (const auto& node : nodes) {
      if (member(node, "state") == state) kept.push_back(node);
    }
    nodes = std::move(kept);
  }
  if (session.json) {
    print_json(session, chosen);
    return static_cast<int>(Exit::kOk);
  }
  Table table{{"NAME", "ID", "ROLE", "REGION", "STATE", "COUNTED", "HEARD", "ASKED", "MEASURED",
               "NET", "UP", "DOWN"}};
  for (const auto& node : member(chosen, "nodes")) {
    table.row({plain(member(node, "name")), plain(member(node, "id")).substr(0, 12),
               plain(member(node, "role")), plain(member(node, "region")),
               plain(member(node, "state")), plain(member(node, "counted")),
               age(member(node, "heard_age_ms")), kilowatts(member(node, "asked_w"), true),
               kilowatts(member(node, "measured_w"), true), kilowatts(member(node, "net_w"), true),
               kilowatts(member(member(node, "up"), "power_w")),
               kilowatts(member(member(node, "down"), "power_w"))});
  }
  table.print(session.out);
  return static_cast<int>(Exit::kOk);
}

int capacity(const Session& session) {
  return show(session, "/v1/capacity", [&](const Document& document) {
    session.out << "sites: " << coverage_text(member(document, "coverage")) << '\n';
    if (const auto& level = member(document, "shortfall_ppm"); level.is_number()) {
      session.out << fmt::format("firm: delivered at least {:.2f}% of the time\n",
                                 100.0 - level.get<double>() / 10'000);
    }
    print_horizons(session, "UP FOR", member(document, "up"));
    print_horizons(session, "DOWN FOR", member(document, "down"));
  });
}

int programs(const Session& session) {
  return show(session, "/v1/programs", [&](const Document& document) {
    print_subscriptions(session, document);
    print_scopes(session, document);
    Table orders{{"ORDER", "PROGRAM", "GROUP", "SERVICE", "TARGET", "UNTIL (UTC)"}};
    for (const auto& each : member(document, "in_force")) {
      orders.row({plain(member(each, "order")), plain(member(each, "program")),
                  plain(member(each, "group")), plain(member(each, "service")),
                  kilowatts(member(each, "target_w"), true), utc(member(each, "until_ms"))});
    }
    if (!orders.empty()) orders.print(session.out);
    if (const auto& armed = member(document, "armed_w"); armed.is_number() && armed != 0) {
      session.out << fmt::format("armed for the frequency: {}, answering now with {}\n",
                                 kilowatts(armed), kilowatts(member(document, "droop_w"), true));
    }
  });
}

namespace {

/// One row for each slot from `from_ms` on, where the loads begin; prices only at the head.
void print_slots(const Session& session, const Document& part, std::int64_t from_ms) {
  const auto& values = member(part, "values");
  const auto& loads = member(part, "net_load_w");
  const auto& prices = member(part, "prices");
  const auto& slot_s = member(part, "slot_s");
  if (!slot_s.is_number()) return;
  const auto at = [](const Document& list, std::size_t i) {
    return list.is_array() && i < list.size() ? list[i] : Document();
  };
  const std::int64_t slot_ms = slot_s.get<std::int64_t>() * 1'000;
  const auto skipped =
      static_cast<std::size_t>((from_ms - member(part, "from_ms").get<std::int64_t>()) / slot_ms);
  Table table{{"SLOT (UTC)", "PRICE", "SIGNAL", "PLANNED LOAD"}};
  for (std::size_t i = 0; i + skipped < values.size(); ++i) {
    const std::int64_t begin = from_ms + static_cast<std::int64_t>(i) * slot_ms;
    table.row({utc(Document(begin)), plain(at(prices, i)), plain(values[i + skipped]),
               kilowatts(at(loads, i), true)});
  }
  table.print(session.out);
}

void print_group_values(const Session& session, const Document& group) {
  session.out << fmt::format("{} {}, round {}, until {} UTC\n",
                             member(group, "is_head") == true ? "head, as" : "passes on signals of",
                             plain(member(group, "head")), plain(member(group, "round")),
                             utc(member(group, "until_ms")));
  if (member(group, "is_head") == true) {
    session.out << fmt::format("target {}, {} rounds in this horizon, {}\n",
                               kilowatts(member(group, "target_w")), plain(member(group, "rounds")),
                               member(group, "settled") == true ? "settled" : "still moving");
  }
  session.out << fmt::format("homes that follow: {}, of heads below: {}; paid to them so far: {}\n",
                             plain(member(group, "homes")), plain(member(group, "fixed_homes")),
                             plain(member(group, "paid")));
  print_slots(session, group, member(group, "from_ms").get<std::int64_t>());
}

void print_follower(const Session& session, const Document& home) {
  const auto& account = member(home, "account");
  session.out << fmt::format(
      "alone it would have paid {}; it pays {}, and is paid {} by value and {} on top ({} slots)\n",
      plain(member(account, "alone")), plain(member(account, "bill")),
      plain(member(account, "by_value")), plain(member(account, "top_up")),
      plain(member(account, "slots")));
  if (const auto& why_not = member(home, "why_not"); why_not.is_string()) {
    session.out << fmt::format("it takes no part: {}\n", why_not.get<std::string>());
  }
  if (!member(home, "head").is_string()) return;
  session.out << fmt::format("follows {}, round {}, until {} UTC\n", plain(member(home, "head")),
                             plain(member(home, "round")), utc(member(home, "until_ms")));
  print_slots(session, home, member(home, "plan_from_ms").get<std::int64_t>());
}

}  // namespace

int values(const Session& session) {
  return show(session, "/v1/values", [&](const Document& document) {
    const auto& group = member(document, "group");
    const auto& home = member(document, "follower");
    if (group.is_object()) print_group_values(session, group);
    if (home.is_object()) print_follower(session, home);
    if (!group.is_object() && !home.is_object()) {
      session.out << "no value signal has come or gone here; [values] of the config says who "
                     "makes and who follows them\n";
    }
  });
}

int orders_list(const Session& session) {
  return show(session, "/v1/orders", [&](const Document& document) {
    Table table{{"ORDER", "STATE", "SOURCE", "FOR", "POWER", "FROM (UTC)", "UNTIL (UTC)",
                 "DELIVERED", "KEY"}};
    for (const auto& order : member(document, "orders")) {
      table.row({plain(member(order, "id")), plain(member(order, "state")),
                 plain(member(order, "source")), scope_text(order),
                 kilowatts(member(order, "power_w"), true), utc(member(order, "from_ms")),
                 utc(member(order, "until_ms")), kilowatt_hours(member(order, "delivered_wh")),
                 plain(member(order, "key"))});
    }
    table.print(session.out);
  });
}

int orders_show(const Session& session, const std::string& id) {
  return show(session, "/v1/orders/" + id, [&](const Document& document) {
    const auto& order = member(document, "order");
    for (const auto& [key, value] : order.items()) {
      if (key != "shares") session.out << fmt::format("{:<16} {}\n", key, plain(value));
    }
    if (!member(order, "shares").is_array()) return;
    Table table{{"CHILD", "ASKED", "MEASURED", "MISSING", "WHY"}};
    for (const auto& share : member(order, "shares")) {
      const auto& missing = member(share, "undelivered");
      table.row({plain(member(share, "name")), kilowatts(member(share, "asked_w"), true),
                 kilowatts(member(share, "measured_w"), true),
                 kilowatts(member(missing, "power_w"), true), plain(member(missing, "reason"))});
    }
    table.print(session.out);
  });
}

int market_prices(const Session& session) {
  return show(session, "/v1/market/prices", [&](const Document& document) {
    Table table{{"FROM (UTC)", "UNTIL (UTC)", "SESSION", "PRODUCT", "PRICE"}};
    for (const auto& price : member(document, "prices")) {
      table.row({utc(member(price, "from_ms")), utc(member(price, "until_ms")),
                 plain(member(price, "session")), plain(member(price, "product")),
                 plain(member(price, "price"))});
    }
    table.print(session.out);
  });
}

int market_gates(const Session& session) {
  return show(session, "/v1/market/gates", [&](const Document& document) {
    Table table{{"FROM (UTC)", "UNTIL (UTC)", "SESSION", "PRODUCT", "CLOSES (UTC)", "IN"}};
    for (const auto& gate : member(document, "gates")) {
      table.row({utc(member(gate, "from_ms")), utc(member(gate, "until_ms")),
                 plain(member(gate, "session")), plain(member(gate, "product")),
                 utc(member(gate, "closes_ms")), age(member(gate, "closes_in_ms"))});
    }
    table.print(session.out);
  });
}

int market_position(const Session& session) {
  return show(session, "/v1/market/position", [&](const Document& document) {
    Table table{{"FROM (UTC)", "UNTIL (UTC)", "OFFERED", "AWARDED", "DELIVERED", "BIDS"}};
    for (const auto& each : member(document, "position")) {
      std::string keys;
      for (const auto& key : member(each, "bids")) keys += (keys.empty() ? "" : " ") + plain(key);
      table.row({utc(member(each, "from_ms")), utc(member(each, "until_ms")),
                 kilowatts(member(each, "offered_w")), kilowatts(member(each, "awarded_w")),
                 kilowatt_hours(member(each, "delivered_wh")), keys});
    }
    table.print(session.out);
  });
}

int market_health(const Session& session) {
  return show(session, "/v1/market",
              [&](const Document& document) { print_market(session, document); });
}

int openadr(const Session& session) {
  return show(session, "/v1/openadr", [&](const Document& document) {
    if (member(document, "configured") != true) {
      session.out << "no OpenADR server: the config has no [openadr]\n";
      return;
    }
    const std::string problem = plain(member(document, "problem"));
    session.out << fmt::format("server   {}{}\n", plain(member(document, "state")),
                               problem.empty() ? "" : ": " + problem);
    session.out << fmt::format("ven      {}, resource {}\n", plain(member(document, "ven_id")),
                               plain(member(document, "resource_id")));
    session.out << fmt::format("listed   {} (UTC)\n", utc(member(document, "listed_ms")));
    session.out << fmt::format("reports  {} sent, {} refused\n",
                               plain(member(document, "reports_sent")),
                               plain(member(document, "reports_refused")));
    for (const auto& each : member(document, "programs")) {
      session.out << fmt::format("program  {} ({})\n", plain(member(each, "name")),
                                 plain(member(each, "id")));
    }
    for (const auto& each : member(document, "unreadable")) {
      session.out << fmt::format("unread   {}\n", plain(each));
    }
    Table table{
        {"EVENT", "STATE", "PRIORITY", "FROM (UTC)", "UNTIL (UTC)", "ASKS", "ORDERS", "REPORTS"}};
    for (const auto& event : member(document, "events")) {
      std::string asks;
      for (const auto& kind : member(event, "payloads")) {
        asks += (asks.empty() ? "" : " ") + plain(kind);
      }
      std::string orders;
      for (const auto& order : member(event, "orders")) {
        orders += (orders.empty() ? "" : " ") + plain(member(order, "id")) + ":" +
                  plain(member(order, "state"));
      }
      table.row({plain(member(event, "id")), plain(member(event, "state")),
                 plain(member(event, "priority")), utc(member(event, "from_ms")),
                 utc(member(event, "until_ms")), asks, orders.empty() ? "-" : orders,
                 plain(member(event, "reports_sent"))});
    }
    table.print(session.out);
    for (const auto& event : member(document, "events")) {
      const std::string id = plain(member(event, "id"));
      const std::string cause = plain(member(event, "why"));
      if (!cause.empty()) session.out << fmt::format("{} is not obeyed: {}\n", id, cause);
      for (const auto& [kind, why] : member(event, "not_obeyed").items()) {
        session.out << fmt::format("{}: {} is not obeyed: {}\n", id, kind, plain(why));
      }
    }
  });
}

int config_show(const Session& session) {
  return show(session, "/v1/config", [&](const Document& document) {
    session.out << "# " << plain(member(document, "file")) << '\n'
                << plain(member(document, "toml"));
  });
}

}  // namespace vpp::ctl
