// The root's threads for whoever is asked over HTTP, a market or an OpenADR server: call_thread.h.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bidding/market.h"
#include "bidding/market_adapter.h"
#include "bidding/openadr_adapter.h"
#include "config/time.h"
#include "daemon/driver/call_thread.h"
#include "daemon/driver/clock.h"

namespace vpp::driver {

template <class Adapter, class Call, class Answer>
class AdapterThread {
 public:
  /// `on_answer` is called on the thread and must not block; `failed` makes the answer to a call
  /// that is not carried out.
  AdapterThread(std::unique_ptr<Adapter> adapter, Answer (*failed)(Call call, std::string why),
                std::function<void()> on_answer)
      : thread_{
            [adapter = std::shared_ptr<Adapter>{std::move(adapter)},
             failed](const Timed& timed) -> Answer {
              // A root that was stopped meanwhile may no longer speak for the plant.
              if (timed.until <= Clock::protocol()) {
                return failed(timed.call, "this root no longer leads");
              }
              return adapter->call(timed.call);
            },
            [failed](Timed timed) { return failed(std::move(timed.call), "too many calls wait"); },
            std::move(on_answer)} {}

  /// When too many wait, or its turn does not come before `until`, the answer is a failure.
  void call(Call call, Instant until = kNever) { thread_.call({std::move(call), until}); }

  [[nodiscard]] std::vector<Answer> take_answers() { return thread_.take_answers(); }

  /// A call that is cut off is safe to repeat after the next start. False: it did not come back,
  /// and its thread still runs.
  bool stop() { return thread_.stop(); }

 private:
  struct Timed {
    Call call;
    Instant until = kNever;
  };
  using Thread = CallThread<Timed, Answer>;
  Thread thread_;

 public:
  static constexpr std::size_t kCallsMax = Thread::kCallsMax;
};

class MarketThread
    : public AdapterThread<bidding::MarketAdapter, bidding::MarketCall, bidding::MarketAnswer> {
 public:
  MarketThread(std::unique_ptr<bidding::MarketAdapter> adapter, std::function<void()> on_answer);
};

class VtnThread : public AdapterThread<bidding::openadr::VtnAdapter, bidding::openadr::Call,
                                       bidding::openadr::Answer> {
 public:
  VtnThread(std::unique_ptr<bidding::openadr::VtnAdapter> adapter, std::function<void()> on_answer);
};

}  // namespace vpp::driver
