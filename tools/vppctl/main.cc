// vppctl: the operator's tool. Only reads arguments; the verbs are in commands*.cc.
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "config/version.h"
#include "tools/vppctl/backtest_bids.h"
#include "tools/vppctl/backtest_command.h"
#include "tools/vppctl/backtest_load.h"
#include "tools/vppctl/baseline_command.h"
#include "tools/vppctl/certs_command.h"
#include "tools/vppctl/commands.h"
#include "tools/vppctl/doctor.h"
#include "tools/vppctl/format.h"
#include "tools/vppctl/node_command.h"
#include "tools/vppctl/plan_command.h"
#include "tools/vppctl/score_command.h"
#include "tools/vppctl/tree_watch.h"

namespace {

using namespace vpp::ctl;

constexpr const char* kDefaultSocket = "/run/vpp/control.sock";

struct Options {
  std::vector<std::string> sockets;
  std::string output = "table";
  std::string timeout = "5s";
  bool yes = false;
  bool no_color = false;

  OwnBidArguments own_bid;
  std::string at, state, node, id, key, file, fleet, directory = ".";
  bool trace = false;
  bool load = false;
  bool dry_run = false;
  SendArguments send;
  OptOutArguments opt_out;
  EventArguments events;
  DoctorArguments doctor;
  DrainArguments drain;
  std::string drain_most = "5m";
  bool watch = false;
  std::string watch_most;
  SignArguments sign;
  PlanArguments plan;
  ScoreArguments score;
  std::string score_latency = "0s";
  BaselineArguments baseline;
  BacktestForecastArguments backtest_forecast;
  BacktestBidsArguments backtest_bids;
  BacktestLoadArguments backtest_load;
};

using Verb = std::function<int(const Session&, Options&)>;

/// The verb that the command line names; set by the sub-command's callback.
struct Chosen {
  Verb verb;
};

CLI::App* leaf(CLI::App& parent, const std::string& name, const std::string& text, Chosen& chosen,
               Verb verb) {
  CLI::App* sub = parent.add_subcommand(name, text);
  sub->callback([&chosen, sub, verb = std::move(verb)] {
    if (sub->get_subcommands().empty()) chosen.verb = verb;  // else that one's
  });
  return sub;
}

CLI::App* family(CLI::App& app, const std::string& name, const std::string& text) {
  CLI::App* sub = app.add_subcommand(name, text);
  sub->require_subcommand(1);
  return sub;
}

int show_tree(const Session& session, const Options& o) {
  if (!o.watch) return tree(session);
  WatchArguments arguments;
  arguments.colour = !o.no_color && std::getenv("NO_COLOR") == nullptr;
  if (!o.watch_most.empty()) {
    const auto most = parse_duration(o.watch_most);
    if (!most) return fail(session, {Exit::kUsage, "--for: " + most.error(), "e.g. 30s"});
    arguments.most = *most;
  }
  return tree_watch(session, arguments);
}

int drain_node(const Session& session, Options& o) {
  const auto most = parse_duration(o.drain_most);
  if (!most) return fail(session, {Exit::kUsage, "--within: " + most.error(), "e.g. 5m"});
  o.drain.most = *most;
  o.drain.dry_run = o.dry_run;
  return nodes_drain(session, o.drain);
}

int score_files(const Session& session, Options& o) {
  const auto latency = parse_duration(o.score_latency);
  if (!latency) return fail(session, {Exit::kUsage, "--latency: " + latency.error(), "e.g. 10s"});
  o.score.latency = std::chrono::floor<std::chrono::seconds>(*latency);
  o.score.json = session.json;
  return run_score(o.score, session.out, session.err);
}

void add_looking(CLI::App& app, Options& o, Chosen& chosen) {
  leaf(app, "status", "health, capability, order and next gate", chosen,
       [](const Session& s, Options&) { return status(s); });
  CLI::App* shown =
      leaf(app, "tree", "this node and what is below it; more --socket joins more nodes", chosen,
           [](const Session& s, Options& options) { return show_tree(s, options); });
  CLI::Option* watch = shown->add_flag("-w,--watch", o.watch, "go on: healing as it happens");
  shown->add_option("--for", o.watch_most, "with --watch: end after so long, e.g. 30s")
      ->needs(watch);
  CLI::App* nodes = family(app, "nodes", "nodes this daemon knows");
  leaf(*nodes, "list", "one line each", chosen, [](const Session& s, Options& options) {
    return nodes_list(s, options.state);
  })->add_option("--state", o.state, "alive, stale, lost or drained");
  leaf(*nodes, "show", "one: its parent, alternates and moves, or what its parent knows", chosen,
       [](const Session& s, Options& options) { return nodes_show(s, options.node); })
      ->add_option("node", o.node, "id or name")
      ->required();
  leaf(app, "why", "why a node does what it does now: order, share, guard, level, doubts", chosen,
       [](const Session& s, Options& options) { return why(s, options.node); })
      ->add_option("node", o.node, "id or name: the node asked, or a child of it")
      ->required();
  leaf(app, "capacity", "what can be held for how long, nominal and firm", chosen,
       [](const Session& s, Options&) { return capacity(s); });
  leaf(app, "values", "value signals: prices by slot, what the homes below plan, what one is paid",
       chosen, [](const Session& s, Options&) { return values(s); });
  leaf(app, "programs", "programs and groups: what they can do, what is in force, who subscribed",
       chosen, [](const Session& s, Options&) { return programs(s); });
  CLI::App* orders = family(app, "orders", "what the plant was told to do");
  leaf(*orders, "list", "newest first", chosen,
       [](const Session& s, Options&) { return orders_list(s); });
  leaf(*orders, "show", "one, with its shares while in force", chosen,
       [](const Session& s, Options& options) { return orders_show(s, options.id); })
      ->add_option("id", o.id, "number of the order")
      ->required();
  CLI::App* bids = family(app, "bids", "what the plant offered");
  leaf(*bids, "list", "newest first", chosen,
       [](const Session& s, Options&) { return bids_list(s); });
  CLI::App* bid = leaf(*bids, "show", "one", chosen, [](const Session& s, Options& options) {
    return bids_show(s, options.key, options.trace);
  });
  bid->add_option("key", o.key, "key of the bid")->required();
  bid->add_flag("--trace", o.trace, "the facts behind it");
  leaf(*bids, "replay", "what was known and decided by then, and whether it comes out again",
       chosen, [](const Session& s, Options& options) { return bids_replay(s, options.at); })
      ->add_option("--at", o.at, "market time in UTC, e.g. 2018-06-01T17:15:00Z; default: now");
  leaf(app, "settlement", "what was earned: by order, program and child; at a leaf by its owner",
       chosen, [](const Session& s, Options&) { return settlement(s); });
  CLI::App* market = leaf(app, "market", "how good the market's answers are, and what it said",
                          chosen, [](const Session& s, Options&) { return market_health(s); });
  leaf(*market, "prices", "known prices", chosen,
       [](const Session& s, Options&) { return market_prices(s); });
  leaf(*market, "gates", "gates to come", chosen,
       [](const Session& s, Options&) { return market_gates(s); });
  leaf(*market, "position", "what was offered, sold and delivered, by interval", chosen,
       [](const Session& s, Options&) { return market_position(s); });
  leaf(app, "openadr", "the OpenADR server: its programs and events, and what became of each",
       chosen, [](const Session& s, Options&) { return openadr(s); });
  CLI::App* config = family(app, "config", "the daemon's config");
  leaf(*config, "show", "effective values", chosen,
       [](const Session& s, Options&) { return config_show(s); });
  leaf(app, "doctor", "what is wrong with a node's links, keys, clock, and what to do", chosen,
       [](const Session& s, Options& options) {
         options.doctor.socket_is_given = !options.sockets.empty();
         return doctor(s, options.doctor);
       })
      ->add_option("--config", o.doctor.config,
                   "config of the node, running or not; else the vppd at --socket tells its own");
  leaf(app, "version", "of vppctl and of the daemon", chosen,
       [](const Session& s, Options&) { return version(s); });
}

void add_own_bids(CLI::App& bids, Options& o, Chosen& chosen) {
  CLI::App* submit =
      leaf(bids, "submit", "offer power for one gate, beside what the bidder does", chosen,
           [](const Session& s, Options& options) { return bids_submit(s, options.own_bid); });
  submit->add_option("--from", o.own_bid.from, "begin of delivery: market time in UTC")->required();
  submit->add_option("--power", o.own_bid.power, "e.g. 200kW")->required();
  submit->add_option("--price", o.own_bid.price, "the least, per MWh")->required();
  submit->add_option("--session", o.own_bid.session, "real-time (default) or day-ahead");
  submit->add_option("--key", o.own_bid.key, "idempotency key: sent twice, offered once");
  leaf(bids, "withdraw", "take a bid back while its gate is open", chosen,
       [](const Session& s, Options& options) { return bids_withdraw(s, options.key); })
      ->add_option("key", o.key, "key of the bid")
      ->required();
}

void add_forecasting(CLI::App& app, Options& o, Chosen& chosen) {
  leaf(app, "forecast", "the prices that are expected, with quantiles; by which model and worker",
       chosen,
       [](const Session& s, Options& options) {
         return options.load ? forecast_load(s) : forecast(s);
       })
      ->add_flag("--load", o.load, "what the homes will draw in the next day instead");
  CLI::App* all = leaf(app, "workers", "who forecasts, what waits and what was set aside", chosen,
                       [](const Session& s, Options&) { return workers(s); });
  leaf(*all, "retry", "have a poisoned task tried again", chosen,
       [](const Session& s, Options& options) { return workers_retry(s, options.id); })
      ->add_option("task", o.id, "id of the task, as `vppctl workers` shows it")
      ->required();
}

void add_acting(CLI::App& app, Options& o, Chosen& chosen) {
  CLI::App* dispatch = family(app, "dispatch", "move watts: prints what it would touch, then asks");
  CLI::App* send =
      leaf(*dispatch, "send", "a new order", chosen, [](const Session& s, Options& options) {
        options.send.dry_run = options.dry_run;
        return dispatch_send(s, options.send);
      });
  send->add_option("--power", o.send.power, "e.g. 200kW; negative charges")->required();
  send->add_option("--duration", o.send.duration, "market time, e.g. 30m")->required();
  send->add_option("--program", o.send.program, "sites subscribed to it; else energy");
  send->add_option("--group", o.send.group, "only these sites, e.g. region=north");
  send->add_option("--service", o.send.service, "energy, or frequency: arms so many watts");
  send->add_option("--ramp", o.send.ramp, "market time, at its begin and at its end");
  send->add_option("--key", o.send.key, "idempotency key: sent twice, booked once");
  CLI::App* cancel =
      leaf(*dispatch, "cancel", "end an order now", chosen, [](const Session& s, Options& options) {
        return dispatch_cancel(s, options.id, options.dry_run);
      });
  cancel->add_option("id", o.id, "number of the order")->required();
  leaf(*dispatch, "show", "an order and its shares", chosen,
       [](const Session& s, Options& options) { return orders_show(s, options.id); })
      ->add_option("id", o.id, "number of the order")
      ->required();
  add_own_bids(*app.get_subcommand("bids"), o, chosen);
  CLI::App* out = leaf(app, "optout", "the owner wants no orders, at the leaf's own --socket",
                       chosen, [](const Session& s, Options& options) {
                         options.opt_out.out = true;
                         return opt_out(s, options.opt_out);
                       });
  out->add_option("--program", o.opt_out.program,
                  "of this program; else that of the order in force");
  out->add_option("--for", o.opt_out.duration, "market time, e.g. 2h; else until that order ends");
  leaf(app, "optin", "takes opt-outs back", chosen, [](const Session& s, Options& options) {
    options.opt_out.out = false;
    return opt_out(s, options.opt_out);
  })->add_option("--program", o.opt_out.program, "of this program; else of all");
  CLI::App* nodes = app.get_subcommand("nodes");
  CLI::App* drain =
      leaf(*nodes, "drain", "send an aggregator's children elsewhere, at its own --socket", chosen,
           [](const Session& s, Options& options) { return drain_node(s, options); });
  drain->add_option("node", o.drain.node, "id or name")->required();
  drain->add_flag("--undo", o.drain.undo, "take children again");
  drain->add_flag("--wait", o.drain.wait, "until no child is attached any more");
  drain->add_option("--within", o.drain_most, "how long --wait waits");
  CLI::App* log =
      leaf(app, "events", "what happened", chosen,
           [](const Session& s, Options& options) { return events(s, options.events); });
  log->add_flag("-f,--follow", o.events.follow, "go on");
  log->add_option("--since", o.events.since, "at most that old, e.g. 1h");
  log->add_option("--code", o.events.code, "only this code");
}

void add_plan(CLI::App& app, Options& o, Chosen& chosen) {
  CLI::App* plan = leaf(app, "plan", "what-if over a fleet and a request, without a daemon", chosen,
                        [](const Session& s, Options& options) {
                          options.plan.json = s.json;
                          return run_plan(options.plan, s.out, s.err);
                        });
  plan->add_option("--fleet", o.plan.fleet,
                   "CSV: id,power_w,energy_wh; charge_power_w,charge_energy_wh to charge; "
                   "response_pct, availability_pct; parent, region, ... to group by")
      ->required();
  plan->add_option("--request", o.plan.request, "CSV: power_w, one line per step; negative charges")
      ->required();
  plan->add_option("--step", o.plan.step, "length of a step, e.g. 5m")->required();
  plan->add_option("--group", o.plan.select.groups, "only these sites, e.g. region=north")
      ->take_all();
  plan->add_option("--without", o.plan.select.without,
                   "what if these were missing, e.g. region=north; repeatable: each, then all")
      ->take_all();
  plan->add_option("--confidence", o.plan.confidence,
                   "percent, e.g. 99: what is firm, beside nominal");
  plan->add_option("--uplink", o.plan.select.uplink,
                   "column of the fleet: its sites are lost together; else region, else parent");
}

void add_offline(CLI::App& app, Options& o, Chosen& chosen) {
  CLI::App* certs = family(app, "certs", "the fleet's authority, on files");
  leaf(*certs, "init", "a new fleet", chosen, [](const Session& s, Options& options) {
    return certs_init(options.directory, s.json, s.out, s.err);
  })->add_option("directory", o.directory, "where the authority lives");
  CLI::App* sign =
      leaf(*certs, "sign", "a node's request", chosen, [](const Session& s, Options& options) {
        return certs_sign(options.sign, s.json, s.out, s.err);
      });
  sign->add_option("--authority", o.sign.authority, "directory of the authority")->required();
  sign->add_option("--request", o.sign.request, "the node.request of `vppd keygen`")->required();
  sign->add_option("--out", o.sign.out, "the certificate to write")->required();
  sign->add_option("--role", o.sign.role, "leaf, aggregator or root");
  sign->add_option("--region", o.sign.region, "where it may serve; empty: anywhere");
  sign->add_option("--discharge-max", o.sign.discharge_max, "e.g. 5kW");
  sign->add_option("--charge-max", o.sign.charge_max, "e.g. 5kW");
  sign->add_option("--energy-max", o.sign.energy_max, "e.g. 13.5kWh");
  sign->add_option("--days", o.sign.days, "validity; by role: leaf 90, aggregator 30, root 7");
  CLI::App* show =
      leaf(*certs, "show", "a certificate", chosen, [](const Session& s, Options& options) {
        return certs_show(options.file, options.fleet, s.json, s.out, s.err);
      });
  show->add_option("file", o.file, "node.cert")->required();
  show->add_option("--fleet", o.fleet, "fleet.pub to check it against");
  CLI::App* score =
      leaf(app, "score", "how well a response followed a regulation signal, from files", chosen,
           [](const Session& s, Options& options) { return score_files(s, options); });
  score->add_option("--signal", o.score.signal, "CSV: seconds,value")->required();
  score->add_option("--response", o.score.response, "CSV: seconds,value")->required();
  score->add_option("--method", o.score.method,
                    "the lag: where the correlation is highest (correlation), or the sum of delay "
                    "and correlation (sum)");
  score->add_option("--normaliser", o.score.normaliser,
                    "what an error is measured against: the signal's mean magnitude in the window "
                    "or series, or its peak");
  score->add_option("--latency", o.score_latency, "of the lag, what is free, e.g. 10s");
}

void add_baseline(CLI::App& app, Options& o, Chosen& chosen) {
  CLI::App* sub = leaf(app, "baseline", "what was delivered in an event, by the days before it",
                       chosen, [](const Session& s, Options& options) {
                         options.baseline.json = s.json;
                         return run_baseline(options.baseline, s.out, s.err);
                       });
  BaselineArguments& b = o.baseline;
  sub->add_option("--meter", b.meter, "CSV: time_local,load_wh; taken from the grid is positive")
      ->required();
  sub->add_option("--event", b.event, "its begin, local time: '2017-07-12 18:00'")->required();
  sub->add_option("--event-hours", b.event_hours, "how long it was")->required();
  sub->add_option("--events", b.events, "CSV: day; days with an event, which are left out");
  sub->add_option("--holidays", b.holidays, "CSV: day; they count as Sundays do");
  sub->add_option("--rest-days", b.rest_days,
                  "how many count where the event is on a Saturday, Sunday or holiday; default 10, "
                  "CAISO 4");
  sub->add_flag("--unadjusted", b.unadjusted, "without the ratio of the same day");
}

void add_backtest_load(CLI::App& backtest, Options& o, Chosen& chosen) {
  CLI::App* load = leaf(backtest, "load", "the homes' net load, hour by hour", chosen,
                        [](const Session& s, Options& options) {
                          options.backtest_load.json = s.json;
                          return run_backtest_load(options.backtest_load, s.out, s.err);
                        });
  load->add_option("--homes", o.backtest_load.homes,
                   "directory with load_kwh.csv, pv_w_per_kw.csv and buildings.csv")
      ->required();
  load->add_option("--warm-hours", o.backtest_load.warm_hours,
                   "at the begin, learned from and not counted; default 1344, eight weeks");
}

void add_backtest(CLI::App& app, Options& o, Chosen& chosen) {
  CLI::App* backtest = family(app, "backtest", "how good it would have been, on files");
  CLI::App* forecast = leaf(*backtest, "forecast", "the day-ahead price forecast, day by day",
                            chosen, [](const Session& s, Options& options) {
                              options.backtest_forecast.json = s.json;
                              return run_backtest_forecast(options.backtest_forecast, s.out, s.err);
                            });
  add_backtest_load(*backtest, o, chosen);
  forecast
      ->add_option("--prices", o.backtest_forecast.prices,
                   "CSV: time_local_market,price_per_mwh; every other column is a series known the "
                   "day before")
      ->required();
  forecast->add_option("--test-hours", o.backtest_forecast.test_hours,
                       "the last hours of the file; default 17472, two years");
  forecast->add_option("--model", o.backtest_forecast.model,
                       "ensemble, or lear: the published one of four windows");
  forecast->add_option("--out", o.backtest_forecast.out, "CSV to write: forecasts and quantiles");
  forecast->add_option("--plot", o.backtest_forecast.plot, "SVG to write: the last two weeks");
  CLI::App* bids = leaf(*backtest, "bids", "what a battery or a fleet earns on those forecasts",
                        chosen, [](const Session& s, Options& options) {
                          options.backtest_bids.json = s.json;
                          return run_backtest_bids(options.backtest_bids, s.out, s.err);
                        });
  BacktestBidsArguments& b = o.backtest_bids;
  bids->add_option("--prices", b.prices, "CSV, as for the forecast")->required();
  bids->add_option("--power-kw", b.power_kw, "of the battery, either way");
  bids->add_option("--energy-kwh", b.energy_kwh, "that it holds");
  bids->add_option("--fleet", b.fleet, "CSV of sites as for plan, instead of one battery");
  bids->add_option("--forecasts", b.forecasts,
                   "CSV that backtest forecast --out wrote; default: forecasts are made");
  bids->add_option("--strategy", b.strategy,
                   "schedule: a day's plan, both ways; curve or segment: full every morning, sold "
                   "hour by hour as the daemon bids");
  bids->add_flag("--real-time", b.real_time, "prices of every few minutes, one battery, both ways");
  bids->add_option("--risk", b.risk,
                   "0 to 1: how much the worst outcomes weigh against the mean; one battery");
  bids->add_option("--risk-level", b.risk_level_pct,
                   "how many outcomes, and days, are the worst, in percent; default 5");
  bids->add_option("--plot", b.plot, "SVG to write: what was earned, day by day");
  bids->add_option("--efficiency", b.efficiency, "of a round trip; default 0.9");
  bids->add_option("--wear", b.wear_per_mwh, "cost of each MWh discharged; default 0");
  bids->add_option("--test-hours", b.test_hours,
                   "the last hours of the file; default 17472, two years");
}

std::vector<std::string> sockets_of(const Options& o) {
  if (!o.sockets.empty()) return o.sockets;
  const char* from_environment = std::getenv("VPPCTL_SOCKET");
  return {from_environment != nullptr ? from_environment : kDefaultSocket};
}

int run(Options& o, const Chosen& chosen) {
  const auto timeout = parse_duration(o.timeout);
  if (!timeout || timeout->count() == 0) {
    std::cerr << "vppctl: --timeout: " << (timeout ? "0 is no time" : timeout.error()) << '\n';
    return static_cast<int>(Exit::kUsage);
  }
  std::vector<Client> daemons;
  for (const auto& socket : sockets_of(o)) daemons.emplace_back(socket, *timeout);
  const Session session{std::move(daemons), o.output == "json", o.yes, std::cout, std::cerr};
  return chosen.verb(session, o);
}

}  // namespace

int main(int argc, char** argv) {
  Options o;
  Chosen chosen;
  CLI::App app{"vppctl - look at and steer a virtual power plant"};
  app.require_subcommand(1);
  app.fallthrough();
  app.footer(
      "Examples:\n"
      "  vppctl status\n"
      "  vppctl tree --watch --socket ROOT/control.sock --socket AGG/control.sock\n"
      "  vppctl why leaf-17\n"
      "  vppctl doctor --config /etc/vpp/vppd.toml\n"
      "  vppctl dispatch send --power 200kW --duration 30m --dry-run\n"
      "  vppctl plan --fleet fleet.csv --request request.csv --step 1h --without region=north\n"
      "  vppctl score --signal signal.csv --response response.csv\n"
      "  vppctl baseline --meter meter.csv --event '2017-07-12 18:00' --event-hours 2\n"
      "  vppctl backtest forecast --prices prices.csv --test-hours 17472\n"
      "Exit codes: 0 ok, 1 failure, 2 usage, 3 daemon unreachable, 4 degraded,\n"
      "  5 refused or not confirmed, 6 time-out");
  app.set_version_flag("--version", std::string{"vppctl "} + std::string{vpp::kVersion});
  app.add_option("--socket", o.sockets, "control socket of a vppd (or VPPCTL_SOCKET); repeatable");
  app.add_option("-o,--output", o.output, "table or json")->check(CLI::IsMember({"table", "json"}));
  app.add_option("--timeout", o.timeout, "how long to wait for the daemon");
  app.add_flag("--yes", o.yes, "do not ask");
  app.add_flag("--dry-run", o.dry_run, "say what would be done, do nothing");
  app.add_flag("--no-color", o.no_color, "never colour");
  try {
    add_looking(app, o, chosen);
    add_forecasting(app, o, chosen);
    add_acting(app, o, chosen);
    add_offline(app, o, chosen);
    add_plan(app, o, chosen);
    add_baseline(app, o, chosen);
    add_backtest(app, o, chosen);
    app.parse(argc, argv);
    return run(o, chosen);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(Exit::kUsage);
  } catch (const std::exception& error) {
    std::cerr << "vppctl: " << error.what() << '\n';
    return static_cast<int>(Exit::kFailure);
  }
}
