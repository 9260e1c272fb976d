// Carries calls to a market and brings the answers back. One implementation per kind of market.
#pragma once

#include <cstddef>

#include "bidding/market.h"
#include "config/role_config.h"

namespace vpp::bidding {

/// Not thread-safe; one thread calls it, and that thread may wait.
class MarketAdapter {
 public:
  MarketAdapter() = default;
  virtual ~MarketAdapter() = default;
  MarketAdapter(const MarketAdapter&) = delete;
  MarketAdapter& operator=(const MarketAdapter&) = delete;

  /// Blocks for a bounded time (seconds). Never throws; what goes wrong is CallFailed.
  [[nodiscard]] virtual MarketAnswer call(const MarketCall& call) = 0;
};

/// What a loadable adapter exports as kMakeMarketSymbol. Null: `error` holds why, in at most `n`
/// bytes with its end. The caller deletes the adapter.
using MakeMarket = MarketAdapter*(const MarketConfig& config, char* error, std::size_t n);
inline constexpr const char* kMakeMarketSymbol = "vpp_make_market";

}  // namespace vpp::bidding
