#include "bidding/task_queue.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <ranges>
#include <system_error>
#include <utility>

#include "config/check.h"

namespace vpp::bidding {
namespace {

constexpr std::array<std::pair<TaskKind, std::string_view>, 2> kKindNames{
    {{TaskKind::kForecast, "forecast"}, {TaskKind::kOptimise, "optimise"}}};
constexpr std::size_t kIdDigits = 16;

class Fnv1a {
 public:
  void add(std::string_view bytes) {
    for (const char each : bytes) {
      hash_ = (hash_ ^ static_cast<unsigned char>(each)) * 0x100000001b3U;
    }
  }
  [[nodiscard]] std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace

std::string_view to_string(TaskKind kind) {
  return kKindNames.at(static_cast<std::size_t>(kind)).second;
}

std::optional<TaskKind> parse_task_kind(std::string_view text) {
  for (const auto& [kind, name] : kKindNames) {
    if (name == text) return kind;
  }
  return std::nullopt;
}

std::string to_string(TaskId id) {
  std::array<char, kIdDigits> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + kIdDigits, id.value, 16).ptr;
  const std::string text{digits.data(), end};
  return std::string(kIdDigits - text.size(), '0') + text;
}

std::optional<TaskId> parse_task_id(std::string_view hex) {
  TaskId id;
  const char* end = hex.data() + hex.size();
  const auto [at, error] = std::from_chars(hex.data(), end, id.value, 16);
  const bool whole = hex.size() == kIdDigits && at == end && error == std::errc{};
  return whole && to_string(id) == hex ? std::optional{id} : std::nullopt;
}

TaskId id_of(const TaskAsk& ask) {
  Fnv1a hash;
  hash.add(to_string(ask.kind));
  hash.add(" " + std::to_string(ask.version) + " ");
  hash.add(ask.input);
  return {hash.value()};
}

TaskQueue::TaskQueue(TaskQueueOptions options, const std::vector<Task>& recovered)
    : options_{options} {
  VPP_CHECK(options_.leases_max > 0 && options_.lease > Duration{0});
  for (const Task& task : recovered) {
    tasks_[task.id] = task;
    next_number_ = std::max(next_number_, task.number + 1);
  }
  // What was leased waits again, the newest of a subject first.
  std::map<std::uint64_t, TaskId> open;
  for (const auto& [id, task] : tasks_) {
    if (task.state == TaskState::kOpen) open[task.number] = id;
  }
  for (const auto& [number, id] : open | std::views::reverse) {
    const auto found = tasks_.find(id);
    if (found == tasks_.end()) continue;  // a newer one waits
    if (found->second.leases > 0) found->second.why = "a restart came before its result";
    wait_again(found->second);
  }
}

TaskQueue::Offered TaskQueue::offer(TaskAsk ask) {
  const TaskId id = id_of(ask);
  if (tasks_.contains(id)) return Offered::kKnown;
  const Task* older = waiting_of(ask);
  if (older == nullptr && count(TaskState::kOpen) >= options_.waiting_max) return Offered::kFull;
  if (older != nullptr) forget(older->id);
  Task& task = tasks_[id];
  task.id = id;
  task.number = next_number_++;
  task.ask = std::move(ask);
  changed(task);
  return Offered::kNew;
}

std::optional<Task> TaskQueue::lease(Instant now, const std::string& worker,
                                     const std::set<TaskKind>& kinds,
                                     std::optional<Duration> patience) {
  Task* oldest = nullptr;
  for (auto& [id, task] : tasks_) {
    if (!waits(task) || !kinds.contains(task.ask.kind)) continue;
    if (oldest == nullptr || task.number < oldest->number) oldest = &task;
  }
  if (oldest == nullptr) return std::nullopt;
  const Duration wanted = patience.value_or(options_.lease);
  leases_[oldest->id] = {worker, now + std::clamp(wanted, Duration{1}, options_.work_max),
                         now + options_.work_max};
  ++oldest->leases;
  changed(*oldest);
  return *oldest;
}

void TaskQueue::renew(Instant now, const std::string& worker) {
  for (auto& [id, lease] : leases_) {
    if (lease.worker != worker) continue;
    lease.until = std::max(lease.until, std::min(now + options_.lease, lease.last));
  }
}

std::optional<Task> TaskQueue::done(TaskId id, const std::string& worker, std::string result) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end() || found->second.state == TaskState::kDone) return std::nullopt;
  leases_.erase(id);
  Task& task = found->second;
  task.state = TaskState::kDone;
  task.result = std::move(result);
  task.worker = worker;
  task.why.clear();
  changed(task);
  Task out = task;
  forget_oldest(TaskState::kDone, options_.done_max);
  return out;
}

bool TaskQueue::failed(TaskId id, const std::string& worker, std::string why) {
  const auto lease = leases_.find(id);
  if (lease == leases_.end() || lease->second.worker != worker) return false;
  end_lease(id, std::move(why));
  return true;
}

void TaskQueue::give_back(const std::string& worker) {
  for (auto at = leases_.begin(); at != leases_.end();) {
    const auto [id, lease] = *at++;
    if (lease.worker != worker) continue;
    leases_.erase(id);
    Task& task = tasks_.at(id);
    --task.leases;
    wait_again(task);
  }
}

void TaskQueue::forget_overdue(MarketTime market) {
  for (auto at = tasks_.begin(); at != tasks_.end();) {
    const Task& task = (at++)->second;
    if (waits(task) && task.ask.until && *task.ask.until <= market) forget(task.id);
  }
}

void TaskQueue::advance(Instant now) {
  for (auto at = leases_.begin(); at != leases_.end();) {
    const auto [id, lease] = *at++;
    if (lease.until <= now) end_lease(id, "nothing came within its lease");
  }
}

Instant TaskQueue::next_deadline() const {
  Instant due = kNever;
  for (const auto& [id, lease] : leases_) due = std::min(due, lease.until);
  return due;
}

bool TaskQueue::retry(TaskId id) {
  const auto found = tasks_.find(id);
  if (found == tasks_.end() || found->second.state != TaskState::kPoisoned) return false;
  Task& task = found->second;
  const bool newer = waiting_of(task.ask) != nullptr;
  if (newer || count(TaskState::kOpen) >= options_.waiting_max) return false;
  task.state = TaskState::kOpen;
  task.leases = 0;
  changed(task);
  return true;
}

std::vector<TaskRecord> TaskQueue::take_records() {
  std::vector<TaskRecord> out;
  for (auto& [id, record] : std::exchange(records_, {})) out.push_back(std::move(record));
  return out;
}

std::vector<Task> TaskQueue::take_poisoned() {
  return std::exchange(poisoned_, {});
}

// --- how tasks change ----------------------------------------------------------------------------

bool TaskQueue::waits(const Task& task) const {
  return task.state == TaskState::kOpen && !leases_.contains(task.id);
}

const Task* TaskQueue::waiting_of(const TaskAsk& ask) const {
  const auto found = std::ranges::find_if(tasks_, [&](const auto& each) {
    const Task& task = each.second;
    return waits(task) && task.ask.kind == ask.kind && task.ask.subject == ask.subject;
  });
  return found == tasks_.end() ? nullptr : &found->second;
}

std::size_t TaskQueue::count(TaskState state) const {
  return static_cast<std::size_t>(
      std::ranges::count_if(tasks_, [&](const auto& each) { return each.second.state == state; }));
}

void TaskQueue::end_lease(TaskId id, std::string why) {
  const auto lease = leases_.extract(id);
  Task& task = tasks_.at(id);
  task.worker = lease.mapped().worker;
  task.why = std::move(why);
  wait_again(task);
}

/// An open task without a lease: for the next worker, for nobody, or for people.
void TaskQueue::wait_again(Task& task) {
  const bool newest = std::ranges::none_of(tasks_, [&](const auto& each) {
    const Task& other = each.second;
    return waits(other) && other.number > task.number && other.ask.kind == task.ask.kind &&
           other.ask.subject == task.ask.subject;
  });
  if (!newest) return forget(task.id);
  if (task.leases >= options_.leases_max) {
    task.state = TaskState::kPoisoned;
    poisoned_.push_back(task);
    changed(task);
    return forget_oldest(TaskState::kPoisoned, options_.poisoned_max);
  }
  changed(task);
  // And older ones, given back after a restart or by others, have nothing to wait for.
  for (auto at = tasks_.begin(); at != tasks_.end();) {
    const Task& other = (at++)->second;
    const bool older = waits(other) && other.number < task.number &&
                       other.ask.kind == task.ask.kind && other.ask.subject == task.ask.subject;
    if (older) forget(other.id);
  }
}

void TaskQueue::changed(const Task& task) {
  records_[task.id] = task;
}

void TaskQueue::forget(TaskId id) {
  tasks_.erase(id);
  leases_.erase(id);
  records_[id] = TaskGone{id};
}

void TaskQueue::forget_oldest(TaskState state, std::size_t most) {
  while (count(state) > most) {
    const Task* oldest = nullptr;
    for (const auto& [id, task] : tasks_) {
      const bool older = oldest == nullptr || task.number < oldest->number;
      if (task.state == state && older) oldest = &task;
    }
    forget(oldest->id);
  }
}

}  // namespace vpp::bidding
