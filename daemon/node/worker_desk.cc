#include "daemon/node/worker_desk.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

#include "bidding/decide.h"
#include "config/check.h"

namespace vpp::node {
namespace {

using bidding::TaskKind;
using std::chrono::hours;

constexpr const char* kPrices = "prices";  ///< the subject
constexpr Duration kBehindMax = hours{2};

}  // namespace

WorkerDesk::WorkerDesk(const WorkerOptions& options, const std::vector<bidding::Task>& recovered)
    : options_{options}, queue_{options.queue, recovered} {
  VPP_CHECK(options_.codec.encode && options_.codec.decode);
  VPP_CHECK(options_.optimiser.empty() || options_.codec.encode_advice);
  if (options_.model == bidding::kNaiveModel) idle_.clear();
  // What was made before a restart may not have reached the bidder.
  std::map<std::uint64_t, const bidding::Task*> oldest_first;
  for (const auto& [id, task] : queue_.tasks()) {
    if (task.state == bidding::TaskState::kDone) oldest_first[task.number] = &task;
  }
  for (const auto& [number, task] : oldest_first) {
    auto made = options_.codec.decode(*task, task->result);
    if (made) std::visit([&](auto& what) { keep(*task, std::move(what)); }, *made);
  }
}

void WorkerDesk::keep(const bidding::Task& task, MadeForecast made) {
  if (forecast_ && forecast_->from > made.from) return;
  made.task = task.id;
  made.worker = task.worker;
  forecast_ = std::move(made);
}

/// Unless something newer was asked of the bid: then that is waited for, or known.
void WorkerDesk::keep(const bidding::Task& task, bidding::BidAdvised made) {
  const bool overtaken = std::ranges::any_of(queue_.tasks(), [&](const auto& each) {
    const bidding::Task& other = each.second;
    return other.ask.kind == task.ask.kind && other.ask.subject == task.ask.subject &&
           other.number > task.number;
  });
  if (overtaken) return;
  made.task = task.id;
  made.worker = task.worker;
  advice_.insert_or_assign(task.ask.subject, std::move(made));
}

void WorkerDesk::said(const Now& now, const WorkerSaid& message) {
  const auto worker = workers_.find(message.worker);
  if (worker != workers_.end()) {
    worker->second.view.heard_at = now.protocol;
    queue_.renew(now.protocol, message.worker);
  }
  std::visit([&](const auto& what) { on(now, message.worker, what); }, message.what);
  hand_out(now);
}

void WorkerDesk::on(const Now& now, const std::string& from, const bidding::WorkerHello& hello) {
  if (hello.version != bidding::kWorkerProtocol) {
    return refuse(from, "version " + std::to_string(hello.version) +
                            " of the protocol is not spoken here; hint: version " +
                            std::to_string(bidding::kWorkerProtocol));
  }
  const auto known = workers_.find(from);
  if (known != workers_.end() && known->second.task) {
    fail(from, *known->second.task, "its worker began anew");
  }
  if (known == workers_.end() && workers_.size() >= kWorkersMax) {
    return refuse(from, "there are too many workers already");
  }
  Worker& worker = workers_[from];
  worker.view.connection = from;
  worker.view.name = hello.name;
  worker.view.kinds = hello.kinds;
  worker.view.heard_at = now.protocol;
  worker.view.stuck = false;
  worker.lease = hello.lease;
  worker.task.reset();
  if (known == workers_.end()) {
    effects_.notices.push_back({Severity::kInfo, "VPP_WORKER_JOINED", hello.name + " takes tasks"});
  }
  effects_.tell.push_back(
      {from, bidding::WorkerWelcome{bidding::kWorkerProtocol, silence_max(worker)}});
}

void WorkerDesk::on(const Now& /*now*/, const std::string& from,
                    const bidding::WorkerResult& result) {
  const auto task = queue_.tasks().find(result.task);
  if (task == queue_.tasks().end()) {
    return refuse(from, "task " + to_string(result.task) + " is unknown, or was overtaken");
  }
  auto made = options_.codec.decode(task->second, result.output);
  if (!made) {
    fail(from, result.task, made.error());
    return refuse(from, made.error());
  }
  const auto worker = workers_.find(from);
  if (worker != workers_.end()) {
    // It may also be of a task that it had before.
    if (worker->second.task == result.task) worker->second.task.reset();
    worker->second.view.stuck = false;
    ++worker->second.view.done;
  }
  const std::string name = worker == workers_.end() ? from : worker->second.view.name;
  const auto done = queue_.done(result.task, name, result.output);
  for (auto& [connection, other] : workers_) {
    if (other.task != result.task) continue;
    other.task.reset();
    other.view.stuck = true;
  }
  effects_.tell.push_back({from, bidding::ResultTaken{result.task, done.has_value()}});
  if (done) std::visit([&](auto& what) { keep(*done, std::move(what)); }, *made);
}

void WorkerDesk::on(const Now& /*now*/, const std::string& from,
                    const bidding::WorkerFailed& failed) {
  fail(from, failed.task, failed.why);
}

void WorkerDesk::on(const Now& /*now*/, const std::string& from,
                    const bidding::WorkerHeartbeat& /*heartbeat*/) {
  if (!workers_.contains(from)) refuse(from, "you are not known here; hint: say hello first");
}

void WorkerDesk::on(const Now& /*now*/, const std::string& from,
                    const bidding::WorkerBye& /*bye*/) {
  queue_.give_back(from);
  workers_.erase(from);
}

void WorkerDesk::on(const Now& /*now*/, const std::string& from,
                    const bidding::WorkerUnread& unread) {
  refuse(from, unread.why);
}

void WorkerDesk::refuse(const std::string& worker, std::string why) {
  ++refused_;
  effects_.tell.push_back({worker, bidding::WorkerRefused{std::move(why)}});
}

/// Of what it does not have nothing becomes.
void WorkerDesk::fail(const std::string& from, bidding::TaskId task, const std::string& why) {
  const auto worker = workers_.find(from);
  if (worker == workers_.end()) return;
  worker->second.view.stuck = false;
  if (worker->second.task != task) return;
  worker->second.task.reset();
  ++worker->second.view.failed;
  (void)queue_.failed(task, from, why);
}

std::string WorkerDesk::retry(const Now& now, bidding::TaskId task) {
  const auto found = queue_.tasks().find(task);
  if (found == queue_.tasks().end()) return "task " + to_string(task) + " does not exist";
  if (found->second.state != bidding::TaskState::kPoisoned) {
    return "task " + to_string(task) + " is not poisoned";
  }
  if (!queue_.retry(task)) return "a newer task of its subject waits, or the queue is full";
  hand_out(now);
  return {};
}

void WorkerDesk::ask(const Now& now, const bidding::PriceSeries& prices) {
  if (options_.model == bidding::kNaiveModel || prices.empty()) return;
  const MarketTime end = prices.rbegin()->second.until;
  if (end + kBehindMax < now.market) return;  // more of the past is still to come
  const MarketTime from{std::chrono::floor<hours>(end.time_since_epoch())};
  if (asked_from_ && *asked_from_ >= from) return;
  asked_from_ = from;
  bidding::ForecastAsk ask = ask_of(prices, from);
  if (ask.history.size() < options_.hours_min) {
    idle_ = "prices of " + std::to_string(options_.hours_min / 24) + " days are needed, those of " +
            std::to_string(ask.history.size() / 24) + " are known";
    return;
  }
  idle_.clear();
  offer(now,
        {TaskKind::kForecast, bidding::kForecastTaskVersion, kPrices, options_.codec.encode(ask)});
}

void WorkerDesk::ask(const Now& now, const bidding::AdviceAsk& advice) {
  offer(now, {TaskKind::kOptimise, bidding::kAdviceTaskVersion, bid_key(advice.gate),
              options_.codec.encode_advice(advice), advice.gate.closes});
}

void WorkerDesk::offer(const Now& now, bidding::TaskAsk ask) {
  queue_.forget_overdue(now.market);
  if (queue_.offer(std::move(ask)) == bidding::TaskQueue::Offered::kFull) ++offers_refused_;
  hand_out(now);
}

/// From the first hour that is known on.
bidding::ForecastAsk WorkerDesk::ask_of(const bidding::PriceSeries& prices, MarketTime from) const {
  bidding::ForecastAsk ask{options_.model, from, {}};
  const auto history = static_cast<std::int64_t>(options_.history_hours);
  for (MarketTime at = from - hours{history}; at < from; at += hours{1}) {
    const auto price = bidding::mean_price(prices, at, at + hours{1});
    if (price || !ask.history.empty()) ask.history.push_back(price);
  }
  return ask;
}

void WorkerDesk::advance(const Now& now) {
  queue_.advance(now.protocol);
  queue_.forget_overdue(now.market);
  for (auto at = workers_.begin(); at != workers_.end();) {
    const auto worker = at++;
    Worker& known = worker->second;
    if (known.task && !queue_.leases().contains(*known.task)) {
      known.task.reset();
      known.view.stuck = true;
      ++known.view.failed;
    }
    if (silent_at(known) <= now.protocol) lose(worker);
  }
  hand_out(now);
}

void WorkerDesk::lose(Workers::iterator worker) {
  effects_.notices.push_back({Severity::kWarning, "VPP_WORKER_LOST",
                              worker->second.view.name + " was not heard of any more"});
  workers_.erase(worker);
}

Instant WorkerDesk::next_deadline() const {
  Instant due = queue_.next_deadline();
  for (const auto& [connection, worker] : workers_) {
    due = std::min(due, silent_at(worker));
  }
  return due;
}

/// A lease ends first, and then the worker is forgotten; our own thread never is.
Instant WorkerDesk::silent_at(const Worker& worker) const {
  if (worker.task || worker.view.connection == kInProcess) return kNever;
  return worker.view.heard_at + silence_max(worker);
}

Duration WorkerDesk::silence_max(const Worker& worker) const {
  return std::max(worker.lease.value_or(Duration{0}), options_.queue.lease);
}

void WorkerDesk::hand_out(const Now& now) {
  for (auto& [connection, worker] : workers_) {
    if (worker.task || worker.view.stuck) continue;
    const auto task = queue_.lease(now.protocol, connection, worker.view.kinds, worker.lease);
    if (!task) continue;
    worker.task = task->id;
    effects_.tell.push_back({connection, bidding::TaskGiven{task->id, task->ask.kind,
                                                            task->ask.version, task->ask.input}});
  }
}

void WorkerDesk::say_poisoned() {
  for (const bidding::Task& task : queue_.take_poisoned()) {
    effects_.notices.push_back({Severity::kError, "VPP_TASK_POISONED",
                                "task " + to_string(task.id) + " (" + task.ask.subject +
                                    ") failed " + std::to_string(task.leases) +
                                    " times and is set aside; the last time: " + task.why});
  }
}

DeskEffects WorkerDesk::take_effects() {
  say_poisoned();
  effects_.persist = queue_.take_records();
  return std::exchange(effects_, {});
}

std::optional<MadeForecast> WorkerDesk::take_forecast() {
  return std::exchange(forecast_, std::nullopt);
}

std::vector<bidding::BidAdvised> WorkerDesk::take_advice() {
  std::vector<bidding::BidAdvised> out;
  for (auto& [key, each] : std::exchange(advice_, {})) out.push_back(std::move(each));
  return out;
}

WorkersStatus WorkerDesk::status() const {
  WorkersStatus out;
  out.model = options_.model;
  out.optimiser = options_.optimiser;
  for (const auto& [connection, worker] : workers_) out.workers.push_back(worker.view);
  for (const auto& [id, task] : queue_.tasks()) {
    bidding::Task& shown = out.tasks[id];
    shown = task;
    shown.ask.input.clear();
    shown.result.clear();
  }
  out.leases = queue_.leases();
  out.refused = refused_;
  out.offers_refused = offers_refused_;
  out.idle = idle_;
  return out;
}

}  // namespace vpp::node
