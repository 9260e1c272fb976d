// Hands tasks to workers and takes their results: the root's side of docs/workers.md. Pure.
//
// Asks       for prices, once for every full hour by which they are known; for advice on bids as
//            the bidder wants it.
// Believes   nobody: whatever is said is checked, and what is wrong is answered with an error and
//            counted. A result that cannot be believed is a failure.
// Silence    a worker that is not heard of within its lease is forgotten; it may say hello again.
// Stuck      one whose lease ran out gets no further task before it speaks of the last.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bidding/forecast.h"
#include "daemon/node/node.h"
#include "daemon/node/workers.h"

namespace vpp::node {

/// Carried out in field order.
struct DeskEffects {
  std::vector<bidding::TaskRecord> persist;
  std::vector<TellWorker> tell;
  std::vector<Notice> notices;
};

class WorkerDesk {
 public:
  static constexpr std::size_t kWorkersMax = 64;

  WorkerDesk(const WorkerOptions& options, const std::vector<bidding::Task>& recovered);

  void said(const Now& now, const WorkerSaid& message);
  /// Empty: done.
  [[nodiscard]] std::string retry(const Now& now, bidding::TaskId task);

  /// Asks for what these prices make worth asking.
  void ask(const Now& now, const bidding::PriceSeries& prices);
  /// Ahead of a gate; of no use once that closed.
  void ask(const Now& now, const bidding::AdviceAsk& advice);
  void advance(const Now& now);
  [[nodiscard]] Instant next_deadline() const;

  [[nodiscard]] DeskEffects take_effects();
  /// The newest, once; kept until somebody takes it.
  [[nodiscard]] std::optional<MadeForecast> take_forecast();
  /// The newest on each bid, once.
  [[nodiscard]] std::vector<bidding::BidAdvised> take_advice();

  [[nodiscard]] WorkersStatus status() const;

 private:
  struct Worker {
    WorkerView view;
    std::optional<Duration> lease;  ///< as it asked for
    std::optional<bidding::TaskId> task;
  };
  using Workers = std::map<std::string, Worker>;

  void on(const Now& now, const std::string& from, const bidding::WorkerHello& hello);
  void on(const Now& now, const std::string& from, const bidding::WorkerResult& result);
  void on(const Now& now, const std::string& from, const bidding::WorkerFailed& failed);
  void on(const Now& now, const std::string& from, const bidding::WorkerHeartbeat& heartbeat);
  void on(const Now& now, const std::string& from, const bidding::WorkerBye& bye);
  void on(const Now& now, const std::string& from, const bidding::WorkerUnread& unread);

  void offer(const Now& now, bidding::TaskAsk ask);
  void keep(const bidding::Task& task, MadeForecast made);
  void keep(const bidding::Task& task, bidding::BidAdvised made);
  void refuse(const std::string& worker, std::string why);
  void fail(const std::string& from, bidding::TaskId task, const std::string& why);
  void lose(Workers::iterator worker);
  void hand_out(const Now& now);
  void say_poisoned();
  [[nodiscard]] Instant silent_at(const Worker& worker) const;
  [[nodiscard]] Duration silence_max(const Worker& worker) const;
  [[nodiscard]] bidding::ForecastAsk ask_of(const bidding::PriceSeries& prices,
                                            MarketTime from) const;

  WorkerOptions options_;
  bidding::TaskQueue queue_;
  Workers workers_;
  std::optional<MarketTime> asked_from_;
  std::optional<MadeForecast> forecast_;
  std::map<std::string, bidding::BidAdvised> advice_;
  std::string idle_ = "no price is known";
  std::uint64_t refused_ = 0;
  std::uint64_t offers_refused_ = 0;
  DeskEffects effects_;
};

}  // namespace vpp::node
