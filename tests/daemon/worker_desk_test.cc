#include "daemon/node/worker_desk.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "bidding/ledger.h"
#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;
using bidding::TaskGiven;
using bidding::TaskId;
using bidding::TaskKind;
using bidding::TaskState;

namespace {

constexpr MarketTime kDeskMidnight{std::chrono::days{20'000}};

/// Prices of so many hours before midnight.
bidding::PriceSeries hours_known(int hours, int after_midnight = 0) {
  bidding::PriceSeries series;
  for (int i = -hours; i < after_midnight; ++i) {
    const MarketTime from = kDeskMidnight + std::chrono::hours{i};
    series[from] = {from, from + 1h, Price{i}};
  }
  return series;
}

class DeskBench {
 public:
  explicit DeskBench(std::vector<bidding::Task> recovered = {}) {
    options.model = "m";
    options.history_hours = 72;
    options.hours_min = 48;
    options.queue.leases_max = 2;
    options.queue.lease = 10s;
    options.codec.encode = [](const bidding::ForecastAsk& ask) {
      return std::to_string(ask.from.time_since_epoch().count()) + " " +
             std::to_string(ask.history.size());
    };
    options.codec.encode_advice = [](const bidding::AdviceAsk& ask) {
      return std::to_string(ask.most.count);
    };
    options.codec.decode = [](const bidding::Task& task,
                              const std::string& output) -> std::expected<Made, std::string> {
      if (output != "good") return std::unexpected{"it says " + output};
      if (task.ask.kind == TaskKind::kOptimise) {
        bidding::BidAdvised advice;
        advice.key = task.ask.subject;
        advice.why = task.ask.input;
        return advice;
      }
      return MadeForecast{
          task.id, {}, MarketTime{Duration{std::stoll(task.ask.input)}}, {"m", {{Price{1}, {}}}}};
    };
    desk.emplace(options, recovered);
  }

  [[nodiscard]] Now now() const { return {at, kDeskMidnight + (at - Instant{}), 1}; }
  void pass(Duration span) {
    at += span;
    desk->advance(now());
    take();
  }
  void say(const std::string& worker, bidding::FromWorker what) {
    desk->said(now(), {worker, std::move(what)});
    take();
  }
  void hello(const std::string& worker) { hello(worker, TaskKind::kForecast); }
  void hello(const std::string& worker, TaskKind kind) {
    say(worker,
        bidding::WorkerHello{bidding::kWorkerProtocol, "name-" + worker, {kind}, std::nullopt});
  }
  /// About a gate that closes so much later; `most` tells two questions apart.
  void ask_advice(Duration closes_in, std::int64_t most) {
    bidding::AdviceAsk advice;
    advice.gate.closes = kDeskMidnight + closes_in;
    advice.gate.from = advice.gate.closes;
    advice.most = Watts{most};
    desk->ask(now(), advice);
    take();
  }
  void ask(const bidding::PriceSeries& prices) {
    desk->ask(now(), prices);
    take();
  }
  void take() {
    told.clear();
    codes.clear();
    DeskEffects effects = desk->take_effects();
    for (auto& record : effects.persist) {
      const auto* task = std::get_if<bidding::Task>(&record);
      if (task != nullptr) disk[task->id] = *task;
      if (const auto* gone = std::get_if<bidding::TaskGone>(&record)) disk.erase(gone->id);
    }
    told = std::move(effects.tell);
    for (const Notice& notice : effects.notices) codes.push_back(notice.code);
  }
  /// What `worker` was just told of that kind, if anything.
  template <class T>
  std::optional<T> heard(const std::string& worker) const {
    for (const TellWorker& each : told) {
      const auto* what = std::get_if<T>(&each.what);
      if (each.worker == worker && what != nullptr) return *what;
    }
    return std::nullopt;
  }
  [[nodiscard]] bool noticed(const std::string& code) const {
    return std::ranges::find(codes, code) != codes.end();
  }

  WorkerOptions options;
  std::optional<WorkerDesk> desk;
  std::map<TaskId, bidding::Task> disk;
  std::vector<TellWorker> told;
  std::vector<std::string> codes;
  Instant at{};
};

/// A desk that dies, workers that do not, and the bidder's book of forecasts. What becomes durable
/// does so one by one, and each worker is told on its own.
class DeadlyDesk {
 public:
  explicit DeadlyDesk(std::uint32_t leases_max) {
    bench_.options.queue.leases_max = leases_max;
    restart();
    restarts = 0;
  }

  /// Dies at the `point`-th point from now.
  void kill_at(int point) { kill_in_ = point; }

  void hour_passes() {
    ++hours_;
    carry_out();
  }
  /// Greets, or brings what it made, or says that it is there.
  void worker_acts(const std::string& name) {
    DeskWorker& worker = workers_[name];
    if (!worker.greeted) {
      return say(name, bidding::WorkerHello{
                           bidding::kWorkerProtocol, name, {TaskKind::kForecast}, std::nullopt});
    }
    if (worker.task) return say(name, bidding::WorkerResult{*worker.task, "good"});
    say(name, bidding::WorkerHeartbeat{});
  }
  void worker_leaves(const std::string& name) {
    if (workers_[name].task) return;
    say(name, bidding::WorkerBye{});
    workers_[name] = {};
  }
  /// Until there is nothing left to do.
  void settle_down() {
    for (int round = 0; round < 6; ++round) {
      for (const char* name : {"a", "b"}) worker_acts(name);
    }
  }

  void check_promises() {
    for (const auto& [id, task] : bench_.disk) {
      CAPTURE(to_string(id));
      CHECK(task.state == TaskState::kDone);
    }
    REQUIRE(ledger_.foreseen() != nullptr);
    CHECK(ledger_.foreseen()->from == kDeskMidnight + std::chrono::hours{hours_});
    CHECK(taken_.contains(ledger_.foreseen()->task));
  }

  int points = 0;
  int restarts = 0;

 private:
  struct DeskWorker {
    bool greeted = false;
    std::optional<TaskId> task;
  };

  void say(const std::string& name, bidding::FromWorker what) {
    bench_.desk->said(bench_.now(), {name, std::move(what)});
    carry_out();
  }

  [[nodiscard]] bool dies() {
    ++points;
    return kill_in_ > 0 && --kill_in_ == 0;
  }

  void carry_out() {
    bench_.desk->ask(bench_.now(), hours_known(72, hours_));
    if (auto made = bench_.desk->take_forecast()) {
      if (dies()) return restart();
      foreseen({made->task, made->answer.model, made->worker, made->from, made->answer.hours});
    }
    DeskEffects effects = bench_.desk->take_effects();
    for (const auto& record : effects.persist) {
      if (dies()) return restart();
      write(record);
    }
    for (const TellWorker& tell : effects.tell) {
      if (dies()) return restart();
      hear(tell);
    }
    if (dies()) restart();
  }

  void foreseen(bidding::ForecastKnown known) {
    const TaskId task = known.task;
    if (ledger_.apply({std::move(known), kDeskMidnight})) CHECK(taken_.insert(task).second);
  }
  void write(const bidding::TaskRecord& record) {
    if (const auto* task = std::get_if<bidding::Task>(&record)) {
      const auto before = bench_.disk.find(task->id);
      const bool was_done = before != bench_.disk.end() && before->second.state == TaskState::kDone;
      CHECK_FALSE(was_done);  // one result is taken, once
      bench_.disk[task->id] = *task;
    }
    if (const auto* gone = std::get_if<bidding::TaskGone>(&record)) bench_.disk.erase(gone->id);
  }
  void hear(const TellWorker& tell) {
    DeskWorker& worker = workers_[tell.worker];
    if (std::holds_alternative<bidding::WorkerWelcome>(tell.what)) worker.greeted = true;
    if (const auto* given = std::get_if<TaskGiven>(&tell.what)) worker.task = given->task;
    if (std::holds_alternative<bidding::ResultTaken>(tell.what)) worker.task.reset();
    if (std::holds_alternative<bidding::WorkerRefused>(tell.what)) {
      worker.greeted = worker.greeted && worker.task.has_value();
      worker.task.reset();
    }
  }

  void restart() {
    ++restarts;
    std::vector<bidding::Task> recovered;
    for (const auto& [id, task] : bench_.disk) recovered.push_back(task);
    bench_.desk.emplace(bench_.options, recovered);
  }

  DeskBench bench_;
  std::map<std::string, DeskWorker> workers_;
  bidding::Ledger ledger_;
  std::set<TaskId> taken_;
  int hours_ = 0;
  int kill_in_ = 0;
};

void random_course(DeadlyDesk& desk, Rng& rng) {
  for (int step = 0; step < 30; ++step) {
    const std::string name = rng.below(2) == 0 ? "a" : "b";
    const std::uint64_t what = rng.below(8);
    if (what == 0) desk.hour_passes();
    if (what == 1) desk.worker_leaves(name);
    if (what > 1) desk.worker_acts(name);
  }
  desk.settle_down();
}

}  // namespace

TEST_CASE("killed between any record and any word, a desk loses no task and takes no result twice",
          "[crash]") {
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    DeadlyDesk calm{3};
    Rng calm_rng{seed};
    random_course(calm, calm_rng);
    calm.check_promises();
    for (int point = 1; point <= calm.points; ++point) {
      CAPTURE(seed, point);
      DeadlyDesk desk{3};
      desk.kill_at(point);
      Rng rng{seed};
      random_course(desk, rng);
      CHECK(desk.restarts == 1);
      desk.check_promises();
    }
  }
}

TEST_CASE("killed again and again, a desk's newest task is done all the same", "[crash]") {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CAPTURE(seed);
    DeadlyDesk desk{1'000};
    Rng rng{seed};
    for (int life = 0; life < 10; ++life) {
      desk.kill_at(1 + static_cast<int>(rng.below(30)));
      random_course(desk, rng);
    }
    desk.kill_at(0);
    desk.settle_down();
    CHECK(desk.restarts > 0);
    desk.check_promises();
  }
}

TEST_CASE("a worker is given what the newest full hour asks, and its answer comes out once") {
  DeskBench bench;
  bench.hello("a");
  REQUIRE(bench.heard<bidding::WorkerWelcome>("a")->lease == 10s);
  bench.ask(hours_known(100));
  const auto task = bench.heard<TaskGiven>("a");
  REQUIRE(task.has_value());
  REQUIRE(task->input.ends_with(" 72"));
  REQUIRE(bench.disk.at(task->task).leases == 1);
  bench.ask(hours_known(100));  // nothing newer
  REQUIRE(bench.told.empty());
  bench.say("a", bidding::WorkerResult{task->task, "good"});
  REQUIRE(bench.heard<bidding::ResultTaken>("a")->news);
  const auto made = bench.desk->take_forecast();
  REQUIRE(made->from == kDeskMidnight);
  REQUIRE(made->task == task->task);
  REQUIRE(made->worker == "name-a");
  REQUIRE_FALSE(bench.desk->take_forecast().has_value());
  bench.say("a", bidding::WorkerResult{task->task, "good"});
  REQUIRE_FALSE(bench.heard<bidding::ResultTaken>("a")->news);
  REQUIRE_FALSE(bench.desk->take_forecast().has_value());
}

TEST_CASE("nothing is asked while too little is known, and the desk says how much is missing") {
  DeskBench bench;
  bench.hello("a");
  bench.ask(hours_known(47));
  REQUIRE_FALSE(bench.heard<TaskGiven>("a").has_value());
  REQUIRE(bench.desk->status().idle == "prices of 2 days are needed, those of 1 are known");
  bench.ask(hours_known(47, 1));
  REQUIRE(bench.heard<TaskGiven>("a").has_value());
  REQUIRE(bench.desk->status().idle.empty());
}

TEST_CASE("a task whose worker dies is done by another one") {
  DeskBench bench;
  bench.hello("dies");
  bench.ask(hours_known(72));
  const auto task = bench.heard<TaskGiven>("dies");
  REQUIRE(task.has_value());
  bench.hello("lives");
  bench.pass(9s);
  bench.say("lives", bidding::WorkerHeartbeat{});
  REQUIRE_FALSE(bench.heard<TaskGiven>("lives").has_value());
  bench.pass(1s);
  REQUIRE(bench.noticed("VPP_WORKER_LOST"));
  REQUIRE(bench.heard<TaskGiven>("lives")->task == task->task);
  bench.say("lives", bidding::WorkerResult{task->task, "good"});
  REQUIRE(bench.desk->take_forecast()->worker == "name-lives");
}

TEST_CASE("a task that always fails is set aside and told, until a person has it tried again") {
  DeskBench bench;
  bench.hello("bad");
  bench.ask(hours_known(72));
  const TaskId task = bench.heard<TaskGiven>("bad")->task;
  bench.say("bad", bidding::WorkerFailed{task, "no idea"});
  REQUIRE(bench.heard<TaskGiven>("bad")->task == task);  // once more
  bench.say("bad", bidding::WorkerResult{task, "nonsense"});
  REQUIRE(bench.heard<bidding::WorkerRefused>("bad")->why == "it says nonsense");
  REQUIRE(bench.noticed("VPP_TASK_POISONED"));
  REQUIRE_FALSE(bench.heard<TaskGiven>("bad").has_value());
  REQUIRE(bench.disk.at(task).state == TaskState::kPoisoned);
  REQUIRE(bench.disk.at(task).why == "it says nonsense");
  REQUIRE(bench.desk->retry(bench.now(), TaskId{1}).find("does not exist") != std::string::npos);
  REQUIRE(bench.desk->retry(bench.now(), task).empty());
  bench.take();
  REQUIRE(bench.heard<TaskGiven>("bad")->task == task);
  REQUIRE(bench.desk->retry(bench.now(), task).find("is not poisoned") != std::string::npos);
}

TEST_CASE("a worker that begins anew fails what it had, one that says good-bye does not") {
  DeskBench bench;
  bench.hello("a");
  bench.ask(hours_known(72));
  const TaskId task = bench.heard<TaskGiven>("a")->task;
  bench.say("a", bidding::WorkerBye{});
  REQUIRE(bench.disk.at(task).leases == 0);
  bench.hello("a");
  REQUIRE(bench.heard<TaskGiven>("a").has_value());
  bench.hello("a");
  REQUIRE(bench.heard<TaskGiven>("a").has_value());
  REQUIRE(bench.disk.at(task).leases == 2);
  bench.hello("a");
  REQUIRE(bench.disk.at(task).state == TaskState::kPoisoned);
}

TEST_CASE("strangers and nonsense are answered, counted and change nothing") {
  DeskBench bench;
  bench.say("x", bidding::WorkerHeartbeat{});
  REQUIRE(bench.heard<bidding::WorkerRefused>("x").has_value());
  bench.say("x", bidding::WorkerUnread{"not JSON"});
  REQUIRE(bench.heard<bidding::WorkerRefused>("x")->why == "not JSON");
  bench.say("x", bidding::WorkerResult{TaskId{5}, "good"});
  REQUIRE(bench.heard<bidding::WorkerRefused>("x").has_value());
  bench.say("x", bidding::WorkerHello{9, "future", {TaskKind::kForecast}, std::nullopt});
  REQUIRE(bench.heard<bidding::WorkerRefused>("x")->why.find("version 9") != std::string::npos);
  bench.say("x", bidding::WorkerFailed{TaskId{5}, "so"});
  bench.say("x", bidding::WorkerBye{});
  REQUIRE(bench.desk->status().refused == 4);
  REQUIRE(bench.desk->status().workers.empty());
  for (std::size_t i = 0; i <= WorkerDesk::kWorkersMax; ++i) bench.hello("w" + std::to_string(i));
  REQUIRE(bench.heard<bidding::WorkerRefused>("w64").has_value());
  REQUIRE(bench.desk->status().workers.size() == WorkerDesk::kWorkersMax);
}

TEST_CASE("a worker whose lease ran out while it was heard of gets no other task until it speaks") {
  DeskBench bench;
  bench.options.queue.work_max = 15s;
  bench.desk.emplace(bench.options, std::vector<bidding::Task>{});
  bench.hello("slow");
  bench.ask(hours_known(72));
  const auto task = bench.heard<TaskGiven>("slow");
  for (int i = 0; i < 3; ++i) {
    bench.pass(5s);
    bench.say("slow", bidding::WorkerHeartbeat{});
    REQUIRE_FALSE(bench.heard<TaskGiven>("slow").has_value());
  }
  REQUIRE(bench.desk->status().workers.front().stuck);
  // Late, and good all the same.
  bench.say("slow", bidding::WorkerResult{task->task, "good"});
  REQUIRE(bench.heard<bidding::ResultTaken>("slow")->news);
  bench.ask(hours_known(72, 1));
  REQUIRE(bench.heard<TaskGiven>("slow").has_value());
}

TEST_CASE("an answer about a task of before does not end what a worker has now") {
  DeskBench bench;
  bench.hello("a");
  bench.ask(hours_known(72));
  const auto first = bench.heard<TaskGiven>("a");
  bench.say("a", bidding::WorkerResult{first->task, "good"});
  bench.ask(hours_known(72, 1));
  REQUIRE(bench.heard<TaskGiven>("a").has_value());
  bench.say("a", bidding::WorkerResult{first->task, "good"});
  REQUIRE_FALSE(bench.heard<bidding::ResultTaken>("a")->news);
  bench.ask(hours_known(72, 2));
  REQUIRE_FALSE(bench.heard<TaskGiven>("a").has_value());
  REQUIRE(bench.desk->status().leases.size() == 1);
}

TEST_CASE("a restart loses neither what waits nor a result that nobody took") {
  DeskBench before;
  before.hello("a");
  before.ask(hours_known(72));
  const TaskId first = before.heard<TaskGiven>("a")->task;
  before.say("a", bidding::WorkerResult{first, "good"});
  before.ask(hours_known(72, 1));
  std::vector<bidding::Task> records;
  for (const auto& [id, task] : before.disk) records.push_back(task);
  REQUIRE(records.size() == 2);
  DeskBench after{records};
  REQUIRE(after.desk->take_forecast()->task == first);
  after.hello("b");
  REQUIRE(after.heard<TaskGiven>("b").has_value());
  REQUIRE(after.heard<TaskGiven>("b")->task != first);
}

TEST_CASE("advice is asked of whoever gives it, and comes out once, by the name of its worker") {
  DeskBench bench;
  bench.hello("forecasts");
  bench.hello("advises", TaskKind::kOptimise);
  bench.ask_advice(5min, 1);
  REQUIRE_FALSE(bench.heard<TaskGiven>("forecasts").has_value());
  const auto task = bench.heard<TaskGiven>("advises");
  REQUIRE(task->kind == TaskKind::kOptimise);
  bench.say("advises", bidding::WorkerResult{task->task, "good"});
  const auto advice = bench.desk->take_advice();
  REQUIRE(advice.size() == 1);
  REQUIRE(advice.front().task == task->task);
  REQUIRE(advice.front().worker == "name-advises");
  REQUIRE(bench.desk->take_advice().empty());
  REQUIRE_FALSE(bench.desk->take_forecast().has_value());
}

TEST_CASE("advice that a newer question overtook is no advice") {
  DeskBench bench;
  bench.hello("slow", TaskKind::kOptimise);
  bench.ask_advice(5min, 1);
  const auto first = bench.heard<TaskGiven>("slow");
  bench.ask_advice(5min, 2);
  bench.say("slow", bidding::WorkerResult{first->task, "good"});
  REQUIRE(bench.desk->take_advice().empty());
  const auto second = bench.heard<TaskGiven>("slow");
  REQUIRE(second->input == "2");
  bench.say("slow", bidding::WorkerResult{second->task, "good"});
  REQUIRE(bench.desk->take_advice().front().why == "2");
}

TEST_CASE(
    "what is asked about gates that closed does not fill the queue of a desk without workers") {
  DeskBench bench;
  for (int gate = 1; gate <= 100; ++gate) {
    bench.ask_advice(std::chrono::minutes{gate}, gate);
    bench.pass(1min);
  }
  REQUIRE(bench.desk->status().offers_refused == 0);
  REQUIRE(bench.disk.empty());
  bench.ask_advice(200min, 1);
  REQUIRE(bench.disk.size() == 1);
  std::vector<bidding::Task> records{bench.disk.begin()->second};
  DeskBench after{records};  // whose gates closed meanwhile
  after.at = Instant{300min};
  after.pass(1ms);
  REQUIRE(after.desk->status().tasks.empty());
}

TEST_CASE("advice that nobody took is there after a restart, beside the forecast") {
  DeskBench before;
  before.hello("advises", TaskKind::kOptimise);
  before.hello("forecasts");
  before.ask(hours_known(72));
  before.say("forecasts",
             bidding::WorkerResult{before.heard<TaskGiven>("forecasts")->task, "good"});
  before.ask_advice(5min, 1);
  before.say("advises", bidding::WorkerResult{before.heard<TaskGiven>("advises")->task, "good"});
  std::vector<bidding::Task> records;
  for (const auto& [id, task] : before.disk) records.push_back(task);
  DeskBench after{records};
  REQUIRE(after.desk->take_advice().size() == 1);
  REQUIRE(after.desk->take_forecast().has_value());
}
