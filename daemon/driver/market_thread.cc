#include "daemon/driver/market_thread.h"

namespace vpp::driver {

namespace openadr = bidding::openadr;

MarketThread::MarketThread(std::unique_ptr<bidding::MarketAdapter> adapter,
                           std::function<void()> on_answer)
    : AdapterThread{std::move(adapter),
                    [](bidding::MarketCall call, std::string why) -> bidding::MarketAnswer {
                      return bidding::CallFailed{std::move(call), std::move(why)};
                    },
                    std::move(on_answer)} {}

VtnThread::VtnThread(std::unique_ptr<openadr::VtnAdapter> adapter, std::function<void()> on_answer)
    : AdapterThread{std::move(adapter),
                    [](openadr::Call call, std::string why) {
                      return openadr::Answer{std::move(call), openadr::Refused{0, std::move(why)}};
                    },
                    std::move(on_answer)} {}

}  // namespace vpp::driver
