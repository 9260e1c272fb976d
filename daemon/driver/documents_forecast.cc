// Documents about forecasts and who makes them.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "bidding/load_forecast.h"
#include "bidding/meter_book.h"
#include "daemon/driver/documents.h"
#include "daemon/driver/json_parts.h"

namespace vpp::driver {
namespace {

using namespace parts;

/// What was known of the hour by now; nothing: not all of it.
Json known_price_part(const std::vector<bidding::PricePoint>& prices, MarketTime from) {
  bidding::PriceSeries series;
  for (const auto& point : prices) {
    if (point.product == bidding::Product::kEnergy) series[point.from] = point;
  }
  const auto price = bidding::mean_price(series, from, from + std::chrono::hours{1});
  return price ? money(price->count) : Json();
}

Json hours_part(const bidding::ForecastKnown& forecast,
                const std::vector<bidding::PricePoint>& prices) {
  Json hours = Json::array();
  MarketTime from = forecast.from;
  for (const bidding::ForecastHour& hour : forecast.hours) {
    Json quantiles = Json::array();
    for (const Price& each : hour.quantiles) quantiles.push_back(money(each.count));
    hours.push_back({{"from_ms", market_ms(from)},
                     {"price", money(hour.price.count)},
                     {"quantiles", std::move(quantiles)},
                     {"known", known_price_part(prices, from)}});
    from += std::chrono::hours{1};
  }
  return hours;
}

Json worker_part(const node::WorkerView& worker, const node::WorkersStatus& all, Instant now) {
  const auto lease = std::ranges::find_if(
      all.leases, [&](const auto& each) { return each.second.worker == worker.connection; });
  const bool busy = lease != all.leases.end();
  Json kinds = Json::array();
  for (const bidding::TaskKind kind : worker.kinds) kinds.push_back(to_string(kind));
  return {{"name", worker.name},
          {"connection", worker.connection},
          {"kinds", std::move(kinds)},
          {"heard_ms_ago", (now - worker.heard_at).count()},
          {"task", busy ? Json(to_string(lease->first)) : Json()},
          {"lease_left_ms", busy ? Json((lease->second.until - now).count()) : Json()},
          {"done", worker.done},
          {"failed", worker.failed},
          {"stuck", worker.stuck}};
}

Json task_part(const bidding::Task& task, const node::WorkersStatus& all) {
  std::string state = "waiting";
  if (all.leases.contains(task.id)) state = "leased";
  if (task.state == bidding::TaskState::kDone) state = "done";
  if (task.state == bidding::TaskState::kPoisoned) state = "poisoned";
  return {{"task", to_string(task.id)},
          {"kind", to_string(task.ask.kind)},
          {"subject", task.ask.subject},
          {"state", state},
          {"leases", task.leases},
          {"worker", task.worker.empty() ? Json() : Json(task.worker)},
          {"why", task.why.empty() ? Json() : Json(task.why)}};
}

using HourlyLoads = std::map<MarketTime, double>;

/// Mean watts of the hours that are known from begin to end, with about as many homes as `like`.
HourlyLoads hourly_loads(const bidding::MeterBook& book, const bidding::HomesMetered& like) {
  std::map<MarketTime, std::pair<int, Joules>> hours;
  for (const auto& [from, quarter] : book.quarters()) {
    if (!bidding::is_comparable(quarter, like)) continue;
    auto& [quarters, drawn] = hours[std::chrono::floor<std::chrono::hours>(from)];
    ++quarters;
    drawn += quarter.drawn;
  }
  HourlyLoads out;
  for (const auto& [from, hour] : hours) {
    constexpr int kQuarters = 4;
    constexpr double kSeconds = 3'600;
    if (hour.first == kQuarters) out[from] = static_cast<double>(hour.second.count) / kSeconds;
  }
  return out;
}

std::optional<double> load_at(const HourlyLoads& loads, MarketTime from) {
  const auto it = loads.find(from);
  return it == loads.end() ? std::nullopt : std::optional{it->second};
}

/// From the hour that runs on; what is not known enough is null.
Json load_hours_part(const HourlyLoads& loads, MarketTime now) {
  using Hours = std::chrono::hours;
  const MarketTime next = std::chrono::floor<Hours>(now);
  bidding::LoadForecaster forecaster;
  for (MarketTime at = loads.begin()->first; at < next; at += Hours{1}) {
    forecaster.add(load_at(loads, at));
  }
  Json out = Json::array();
  for (std::size_t lead = 0; lead < bidding::kLoadHours; ++lead) {
    const MarketTime from = next + Hours{lead};
    const auto hour = forecaster.at(lead);
    Json quantiles = Json::array();
    if (hour && hour->quantiles) {
      for (const double each : *hour->quantiles) quantiles.push_back(std::llround(each));
    }
    const auto before = load_at(loads, from - Hours{24});
    out.push_back({{"from_ms", market_ms(from)},
                   {"expected_w", hour ? Json(std::llround(hour->expected)) : Json()},
                   {"quantiles_w", std::move(quantiles)},
                   {"day_before_w", before ? Json(std::llround(*before)) : Json()}});
  }
  return out;
}

}  // namespace

std::string load_forecast_document(const Snapshot& snapshot,
                                   const std::vector<bidding::Fact>& facts) {
  const bidding::MeterBook book{facts};
  const auto newest = std::find_if(book.quarters().rbegin(), book.quarters().rend(),
                                   [](const auto& each) { return bidding::is_known(each.second); });
  Json out = document("load_forecast");
  out["metered"] = 0;
  out["enrolled"] = snapshot.status.group.coverage.enrolled;
  out["hours_known"] = 0;
  out["hours"] = Json::array();
  if (newest == book.quarters().rend()) return text(out);
  const HourlyLoads loads = hourly_loads(book, newest->second);
  out["metered"] = newest->second.metered;
  out["hours_known"] = loads.size();
  if (!loads.empty()) out["hours"] = load_hours_part(loads, snapshot.status.now.market);
  return text(out);
}

std::string forecast_document(const Snapshot& snapshot) {
  const node::NodeStatus& status = snapshot.status;
  Json out = document("forecast");
  out["model"] = status.workers ? status.workers->model : bidding::kNaiveModel;
  out["forecast"] = nullptr;
  if (const auto& forecast = status.forecast) {
    out["forecast"] = {{"task", to_string(forecast->task)},
                       {"model", forecast->model},
                       {"worker", forecast->worker},
                       {"from_ms", market_ms(forecast->from)},
                       {"hours", hours_part(*forecast, status.prices)}};
  }
  return text(out);
}

std::string workers_document(const Snapshot& snapshot) {
  const auto& status = snapshot.status.workers;
  Json workers = Json::array();
  Json tasks = Json::array();
  Json out = document("workers");
  out["model"] = status ? status->model : bidding::kNaiveModel;
  out["optimiser"] = status && !status->optimiser.empty() ? Json(status->optimiser) : Json();
  if (status) {
    for (const auto& each : status->workers) {
      workers.push_back(worker_part(each, *status, snapshot.status.now.protocol));
    }
    std::vector<const bidding::Task*> newest;
    for (const auto& [id, task] : status->tasks) newest.push_back(&task);
    std::ranges::sort(newest, std::greater{}, [](const auto* task) { return task->number; });
    for (const auto* task : newest) tasks.push_back(task_part(*task, *status));
  }
  out["workers"] = std::move(workers);
  out["tasks"] = std::move(tasks);
  out["idle"] = status && !status->idle.empty() ? Json(status->idle) : Json();
  out["messages_refused"] = status ? status->refused : 0;
  out["tasks_refused"] = status ? status->offers_refused : 0;
  return text(out);
}

}  // namespace vpp::driver
