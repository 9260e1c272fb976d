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

class SunspecDriver final : public SiteDriver {
 public:
  explicit SunspecDriver(SunspecOptions options) : options_{std::move(options)} {}

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
  std::expected<Block, std::string> read_registers(std::uint16_t address, std::uint16_t count);
  std::expected<void, std::string> write_registers(std::uint16_t address, const Block& values);
  std::expected<void, std::string> refresh(std::uint16_t model);
  /// Runs one request, again while the device is busy. Closes the connection when it is broken.
  template <class Request>
  std::expected<void, std::string> request(const char* what, const Request& call);
  void keep_pace();
  [[nodiscard]] std::string where() const;

  SunspecOptions options_;
  std::unique_ptr<modbus_t, FreeModbus> context_;
  std::vector<sunspec::ModelBlock> chain_;
  sunspec::Images images_;
  Block found_704_;  ///< as it was before we touched it
  SteadyClock::time_point next_request_{};
  SteadyClock::time_point next_attempt_{};
  std::chrono::milliseconds backoff_{0};
};

std::string SunspecDriver::where() const {
  return options_.host + ":" + std::to_string(options_.port);
}

std::expected<Nameplate, std::string> SunspecDriver::connect() {
  if (SteadyClock::now() < next_attempt_) return std::unexpected{where() + ": backing off"};
  disconnect();
  auto nameplate = open_and_discover();
  if (nameplate) {
    backoff_ = std::chrono::milliseconds{0};
    return nameplate;
  }
  disconnect();
  backoff_ = std::clamp(backoff_ * 2, options_.backoff_min, options_.backoff_max);
  next_attempt_ = SteadyClock::now() + backoff_;
  return std::unexpected{where() + ": " + nameplate.error()};
}

std::expected<Nameplate, std::string> SunspecDriver::open_and_discover() {
  if (auto opened = open(); !opened) return std::unexpected{opened.error()};
  auto chain = sunspec::discover([this](std::uint16_t address, std::uint16_t count) {
    return read_registers(address, count);
  });
  if (!chain) return std::unexpected{chain.error()};
  if (!context_) return std::unexpected{"lost while its models were read"};
  chain_ = std::move(*chain);
  images_.clear();
  for (const auto& block : chain_) {
    if (images_.contains(block.id)) continue;  // the first of its kind
    if (!sunspec::tells_nameplate(block.id) && !sunspec::tells_telemetry(block.id)) continue;
    if (auto done = refresh(block.id); !done) return std::unexpected{done.error()};
  }
  Nameplate nameplate = sunspec::nameplate_of(images_);
  // A reconnect must not take our own set point for what was there before.
  if (found_704_.empty() && images_.contains(sunspec::kControlModel)) {
    found_704_ = images_.at(sunspec::kControlModel);
  }
  return nameplate;
}

std::expected<void, std::string> SunspecDriver::open() {
  context_.reset(modbus_new_tcp_pi(options_.host.c_str(), std::to_string(options_.port).c_str()));
  if (!context_) return std::unexpected{modbus_strerror(errno)};
  const int unit = options_.unit < 0 ? MODBUS_TCP_SLAVE : options_.unit;
  const auto us = std::chrono::microseconds{options_.timeout}.count();
  const bool set =
      modbus_set_slave(context_.get(), unit) == 0 &&
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
  for (const auto& [id, registers] : images_) {
    if (sunspec::tells_telemetry(id)) models.push_back(id);
  }
  for (const std::uint16_t id : models) {
    auto done = refresh(id);
    if (done) continue;
    if (!context_) return std::unexpected{where() + ": " + done.error()};
    images_[id].clear();  // answered with an exception: unknown this time
  }
  return sunspec::telemetry_of(images_, now);
}

std::expected<Reading<std::int32_t>, std::string> SunspecDriver::read_frequency(Instant now) {
  if (!context_) return std::unexpected{where() + ": not connected"};
  const auto model = sunspec::frequency_model(images_);
  if (!model) return Reading<std::int32_t>{std::nullopt, Quality::kNotImplemented, now};
  if (auto done = refresh(*model); !done) {
    if (!context_) return std::unexpected{where() + ": " + done.error()};
    return Reading<std::int32_t>{std::nullopt, Quality::kNotImplemented, now};
  }
  return sunspec::frequency_of(images_, now);
}

std::expected<void, std::string> SunspecDriver::write(const DeviceCommand& command) {
  if (!context_) return std::unexpected{where() + ": not connected"};
  const auto block = std::ranges::find(chain_, sunspec::kControlModel, &sunspec::ModelBlock::id);
  if (block == chain_.end()) return std::unexpected{where() + ": refused: no model 704"};
  // The scale factor in the same read as the values it belongs to.
  if (auto fresh = refresh(block->id); !fresh) return fresh;
  const auto writes = sunspec::control_writes(command, images_[block->id], found_704_);
  if (!writes) return std::unexpected{writes.error()};
  for (const auto& write : *writes) {
    const auto address = static_cast<std::uint16_t>(block->address + write.offset);
    if (auto done = write_registers(address, write.values); !done) return done;
  }
  if (auto fresh = refresh(block->id); !fresh) return fresh;
  return sunspec::check_read_back(command, images_[block->id]);
}

std::expected<void, std::string> SunspecDriver::refresh(std::uint16_t model) {
  const auto block = std::ranges::find(chain_, model, &sunspec::ModelBlock::id);
  auto registers = read_registers(block->address, sunspec::registers_to_read(*block));
  if (!registers) return std::unexpected{registers.error()};
  if (registers->front() != model) {
    disconnect();  // the map has moved: discover again
    return std::unexpected{"model " + std::to_string(model) + " is no longer where it was"};
  }
  images_[model] = std::move(*registers);
  return {};
}

std::expected<std::vector<std::uint16_t>, std::string> SunspecDriver::read_registers(
    std::uint16_t address, std::uint16_t count) {
  Block values(count);
  auto done = request("read", [&] {
    return modbus_read_registers(context_.get(), address, count, values.data()) == count;
  });
  if (!done) return std::unexpected{done.error()};
  return values;
}

std::expected<void, std::string> SunspecDriver::write_registers(std::uint16_t address,
                                                                const Block& values) {
  const int count = static_cast<int>(values.size());
  return request("write", [&] {
    return modbus_write_registers(context_.get(), address, count, values.data()) == count;
  });
}

template <class Request>
std::expected<void, std::string> SunspecDriver::request(const char* what, const Request& call) {
  for (int attempt = 0;; ++attempt) {
    if (!context_) return std::unexpected{std::string{what} + ": not connected"};
    keep_pace();
    errno = 0;
    if (call()) return {};
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
