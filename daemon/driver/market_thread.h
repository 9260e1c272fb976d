// The root's market thread: see call_thread.h.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "bidding/market.h"
#include "bidding/market_adapter.h"
#include "config/time.h"
#include "daemon/driver/call_thread.h"

namespace vpp::driver {

class MarketThread {
 public:
  /// `on_answer` is called on the market thread and must not block.
  MarketThread(std::unique_ptr<bidding::MarketAdapter> adapter, std::function<void()> on_answer);

  /// When too many wait, or its turn does not come before `until`, the answer is CallFailed.
  void call(bidding::MarketCall call, Instant until = kNever);

  [[nodiscard]] std::vector<bidding::MarketAnswer> take_answers();

  /// A call that is cut off is safe to repeat after the next start. False: it did not come back,
  /// and its thread still runs.
  bool stop();

 private:
  struct Timed {
    bidding::MarketCall call;
    Instant until = kNever;
  };
  using Thread = CallThread<Timed, bidding::MarketAnswer>;
  Thread thread_;

 public:
  static constexpr std::size_t kCallsMax = Thread::kCallsMax;
};

}  // namespace vpp::driver
