#include "daemon/driver/market_thread.h"

#include <utility>

#include "daemon/driver/clock.h"

namespace vpp::driver {

MarketThread::MarketThread(std::unique_ptr<bidding::MarketAdapter> adapter,
                           std::function<void()> on_answer)
    : thread_{[adapter = std::shared_ptr<bidding::MarketAdapter>{std::move(adapter)}](
                  const Timed& timed) -> bidding::MarketAnswer {
                // A root that was stopped meanwhile may no longer speak for the plant.
                if (timed.until <= Clock::protocol()) {
                  return bidding::CallFailed{timed.call, "this root no longer leads"};
                }
                return adapter->call(timed.call);
              },
              [](Timed timed) {
                return bidding::CallFailed{std::move(timed.call), "too many calls wait"};
              },
              std::move(on_answer)} {}

bool MarketThread::stop() {
  return thread_.stop();
}
void MarketThread::call(bidding::MarketCall call, Instant until) {
  thread_.call({std::move(call), until});
}
std::vector<bidding::MarketAnswer> MarketThread::take_answers() {
  return thread_.take_answers();
}

}  // namespace vpp::driver
