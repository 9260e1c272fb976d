// A server process for the length of a test.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace vpp {

/// Starts a program, waits for its line "READY ... ports=FIRST...", ends it with the test.
class ChildProcess {
 public:
  explicit ChildProcess(const std::vector<std::string>& command);
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;
  ~ChildProcess();

  /// The first port of its READY line; 0 when it ended without one.
  [[nodiscard]] int port() const { return port_; }
  /// Sends a signal.
  void signal(int number) const;
  /// Exit status; -1 when it did not end by itself.
  int wait();

 private:
  pid_t pid_ = -1;
  int stdin_ = -1;
  int stdout_ = -1;
  int port_ = 0;
};

}  // namespace vpp
