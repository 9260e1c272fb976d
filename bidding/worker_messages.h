// What workers and the root say to each other (docs/workers.md). One task at a time for each
// worker: it is given the next when it says what became of the last.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <variant>

#include "bidding/task_queue.h"
#include "config/time.h"

namespace vpp::bidding {

inline constexpr std::uint32_t kWorkerProtocol = 1;
inline constexpr std::size_t kWorkerNameBytesMax = 64;
inline constexpr std::size_t kWorkerWhyBytesMax = 400;        ///< longer ones are cut
inline constexpr std::size_t kWorkerFrameBytesMax = 262'144;  ///< a result has some 15 kB
inline constexpr Duration kWorkerLeaseMax = std::chrono::minutes{10};

// To the root.
/// Also after it was away, or when the root was: what it had before, others may have by then.
struct WorkerHello {
  std::uint32_t version = 0;  ///< of the protocol
  std::string name;           ///< for people
  std::set<TaskKind> kinds;
  std::optional<Duration> lease;  ///< how long it may be silent over a task; nothing: the root's
  friend bool operator==(const WorkerHello&, const WorkerHello&) = default;
};
struct WorkerResult {
  TaskId task;
  std::string output;  ///< JSON
  friend bool operator==(const WorkerResult&, const WorkerResult&) = default;
};
struct WorkerFailed {
  TaskId task;
  std::string why;
  friend bool operator==(const WorkerFailed&, const WorkerFailed&) = default;
};
struct WorkerHeartbeat {
  friend bool operator==(const WorkerHeartbeat&, const WorkerHeartbeat&) = default;
};
struct WorkerBye {
  friend bool operator==(const WorkerBye&, const WorkerBye&) = default;
};
/// What it sent cannot be read; the decoder's, not the worker's.
struct WorkerUnread {
  std::string why;
  friend bool operator==(const WorkerUnread&, const WorkerUnread&) = default;
};
using FromWorker =
    std::variant<WorkerHello, WorkerResult, WorkerFailed, WorkerHeartbeat, WorkerBye, WorkerUnread>;

// From the root.
struct WorkerWelcome {
  std::uint32_t version = kWorkerProtocol;
  Duration lease{0};  ///< it must be heard of within it
  friend bool operator==(const WorkerWelcome&, const WorkerWelcome&) = default;
};
struct TaskGiven {
  TaskId task;
  TaskKind kind = TaskKind::kForecast;
  std::uint32_t version = 0;
  std::string input;  ///< JSON
  friend bool operator==(const TaskGiven&, const TaskGiven&) = default;
};
struct ResultTaken {
  TaskId task;
  bool news = false;  ///< false: it was known
  friend bool operator==(const ResultTaken&, const ResultTaken&) = default;
};
struct WorkerRefused {
  std::string why;
  friend bool operator==(const WorkerRefused&, const WorkerRefused&) = default;
};
using ToWorker = std::variant<WorkerWelcome, TaskGiven, ResultTaken, WorkerRefused>;

}  // namespace vpp::bidding
