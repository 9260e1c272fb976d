#include "config/z85.h"

#include <array>
#include <cstdint>

namespace vpp {
namespace {

constexpr std::string_view kAlphabet =
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#";
static_assert(kAlphabet.size() == 85);

/// Of each character; a parent reads a key with every frame. 85: none.
constexpr std::array<std::uint8_t, 256> kDigits = [] {
  std::array<std::uint8_t, 256> out{};
  out.fill(85);
  for (std::size_t i = 0; i < kAlphabet.size(); ++i) {
    out[static_cast<unsigned char>(kAlphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return out;
}();

constexpr std::size_t kGroupChars = 5;  // of 85 values each
constexpr std::size_t kGroupBytes = 4;  // big-endian

}  // namespace

std::string to_z85(const CurveKey& key) {
  std::string out;
  out.reserve(kZ85KeyChars);
  for (std::size_t at = 0; at < key.size(); at += kGroupBytes) {
    std::uint32_t word = 0;
    for (std::size_t i = 0; i < kGroupBytes; ++i) word = word << 8U | key[at + i];
    for (std::uint32_t divisor = 85U * 85U * 85U * 85U; divisor > 0; divisor /= 85U) {
      out.push_back(kAlphabet[word / divisor % 85U]);
    }
  }
  return out;
}

std::optional<CurveKey> parse_z85(std::string_view text) {
  if (text.size() != kZ85KeyChars) return std::nullopt;
  CurveKey key{};
  for (std::size_t group = 0; group < key.size() / kGroupBytes; ++group) {
    std::uint64_t word = 0;
    for (const char c : text.substr(group * kGroupChars, kGroupChars)) {
      const std::uint8_t digit = kDigits[static_cast<unsigned char>(c)];
      if (digit >= kAlphabet.size()) return std::nullopt;
      word = word * 85U + digit;
    }
    if (word > 0xffff'ffffU) return std::nullopt;
    for (std::size_t i = 0; i < kGroupBytes; ++i) {
      key[group * kGroupBytes + i] = static_cast<std::uint8_t>(word >> (24U - 8U * i));
    }
  }
  return key;
}

}  // namespace vpp
