#include "bidding/market_loader.h"

#include <dlfcn.h>

#include <array>

namespace vpp::bidding {

std::expected<std::unique_ptr<MarketAdapter>, std::string> load_market(const std::string& module,
                                                                       const std::string& url) {
  void* library = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return std::unexpected{"cannot load the market adapter: " + std::string{::dlerror()}};
  }
  auto* make = reinterpret_cast<MakeMarket*>(::dlsym(library, kMakeMarketSymbol));
  if (make == nullptr) {
    ::dlclose(library);
    return std::unexpected{module + " is no market adapter: it has no " + kMakeMarketSymbol};
  }
  std::array<char, 256> why{};
  std::unique_ptr<MarketAdapter> adapter{make(url.c_str(), why.data(), why.size())};
  if (adapter == nullptr) return std::unexpected{url + ": " + why.data()};
  return adapter;
}

}  // namespace vpp::bidding
