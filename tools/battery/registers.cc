#include "tools/battery/registers.h"

#include "config/check.h"

namespace vpp::battery {

void begin_map(RegisterMap& map, std::string_view device, std::string_view serial) {
  constexpr std::size_t kCommon = 2;
  constexpr std::uint16_t kCommonLength = 66;
  map = {0x5375, 0x6e53, 1, kCommonLength};
  map.insert(map.end(), kCommonLength, 0);
  put_text(map, kCommon + 2, "vpp");
  put_text(map, kCommon + 18, device);
  put_text(map, kCommon + 42, "1");
  put_text(map, kCommon + 50, serial);
  map[kCommon + 66] = 1;
  map[kCommon + 67] = kS;
}

void begin_model(RegisterMap& map, std::size_t at, std::uint16_t id, std::span<const Run> empty) {
  VPP_CHECK(map.size() == at);
  map.insert(map.end(), {id, 0});
  for (const Run& run : empty) map.insert(map.end(), run.count, run.value);
  map[at + 1] = static_cast<std::uint16_t>(map.size() - at - 2);
}

void end_map(RegisterMap& map) {
  map.insert(map.end(), {0xffff, 0});
}

void put_text(RegisterMap& map, std::size_t at, std::string_view text) {
  for (std::size_t i = 0; i < text.size() && i < 32; ++i) {
    const auto byte = static_cast<std::uint16_t>(static_cast<unsigned char>(text[i]));
    auto& target = map[at + i / 2];
    target = static_cast<std::uint16_t>(i % 2 == 0 ? byte << 8U : target | byte);
  }
}

void put32(RegisterMap& map, std::size_t at, std::uint32_t value) {
  map[at] = static_cast<std::uint16_t>(value >> 16U);
  map[at + 1] = static_cast<std::uint16_t>(value);
}

void put64(RegisterMap& map, std::size_t at, std::uint64_t value) {
  put32(map, at, static_cast<std::uint32_t>(value >> 32U));
  put32(map, at + 2, static_cast<std::uint32_t>(value));
}

std::uint32_t get32(const RegisterMap& map, std::size_t at) {
  return static_cast<std::uint32_t>(map[at]) << 16U | map[at + 1];
}

std::uint16_t low16(std::int64_t value) {
  return static_cast<std::uint16_t>(static_cast<std::uint64_t>(value) & 0xffffU);
}

std::int32_t scale_for(std::int64_t most, std::int64_t limit) {
  std::int32_t scale = 0;
  for (; most > limit; most /= 10) ++scale;
  return scale;
}

std::int64_t scaled_down(std::int64_t value, std::int32_t scale) {
  for (; scale > 0; --scale) value /= 10;
  return value;
}

}  // namespace vpp::battery
