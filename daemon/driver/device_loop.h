// The leaf's device thread: one driver, one controller, and a mailbox each way.
//
// Independent  it never waits for the network or the disk, and the node's loop never waits for the
//              device: both mailboxes hold one value, the newest, behind a mutex held for a copy.
// Rhythm       reads every `poll`; while armed for it, the grid's frequency every `frequency_poll`;
//              steps at once for a new order and at the controller's deadlines.
// Leaving      stop() releases the device to its local default (through the controller's ramp)
//              and closes it. A driver that hangs is left behind after `release_max` and
//              `driver_max`: the device's own revert timer finishes the job.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/time.h"
#include "daemon/node/node.h"
#include "device/site.h"
#include "device/site_driver.h"

namespace vpp::driver {

struct DeviceLoopOptions {
  device::SiteLimits limits;
  std::vector<device::OrderAccount> accounts{};  ///< recovered
  Duration poll = std::chrono::seconds{1};
  Duration frequency_poll = std::chrono::milliseconds{200};
  Duration release_max = std::chrono::seconds{8};  ///< for the ramp home
  Duration driver_max = std::chrono::seconds{5};   ///< on top, for a call under way
};

struct DeviceReport {
  device::SiteStatus status;
  bool connected = false;
  std::string problem;        ///< why not, or the newest failure; empty: none
  std::string meter_problem;  ///< device::Telemetry
};

class DeviceLoop {
 public:
  /// `now` gives protocol time and is called on both threads; `on_report` is called on the device
  /// thread after each report and must not block. `reference` maps protocol to market time.
  DeviceLoop(const DeviceLoopOptions& options, std::unique_ptr<device::SiteDriver> driver,
             const Now& reference, std::function<Instant()> now, std::function<void()> on_report);
  ~DeviceLoop();
  DeviceLoop(const DeviceLoop&) = delete;
  DeviceLoop& operator=(const DeviceLoop&) = delete;

  /// Newest wins. `now` also sets the market time that the device thread goes by.
  void instruct(const Now& now, const node::SiteInstruction& instruction);
  void plan(const Now& now, const device::SitePlan& plan);
  void plant_heard(const Now& now);

  /// The newest report, once.
  [[nodiscard]] std::optional<DeviceReport> take_report();

  /// Releases the device. False: the driver did not come back in time.
  bool stop();

 private:
  class Worker;
  Duration stop_max_;
  std::shared_ptr<Worker> worker_;  ///< shared with the thread, which may outlive us when it hangs
  bool stopped_ = false;
};

}  // namespace vpp::driver
