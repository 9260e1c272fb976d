#include "daemon/driver/device_loop.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include "daemon/driver/clock.h"
#include "device/site_controller.h"

namespace vpp::driver {
namespace {

constexpr Duration kReconnect = std::chrono::milliseconds{500};  ///< the driver backs off itself
constexpr Duration kStepMin = std::chrono::milliseconds{10};     ///< no deadline can spin us

}  // namespace

class DeviceLoop::Worker {
 public:
  Worker(const DeviceLoopOptions& options, std::unique_ptr<device::SiteDriver> driver,
         const Now& reference, std::function<Instant()> clock, std::function<void()> on_report)
      : options_{options},
        driver_{std::move(driver)},
        clock_{std::move(clock)},
        on_report_{std::move(on_report)},
        controller_{options.limits, options.accounts} {
    inbox_.reference = reference;
  }

  // --- from the node's thread ------------------------------------------------------------------

  void instruct(const Now& now, const node::SiteInstruction& instruction) {
    post([&] {
      inbox_.reference = now;
      inbox_.instruction = instruction;
    });
  }
  void plan(const Now& now, const device::SitePlan& plan) {
    post([&] {
      inbox_.reference = now;
      inbox_.plan = plan;
    });
  }
  void plant_heard(const Now& now) {
    post([&] {
      inbox_.reference = now;
      inbox_.plant_heard = true;
    });
  }
  std::optional<DeviceReport> take_report() {
    const std::scoped_lock lock{mutex_};
    return std::exchange(outbox_, std::nullopt);
  }
  void ask_to_stop() {
    post([&] { inbox_.stop = true; });
  }
  bool wait_done(Duration most) {
    std::unique_lock lock{mutex_};
    return done_changed_.wait_for(lock, most, [&] { return done_; });
  }
  /// Nobody listens any more.
  void mute() {
    const std::scoped_lock lock{mutex_};
    on_report_ = nullptr;
  }

  // --- the device thread -----------------------------------------------------------------------

  void run() {
    while (round(wait())) {
    }
    if (driver_->connected()) {
      (void)driver_->write({});  // whatever the controller thinks: leave nothing set behind
      driver_->disconnect();
    }
    const std::scoped_lock lock{mutex_};
    done_ = true;
    done_changed_.notify_all();
  }

 private:
  struct Inbox {
    Now reference;
    std::optional<node::SiteInstruction> instruction;
    std::optional<device::SitePlan> plan;
    bool plant_heard = false;
    bool stop = false;
  };

  template <class Fill>
  void post(Fill fill) {
    {
      const std::scoped_lock lock{mutex_};
      fill();
      fresh_ = true;
    }
    inbox_changed_.notify_one();
  }

  /// Until something is due or arrives.
  Inbox wait() {
    std::unique_lock lock{mutex_};
    const Duration most =
        std::max(Duration{0}, wake_at_ == Instant::min() ? Duration{0} : wake_at_ - clock_());
    inbox_changed_.wait_for(lock, most, [&] { return fresh_; });
    fresh_ = false;
    Inbox inbox = inbox_;
    inbox_.instruction.reset();
    inbox_.plan.reset();
    inbox_.plant_heard = false;
    return inbox;
  }

  /// False: done, leave.
  bool round(const Inbox& inbox) {
    Now now = market_at(inbox.reference, clock_());
    if (inbox.plant_heard) controller_.plant_heard(now);
    if (inbox.instruction && !stop_by_) {
      controller_.set_order(now, inbox.instruction->order, inbox.instruction->ahead);
    }
    if (inbox.plan && !stop_by_) controller_.set_plan(*inbox.plan);
    if (inbox.stop && !stop_by_) {
      stop_by_ = now.protocol + options_.release_max;
      controller_.set_plan({});
      controller_.set_order(now, std::nullopt);
    }
    const bool told = inbox.instruction || inbox.plan;
    const bool due = now.protocol >= wake_at_ || told || stop_by_;
    if (!due) return true;
    if (now.protocol >= std::min(poll_at_, frequency_at_)) {
      if (now.protocol >= poll_at_) {
        poll(now);
      } else {
        poll_frequency(now);
      }
      now = market_at(inbox.reference, clock_());  // a slow device took its time
    }
    const device::SiteEffects effects = controller_.step(now, telemetry_);
    if (effects.write && driver_->connected()) write(now, *effects.write);
    publish(effects.status);
    frequency_at_ = effects.status.frequency.armed && driver_->connected()
                        ? frequency_read_at_ + options_.frequency_poll
                        : kNever;
    wake_at_ = std::max(std::min({poll_at_, frequency_at_, controller_.next_deadline(now)}),
                        now.protocol + kStepMin);
    return !stop_by_ || !(released(effects.status) || now.protocol >= *stop_by_);
  }

  [[nodiscard]] bool released(const device::SiteStatus& status) const {
    return !driver_->connected() || status.mode == device::Mode::kLocalDefault ||
           status.mode == device::Mode::kUncontrollable;
  }

  void poll(const Now& now) {
    poll_at_ = now.protocol + options_.poll;
    frequency_read_at_ = now.protocol;
    if (!driver_->connected() && !connect(now)) return;
    if (auto telemetry = driver_->read(now.protocol); telemetry) {
      telemetry_ = *std::move(telemetry);
      problem_.clear();
    } else {
      lost(now, telemetry.error());
    }
  }

  /// The rest of the telemetry stays as it was, with its age.
  void poll_frequency(const Now& now) {
    frequency_read_at_ = now.protocol;
    if (auto frequency = driver_->read_frequency(now.protocol); frequency) {
      telemetry_.frequency_mhz = *frequency;
    } else {
      lost(now, frequency.error());
    }
  }

  bool connect(const Now& now) {
    auto nameplate = driver_->connect();
    if (nameplate) {
      controller_.connected(*nameplate);
      return true;
    }
    if (problem_.empty()) problem_ = nameplate.error();  // the first cause says the most
    poll_at_ = now.protocol + std::min(options_.poll, kReconnect);
    return false;
  }

  void write(const Now& now, const device::DeviceCommand& command) {
    auto written = driver_->write(command);
    if (written) return;
    problem_ = written.error();
    if (!driver_->connected()) lost(now, written.error());
  }

  void lost(const Now& now, const std::string& why) {
    problem_ = why;
    driver_->disconnect();
    controller_.disconnected(now);
    telemetry_ = {};
  }

  void publish(const device::SiteStatus& status) {
    const std::scoped_lock lock{mutex_};
    outbox_ = DeviceReport{status, driver_->connected(), problem_, telemetry_.meter_problem};
    if (on_report_) on_report_();  // under the lock: after mute() it is never called
  }

  const DeviceLoopOptions options_;
  const std::unique_ptr<device::SiteDriver> driver_;
  const std::function<Instant()> clock_;

  std::mutex mutex_;
  std::function<void()> on_report_;
  std::condition_variable inbox_changed_;
  std::condition_variable done_changed_;
  bool fresh_ = false;
  bool done_ = false;
  Inbox inbox_;
  std::optional<DeviceReport> outbox_;

  // Of the device thread alone.
  device::SiteController controller_;
  device::Telemetry telemetry_;
  std::string problem_;
  Instant poll_at_{Instant::min()};
  Instant frequency_at_{kNever};
  Instant frequency_read_at_{};
  Instant wake_at_{Instant::min()};
  std::optional<Instant> stop_by_;
};

DeviceLoop::DeviceLoop(const DeviceLoopOptions& options, std::unique_ptr<device::SiteDriver> driver,
                       const Now& reference, std::function<Instant()> now,
                       std::function<void()> on_report)
    : stop_max_{options.release_max + options.driver_max},
      worker_{std::make_shared<Worker>(options, std::move(driver), reference, std::move(now),
                                       std::move(on_report))} {
  std::thread{[worker = worker_] { worker->run(); }}.detach();
}

DeviceLoop::~DeviceLoop() {
  stop();
}

void DeviceLoop::instruct(const Now& now, const node::SiteInstruction& instruction) {
  worker_->instruct(now, instruction);
}
void DeviceLoop::plan(const Now& now, const device::SitePlan& plan) {
  worker_->plan(now, plan);
}
void DeviceLoop::plant_heard(const Now& now) {
  worker_->plant_heard(now);
}
std::optional<DeviceReport> DeviceLoop::take_report() {
  return worker_->take_report();
}

bool DeviceLoop::stop() {
  if (std::exchange(stopped_, true)) return true;
  worker_->ask_to_stop();
  const bool done = worker_->wait_done(stop_max_);
  worker_->mute();
  return done;
}

}  // namespace vpp::driver
