// SIGTERM and SIGINT as a callback on a small thread of their own, where everything is allowed.
#pragma once

#include <functional>
#include <thread>

namespace vpp::driver {

/// Construct before any other thread: they must inherit the blocked signals. A second signal ends
/// the process at once: somebody is in a hurry.
class Signals {
 public:
  /// `asked` is called once, on the signal thread.
  explicit Signals(std::function<void()> asked);
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  /// Blocks the signals in this thread and those it starts.
  static void block();

 private:
  std::thread thread_;
};

}  // namespace vpp::driver
