// What systemd is told: ready, stopping, a line of status, and that the loop still turns. Without
// systemd (no NOTIFY_SOCKET) all of it does nothing.
#pragma once

#include <string>

#include "config/time.h"

namespace vpp::driver {

class Supervisor {
 public:
  Supervisor();

  void ready(const std::string& status);
  void stopping();
  void status(const std::string& line);

  /// Call from the node's loop only: what it proves is that the loop turns. Sends at most every
  /// third of the watchdog's time-out.
  void alive(Instant now);

  /// How long the loop may sleep; kNever-like long without a watchdog.
  [[nodiscard]] Duration interval() const { return interval_; }

 private:
  Duration interval_ = std::chrono::hours{1};
  bool watched_ = false;
  Instant next_{};
};

}  // namespace vpp::driver
