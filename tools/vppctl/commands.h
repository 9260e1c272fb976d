// vppctl's verbs that ask a running vppd. Each prints data on `out`, messages on `err`, and
// returns the process's exit code.
#pragma once

#include <chrono>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "tools/vppctl/client.h"

namespace vpp::ctl {

struct Session {
  std::vector<Client> daemons;  ///< the first is asked; `tree` joins what the others know
  bool json = false;
  bool yes = false;
  std::ostream& out;
  std::ostream& err;
};

/// Prints the failure and its hint on `err`.
int fail(const Session& session, const Failure& failure);
/// A person confirms on a terminal; a script says --yes.
[[nodiscard]] bool confirmed(const Session& session, std::string_view question);

/// Fetches, prints as JSON or through `table`, and maps failures.
int show(const Session& session, const std::string& path,
         const std::function<void(const Document&)>& table);

/// An idempotency key that nobody else has.
[[nodiscard]] std::string fresh_key();

int status(const Session& session);
int tree(const Session& session);
int nodes_list(const Session& session, const std::string& state);
int capacity(const Session& session);

/// Programs and groups: what is in force, what can be done, what an owner subscribed to.
int programs(const Session& session);
int values(const Session& session);

struct OptOutArguments {
  bool out = true;
  std::string program;   ///< empty: that of the order in force; to opt in, all
  std::string duration;  ///< empty: until the order in force ends
};
int opt_out(const Session& session, const OptOutArguments& arguments);

struct SendArguments {
  std::string program;  ///< empty: the default program
  std::string group;    ///< "key=value"; empty: every site of the program
  std::string service;  ///< empty: energy
  std::string power;
  std::string duration;
  std::string ramp = "0s";
  std::string key;  ///< empty: a fresh one
  bool dry_run = false;
};
int dispatch_send(const Session& session, const SendArguments& arguments);
int dispatch_cancel(const Session& session, const std::string& id, bool dry_run);

int orders_list(const Session& session);
int orders_show(const Session& session, const std::string& id);
int bids_list(const Session& session);
int bids_show(const Session& session, const std::string& key, bool trace);
/// `at`: "2018-06-01T17:15:00Z" in market time; empty: now. Exit 4 when a decision does not come
/// out again.
int bids_replay(const Session& session, const std::string& at);
struct OwnBidArguments {
  std::string from;  ///< market time, UTC
  std::string power;
  double price = 0;
  std::string session = "real-time";
  std::string key;  ///< empty: a fresh one
};
int bids_submit(const Session& session, const OwnBidArguments& arguments);
int bids_withdraw(const Session& session, const std::string& key);
/// Root: by order and program; above sites: by child; leaf: what its owner was paid.
int settlement(const Session& session);
int market_prices(const Session& session);
int market_gates(const Session& session);
int market_position(const Session& session);
int market_health(const Session& session);
int openadr(const Session& session);

int forecast(const Session& session);
int forecast_load(const Session& session);
int workers(const Session& session);
int workers_retry(const Session& session, const std::string& task);

struct EventArguments {
  bool follow = false;
  std::string since;
  std::string code;
};
int events(const Session& session, const EventArguments& arguments);
int config_show(const Session& session);
int version(const Session& session);

}  // namespace vpp::ctl
