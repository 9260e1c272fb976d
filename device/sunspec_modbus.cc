#include "device/sunspec_modbus.h"

#include <modbus.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "device/sunspec.h"

namespace vpp::device {
namespace {

using SteadyClock = std::chrono::steady_clock;

struct FreeModbus {
  void operator()(modbus_t* context) const {
    modbus_close(context);
    modbus_free(context);
  }
};

/// The device heard us and will do better later.
bool is_busy(int error) {
  return error == EMBXSFAIL || error == EMBXACK || error == EMBXSBUSY;
}

/// The device answered with an exception: the connection is in order.
bool is_answer(int error) {
  return error >= EMBXILFUN && error <= EMBXGTAR;
}

/// Doubles from failure to failure.
class Backoff {
 public:
  [[nodiscard]] bool due() const { return SteadyClock::now() >= next_; }
  void worked() { wait_ = std::chrono::milliseconds{0}; }
  void failed(std::chrono::milliseconds least, std::chrono::milliseconds most) {
    wait_ = std::clamp(wait_ * 2, std::min(least, most), most);
    next_ = SteadyClock::now() + wait_;
  }

 private:
  std::chrono::milliseconds wait_{0};
  SteadyClock::time_point next_{};
};

/// What one Modbus unit holds, and the newest registers of what matters here.
struct UnitMap {
  int unit = 1;
  std::vector<sunspec::ModelBlock> chain;
  sunspec::Images images;
};

class SunspecDriver final : public SiteDriver {
 public:
  explicit SunspecDriver(SunspecOptions options) : options_{std::move(options)} {
    device_.unit = options_.unit;
    meter_.unit = options_.meter_unit.value_or(options_.unit);
  }

  std::expected<Nameplate, std::string> connect() override;
  std::expected<Telemetry, std::string> read(Instant now) override;
  std::expected<Reading<std::int32_t>, std::string> read_frequency(Instant now) override;
  std::expected<void, std::string> write(const DeviceCommand& command) override;
  void disconnect() override { context_.reset(); }
  [[nodiscard]] bool connected() const override { return context_ != nullptr; }

 private:
  using Block = std::vector<std::uint16_t>;

  std::expected<Nameplate, std::string> open_and_discover();
  std::expected<void, std::string> open();
  std::expected<void, std::string> discover(UnitMap& map);
  std::expected<void, std::string> refresh(UnitMap& map, std::uint16_t model);
  std::expected<Block, std::string> read_registers(int unit, std::uint16_t address,
                                                   std::uint16_t count);
  std::expected<void, std::string> write_registers(int unit, std::uint16_t address,
                                                   const Block& values);
  [[nodiscard]] bool expects_meter() const;
  [[nodiscard]] std::optional<std::uint16_t> meter_model() const;
  std::expected<Reading<Watts>, std::string> ask_meter(Instant now);
  std::expected<void, std::string> read_meter(Telemetry& telemetry, Instant now);
  /// Runs one request, again while the device is busy. Closes the connection when it is broken.
  template <class Request>
  std::expected<void, std::string> request(const char* what, int unit, const Request& call);
  void keep_pace();
  [[nodiscard]] std::string where() const;

  SunspecOptions options_;
  std::unique_ptr<modbus_t, FreeModbus> context_;
  UnitMap device_;
  UnitMap meter_;  ///< empty: not found yet; may be of the device's own unit
  std::string meter_problem_;
  Block found_704_;  ///< as it was before we touched it
  SteadyClock::time_point next_request_{};
  Backoff backoff_;
  Backoff meter_backoff_;
};

std::string SunspecDriver::where() const {
  return options_.host + ":" + std::to_string(options_.port);
}

std::expected<Nameplate, std::string> SunspecDriver::connect() {
  if (!backoff_.due()) return std::unexpected{where() + ": backing off"};
  disconnect();
  auto nameplate = open_and_discover();
  if (nameplate) {
    backoff_.worked();
    return nameplate;
  }
  disconnect();
  backoff_.failed(options_.backoff_min, options_.backoff_max);
  return std::unexpected{where() + ": " + nameplate.error()};
}

std::expected<Nameplate, std::string> SunspecDriver::open_and_discover() {
  if (auto opened = open(); !opened) return std::unexpected{opened.error()};
  if (auto found = discover(device_); !found) return std::unexpected{found.error()};
  for (const auto& block : device_.chain) {
    if (device_.images.contains(block.id)) continue;  // the first of its kind
    if (!sunspec::tells_nameplate(block.id) && !sunspec::tells_telemetry(block.id)) continue;
    if (auto done = refresh(device_, block.id); !done) return std::unexpected{done.error()};
  }
  meter_.chain.clear();
  if (meter_.unit == device_.unit) meter_.chain = device_.chain;
  Nameplate nameplate = sunspec::nameplate_of(device_.images);
  // A reconnect must not take our own set point for what was there before.
  if (found_704_.empty() && device_.images.contains(sunspec::kControlModel)) {
    found_704_ = device_.images.at(sunspec::kControlModel);
  }
  return nameplate;
}

std::expected<void, std::string> SunspecDriver::open() {
  context_.reset(modbus_new_tcp_pi(options_.host.c_str(), std::to_string(options_.port).c_str()));
  if (!context_) return std::unexpected{modbus_strerror(errno)};
  const auto us = std::chrono::microseconds{options_.timeout}.count();
  const bool set =
      modbus_set_response_timeout(context_.get(), static_cast<std::uint32_t>(us / 1'000'000),
                                  static_cast<std::uint32_t>(us % 1'000'000)) == 0 &&
      // Never RECOVERY_LINK: it blocks, and can deliver an old command after a reconnect.
      modbus_set_error_recovery(context_.get(), MODBUS_ERROR_RECOVERY_PROTOCOL) == 0;
  if (!set || modbus_connect(context_.get()) != 0) return std::unexpected{modbus_strerror(errno)};
  return {};
}

std::expected<Telemetry, std::string> SunspecDriver::read(Instant now) {
  if (!context_) return std::unexpected{where() + ": not connected"};
  std::vector<std::uint16_t> models;
  for (const auto& [id, registers] : device_.images) {
    if (sunspec::tells_telemetry(id)) models.push_back(id);
  }
  for (const std::uint16_t id : models) {
    auto done = refresh(device_, id);
    if (done) continue;
    if (!context_) return std::unexpected{where() + ": " + done.error()};
    device_.images[id].clear();  // answered with an exception: unknown this time
  }
  Telemetry telemetry = sunspec::telemetry_of(device_.images, now);
  if (auto done = read_meter(telemetry, now); !done) return std::unexpected{done.error()};
  return telemetry;
}

/// Where none is configured, one that is not there is not missed.
bool SunspecDriver::expects_meter() const {
  return options_.meter_unit || meter_model();
}

/// The first of the chain.
std::optional<std::uint16_t> SunspecDriver::meter_model() const {
  const auto block = std::ranges::find_if(
      meter_.chain, [](const sunspec::ModelBlock& b) { return sunspec::tells_meter(b.id); });
  return block == meter_.chain.end() ? std::nullopt : std::optional{block->id};
}

/// An error only when the battery's connection is gone with it.
std::expected<void, std::string> SunspecDriver::read_meter(Telemetry& telemetry, Instant now) {
  if (!expects_meter()) return {};
  if (meter_backoff_.due()) {
    auto power = ask_meter(now);
    if (power) {
      telemetry.site = *power;
      meter_problem_.clear();
      meter_backoff_.worked();
    } else {
      meter_problem_ = "meter at unit " + std::to_string(meter_.unit) + ": " + power.error();
      meter_backoff_.failed(options_.backoff_min, options_.meter_backoff_max);
    }
  }
  telemetry.meter_problem = meter_problem_;
  if (context_) return {};
  if (meter_.unit == device_.unit) return std::unexpected{where() + ": " + meter_problem_};
  // Afresh: what the meter may answer after all must not be taken for an answer of the battery's.
  if (auto opened = open(); !opened) {
    disconnect();
    return std::unexpected{where() + ": " + opened.error()};
  }
  return {};
}

std::expected<Reading<Watts>, std::string> SunspecDriver::ask_meter(Instant now) {
  if (meter_.chain.empty()) {
    if (auto found = discover(meter_); !found) return std::unexpected{found.error()};
  }
  const auto model = meter_model();
  if (!model) {
    meter_.chain.clear();
    return std::unexpected{"none of models 201-204 and 211-214 is there"};
  }
  if (auto done = refresh(meter_, *model); !done) return std::unexpected{done.error()};
  const auto power =
      sunspec::meter_power(meter_.images[*model], options_.meter_positive_is_export, now);
  if (power.value) return power;
  return std::unexpected{"model " + std::to_string(*model) +
                         (power.quality == Quality::kImplausible ? " tells an implausible power"
                                                                 : " does not tell the power")};
}

std::expected<Reading<std::int32_t>, std::string> SunspecDriver::read_frequency(Instant now) {
  if (!context_) return std::unexpected{where() + ": not connected"};
  const auto model = sunspec::frequency_model(device_.images);
  if (!model) return Reading<std::int32_t>{std::nullopt, Quality::kNotImplemented, now};
  if (auto done = refresh(device_, *model); !done) {
    if (!context_) return std::unexpected{where() + ": " + done.error()};
    return Reading<std::int32_t>{std::nullopt, Quality::kNotImplemented, now};
  }
  return sunspec::frequency_of(device_.images, now);
}

std::expected<void, std::string> SunspecDriver::write(const DeviceCommand& command) {
  if (!context_) return std::unexpected{where() + ": not connected"};
  const auto block =
      std::ranges::find(device_.chain, sunspec::kControlModel, &sunspec::ModelBlock::id);
  if (block == device_.chain.end()) return std::unexpected{where() + ": refused: no model 704"};
  // The scale factor in the same read as the values it belongs to.
  if (auto fresh = refresh(device_, block->id); !fresh) return fresh;
  const auto writes = sunspec::control_writes(command, device_.images[block->id], found_704_);
  if (!writes) return std::unexpected{writes.error()};
  for (const auto& write : *writes) {
    const auto address = static_cast<std::uint16_t>(block->address + write.offset);
    if (auto done = write_registers(device_.unit, address, write.values); !done) return done;
  }
  if (auto fresh = refresh(device_, block->id); !fresh) return fresh;
  return sunspec::check_read_back(command, device_.images[block->id]);
}

std::expected<void, std::string> SunspecDriver::discover(UnitMap& map) {
  map.images.clear();
  map.chain.clear();
  auto chain = sunspec::discover([&](std::uint16_t address, std::uint16_t count) {
    return read_registers(map.unit, address, count);
  });
  if (!chain) return std::unexpected{chain.error()};
  if (!context_) return std::unexpected{"lost while its models were read"};
  map.chain = std::move(*chain);
  return {};
}

std::expected<void, std::string> SunspecDriver::refresh(UnitMap& map, std::uint16_t model) {
  const auto block = std::ranges::find(map.chain, model, &sunspec::ModelBlock::id);
  auto registers = read_registers(map.unit, block->address, sunspec::registers_to_read(*block));
  if (!registers) return std::unexpected{registers.error()};
  if (registers->front() != model) {
    disconnect();  // the map has moved: discover again
    map.chain.clear();
    return std::unexpected{"model " + std::to_string(model) + " is no longer where it was"};
  }
  map.images[model] = std::move(*registers);
  return {};
}

std::expected<std::vector<std::uint16_t>, std::string> SunspecDriver::read_registers(
    int unit, std::uint16_t address, std::uint16_t count) {
  Block values(count);
  auto done = request("read", unit, [&] {
    return modbus_read_registers(context_.get(), address, count, values.data()) == count;
  });
  if (!done) return std::unexpected{done.error()};
  return values;
}

std::expected<void, std::string> SunspecDriver::write_registers(int unit, std::uint16_t address,
                                                                const Block& values) {
  const int count = static_cast<int>(values.size());
  return request("write", unit, [&] {
    return modbus_write_registers(context_.get(), address, count, values.data()) == count;
  });
}

template <class Request>
std::expected<void, std::string> SunspecDriver::request(const char* what, int unit,
                                                        const Request& call) {
  for (int attempt = 0;; ++attempt) {
    if (!context_) return std::unexpected{std::string{what} + ": not connected"};
    keep_pace();
    errno = 0;
    const int slave = unit < 0 ? MODBUS_TCP_SLAVE : unit;
    if (modbus_set_slave(context_.get(), slave) == 0 && call()) return {};
    const int error = errno;
    const std::string text = std::string{what} + ": " + modbus_strerror(error);
    if (!is_answer(error)) {
      // After a late answer every later call would get its predecessor's: start afresh.
      disconnect();
      return std::unexpected{text};
    }
    if (!is_busy(error) || attempt >= options_.busy_retries) {
      return std::unexpected{"refused: " + text};
    }
    next_request_ = SteadyClock::now() + std::chrono::milliseconds{50 << attempt};
  }
}

void SunspecDriver::keep_pace() {
  std::this_thread::sleep_until(next_request_);
  next_request_ = SteadyClock::now() + options_.pace;
}

}  // namespace

std::unique_ptr<SiteDriver> make_sunspec_driver(const SunspecOptions& options) {
  return std::make_unique<SunspecDriver>(options);
}

}  // namespace vpp::device
