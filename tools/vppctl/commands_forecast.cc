// Verbs about forecasts and the workers that make them.
#include <fmt/format.h>

#include <string>

#include "tools/vppctl/commands.h"
#include "tools/vppctl/format.h"

namespace vpp::ctl {
namespace {

constexpr std::size_t kTenth = 1;  ///< of the quantiles 5, 10, ..., 95 %
constexpr std::size_t kNinetieth = 17;

std::string quantile_at(const Document& hour, std::size_t place) {
  const auto& quantiles = member(hour, "quantiles");
  return place < quantiles.size() ? plain(quantiles[place]) : "?";
}

void print_forecast(const Session& session, const Document& document) {
  const auto& forecast = member(document, "forecast");
  if (forecast.is_null()) {
    session.out << fmt::format(
        "model {}: no worker's forecast is known; bids rest on the naive "
        "one\n",
        plain(member(document, "model")));
    return;
  }
  session.out << fmt::format("model {} by {}, of the prices before {} UTC, task {}\n",
                             plain(member(forecast, "model")), plain(member(forecast, "worker")),
                             utc(member(forecast, "from_ms")), plain(member(forecast, "task")));
  Table table{{"HOUR (UTC)", "10 %", "EXPECTED", "90 %", "KNOWN"}};
  for (const auto& hour : member(forecast, "hours")) {
    table.row({utc(member(hour, "from_ms")), quantile_at(hour, kTenth),
               plain(member(hour, "price")), quantile_at(hour, kNinetieth),
               plain(member(hour, "known"))});
  }
  table.print(session.out);
}

void print_load(const Session& session, const Document& document) {
  session.out << fmt::format("{} of {} homes are metered; {} hours of them are known\n",
                             plain(member(document, "metered")),
                             plain(member(document, "enrolled")),
                             plain(member(document, "hours_known")));
  Table table{{"HOUR (UTC)", "10 % W", "EXPECTED W", "90 % W", "THE DAY BEFORE W"}};
  for (const auto& hour : member(document, "hours")) {
    const auto& quantiles = member(hour, "quantiles_w");
    const auto at = [&](std::size_t place) {
      return place < quantiles.size() ? plain(quantiles[place]) : "?";
    };
    table.row({utc(member(hour, "from_ms")), at(kTenth), plain(member(hour, "expected_w")),
               at(kNinetieth), plain(member(hour, "day_before_w"))});
  }
  if (!table.empty()) table.print(session.out);
}

void print_workers(const Session& session, const Document& document) {
  session.out << fmt::format("model {}", plain(member(document, "model")));
  if (const auto& idle = member(document, "idle"); !idle.is_null()) {
    session.out << "; nothing is asked: " << plain(idle);
  }
  if (const auto& optimiser = member(document, "optimiser"); !optimiser.is_null()) {
    session.out << "; optimiser " << plain(optimiser);
  }
  session.out << fmt::format("\n{} messages refused, {} tasks found the queue full\n",
                             plain(member(document, "messages_refused")),
                             plain(member(document, "tasks_refused")));
  Table workers{{"WORKER", "HEARD", "TASK", "DONE", "FAILED", "CONNECTION"}};
  for (const auto& worker : member(document, "workers")) {
    const bool stuck = member(worker, "stuck") == true;
    workers.row({plain(member(worker, "name")), plain(member(worker, "heard_ms_ago")) + " ms ago",
                 stuck ? "stuck" : plain(member(worker, "task")), plain(member(worker, "done")),
                 plain(member(worker, "failed")), plain(member(worker, "connection"))});
  }
  workers.print(session.out);
  Table tasks{{"TASK", "SUBJECT", "STATE", "LEASES", "WORKER", "WHY"}};
  for (const auto& task : member(document, "tasks")) {
    tasks.row({plain(member(task, "task")), plain(member(task, "subject")),
               plain(member(task, "state")), plain(member(task, "leases")),
               plain(member(task, "worker")), plain(member(task, "why"))});
  }
  tasks.print(session.out);
}

}  // namespace

int forecast(const Session& session) {
  return show(session, "/v1/forecast",
              [&](const Document& document) { print_forecast(session, document); });
}

int forecast_load(const Session& session) {
  return show(session, "/v1/forecast/load",
              [&](const Document& document) { print_load(session, document); });
}

int workers(const Session& session) {
  return show(session, "/v1/workers",
              [&](const Document& document) { print_workers(session, document); });
}

int workers_retry(const Session& session, const std::string& task) {
  const auto document = session.daemons.front().post("/v1/workers/tasks/" + task + "/retry", {});
  if (!document) return fail(session, document.error());
  if (session.json) {
    session.out << document->dump(2) << '\n';
  } else {
    session.out << "task " << task << " is tried again\n";
  }
  return static_cast<int>(Exit::kOk);
}

}  // namespace vpp::ctl
