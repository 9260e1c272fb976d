// What the root knows of forecasters and optimisers beside it: options, messages and what people
// may look at.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "bidding/advice_task.h"
#include "bidding/facts.h"
#include "bidding/forecast_task.h"
#include "bidding/task_queue.h"
#include "bidding/worker_messages.h"
#include "config/time.h"

namespace vpp::node {

/// The answer to a task, with what it answers.
struct MadeForecast {
  bidding::TaskId task;
  std::string worker;
  MarketTime from{};  ///< begin of the first hour
  bidding::ForecastAnswer answer;
  friend bool operator==(const MadeForecast&, const MadeForecast&) = default;
};

using Made = std::variant<MadeForecast, bidding::BidAdvised>;

/// Questions and answers as text: the driver's, because cores link no JSON.
struct TaskCodec {
  std::function<std::string(const bidding::ForecastAsk&)> encode;
  std::function<std::string(const bidding::AdviceAsk&)> encode_advice;
  /// Of a task and what a worker says to it. Error: why it is not to be believed.
  std::function<std::expected<Made, std::string>(const bidding::Task&, const std::string&)> decode;
};

/// Root only. Nothing in NodeOptions: the bidder does all by itself.
struct WorkerOptions {
  std::string model = bidding::kNaiveModel;  ///< the naive one: nobody is asked for forecasts
  std::string optimiser;                     ///< its model; empty: nobody is asked for advice
  std::size_t history_hours = 0;             ///< of known prices, that are handed to it
  std::size_t hours_min = 0;                 ///< with fewer the model is not asked
  bidding::TaskQueueOptions queue;
  TaskCodec codec;
};

/// The connection of our own thread. It is never silent for good.
inline constexpr const char* kInProcess = "in-process";

/// From a worker, in-process or outside. `worker` names its connection.
struct WorkerSaid {
  std::string worker;
  bidding::FromWorker what;
};
struct TellWorker {
  std::string worker;
  bidding::ToWorker what;
};

struct WorkerView {
  std::string connection;
  std::string name;
  std::set<bidding::TaskKind> kinds;
  Instant heard_at{};
  std::uint64_t done = 0;
  std::uint64_t failed = 0;  ///< leases that ran out among them
  bool stuck = false;        ///< its lease ran out, and it has not said what became of the task
};

struct WorkersStatus {
  std::string model;      ///< as in WorkerOptions
  std::string optimiser;  ///< as in WorkerOptions
  std::vector<WorkerView> workers;
  std::map<bidding::TaskId, bidding::Task> tasks;  ///< without input and result
  std::map<bidding::TaskId, bidding::TaskLease> leases;
  std::uint64_t refused = 0;         ///< messages that could not be read or meant nothing
  std::uint64_t offers_refused = 0;  ///< tasks that found the queue full
  std::string idle;                  ///< why no forecast is asked for; empty: it is, or never
};

}  // namespace vpp::node
