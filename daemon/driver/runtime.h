// One vppd at work: events from sockets, device, market and operators into the node, its effects
// out, in their order. Everything is wired here; there are no globals.
//
// Threads    the caller's is the node's loop and owns node, store and transport. Beside it:
// ZeroMQ's
//            own, the control API's, the signals', the device's (leaf), the market's (root). They
//            reach the loop through bounded mailboxes and ZmqTransport::wake() only.
// Durable    a batch's records are on the disk before anything else of the batch is done; what
//            cannot be made durable holds back what depends on it (durability.h).
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "config/role_config.h"

namespace vpp::driver {

struct RuntimeOptions {
  RoleConfig config;
  std::string config_file;
};

class Runtime {
 public:
  /// Takes the state directory, listens, connects the device thread. Errors are one line.
  /// Call before other threads start.
  [[nodiscard]] static std::expected<std::unique_ptr<Runtime>, std::string> open(
      const RuntimeOptions& options);
  ~Runtime();
  Runtime(const Runtime&) = delete;
  Runtime& operator=(const Runtime&) = delete;

  /// Until a signal asks to stop and everything is left clean. The exit code of the process.
  int run();

  /// A thread hangs in a driver or market call: leave by _exit().
  [[nodiscard]] bool thread_left_behind() const;

 private:
  class Impl;
  explicit Runtime(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpp::driver
