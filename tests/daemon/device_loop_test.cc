#include "daemon/driver/device_loop.h"

#include <catch2/catch.hpp>
#include <condition_variable>
#include <mutex>

#include "daemon/driver/clock.h"

using namespace vpp;
using namespace vpp::driver;
using namespace std::chrono_literals;

namespace {

/// Shared between the test and a driver that lives on the device thread.
struct DeviceLoopBench {
  std::mutex mutex;
  std::condition_variable changed;
  bool blocked = false;  ///< read() does not come back
  bool reachable = true;
  std::size_t reads = 0;
  std::size_t frequency_reads = 0;
  std::int32_t frequency_mhz = 50'000;
  std::size_t waiting = 0;  ///< in a blocked read()
  std::size_t reports = 0;
  std::vector<device::DeviceCommand> writes;
  bool disconnected = false;

  template <class Change>
  void change(Change change_it) {
    const std::scoped_lock lock{mutex};
    change_it();
    changed.notify_all();
  }
  template <class Condition>
  void await(Condition condition) {
    std::unique_lock lock{mutex};
    changed.wait(lock, condition);
  }
};

class FakeBattery : public device::SiteDriver {
 public:
  explicit FakeBattery(DeviceLoopBench& bench) : bench_{bench} {}

  std::expected<device::Nameplate, std::string> connect() override {
    const std::scoped_lock lock{bench_.mutex};
    if (!bench_.reachable) return std::unexpected{"connection refused"};
    connected_ = true;
    device::Nameplate plate;
    plate.discharge_max = Watts{5'000};
    plate.charge_max = Watts{5'000};
    plate.energy_max = WattHours{10'000};
    plate.controllable = true;
    plate.has_revert_timer = true;
    return plate;
  }

  std::expected<device::Telemetry, std::string> read(Instant now) override {
    std::unique_lock lock{bench_.mutex};
    ++bench_.waiting;
    bench_.changed.notify_all();
    bench_.changed.wait(lock, [&] { return !bench_.blocked; });
    --bench_.waiting;
    ++bench_.reads;
    bench_.changed.notify_all();
    if (!bench_.reachable) return std::unexpected{"connection reset"};
    const auto good = [&](auto value) {
      return device::Reading<decltype(value)>{value, device::Quality::kGood, now};
    };
    device::Telemetry out;
    out.battery = good(power_);
    out.site = good(power_);
    out.soc_permille = good(std::int32_t{600});
    out.stored = good(to_joules(WattHours{6'000}));
    out.set_point_active = active_;
    out.set_point = good(power_);
    if (active_) out.revert_remaining_s = 30;
    return out;
  }

  std::expected<device::Reading<std::int32_t>, std::string> read_frequency(Instant now) override {
    const std::scoped_lock lock{bench_.mutex};
    ++bench_.frequency_reads;
    bench_.changed.notify_all();
    return device::Reading<std::int32_t>{bench_.frequency_mhz, device::Quality::kGood, now};
  }

  std::expected<void, std::string> write(const device::DeviceCommand& command) override {
    const std::scoped_lock lock{bench_.mutex};
    bench_.writes.push_back(command);
    active_ = command.set_point.has_value();
    power_ = command.set_point.value_or(Watts{0});
    bench_.changed.notify_all();
    return {};
  }

  void disconnect() override {
    const std::scoped_lock lock{bench_.mutex};
    connected_ = false;
    bench_.disconnected = true;
    bench_.changed.notify_all();
  }

  [[nodiscard]] bool connected() const override { return connected_; }

 private:
  DeviceLoopBench& bench_;
  bool connected_ = false;
  bool active_ = false;
  Watts power_;
};

Now now() {
  return Clock{std::nullopt}.now();
}

struct Running {
  explicit Running(Duration every = 20ms) : poll{every} {}

  Duration poll;
  DeviceLoopBench bench;
  DeviceLoop loop{
      DeviceLoopOptions{.limits = {}, .poll = poll, .frequency_poll = 10ms, .release_max = 2s},
      std::make_unique<FakeBattery>(bench), now(), [] { return Clock::protocol(); },
      [this] { bench.change([&] { ++bench.reports; }); }};

  void order(Watts power, Service service = Service::kEnergy) {
    const Now at = now();
    loop.plant_heard(at);
    loop.instruct(at, {device::SiteOrder{.order = {7},
                                         .power = power,
                                         .from = at.market,
                                         .until = at.market + 1h,
                                         .expires = at.protocol + 1h,
                                         .service = service}});
  }
  bool wrote(Watts power) {
    for (const auto& write : bench.writes) {
      if (write.set_point == power) return true;
    }
    return false;
  }
};

}  // namespace

TEST_CASE("an order reaches the device, and stopping releases it", "[driver][device]") {
  Running running;
  DeviceLoopBench& bench = running.bench;
  bench.await([&] { return bench.reports >= 2; });
  running.order(Watts{3'000});
  bench.await([&] { return running.wrote(Watts{3'000}); });
  CHECK(running.loop.stop());
  REQUIRE_FALSE(bench.writes.empty());
  CHECK_FALSE(bench.writes.back().set_point.has_value());
  CHECK(bench.disconnected);
}

TEST_CASE("armed for the frequency, the device is asked for it between rounds and answers at once",
          "[driver][device]") {
  Running running{1h};
  DeviceLoopBench& bench = running.bench;
  bench.await([&] { return bench.reports >= 1; });
  running.order(Watts{1'000}, Service::kFrequency);
  bench.await([&] { return bench.frequency_reads >= 5; });
  bench.change([&] { bench.frequency_mhz = 49'700; });
  bench.await([&] { return running.wrote(Watts{1'000}); });
  CHECK(bench.reads == 1);
  running.loop.stop();
}

TEST_CASE("the newest status is reported once", "[driver][device]") {
  Running running;
  running.bench.await([&] { return running.bench.reads >= 1 && running.bench.reports >= 2; });
  // The device thread keeps reporting: stop it to look at the last word.
  running.loop.stop();
  const auto report = running.loop.take_report();
  REQUIRE(report.has_value());
  CHECK(report->status.soc_permille == 600);
  CHECK_FALSE(running.loop.take_report().has_value());
}

TEST_CASE("a device that hangs does not hold the node's loop; the newest order wins afterwards",
          "[driver][device]") {
  Running running;
  DeviceLoopBench& bench = running.bench;
  bench.await([&] { return bench.reports >= 2; });
  bench.change([&] { bench.blocked = true; });
  bench.await([&] { return bench.waiting == 1; });
  // With the device thread stuck in its driver these return, or the test hangs.
  for (int i = 1; i <= 1'000; ++i) running.order(Watts{i});
  (void)running.loop.take_report();
  bench.change([&] { bench.blocked = false; });
  bench.await([&] { return running.wrote(Watts{1'000}); });
  const std::scoped_lock lock{bench.mutex};
  CHECK(bench.writes.size() <= 3);  // not a thousand
}

TEST_CASE("a node that never fetches its reports does not hold the device thread",
          "[driver][device]") {
  Running running;
  running.bench.await([&] { return running.bench.reads >= 20; });
}

TEST_CASE("a device that went away is reported, and found again", "[driver][device]") {
  Running running;
  DeviceLoopBench& bench = running.bench;
  bench.await([&] { return bench.reports >= 2; });
  const auto await_connected = [&](bool wanted) {
    for (;;) {
      std::size_t seen = 0;
      bench.change([&] { seen = bench.reports; });
      if (const auto report = running.loop.take_report(); report && report->connected == wanted) {
        return *report;
      }
      bench.await([&] { return bench.reports > seen; });
    }
  };
  bench.change([&] { bench.reachable = false; });
  const DeviceReport lost = await_connected(false);
  CHECK(lost.status.stale);
  CHECK_FALSE(lost.problem.empty());
  CHECK(lost.status.discharge.power == Watts{0});
  bench.change([&] { bench.reachable = true; });
  const DeviceReport found = await_connected(true);
  CHECK(found.problem.empty());
}

TEST_CASE("stopping does not wait for ever for a device that hangs", "[driver][device]") {
  // The driver outlives the loop on its detached thread; so does the bench.
  static DeviceLoopBench bench;
  bench.blocked = true;
  auto loop = std::make_unique<DeviceLoop>(
      DeviceLoopOptions{.limits = {}, .poll = 20ms, .release_max = 0ms, .driver_max = 1ms},
      std::make_unique<FakeBattery>(bench), now(), [] { return Clock::protocol(); }, [] {});
  bench.await([&] { return bench.waiting == 1; });
  CHECK_FALSE(loop->stop());
  loop.reset();
  bench.change([&] { bench.blocked = false; });
  bench.await([&] { return bench.disconnected; });
}
