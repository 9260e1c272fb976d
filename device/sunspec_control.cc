// Model 704: the order of writes, and what reading back must show.
#include "device/sunspec.h"

namespace vpp::device::sunspec {
namespace {

// Points of model 704 and their registers.
struct Point {
  std::uint16_t offset;
  std::uint16_t size;
};
constexpr Point kWSetEna{22, 1};
constexpr Point kWSetMod{23, 1};
constexpr Point kWSet{24, 2};
constexpr Point kWSetRvrt{26, 2};
constexpr Point kWSetEnaRvrt{30, 1};
constexpr Point kWSetRvrtTms{31, 2};
constexpr std::size_t kWSetScale = 55;

constexpr std::uint32_t kModeWatts = 1;

RegisterWrite write_of(Point point, std::uint32_t value) {
  if (point.size == 1) return {point.offset, {static_cast<std::uint16_t>(value)}};
  return {point.offset,
          {static_cast<std::uint16_t>(value >> 16U), static_cast<std::uint16_t>(value)}};
}

bool shows(Registers model, const RegisterWrite& write) {
  if (write.offset + write.values.size() > model.size()) return false;
  for (std::size_t i = 0; i < write.values.size(); ++i) {
    if (model[write.offset + i] != write.values[i]) return false;
  }
  return true;
}

std::vector<RegisterWrite> release_writes(Registers current, Registers found) {
  std::vector<RegisterWrite> writes{write_of(kWSetEna, 0)};
  for (const Point point : {kWSetRvrtTms, kWSetEnaRvrt, kWSetRvrt, kWSet, kWSetMod}) {
    if (point.offset + std::size_t{point.size} > found.size()) continue;
    RegisterWrite before{point.offset, {}};
    for (std::size_t i = 0; i < point.size; ++i) before.values.push_back(found[point.offset + i]);
    const bool implemented = point.size == 1
                                 ? as_uint16(found, point.offset).has_value()
                                 : before.values != std::vector<std::uint16_t>{0xffff, 0xffff} &&
                                       before.values != std::vector<std::uint16_t>{0x8000, 0};
    if (implemented && !shows(current, before)) writes.push_back(before);
  }
  return writes;
}

}  // namespace

std::expected<std::vector<RegisterWrite>, std::string> control_writes(const DeviceCommand& command,
                                                                      Registers current,
                                                                      Registers found) {
  if (!command.set_point) return release_writes(current, found);
  const auto scale = as_scale(current, kWSetScale);
  if (!scale) return std::unexpected{"refused: the scale factor of the set point is unknown"};
  const auto raw = unscaled(command.set_point->count, *scale);
  if (!raw) return std::unexpected{"refused: the set point does not fit its register"};
  std::vector<RegisterWrite> writes;
  const auto unless_shown = [&](RegisterWrite write) {
    if (!shows(current, write)) writes.push_back(std::move(write));
  };
  unless_shown(write_of(kWSetMod, kModeWatts));
  writes.push_back(write_of(kWSet, static_cast<std::uint32_t>(*raw)));
  if (command.revert_s > 0) {
    unless_shown(write_of(kWSetRvrt, 0));
    unless_shown(write_of(kWSetEnaRvrt, 0));  // falls back to the device's own control
    writes.push_back(write_of(kWSetRvrtTms, command.revert_s));
  }
  writes.push_back(write_of(kWSetEna, 1));
  return writes;
}

std::expected<void, std::string> check_read_back(const DeviceCommand& command, Registers current) {
  const auto enabled = as_uint16(current, kWSetEna.offset);
  if (!command.set_point) {
    if (enabled == 0) return {};
    return std::unexpected{"refused: released, but the set point is still enabled"};
  }
  const auto scale = as_scale(current, kWSetScale);
  const auto wanted = scale ? unscaled(command.set_point->count, *scale) : std::nullopt;
  if (enabled != 1 || as_uint16(current, kWSetMod.offset) != kModeWatts) {
    return std::unexpected{"refused: read back, the set point is not enabled in watts"};
  }
  if (!wanted || as_int32(current, kWSet.offset) != *wanted) {
    return std::unexpected{"refused: read back, the set point is another"};
  }
  if (command.revert_s > 0 && as_uint32(current, kWSetRvrtTms.offset) != command.revert_s) {
    return std::unexpected{"refused: read back, the revert time is another"};
  }
  return {};
}

}  // namespace vpp::device::sunspec
