// SunSpec information models: where points are, what their values mean, in which order control
// registers are written. Pure; device/sunspec_modbus.h carries it over a wire.
//
// Offsets count from a model's id register (offset 0; its length is offset 1). Addresses are
// 0-based Modbus holding registers. A point that is not implemented, lies beyond the model's
// length, or has no scale factor is unknown.
// Source: SunSpec Alliance, models 1, 101-103, 111-113, 120, 124, 201-204, 211-214, 701, 702, 704,
// 713, 802.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "config/time.h"
#include "device/site.h"

namespace vpp::device::sunspec {

// --- values ----------------------------------------------------------------------------------

using Registers = std::span<const std::uint16_t>;

[[nodiscard]] std::optional<std::int64_t> as_int16(Registers model, std::size_t offset);
[[nodiscard]] std::optional<std::int64_t> as_uint16(Registers model, std::size_t offset);
[[nodiscard]] std::optional<std::int64_t> as_int32(Registers model, std::size_t offset);
[[nodiscard]] std::optional<std::int64_t> as_uint32(Registers model, std::size_t offset);
/// Above INT64_MAX counts as not implemented.
[[nodiscard]] std::optional<std::int64_t> as_uint64(Registers model, std::size_t offset);
/// In units of 1 / `unit`, rounded towards zero; beyond +-2^31 counts as not implemented.
[[nodiscard]] std::optional<std::int64_t> as_float32(Registers model, std::size_t offset,
                                                     std::int64_t unit = 1);
/// sunssf: -10..10.
[[nodiscard]] std::optional<int> as_scale(Registers model, std::size_t offset);
/// Two characters a register, cut at the first NUL, trailing blanks off.
[[nodiscard]] std::string as_string(Registers model, std::size_t offset, std::size_t registers);

/// raw * unit * 10^scale, towards zero; nothing when either is unknown or the result does not fit.
[[nodiscard]] std::optional<std::int64_t> scaled(std::optional<std::int64_t> raw,
                                                 std::optional<int> scale, std::int64_t unit = 1);
/// The other way: what to write for `value`; nothing when it does not fit in 32 bits.
[[nodiscard]] std::optional<std::int32_t> unscaled(std::int64_t value, int scale);

// --- discovery -------------------------------------------------------------------------------

struct ModelBlock {
  std::uint16_t id = 0;
  std::uint16_t length = 0;   ///< without id and length registers
  std::uint16_t address = 0;  ///< of the id register
  friend bool operator==(const ModelBlock&, const ModelBlock&) = default;
};

inline constexpr std::size_t kReadMax = 125;    ///< registers in one request, by the protocol
inline constexpr std::size_t kModelsMax = 128;  ///< the longest chain seen has 18

/// Reads `count` holding registers. Must return exactly that many, or an error.
using ReadRegisters = std::function<std::expected<std::vector<std::uint16_t>, std::string>(
    std::uint16_t address, std::uint16_t count)>;

/// Looks for "SunS" at 40000, 0 and 50000, and walks the chain; unknown ids are kept, a read that
/// fails after the first model ends the chain.
[[nodiscard]] std::expected<std::vector<ModelBlock>, std::string> discover(
    const ReadRegisters& read);

/// What to read of a model in one request: up to its last point that matters here, scale factors
/// included, ending at a point boundary.
[[nodiscard]] std::uint16_t registers_to_read(const ModelBlock& block);

// --- meaning ---------------------------------------------------------------------------------

/// Newest registers of each model, by id; the first of its kind in the chain.
using Images = std::map<std::uint16_t, std::vector<std::uint16_t>>;

/// Models that nameplate_of() and telemetry_of() understand.
[[nodiscard]] bool tells_nameplate(std::uint16_t id);
[[nodiscard]] bool tells_telemetry(std::uint16_t id);

[[nodiscard]] Nameplate nameplate_of(const Images& images);
/// Without Telemetry::site: a meter may be elsewhere.
[[nodiscard]] Telemetry telemetry_of(const Images& images, Instant now);

/// Meters: whole numbers with scale factors, or floats; one, two or three phases.
[[nodiscard]] bool tells_meter(std::uint16_t id);
/// What model `meter` measures, export > 0. The models leave open what a positive reading means,
/// and makers differ: import, unless `positive_is_export`.
[[nodiscard]] Reading<Watts> meter_power(Registers meter, bool positive_is_export, Instant now);

/// The one that tells the grid's frequency; nothing: none does.
[[nodiscard]] std::optional<std::uint16_t> frequency_model(const Images& images);
[[nodiscard]] Reading<std::int32_t> frequency_of(const Images& images, Instant now);

// --- control (model 704) ---------------------------------------------------------------------

inline constexpr std::uint16_t kControlModel = 704;

struct RegisterWrite {
  std::uint16_t offset = 0;  ///< in model 704
  std::vector<std::uint16_t> values;
  friend bool operator==(const RegisterWrite&, const RegisterWrite&) = default;
};

/// What to write, in order, one request each: mode, set point, what to fall back to, the timer
/// (which restarts it), enable last. For a release: disable first, then `found` (the model as it
/// was before we touched it) is restored. Points that already hold their value (`current`) are
/// left alone, but for the set point, the timer and the enable.
[[nodiscard]] std::expected<std::vector<RegisterWrite>, std::string> control_writes(
    const DeviceCommand& command, Registers current, Registers found);

/// Whether the model, read again, says what was commanded; else what differs.
[[nodiscard]] std::expected<void, std::string> check_read_back(const DeviceCommand& command,
                                                               Registers current);

}  // namespace vpp::device::sunspec
