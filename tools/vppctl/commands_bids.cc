// Verbs about bids.
#include <fmt/format.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "tools/vppctl/commands.h"
#include "tools/vppctl/format.h"

namespace vpp::ctl {
namespace {

constexpr const char* kTimeHint = "market time, e.g. 2018-06-01T17:15:00Z";

/// "36.0 kW at 55.2"; several segments add up, at the price of the last.
std::string offer(const Document& segments) {
  if (!segments.is_array() || segments.empty()) return "nothing";
  std::int64_t power = 0;
  for (const auto& segment : segments) power += segment.value("power_w", std::int64_t{0});
  return kilowatts(power) + " at " + plain(member(segments.back(), "price"));
}

/// Settlements are to the watt-hour.
std::string watt_hours_text(const Document& watt_hours) {
  return watt_hours.is_number() ? fmt::format("{:.0f} Wh", watt_hours.get<double>()) : "-";
}

std::string money_text(const Document& money) {
  return money.is_number() ? fmt::format("{:.4f}", money.get<double>()) : "-";
}

std::size_t count_again(const Document& decisions, std::string_view again) {
  std::size_t count = 0;
  for (const auto& decision : decisions) count += plain(member(decision, "again")) == again;
  return count;
}

void print_replay(const Session& session, const Document& replay) {
  const auto& decisions = member(replay, "decisions");
  const auto& prices = member(replay, "prices");
  const Document none;
  const auto& last = prices.empty() ? none : prices.back();
  session.out << fmt::format(
      "{} facts known{}; {} prices, the last {} until {}\n", plain(member(replay, "facts")),
      member(replay, "at_ms").is_null() ? "" : " at " + utc(member(replay, "at_ms")) + " UTC",
      prices.size(), plain(member(last, "price")), utc(member(last, "until_ms")));
  session.out << fmt::format(
      "{} decisions: {} come out again bit by bit, {} differ, {} did not record what they rest "
      "on\n",
      decisions.size(), count_again(decisions, "same"), count_again(decisions, "other"),
      count_again(decisions, "not recorded"));
  Table table{{"DECIDED (UTC)", "BID", "EXPECTED", "PROMISED", "OFFERED", "AGAIN"}};
  for (const auto& decision : decisions) {
    const std::string again = plain(member(decision, "again"));
    table.row({utc(member(decision, "at_ms")), plain(member(decision, "key")),
               plain(member(decision, "expected")),
               std::to_string(member(decision, "committed").size()),
               offer(member(decision, "segments")),
               again == "other" ? offer(member(decision, "segments_again")) : again});
  }
  if (!table.empty()) table.print(session.out);
  Table passed{{"NO BID FOR (UTC)", "CLOSED (UTC)", "WHY"}};
  for (const auto& gate : member(replay, "passed")) {
    passed.row(
        {utc(member(gate, "from_ms")), utc(member(gate, "closes_ms")), plain(member(gate, "why"))});
  }
  if (!passed.empty()) passed.print(session.out);
}

void print_orders(const Session& session, const Document& orders) {
  Table table{{"ORDER", "BID", "PRODUCT", "FROM (UTC)", "AWARDED", "RECEIPTS", "SETTLED", "REVENUE",
               "OF IT KEPT", "PENALTY", "OWNERS", "PLANT", "CHECK"}};
  for (const auto& order : orders) {
    const auto& disagreements = member(order, "disagreements");
    table.row({plain(member(order, "order")), plain(member(order, "key")),
               plain(member(order, "product")), utc(member(order, "from_ms")),
               watt_hours_text(member(order, "awarded_wh")),
               watt_hours_text(member(order, "receipts_wh")),
               watt_hours_text(member(order, "settled_wh")), money_text(member(order, "revenue")),
               money_text(member(order, "availability")), money_text(member(order, "penalty")),
               money_text(member(order, "owners")), money_text(member(order, "plant")),
               disagreements.empty() ? "agreed" : fmt::format("{} differ", disagreements.size())});
  }
  table.print(session.out);
  for (const auto& order : orders) {
    for (const auto& each : member(order, "disagreements")) {
      session.out << fmt::format("{}: {}: ours {}, theirs {}\n", plain(member(order, "key")),
                                 plain(member(each, "about")), plain(member(each, "ours")),
                                 plain(member(each, "theirs")));
    }
  }
}

/// What the homes' own meters say, beside the batteries' receipts.
void print_meters(const Session& session, const Document& orders) {
  Table table{{"ORDER", "RECEIPTS", "BASELINE", "METERED", "DELIVERED BY METERS", "HOMES METERED",
               "RESTS ON"}};
  for (const auto& order : orders) {
    const auto& meters = member(order, "meters");
    const auto& why = member(meters, "why");
    std::string rests = plain(why);
    if (why.is_null()) {
      rests = fmt::format("{} days{}", plain(member(meters, "days")),
                          member(meters, "adjusted") == true ? "" : ", not adjusted");
    }
    table.row({plain(member(order, "order")), watt_hours_text(member(order, "receipts_wh")),
               watt_hours_text(member(meters, "baseline_wh")),
               watt_hours_text(member(meters, "metered_wh")),
               watt_hours_text(member(meters, "delivered_wh")),
               plain(member(meters, "metered_pct")) + " %", std::move(rests)});
  }
  table.print(session.out);
}

void print_programs(const Session& session, const Document& programs) {
  Table table{{"PROGRAM", "ORDERS", "AWARDED", "RECEIPTS", "SHORTFALL", "REVENUE", "PENALTY",
               "OWNERS", "PLANT"}};
  for (const auto& program : programs) {
    table.row({plain(member(program, "program")), plain(member(program, "orders")),
               watt_hours_text(member(program, "awarded_wh")),
               watt_hours_text(member(program, "receipts_wh")),
               watt_hours_text(member(program, "shortfall_wh")),
               money_text(member(program, "revenue")), money_text(member(program, "penalty")),
               money_text(member(program, "owners")), money_text(member(program, "plant"))});
  }
  if (!table.empty()) table.print(session.out);
}

void print_owner(const Session& session, const Document& owner) {
  session.out << fmt::format("paid for {} orders: {} for {}\n", plain(member(owner, "orders")),
                             money_text(member(owner, "earned")),
                             watt_hours_text(member(owner, "delivered_wh")));
  Table table{{"ORDER", "DELIVERED", "PER MWH", "EARNED"}};
  for (const auto& each : member(owner, "newest")) {
    table.row({plain(member(each, "order")), watt_hours_text(member(each, "delivered_wh")),
               plain(member(each, "per_mwh")), money_text(member(each, "earned"))});
  }
  if (!table.empty()) table.print(session.out);
}

}  // namespace

int settlement(const Session& session) {
  return show(session, "/v1/settlement", [&](const Document& document) {
    const auto& owner = member(document, "owner");
    if (owner.is_object()) return print_owner(session, owner);
    const auto& orders = member(document, "orders");
    if (orders.is_array() && !orders.empty()) {
      print_orders(session, orders);
      print_meters(session, orders);
      print_programs(session, member(document, "programs"));
    } else if (orders.is_array()) {
      session.out << "nothing was settled yet\n";
    }
    Table table{{"CHILD", "ORDERS", "DELIVERED", "EARNED"}};
    for (const auto& child : member(document, "children")) {
      table.row({plain(member(child, "name")), plain(member(child, "orders")),
                 watt_hours_text(member(child, "delivered_wh")),
                 money_text(member(child, "earned"))});
    }
    if (table.empty()) return;
    session.out << fmt::format("by child, of the newest {} settled orders:\n",
                               member(document, "rates").size());
    table.print(session.out);
  });
}

int bids_list(const Session& session) {
  return show(session, "/v1/bids", [&](const Document& document) {
    Table table{{"BID", "PRODUCT", "STATE", "FROM (UTC)", "BID POWER", "LIMIT", "AWARD", "CLEARING",
                 "CALLED", "DELIVERED", "REVENUE"}};
    for (const auto& bid : member(document, "bids")) {
      const auto& segments = member(bid, "segments");
      const auto& first = segments.empty() ? member(bid, "none") : segments.front();
      table.row({plain(member(bid, "key")), plain(member(bid, "product")),
                 plain(member(bid, "state")), utc(member(bid, "from_ms")),
                 kilowatts(member(first, "power_w")), plain(member(first, "price")),
                 kilowatts(member(member(bid, "award"), "power_w")),
                 plain(member(member(bid, "award"), "clearing")),
                 kilowatts(member(member(bid, "call"), "power_w")),
                 kilowatt_hours(member(bid, "delivered_wh")),
                 plain(member(member(bid, "settlement"), "revenue"))});
    }
    table.print(session.out);
  });
}

int bids_show(const Session& session, const std::string& key, bool trace) {
  return show(session, "/v1/bids/" + key, [&](const Document& document) {
    for (const auto& [name, value] : member(document, "bid").items()) {
      session.out << fmt::format("{:<16} {}\n", name, plain(value));
    }
    if (!trace) return;
    for (const auto& fact : member(document, "trace")) session.out << fact.dump() << '\n';
  });
}

int bids_submit(const Session& session, const OwnBidArguments& arguments) {
  const auto from = parse_utc(arguments.from);
  if (!from) return fail(session, {Exit::kUsage, "--from: " + from.error(), kTimeHint});
  const auto power = parse_power(arguments.power);
  if (!power) return fail(session, {Exit::kUsage, "--power: " + power.error(), "e.g. 200kW"});
  const std::string key = arguments.key.empty() ? fresh_key() : arguments.key;
  const std::string question = fmt::format("offer {} at {} per MWh from {} UTC?", kilowatts(*power),
                                           arguments.price, utc(*from));
  if (!confirmed(session, question)) return static_cast<int>(Exit::kRefused);
  const Document body{{"key", key},
                      {"from_ms", *from},
                      {"session", arguments.session},
                      {"segments", {{{"power_w", *power}, {"price", arguments.price}}}}};
  const auto document = session.daemons.front().post("/v1/bids", body);
  if (!document) return fail(session, document.error());
  if (session.json) {
    session.out << document->dump(2) << '\n';
  } else {
    session.out << fmt::format("{} is {}\n", key, plain(member(member(*document, "bid"), "state")));
  }
  return static_cast<int>(Exit::kOk);
}

int bids_withdraw(const Session& session, const std::string& key) {
  if (!confirmed(session, "take " + key + " back?")) return static_cast<int>(Exit::kRefused);
  const auto document =
      session.daemons.front().post("/v1/bids/" + key + "/withdraw", Document::object());
  if (!document) return fail(session, document.error());
  if (session.json) {
    session.out << document->dump(2) << '\n';
  } else {
    session.out << fmt::format("{} is {}\n", key, plain(member(member(*document, "bid"), "state")));
  }
  return static_cast<int>(Exit::kOk);
}

int bids_replay(const Session& session, const std::string& at) {
  std::string path = "/v1/bids/replay";
  if (!at.empty()) {
    const auto ms = parse_utc(at);
    if (!ms) return fail(session, {Exit::kUsage, "--at: " + ms.error(), kTimeHint});
    path += "?at_ms=" + std::to_string(*ms);
  }
  const auto document = session.daemons.front().get(path);
  if (!document) return fail(session, document.error());
  if (session.json) {
    session.out << document->dump(2) << '\n';
  } else {
    print_replay(session, *document);
  }
  const std::size_t differ = count_again(member(*document, "decisions"), "other");
  return static_cast<int>(differ == 0 ? Exit::kOk : Exit::kDegraded);
}

}  // namespace vpp::ctl
