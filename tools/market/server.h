// A small HTTP/1.1 server on loopback, one thread. All of Beast is in its one translation unit.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

#include "tools/market/api.h"

namespace vpp::market {

struct ServerOptions {
  std::uint16_t port = 0;  ///< 0: any
  std::function<void(std::uint16_t)> on_ready;
  std::function<Reply(const Request&)> on_request;
  std::function<void()> on_tick;  ///< once per `tick`
  std::chrono::milliseconds tick{200};
};

/// Serves until SIGTERM or SIGINT. Throws std::exception when it cannot listen.
void serve(const ServerOptions& options);

}  // namespace vpp::market
