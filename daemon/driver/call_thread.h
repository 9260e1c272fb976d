// A thread that carries calls to somebody slow and brings the answers back: calls go in, answers
// come out, and the node's loop never waits. One call at a time, in order.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace vpp::driver {

template <class Call, class Answer>
class CallThread {
 public:
  static constexpr std::size_t kCallsMax = 64;  ///< waiting; a day has 96 gates, one at a time

  /// `carry` may wait and runs on the thread, `refuse` answers when too many wait. `on_answer` is
  /// called on either thread and must not block.
  CallThread(std::function<Answer(const Call&)> carry, std::function<Answer(Call)> refuse,
             std::function<void()> on_answer)
      : worker_{
            std::make_shared<Worker>(std::move(carry), std::move(refuse), std::move(on_answer))} {
    std::thread{[worker = worker_] { worker->run(); }}.detach();
  }
  ~CallThread() { stop(); }
  CallThread(const CallThread&) = delete;
  CallThread& operator=(const CallThread&) = delete;

  void call(Call call) { worker_->call(std::move(call)); }
  [[nodiscard]] std::vector<Answer> take_answers() { return worker_->take_answers(); }

  /// Waits a moment for the call under way, and, if `drain`, for those that wait. False: it did
  /// not come back, and its thread still runs.
  bool stop(bool drain = false) {
    if (std::exchange(stopped_, true)) return true;
    return worker_->stop(std::chrono::seconds{3}, drain);
  }

 private:
  class Worker {
   public:
    Worker(std::function<Answer(const Call&)> carry, std::function<Answer(Call)> refuse,
           std::function<void()> on_answer)
        : carry_{std::move(carry)}, refuse_{std::move(refuse)}, on_answer_{std::move(on_answer)} {}

    void call(Call call) {
      const std::scoped_lock lock{mutex_};
      if (calls_.size() >= kCallsMax) {
        answers_.push_back(refuse_(std::move(call)));
        if (on_answer_) on_answer_();
        return;
      }
      calls_.push_back(std::move(call));
      changed_.notify_one();
    }

    std::vector<Answer> take_answers() {
      const std::scoped_lock lock{mutex_};
      return std::exchange(answers_, {});
    }

    bool stop(std::chrono::milliseconds most, bool drain) {
      std::unique_lock lock{mutex_};
      stop_ = true;
      if (!drain) calls_.clear();
      on_answer_ = nullptr;
      changed_.notify_one();
      return done_changed_.wait_for(lock, most, [&] { return done_; });
    }

    void run() {
      while (auto call = next()) {
        Answer answer = carry_(*call);
        const std::scoped_lock lock{mutex_};
        answers_.push_back(std::move(answer));
        if (on_answer_) on_answer_();
      }
      const std::scoped_lock lock{mutex_};
      done_ = true;
      done_changed_.notify_all();
    }

   private:
    std::optional<Call> next() {
      std::unique_lock lock{mutex_};
      changed_.wait(lock, [&] { return stop_ || !calls_.empty(); });
      if (calls_.empty()) return std::nullopt;
      Call call = std::move(calls_.front());
      calls_.pop_front();
      return call;
    }

    const std::function<Answer(const Call&)> carry_;
    const std::function<Answer(Call)> refuse_;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::condition_variable done_changed_;
    std::function<void()> on_answer_;
    std::deque<Call> calls_;
    std::vector<Answer> answers_;
    bool stop_ = false;
    bool done_ = false;
  };

  std::shared_ptr<Worker> worker_;  ///< shared with the thread: a call that hangs outlives us
  bool stopped_ = false;
};

}  // namespace vpp::driver
