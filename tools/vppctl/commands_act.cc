// Verbs that move watts, follow events, or speak of vppctl itself.
#include <fmt/format.h>
#include <unistd.h>

#include <iostream>
#include <random>
#include <string>

#include "config/version.h"
#include "tools/vppctl/commands.h"
#include "tools/vppctl/format.h"

namespace vpp::ctl {

std::string fresh_key() {
  std::random_device random;
  return fmt::format("op-{:08x}{:08x}", random(), random());
}

namespace {

void print_would(std::ostream& out, const Document& would) {
  const auto& supersedes = member(would, "supersedes");
  out << fmt::format(
      "would ask {} of {} sites; the fleet can hold {} of it{}; firm {}{}\n",
      kilowatts(member(would, "power_w"), true), plain(member(would, "sites")),
      kilowatts(member(would, "held_w"), true),
      member(would, "feasible") == false
          ? fmt::format(" and leave {} unserved", kilowatt_hours(member(would, "unserved_wh")))
          : "",
      kilowatts(member(would, "firm_w")),
      supersedes.is_null() ? "" : "; supersedes order " + plain(supersedes));
}

int refused() {
  return static_cast<int>(Exit::kRefused);
}

int print_order(const Session& session, const Document& document, std::string_view done) {
  if (session.json) {
    session.out << document.dump(2) << '\n';
  } else {
    const auto& order = member(document, "order");
    session.out << fmt::format("order {} {}: {} until {} UTC\n", plain(member(order, "id")), done,
                               kilowatts(member(order, "power_w"), true),
                               utc(member(order, "until_ms")));
  }
  return static_cast<int>(Exit::kOk);
}

}  // namespace

bool confirmed(const Session& session, std::string_view question) {
  if (session.yes) return true;
  if (::isatty(STDIN_FILENO) == 0) {
    session.err << "vppctl: not confirmed; hint: without a terminal this needs --yes\n";
    return false;
  }
  session.err << question << " [y/N] " << std::flush;
  std::string answer;
  std::getline(std::cin, answer);
  return answer == "y" || answer == "Y" || answer == "yes";
}

int dispatch_send(const Session& session, const SendArguments& arguments) {
  const auto power = parse_power(arguments.power);
  if (!power) return fail(session, {Exit::kUsage, "--power: " + power.error(), "e.g. 200kW"});
  const auto duration = parse_duration(arguments.duration);
  if (!duration) {
    return fail(session, {Exit::kUsage, "--duration: " + duration.error(), "e.g. 30m"});
  }
  const auto ramp = parse_duration(arguments.ramp);
  if (!ramp) return fail(session, {Exit::kUsage, "--ramp: " + ramp.error(), "e.g. 1m"});
  Document body;
  body["key"] = arguments.key.empty() ? fresh_key() : arguments.key;
  body["power_w"] = *power;
  body["duration_s"] = std::chrono::duration_cast<std::chrono::seconds>(*duration).count();
  if (!arguments.program.empty()) body["program"] = arguments.program;
  if (!arguments.group.empty()) body["group"] = arguments.group;
  if (!arguments.service.empty()) body["service"] = arguments.service;
  body["ramp_s"] = std::chrono::duration_cast<std::chrono::seconds>(*ramp).count();
  body["dry_run"] = true;
  const Client& daemon = session.daemons.front();
  const auto would = daemon.post("/v1/orders", body);
  if (!would) return fail(session, would.error());
  if (arguments.dry_run && session.json) {
    session.out << would->dump(2) << '\n';
  } else {
    print_would(arguments.dry_run ? session.out : session.err, member(*would, "would"));
  }
  if (arguments.dry_run) return static_cast<int>(Exit::kOk);
  if (!confirmed(session, "send this order?")) return refused();
  body["dry_run"] = false;
  const auto sent = daemon.post("/v1/orders", body);
  if (!sent) return fail(session, sent.error());
  return print_order(session, *sent, "sent");
}

int dispatch_cancel(const Session& session, const std::string& id, bool dry_run) {
  const Client& daemon = session.daemons.front();
  const auto order = daemon.get("/v1/orders/" + id);
  if (!order) return fail(session, order.error());
  const auto& found = member(*order, "order");
  (dry_run ? session.out : session.err) << fmt::format(
      "would cancel order {} ({}), {} until {} UTC\n", id, plain(member(found, "state")),
      kilowatts(member(found, "power_w"), true), utc(member(found, "until_ms")));
  if (dry_run) return static_cast<int>(Exit::kOk);
  if (!confirmed(session, "cancel it?")) return refused();
  const auto cancelled = daemon.post("/v1/orders/" + id + "/cancel", Document{});
  if (!cancelled) return fail(session, cancelled.error());
  return print_order(session, *cancelled, "cancelled");
}

int opt_out(const Session& session, const OptOutArguments& arguments) {
  Document body;
  body["out"] = arguments.out;
  if (!arguments.program.empty()) body["program"] = arguments.program;
  if (!arguments.duration.empty()) {
    const auto duration = parse_duration(arguments.duration);
    if (!duration) {
      return fail(session, {Exit::kUsage, "--for: " + duration.error(), "e.g. 2h"});
    }
    body["duration_s"] = std::chrono::floor<std::chrono::seconds>(*duration).count();
  }
  const auto done = session.daemons.front().post("/v1/optout", body);
  if (!done) return fail(session, done.error());
  if (session.json) {
    session.out << done->dump(2) << '\n';
    return static_cast<int>(Exit::kOk);
  }
  for (const auto& each : member(*done, "subscriptions")) {
    const auto& until = member(each, "opted_out_until_ms");
    session.out << fmt::format(
        "{}: {}\n", plain(member(each, "program")),
        until.is_null() ? "served" : "opted out until " + utc(until) + " UTC");
  }
  return static_cast<int>(Exit::kOk);
}

int events(const Session& session, const EventArguments& arguments) {
  std::string path = fmt::format("/v1/events?follow={}", arguments.follow ? 1 : 0);
  if (!arguments.since.empty()) {
    const auto since = parse_duration(arguments.since);
    if (!since) return fail(session, {Exit::kUsage, "--since: " + since.error(), "e.g. 1h"});
    path += fmt::format("&since_ms={}", since->count());
  }
  const auto print = [&](std::string_view line) {
    const Document event = Document::parse(line, nullptr, false);
    if (!arguments.code.empty() && member(event, "code") != arguments.code) return true;
    if (session.json) {
      session.out << line << '\n';
    } else {
      session.out << fmt::format("{} {:<7} {:<24} {}\n", utc(member(event, "market_ms")),
                                 plain(member(event, "severity")), plain(member(event, "code")),
                                 plain(member(event, "text")));
    }
    session.out.flush();
    return session.out.good();
  };
  const auto done = session.daemons.front().stream(path, print, arguments.follow);
  return done ? static_cast<int>(Exit::kOk) : fail(session, done.error());
}

int version(const Session& session) {
  const auto daemon = session.daemons.front().get("/v1/version");
  const Document theirs = daemon ? member(*daemon, "version") : Document{};
  if (session.json) {
    Document out;
    out["schema"] = "vppctl/v1";
    out["kind"] = "version";
    out["vppctl"] = kVersion;
    out["vppd"] = theirs;
    session.out << out.dump(2) << '\n';
  } else {
    session.out << fmt::format("vppctl {}\nvppd   {}\n", kVersion,
                               daemon ? plain(theirs) : "unknown: " + daemon.error().text);
  }
  return static_cast<int>(Exit::kOk);
}

}  // namespace vpp::ctl
