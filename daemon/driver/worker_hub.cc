#include "daemon/driver/worker_hub.h"

#include <utility>
#include <variant>

#include "bidding/decide.h"
#include "bidding/price_outlook.h"
#include "bidding/task_json.h"

namespace vpp::driver {

namespace {

constexpr const char* kDamaged = "the task is damaged: ";

std::expected<node::Made, std::string> forecast_of(const bidding::Task& task,
                                                   const std::string& output) {
  const auto ask = bidding::forecast_ask_from_json(task.ask.input);
  if (!ask) return std::unexpected{kDamaged + ask.error()};
  auto answer = bidding::forecast_answer_from_json(output);
  if (!answer) return std::unexpected{answer.error()};
  return node::MadeForecast{task.id, task.worker, ask->from, *std::move(answer)};
}

std::expected<node::Made, std::string> advice_of(const bidding::Task& task,
                                                 const std::string& output) {
  const auto ask = bidding::advice_ask_from_json(task.ask.input);
  if (!ask) return std::unexpected{kDamaged + ask.error()};
  auto answer = bidding::advice_answer_from_json(output, *ask);
  if (!answer) return std::unexpected{answer.error()};
  return bidding::BidAdvised{.key = bid_key(ask->gate),
                             .gate = ask->gate,
                             .task = task.id,
                             .model = std::move(answer->model),
                             .worker = task.worker,
                             .outlook = outlook_name(ask->price_min, ask->slots),
                             .segments = std::move(answer->segments),
                             .why = std::move(answer->why)};
}

}  // namespace

node::TaskCodec task_codec() {
  node::TaskCodec codec;
  codec.encode = [](const bidding::ForecastAsk& ask) { return to_json(ask); };
  codec.encode_advice = [](const bidding::AdviceAsk& ask) { return to_json(ask); };
  codec.decode = [](const bidding::Task& task, const std::string& output) {
    return task.ask.kind == bidding::TaskKind::kOptimise ? advice_of(task, output)
                                                         : forecast_of(task, output);
  };
  return codec;
}

bidding::FromWorker work_on(const bidding::TaskGiven& task) {
  const bool known =
      task.kind == bidding::TaskKind::kForecast && task.version == bidding::kForecastTaskVersion;
  if (!known) return bidding::WorkerFailed{task.task, "tasks of this kind are not known here"};
  const auto ask = bidding::forecast_ask_from_json(task.input);
  if (!ask) return bidding::WorkerFailed{task.task, ask.error()};
  const auto answer = bidding::price_outlook(*ask);
  if (!answer) return bidding::WorkerFailed{task.task, answer.error()};
  return bidding::WorkerResult{task.task, to_json(*answer)};
}

std::expected<std::unique_ptr<WorkerHub>, std::string> WorkerHub::open(
    const RootConfig& config, std::function<void()> on_message) {
  std::unique_ptr<WorkerHub> hub{new WorkerHub};
  if (config.workers) {
    auto socket = WorkerSocket::open(config.workers->listen, on_message);
    if (!socket) return std::unexpected{socket.error()};
    hub->socket_ = *std::move(socket);
  }
  if (!config.forecast.external && config.forecast.model != bidding::kNaiveModel) {
    hub->thread_.emplace(
        work_on,
        [](const bidding::TaskGiven& task) -> bidding::FromWorker {
          return bidding::WorkerFailed{task.task, "too many tasks wait"};
        },
        std::move(on_message));
  }
  return hub;
}

std::vector<node::WorkerSaid> WorkerHub::take() {
  std::vector<node::WorkerSaid> out;
  if (thread_ && !std::exchange(said_hello_, true)) {
    out.push_back({node::kInProcess, bidding::WorkerHello{.version = bidding::kWorkerProtocol,
                                                          .name = node::kInProcess,
                                                          .kinds = {bidding::TaskKind::kForecast},
                                                          .lease = bidding::kWorkerLeaseMax}});
  }
  if (thread_) {
    for (auto& said : thread_->take_answers()) {
      out.push_back({node::kInProcess, std::move(said)});
    }
  }
  if (socket_) {
    for (auto& said : socket_->take()) out.push_back(std::move(said));
  }
  return out;
}

void WorkerHub::tell(node::TellWorker message) {
  if (message.worker != node::kInProcess) {
    if (socket_) socket_->tell(std::move(message));
  } else if (const auto* task = std::get_if<bidding::TaskGiven>(&message.what); task && thread_) {
    thread_->call(*task);
  }
}

bool WorkerHub::stop() {
  socket_.reset();
  return !thread_ || thread_->stop();
}

}  // namespace vpp::driver
