// Holding registers of a simulated SunSpec device, laid out model by model. Pure.
//
// A model begins as runs of what its types call "not implemented", from the model definitions of
// the SunSpec Alliance; then what the device has is put in.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace vpp::battery {

inline constexpr std::uint16_t kMapStart = 40000;

inline constexpr std::uint16_t kU = 0xffff;  ///< unsigned, enumerations, bit fields
inline constexpr std::uint16_t kS = 0x8000;  ///< signed, scale factors; high half of a signed 32

struct Run {
  std::uint16_t value;
  std::size_t count;
};

using RegisterMap = std::vector<std::uint16_t>;

/// "SunS" and the common model.
void begin_map(RegisterMap& map, std::string_view device, std::string_view serial);
/// Appends a model, which must begin `at`.
void begin_model(RegisterMap& map, std::size_t at, std::uint16_t id, std::span<const Run> empty);
/// The end model.
void end_map(RegisterMap& map);

/// At most 32 characters.
void put_text(RegisterMap& map, std::size_t at, std::string_view text);
void put32(RegisterMap& map, std::size_t at, std::uint32_t value);
void put64(RegisterMap& map, std::size_t at, std::uint64_t value);
[[nodiscard]] std::uint32_t get32(const RegisterMap& map, std::size_t at);

[[nodiscard]] std::uint16_t low16(std::int64_t value);
/// The least power of ten by which `most` comes down to `limit`.
[[nodiscard]] std::int32_t scale_for(std::int64_t most, std::int64_t limit);
[[nodiscard]] std::int64_t scaled_down(std::int64_t value, std::int32_t scale);

}  // namespace vpp::battery
