// The root's market thread: calls go in, answers come out, and the node's loop never waits for a
// market. One call at a time, in order.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

#include "bidding/market.h"
#include "bidding/market_adapter.h"

namespace vpp::driver {

class MarketThread {
 public:
  static constexpr std::size_t kCallsMax = 64;  ///< waiting; a day has 96 gates, one at a time

  /// `on_answer` is called on the market thread and must not block.
  MarketThread(std::unique_ptr<bidding::MarketAdapter> adapter, std::function<void()> on_answer);
  ~MarketThread();
  MarketThread(const MarketThread&) = delete;
  MarketThread& operator=(const MarketThread&) = delete;

  /// When too many wait, the answer is CallFailed.
  void call(bidding::MarketCall call);

  [[nodiscard]] std::vector<bidding::MarketAnswer> take_answers();

  /// Waits a moment for the call under way; it is safe to repeat after the next start. False: the
  /// call did not come back, and its thread still runs.
  bool stop();

 private:
  class Worker;
  std::shared_ptr<Worker> worker_;  ///< shared with the thread: a call that hangs outlives us
  bool stopped_ = false;
};

}  // namespace vpp::driver
