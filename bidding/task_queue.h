// Work for forecasters and optimisers: what waits, who has it, what was given up. Pure.
//
// At least once  a task is leased to one worker at a time; a lease that ends without a result gives
//                it back. After so many leases it is poisoned: set aside for people, so that the
//                bidder goes on without it.
// By its input   a task's id is a hash of what is asked. A result counts whoever brings it and
//                whenever, as long as the task is known; a second one changes nothing.
// Newest         of one subject one task waits, the newest: its prices are the ones that count.
// Overdue        what waits for longer than it is of use is forgotten.
// Bounded        by subjects that wait, results kept and poisoned tasks kept; beyond, offers are
//                refused and the oldest of the others forgotten.
// Durable        records, made before a task leaves. A lease is not: after a restart its task waits
//                again. That it was leased is, so that a task which kills us is poisoned, too.
// Time           protocol time: leases are patience.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/time.h"

namespace vpp::bidding {

enum class TaskKind : std::uint8_t { kForecast, kOptimise };

[[nodiscard]] std::string_view to_string(TaskKind kind);
[[nodiscard]] std::optional<TaskKind> parse_task_kind(std::string_view text);

struct TaskId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(const TaskId&, const TaskId&) = default;
};

/// 16 lower-case hex digits.
[[nodiscard]] std::string to_string(TaskId id);
[[nodiscard]] std::optional<TaskId> parse_task_id(std::string_view hex);

/// What is asked.
struct TaskAsk {
  TaskKind kind = TaskKind::kForecast;
  std::uint32_t version = 1;  ///< of the input's form
  std::string subject;        ///< what it is about; a newer one takes the place of an older one
  std::string input;          ///< canonical JSON
  std::optional<MarketTime> until = {};  ///< afterwards nobody needs it; nothing: for good
  friend bool operator==(const TaskAsk&, const TaskAsk&) = default;
};

/// FNV-1a over kind, version and input.
[[nodiscard]] TaskId id_of(const TaskAsk& ask);

enum class TaskState : std::uint8_t { kOpen, kDone, kPoisoned };

/// As it is durable.
struct Task {
  TaskId id;
  std::uint64_t number = 0;  ///< rises from task to task
  TaskAsk ask;
  TaskState state = TaskState::kOpen;
  std::uint32_t leases = 0;  ///< so far
  std::string result;        ///< of one that is done
  std::string worker;        ///< who brought the result or failed last
  std::string why;           ///< of the newest failure
  friend bool operator==(const Task&, const Task&) = default;
};
struct TaskGone {
  TaskId id;
  friend bool operator==(const TaskGone&, const TaskGone&) = default;
};
using TaskRecord = std::variant<Task, TaskGone>;

struct TaskQueueOptions {
  std::uint32_t leases_max = 3;                  ///< the last of them fails: poisoned
  Duration lease = std::chrono::seconds{15};     ///< for a worker that is heard of meanwhile
  Duration work_max = std::chrono::minutes{10};  ///< whatever is heard of it
  std::size_t waiting_max = 32;                  ///< open, leased or not
  std::size_t done_max = 8;
  std::size_t poisoned_max = 16;
};

struct TaskLease {
  std::string worker;
  Instant until{};  ///< unless renewed
  Instant last{};   ///< renewed or not
};

class TaskQueue {
 public:
  /// `recovered`: the newest record of each, in any order.
  TaskQueue(TaskQueueOptions options, const std::vector<Task>& recovered);

  enum class Offered : std::uint8_t { kNew, kKnown, kFull };
  Offered offer(TaskAsk ask);

  /// The oldest of these kinds that waits. `patience` instead of the options' lease, up to
  /// work_max. Nothing: none waits.
  [[nodiscard]] std::optional<Task> lease(Instant now, const std::string& worker,
                                          const std::set<TaskKind>& kinds,
                                          std::optional<Duration> patience = std::nullopt);
  /// All that the worker has: it is alive.
  void renew(Instant now, const std::string& worker);

  /// The task that is done now. Nothing: it is unknown, or was done before.
  std::optional<Task> done(TaskId id, const std::string& worker, std::string result);
  /// False: the worker does not have it.
  bool failed(TaskId id, const std::string& worker, std::string why);
  /// It takes its leave, and what it has waits again as if never leased.
  void give_back(const std::string& worker);
  /// Forgets what nobody needs any more, unless somebody works on it.
  void forget_overdue(MarketTime market);
  /// Ends leases that ran out.
  void advance(Instant now);
  [[nodiscard]] Instant next_deadline() const;

  /// A person says so. False: no such task is poisoned, or there is no room.
  bool retry(TaskId id);

  [[nodiscard]] const std::map<TaskId, Task>& tasks() const { return tasks_; }
  [[nodiscard]] const std::map<TaskId, TaskLease>& leases() const { return leases_; }

  /// To be made durable before anything else that follows from the last calls.
  [[nodiscard]] std::vector<TaskRecord> take_records();
  /// Poisoned since the last call.
  [[nodiscard]] std::vector<Task> take_poisoned();

 private:
  using Tasks = std::map<TaskId, Task>;

  [[nodiscard]] bool waits(const Task& task) const;
  [[nodiscard]] const Task* waiting_of(const TaskAsk& ask) const;
  [[nodiscard]] std::size_t count(TaskState state) const;
  void end_lease(TaskId id, std::string why);
  void wait_again(Task& task);
  void changed(const Task& task);
  void forget(TaskId id);
  void forget_oldest(TaskState state, std::size_t most);

  TaskQueueOptions options_;
  Tasks tasks_;
  std::map<TaskId, TaskLease> leases_;
  std::uint64_t next_number_ = 1;
  std::map<TaskId, TaskRecord> records_;
  std::vector<Task> poisoned_;
};

}  // namespace vpp::bidding
