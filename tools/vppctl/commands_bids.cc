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

}  // namespace

int bids_list(const Session& session) {
  return show(session, "/v1/bids", [&](const Document& document) {
    Table table{{"BID", "STATE", "FROM (UTC)", "BID POWER", "LIMIT", "AWARD", "CLEARING",
                 "DELIVERED", "REVENUE"}};
    for (const auto& bid : member(document, "bids")) {
      const auto& segments = member(bid, "segments");
      const auto& first = segments.empty() ? member(bid, "none") : segments.front();
      table.row({plain(member(bid, "key")), plain(member(bid, "state")),
                 utc(member(bid, "from_ms")), kilowatts(member(first, "power_w")),
                 plain(member(first, "price")), kilowatts(member(member(bid, "award"), "power_w")),
                 plain(member(member(bid, "award"), "clearing")),
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
