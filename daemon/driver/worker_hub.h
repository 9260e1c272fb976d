// Every worker of a root: our own thread, and those that dial in. What they say goes to the node.
#pragma once

#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bidding/worker_messages.h"
#include "config/role_config.h"
#include "daemon/driver/call_thread.h"
#include "daemon/driver/worker_socket.h"
#include "daemon/node/workers.h"

namespace vpp::driver {

/// Questions and answers as JSON.
[[nodiscard]] node::TaskCodec task_codec();

/// What our own thread makes of a task: the models of bidding/price_outlook.h.
[[nodiscard]] bidding::FromWorker work_on(const bidding::TaskGiven& task);

class WorkerHub {
 public:
  /// `on_message` is called on other threads and must not block. Error: [workers] listen.
  [[nodiscard]] static std::expected<std::unique_ptr<WorkerHub>, std::string> open(
      const RootConfig& config, std::function<void()> on_message);

  [[nodiscard]] std::vector<node::WorkerSaid> take();
  void tell(node::TellWorker message);

  /// False: a forecast is still under way on its thread.
  bool stop();

 private:
  WorkerHub() = default;

  using Thread = CallThread<bidding::TaskGiven, bidding::FromWorker>;
  std::optional<Thread> thread_;
  std::unique_ptr<WorkerSocket> socket_;
  bool said_hello_ = false;
};

}  // namespace vpp::driver
