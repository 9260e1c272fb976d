// Where external workers dial in: a ROUTER of ZeroMQ on a thread of its own (docs/workers.md).
//
// Threads    the node's loop calls take(), tell() and ends it; `on_message` is called on the
//            socket's thread and must not block.
// Hostile    whatever arrives is a message or WorkerUnread. Beyond kInboxMax the socket is not
//            read, so that a flood waits at its sender; a frame that is far too long costs its
//            sender the connection; an answer that nobody takes is dropped.
#pragma once

#include <cstddef>
#include <expected>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "daemon/node/workers.h"

namespace vpp::driver {

class WorkerSocket {
 public:
  static constexpr std::size_t kInboxMax = 256;

  /// `address`: "ipc:///path" or "tcp://127.0.0.1:port". Error: it cannot be listened on.
  [[nodiscard]] static std::expected<std::unique_ptr<WorkerSocket>, std::string> open(
      const std::string& address, std::function<void()> on_message);
  ~WorkerSocket();
  WorkerSocket(const WorkerSocket&) = delete;
  WorkerSocket& operator=(const WorkerSocket&) = delete;

  [[nodiscard]] std::vector<node::WorkerSaid> take();
  void tell(node::TellWorker message);

  /// As dialled: with the port that was chosen for port 0.
  [[nodiscard]] const std::string& bound_address() const;

 private:
  class Impl;
  explicit WorkerSocket(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpp::driver
