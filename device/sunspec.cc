#include "device/sunspec.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "config/check.h"
#include "device/whole_math.h"

namespace vpp::device::sunspec {
namespace {

constexpr std::array<std::uint16_t, 3> kBases{40000, 0, 50000};
constexpr std::uint16_t kSuns0 = 0x5375;
constexpr std::uint16_t kSuns1 = 0x6e53;
constexpr std::uint16_t kEnd = 0xffff;

std::uint64_t word(Registers model, std::size_t offset, std::size_t registers) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < registers; ++i) value = value << 16U | model[offset + i];
  return value;
}

bool holds(Registers model, std::size_t offset, std::size_t registers) {
  return offset + registers <= model.size();
}

}  // namespace

std::optional<std::int64_t> as_int16(Registers model, std::size_t offset) {
  if (!holds(model, offset, 1) || model[offset] == 0x8000) return std::nullopt;
  return static_cast<std::int16_t>(model[offset]);
}

std::optional<std::int64_t> as_uint16(Registers model, std::size_t offset) {
  if (!holds(model, offset, 1) || model[offset] == 0xffff) return std::nullopt;
  return model[offset];
}

std::optional<std::int64_t> as_int32(Registers model, std::size_t offset) {
  if (!holds(model, offset, 2)) return std::nullopt;
  const auto raw = static_cast<std::uint32_t>(word(model, offset, 2));
  if (raw == 0x80000000U) return std::nullopt;
  return static_cast<std::int32_t>(raw);
}

std::optional<std::int64_t> as_uint32(Registers model, std::size_t offset) {
  if (!holds(model, offset, 2)) return std::nullopt;
  const std::uint64_t raw = word(model, offset, 2);
  if (raw == 0xffffffffU) return std::nullopt;
  return static_cast<std::int64_t>(raw);
}

std::optional<std::int64_t> as_uint64(Registers model, std::size_t offset) {
  if (!holds(model, offset, 4)) return std::nullopt;
  const std::uint64_t raw = word(model, offset, 4);
  if (raw > static_cast<std::uint64_t>(INT64_MAX)) return std::nullopt;
  return static_cast<std::int64_t>(raw);
}

std::optional<std::int64_t> as_float32(Registers model, std::size_t offset, std::int64_t unit) {
  if (!holds(model, offset, 2)) return std::nullopt;
  const auto raw = std::bit_cast<float>(static_cast<std::uint32_t>(word(model, offset, 2)));
  const double value = static_cast<double>(raw) * static_cast<double>(unit);
  if (!(std::fabs(value) < 2147483648.0)) return std::nullopt;  // NaN too
  return static_cast<std::int64_t>(value);
}

std::optional<int> as_scale(Registers model, std::size_t offset) {
  const auto raw = as_int16(model, offset);
  if (!raw || *raw < -10 || *raw > 10) return std::nullopt;
  return static_cast<int>(*raw);
}

std::string as_string(Registers model, std::size_t offset, std::size_t registers) {
  std::string text;
  for (std::size_t i = offset; i < offset + registers && i < model.size(); ++i) {
    for (const int byte : {model[i] >> 8, model[i] & 0xff}) {
      if (byte == 0) return text.erase(text.find_last_not_of(' ') + 1);
      // Names go into logs and on terminals: whatever is not plain text is shown as '?'.
      text += byte >= 0x20 && byte < 0x7f ? static_cast<char>(byte) : '?';
    }
  }
  return text.erase(text.find_last_not_of(' ') + 1);
}

std::optional<std::int64_t> scaled(std::optional<std::int64_t> raw, std::optional<int> scale,
                                   std::int64_t unit) {
  if (!raw || !scale) return std::nullopt;
  Int128 value = static_cast<Int128>(*raw) * unit;
  for (int i = 0; i < *scale; ++i) value *= 10;
  Int128 divisor = 1;
  for (int i = *scale; i < 0; ++i) divisor *= 10;
  value /= divisor;
  if (value > INT64_MAX || value < INT64_MIN) return std::nullopt;
  return static_cast<std::int64_t>(value);
}

std::optional<std::int32_t> unscaled(std::int64_t value, int scale) {
  const auto raw = scaled(value, -scale);
  // INT32_MIN means "not implemented".
  if (!raw || *raw > INT32_MAX || *raw <= INT32_MIN) return std::nullopt;
  return static_cast<std::int32_t>(*raw);
}

namespace {

std::expected<std::uint16_t, std::string> find_base(const ReadRegisters& read) {
  std::string error;
  for (const std::uint16_t base : kBases) {
    const auto marker = read(base, 3);
    if (!marker) {
      if (error.empty()) error = marker.error();  // the first cause says the most
    } else if ((*marker)[0] == kSuns0 && (*marker)[1] == kSuns1) {
      return base;
    }
  }
  return std::unexpected{error.empty() ? "not a SunSpec device: no \"SunS\" at 40000, 0 or 50000"
                                       : "no SunSpec map found: " + error};
}

}  // namespace

std::expected<std::vector<ModelBlock>, std::string> discover(const ReadRegisters& read) {
  const auto base = find_base(read);
  if (!base) return std::unexpected{base.error()};
  std::vector<ModelBlock> chain;
  std::size_t address = static_cast<std::size_t>(*base) + 2;
  while (address + 1 <= UINT16_MAX) {
    const auto head = read(static_cast<std::uint16_t>(address), 2);
    if (!head) {
      if (chain.empty()) return std::unexpected{"no model after \"SunS\": " + head.error()};
      break;  // some maps stop without an end model
    }
    if ((*head)[0] == kEnd) break;
    if (chain.size() == kModelsMax) return std::unexpected{"chain of models does not end"};
    chain.push_back({(*head)[0], (*head)[1], static_cast<std::uint16_t>(address)});
    address += std::size_t{2} + (*head)[1];
  }
  return chain;
}

std::uint16_t registers_to_read(const ModelBlock& block) {
  std::size_t most = kReadMax;
  if (block.id == 701) most = 123;  // a text of 32 registers at its end would not fit
  if (tells_meter(block.id)) most = block.id <= 204 ? 23 : 30;  // no more than the total power
  return static_cast<std::uint16_t>(std::min(most, std::size_t{2} + block.length));
}

}  // namespace vpp::device::sunspec
