#include "daemon/driver/market_thread.h"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace vpp::driver {

class MarketThread::Worker {
 public:
  Worker(std::unique_ptr<bidding::MarketAdapter> adapter, std::function<void()> on_answer)
      : adapter_{std::move(adapter)}, on_answer_{std::move(on_answer)} {}

  void call(bidding::MarketCall call) {
    const std::scoped_lock lock{mutex_};
    if (calls_.size() >= kCallsMax) {
      answers_.emplace_back(bidding::CallFailed{std::move(call), "too many calls wait"});
      if (on_answer_) on_answer_();
      return;
    }
    calls_.push_back(std::move(call));
    changed_.notify_one();
  }

  std::vector<bidding::MarketAnswer> take_answers() {
    const std::scoped_lock lock{mutex_};
    return std::exchange(answers_, {});
  }

  bool stop(std::chrono::milliseconds most) {
    std::unique_lock lock{mutex_};
    stop_ = true;
    on_answer_ = nullptr;
    changed_.notify_one();
    return done_changed_.wait_for(lock, most, [&] { return done_; });
  }

  void run() {
    while (auto call = next()) {
      bidding::MarketAnswer answer = adapter_->call(*call);
      const std::scoped_lock lock{mutex_};
      answers_.push_back(std::move(answer));
      if (on_answer_) on_answer_();
    }
    const std::scoped_lock lock{mutex_};
    done_ = true;
    done_changed_.notify_all();
  }

 private:
  std::optional<bidding::MarketCall> next() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return stop_ || !calls_.empty(); });
    if (stop_) return std::nullopt;
    bidding::MarketCall call = std::move(calls_.front());
    calls_.pop_front();
    return call;
  }

  const std::unique_ptr<bidding::MarketAdapter> adapter_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::condition_variable done_changed_;
  std::function<void()> on_answer_;
  std::deque<bidding::MarketCall> calls_;
  std::vector<bidding::MarketAnswer> answers_;
  bool stop_ = false;
  bool done_ = false;
};

MarketThread::MarketThread(std::unique_ptr<bidding::MarketAdapter> adapter,
                           std::function<void()> on_answer)
    : worker_{std::make_shared<Worker>(std::move(adapter), std::move(on_answer))} {
  std::thread{[worker = worker_] { worker->run(); }}.detach();
}

MarketThread::~MarketThread() {
  stop();
}

bool MarketThread::stop() {
  if (std::exchange(stopped_, true)) return true;
  return worker_->stop(std::chrono::seconds{3});
}

void MarketThread::call(bidding::MarketCall call) {
  worker_->call(std::move(call));
}
std::vector<bidding::MarketAnswer> MarketThread::take_answers() {
  return worker_->take_answers();
}

}  // namespace vpp::driver
