#include "bidding/market_loader.h"

#include <dlfcn.h>

#include <array>

namespace vpp::bidding {

namespace {

template <class Make>
std::expected<Make*, std::string> load(const std::string& module, const char* symbol) {
  void* library = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    return std::unexpected{"cannot load what a market needs: " + std::string{::dlerror()}};
  }
  auto* make = reinterpret_cast<Make*>(::dlsym(library, symbol));
  if (make == nullptr) {
    ::dlclose(library);
    return std::unexpected{module + " is none of ours: it has no " + symbol};
  }
  return make;
}

}  // namespace

std::expected<std::unique_ptr<MarketAdapter>, std::string> load_market(const std::string& module,
                                                                       const MarketConfig& config) {
  const auto make = load<MakeMarket>(module, kMakeMarketSymbol);
  if (!make) return std::unexpected{make.error()};
  std::array<char, 256> why{};
  std::unique_ptr<MarketAdapter> adapter{(*make)(config, why.data(), why.size())};
  if (adapter == nullptr) return std::unexpected{config.url + ": " + why.data()};
  return adapter;
}

std::expected<MakeLinearProgram*, std::string> load_solver(const std::string& module) {
  return load<MakeLinearProgram>(module, kMakeProgramSymbol);
}

std::expected<std::unique_ptr<HttpPoster>, std::string> load_poster(const std::string& module,
                                                                    const std::string& base_url,
                                                                    long timeout_ms) {
  const auto make = load<MakePoster>(module, kMakePosterSymbol);
  if (!make) return std::unexpected{make.error()};
  std::unique_ptr<HttpPoster> poster{(*make)(base_url.c_str(), timeout_ms)};
  if (poster == nullptr) return std::unexpected{base_url + ": out of memory"};
  return poster;
}

std::expected<std::unique_ptr<openadr::VtnAdapter>, std::string> load_vtn(
    const std::string& module, const openadr::VtnOptions& options) {
  const auto make = load<openadr::MakeVtn>(module, openadr::kMakeVtnSymbol);
  if (!make) return std::unexpected{make.error()};
  std::unique_ptr<openadr::VtnAdapter> vtn{(*make)(options)};
  if (vtn == nullptr) return std::unexpected{options.url + ": out of memory"};
  return vtn;
}

}  // namespace vpp::bidding
