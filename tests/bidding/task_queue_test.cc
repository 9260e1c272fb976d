#include "bidding/task_queue.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

const std::set<TaskKind> kBoth{TaskKind::kForecast, TaskKind::kOptimise};

TaskAsk ask_of(std::string subject, std::string input, TaskKind kind = TaskKind::kForecast) {
  return {kind, 1, std::move(subject), std::move(input)};
}

Instant at(Duration since) {
  return Instant{since};
}

/// What a store holds after the records so far.
struct Disk {
  std::map<TaskId, Task> tasks;

  void write(const std::vector<TaskRecord>& records) {
    for (const TaskRecord& record : records) {
      const auto* task = std::get_if<Task>(&record);
      if (task != nullptr) tasks[task->id] = *task;
      if (const auto* gone = std::get_if<TaskGone>(&record)) tasks.erase(gone->id);
    }
  }
  [[nodiscard]] std::vector<Task> read() const {
    std::vector<Task> out;
    for (const auto& [id, task] : tasks) out.push_back(task);
    return out;
  }
};

/// The same rules over a plain list, each looked up from its beginning.
class NaiveQueue {
 public:
  struct Entry {
    Task task;
    std::string holder;  ///< empty: not leased
    Instant until{};
    Instant last{};
  };

  explicit NaiveQueue(TaskQueueOptions options) : options_{options} {}

  TaskQueue::Offered offer(const TaskAsk& ask) {
    if (find(id_of(ask)) != nullptr) return TaskQueue::Offered::kKnown;
    const auto older = std::ranges::find_if(
        entries_, [&](const Entry& e) { return waits(e) && same(e.task.ask, ask); });
    if (older != entries_.end()) {
      entries_.erase(older);
    } else if (open() >= options_.waiting_max) {
      return TaskQueue::Offered::kFull;
    }
    Task task;
    task.id = id_of(ask);
    task.number = ++numbers_;
    task.ask = ask;
    entries_.push_back({task, {}, {}, {}});
    return TaskQueue::Offered::kNew;
  }

  std::optional<TaskId> lease(Instant now, const std::string& worker,
                              const std::set<TaskKind>& kinds, std::optional<Duration> patience) {
    for (Entry& e : entries_) {  // in order of their numbers
      if (!waits(e) || !kinds.contains(e.task.ask.kind)) continue;
      e.holder = worker;
      e.until = now + std::min(patience.value_or(options_.lease), options_.work_max);
      e.last = now + options_.work_max;
      ++e.task.leases;
      return e.task.id;
    }
    return std::nullopt;
  }

  void renew(Instant now, const std::string& worker) {
    for (Entry& e : entries_) {
      const Instant until = std::min(now + options_.lease, e.last);
      if (e.holder == worker && until > e.until) e.until = until;
    }
  }

  bool done(TaskId id) {
    Entry* e = find(id);
    if (e == nullptr || e->task.state == TaskState::kDone) return false;
    e->task.state = TaskState::kDone;
    e->holder.clear();
    trim(TaskState::kDone, options_.done_max);
    return true;
  }

  bool failed(TaskId id, const std::string& worker) {
    Entry* e = find(id);
    if (e == nullptr || e->holder.empty() || e->holder != worker) return false;
    free(id);
    return true;
  }

  void give_back(const std::string& worker) {
    for (const TaskId id : ids([&](const Entry& e) { return e.holder == worker; })) {
      --find(id)->task.leases;
      free(id);
    }
  }

  void advance(Instant now) {
    for (const TaskId id :
         ids([&](const Entry& e) { return !e.holder.empty() && e.until <= now; })) {
      free(id);
    }
  }

  bool retry(TaskId id) {
    Entry* e = find(id);
    if (e == nullptr || e->task.state != TaskState::kPoisoned || open() >= options_.waiting_max) {
      return false;
    }
    for (const Entry& other : entries_) {
      if (waits(other) && same(other.task.ask, e->task.ask)) return false;
    }
    e->task.state = TaskState::kOpen;
    e->task.leases = 0;
    return true;
  }

  void restart() {
    std::vector<TaskId> open = ids([](const Entry& e) { return e.task.state == TaskState::kOpen; });
    for (Entry& e : entries_) e.holder.clear();
    std::ranges::sort(
        open, [&](TaskId a, TaskId b) { return find(a)->task.number > find(b)->task.number; });
    for (const TaskId id : open) {
      if (find(id) != nullptr) free(id);
    }
  }

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }

 private:
  static bool same(const TaskAsk& a, const TaskAsk& b) {
    return a.kind == b.kind && a.subject == b.subject;
  }
  static bool waits(const Entry& e) { return e.task.state == TaskState::kOpen && e.holder.empty(); }
  Entry* find(TaskId id) {
    for (Entry& e : entries_) {
      if (e.task.id == id) return &e;
    }
    return nullptr;
  }
  template <class Pick>
  std::vector<TaskId> ids(Pick pick) const {
    std::vector<TaskId> out;
    for (const Entry& e : entries_) {
      if (pick(e)) out.push_back(e.task.id);
    }
    std::ranges::sort(out);
    return out;
  }
  [[nodiscard]] std::size_t open() const {
    return ids([](const Entry& e) { return e.task.state == TaskState::kOpen; }).size();
  }
  /// Its lease is over: the newest that waits of a subject is the one that stays.
  void free(TaskId id) {
    find(id)->holder.clear();
    const Task task = find(id)->task;
    const auto of_subject = [&](const Entry& e) {
      return waits(e) && e.task.id != id && same(e.task.ask, task.ask);
    };
    for (const Entry& e : entries_) {
      if (!of_subject(e) || e.task.number < task.number) continue;
      std::erase_if(entries_, [&](const Entry& each) { return each.task.id == id; });
      return;
    }
    if (task.leases >= options_.leases_max) {
      find(id)->task.state = TaskState::kPoisoned;
      trim(TaskState::kPoisoned, options_.poisoned_max);
    } else {
      std::erase_if(entries_, of_subject);
    }
  }
  void trim(TaskState state, std::size_t most) {
    std::size_t count = ids([&](const Entry& e) { return e.task.state == state; }).size();
    while (count-- > most) {
      entries_.erase(
          std::ranges::find_if(entries_, [&](const Entry& e) { return e.task.state == state; }));
    }
  }

  TaskQueueOptions options_;
  std::uint64_t numbers_ = 0;
  std::vector<Entry> entries_;
};

void require_equal(const TaskQueue& queue, const NaiveQueue& naive) {
  REQUIRE(queue.tasks().size() == naive.entries().size());
  std::size_t leased = 0;
  for (const NaiveQueue::Entry& e : naive.entries()) {
    const auto found = queue.tasks().find(e.task.id);
    REQUIRE(found != queue.tasks().end());
    REQUIRE(found->second.number == e.task.number);
    REQUIRE(found->second.state == e.task.state);
    REQUIRE(found->second.leases == e.task.leases);
    const auto lease = queue.leases().find(e.task.id);
    REQUIRE((lease != queue.leases().end()) == !e.holder.empty());
    if (e.holder.empty()) continue;
    ++leased;
    REQUIRE(lease->second.worker == e.holder);
    REQUIRE(lease->second.until == e.until);
  }
  REQUIRE(queue.leases().size() == leased);
}

constexpr TaskQueueOptions kTight{.leases_max = 2,
                                  .lease = 5s,
                                  .work_max = 12s,
                                  .waiting_max = 4,
                                  .done_max = 3,
                                  .poisoned_max = 2};

/// The queue, the naive one and a disk, through the same random steps.
class QueueCourse {
 public:
  explicit QueueCourse(std::uint64_t seed) : rng_{seed} {}

  void step() {
    const std::string worker = "w" + std::to_string(rng_.below(3));
    const std::uint64_t what = rng_.below(10);
    if (what < 2) offer();
    if (what == 2 || what == 3) lease(worker);
    if (what == 4) {
      queue_->renew(now_, worker);
      naive_.renew(now_, worker);
    }
    if (what == 5) finish(worker);
    if (what == 6) {
      const TaskId id = some_id();
      REQUIRE(queue_->failed(id, worker, "no") == naive_.failed(id, worker));
    }
    if (what == 7) leave_or_retry(worker);
    if (what == 8) pass();
    if (what == 9 && rng_.below(4) == 0) {  // killed after its records were written
      queue_.emplace(kTight, disk_.read());
      naive_.restart();
    }
    poisoned += queue_->take_poisoned().size();
    disk_.write(queue_->take_records());
    REQUIRE(disk_.tasks == queue_->tasks());
    require_equal(*queue_, naive_);
  }

  std::size_t poisoned = 0;
  std::size_t done = 0;

 private:
  TaskId some_id() { return ids_.empty() ? TaskId{7} : ids_[rng_.below(ids_.size())]; }

  void offer() {
    const TaskAsk ask = ask_of("s" + std::to_string(rng_.below(6)), std::to_string(rng_.below(40)),
                               rng_.below(4) == 0 ? TaskKind::kOptimise : TaskKind::kForecast);
    REQUIRE(queue_->offer(ask) == naive_.offer(ask));
    ids_.push_back(id_of(ask));
  }
  void lease(const std::string& worker) {
    const std::set<TaskKind> kinds = rng_.below(2) == 0 ? kBoth : std::set{TaskKind::kForecast};
    const auto patience = rng_.below(3) == 0 ? std::optional<Duration>{20s} : std::nullopt;
    const auto task = queue_->lease(now_, worker, kinds, patience);
    const auto expected = naive_.lease(now_, worker, kinds, patience);
    REQUIRE((task ? std::optional{task->id} : std::nullopt) == expected);
  }
  void finish(const std::string& worker) {
    const TaskId id = some_id();
    const bool news = queue_->done(id, worker, "r").has_value();
    REQUIRE(news == naive_.done(id));
    done += news ? 1 : 0;
  }
  void leave_or_retry(const std::string& worker) {
    if (rng_.below(3) == 0) {
      queue_->give_back(worker);
      naive_.give_back(worker);
    }
    const TaskId id = some_id();
    REQUIRE(queue_->retry(id) == naive_.retry(id));
  }
  void pass() {
    now_ += Duration{static_cast<Duration::rep>(rng_.below(6'000))};
    queue_->advance(now_);
    naive_.advance(now_);
    REQUIRE(queue_->next_deadline() > now_);
  }

  Rng rng_;
  Disk disk_;
  std::optional<TaskQueue> queue_{std::in_place, kTight, std::vector<Task>{}};
  NaiveQueue naive_{kTight};
  Instant now_{};
  std::vector<TaskId> ids_;
};

}  // namespace

TEST_CASE("tasks are leased to one at a time, and none is lost, over any course and restarts") {
  std::size_t poisoned = 0;
  std::size_t done = 0;
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    QueueCourse course{seed};
    for (int step = 0; step < 150; ++step) course.step();
    poisoned += course.poisoned;
    done += course.done;
  }
  REQUIRE(poisoned > 100);
  REQUIRE(done > 1000);
}

TEST_CASE("a result counts once, also that of a lease that ran out, and of a poisoned task") {
  TaskQueue queue{{.leases_max = 1, .lease = 5s}, {}};
  queue.offer(ask_of("prices", "[1]"));
  const auto task = queue.lease(at(0s), "slow", kBoth);
  REQUIRE(task.has_value());
  queue.advance(at(5s));
  REQUIRE(queue.tasks().at(task->id).state == TaskState::kPoisoned);
  REQUIRE(queue.take_poisoned().size() == 1);
  REQUIRE(queue.done(task->id, "slow", "{}").has_value());
  REQUIRE_FALSE(queue.done(task->id, "slow", "{\"other\":1}").has_value());
  REQUIRE(queue.tasks().at(task->id).result == "{}");
  REQUIRE_FALSE(queue.done(TaskId{1}, "slow", "{}").has_value());
}

TEST_CASE("the newest input of a subject is the one that is worked on next") {
  TaskQueue queue{{}, {}};
  REQUIRE(queue.offer(ask_of("prices", "[1]")) == TaskQueue::Offered::kNew);
  REQUIRE(queue.offer(ask_of("prices", "[1]")) == TaskQueue::Offered::kKnown);
  REQUIRE(queue.offer(ask_of("prices", "[1,2]")) == TaskQueue::Offered::kNew);
  const auto newer = queue.lease(at(0s), "a", kBoth);
  REQUIRE(newer->ask.input == "[1,2]");
  REQUIRE_FALSE(queue.lease(at(0s), "b", kBoth).has_value());
  REQUIRE(queue.offer(ask_of("prices", "[1,2,3]")) == TaskQueue::Offered::kNew);
  // What is given up now has been overtaken.
  REQUIRE(queue.failed(newer->id, "a", "no"));
  REQUIRE_FALSE(queue.tasks().contains(newer->id));
  REQUIRE(queue.lease(at(1s), "a", kBoth)->ask.input == "[1,2,3]");
}

TEST_CASE("a task that takes the whole process down with it is poisoned, too") {
  Disk disk;
  for (int start = 0; start < 3; ++start) {
    TaskQueue queue{{.leases_max = 3}, disk.read()};
    queue.offer(ask_of("prices", "[1]"));
    REQUIRE(queue.lease(at(0s), "in-process", kBoth).has_value());
    disk.write(queue.take_records());
  }
  TaskQueue queue{{.leases_max = 3}, disk.read()};
  REQUIRE_FALSE(queue.lease(at(0s), "in-process", kBoth).has_value());
  REQUIRE(queue.take_poisoned().front().why == "a restart came before its result");
}

TEST_CASE("a full queue refuses other subjects") {
  TaskQueue queue{{.waiting_max = 2}, {}};
  queue.offer(ask_of("a", "1"));
  queue.offer(ask_of("b", "2"));
  REQUIRE(queue.offer(ask_of("c", "3")) == TaskQueue::Offered::kFull);
  REQUIRE(queue.offer(ask_of("b", "4")) == TaskQueue::Offered::kNew);
  REQUIRE(queue.tasks().size() == 2);
}

TEST_CASE("a worker that is heard of keeps its task, but not for ever") {
  TaskQueue queue{{.lease = 5s, .work_max = 12s}, {}};
  queue.offer(ask_of("a", "1"));
  REQUIRE(queue.lease(at(0s), "w", kBoth).has_value());
  for (const auto heard : {4s, 8s, 11s}) {
    queue.advance(at(heard));
    queue.renew(at(heard), "w");
  }
  REQUIRE(queue.leases().size() == 1);
  REQUIRE(queue.next_deadline() == at(12s));
  queue.advance(at(12s));
  REQUIRE(queue.leases().empty());
}

TEST_CASE("ids are names for people and back, of the whole input") {
  const TaskId id = id_of(ask_of("prices", "{\"a\":1}"));
  REQUIRE(parse_task_id(to_string(id)) == id);
  REQUIRE(parse_task_id(to_string(TaskId{1})) == TaskId{1});
  REQUIRE_FALSE(parse_task_id("1").has_value());
  REQUIRE_FALSE(parse_task_id("000000000000000G").has_value());
  REQUIRE_FALSE(parse_task_id("00000000000000AB").has_value());
  REQUIRE(id != id_of(ask_of("prices", "{\"a\":2}")));
  REQUIRE(id != id_of(ask_of("prices", "{\"a\":1}", TaskKind::kOptimise)));
}
