#include "daemon/driver/supervisor.h"

#include <systemd/sd-daemon.h>

#include <algorithm>

namespace vpp::driver {

Supervisor::Supervisor() {
  std::uint64_t timeout_us = 0;
  watched_ = ::sd_watchdog_enabled(0, &timeout_us) > 0;
  if (watched_) {
    interval_ = std::max(Duration{1}, Duration{static_cast<Duration::rep>(timeout_us / 3'000)});
  }
}

void Supervisor::ready(const std::string& status) {
  ::sd_notify(0, ("READY=1\nSTATUS=" + status).c_str());
}
void Supervisor::stopping() {
  ::sd_notify(0, "STOPPING=1\nSTATUS=draining");
}
void Supervisor::status(const std::string& line) {
  ::sd_notify(0, ("STATUS=" + line).c_str());
}

void Supervisor::alive(Instant now) {
  if (!watched_ || now < next_) return;
  next_ = now + interval_;
  ::sd_notify(0, "WATCHDOG=1");
}

}  // namespace vpp::driver
