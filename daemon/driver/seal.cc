#include "daemon/driver/seal.h"

#include <sodium.h>

#include <array>
#include <cstdint>
#include <cstring>

#include "daemon/driver/text_file.h"

namespace vpp::driver {
namespace {

constexpr std::size_t kTagBytes = 32;
using Tag = std::array<std::uint8_t, kTagBytes>;

/// Over the key too: a value moved to another key is damage.
Tag tag_of(std::string_view key, std::string_view text) {
  constexpr std::string_view kDomain = "vpp store record v1";
  const auto add = [](crypto_generichash_state& state, std::string_view part) {
    const std::uint64_t size = part.size();
    crypto_generichash_update(&state, reinterpret_cast<const std::uint8_t*>(&size), sizeof size);
    crypto_generichash_update(&state, reinterpret_cast<const std::uint8_t*>(part.data()),
                              part.size());
  };
  crypto_generichash_state state;
  crypto_generichash_init(&state, nullptr, 0, kTagBytes);
  add(state, kDomain);
  add(state, key);
  add(state, text);
  Tag tag{};
  crypto_generichash_final(&state, tag.data(), tag.size());
  return tag;
}

}  // namespace

std::string seal(std::string_view key, std::string_view text) {
  const Tag tag = tag_of(key, text);
  std::string value(reinterpret_cast<const char*>(tag.data()), tag.size());
  value += text;
  return value;
}

std::optional<std::string_view> unseal(std::string_view key, std::string_view value) {
  if (value.size() < kTagBytes) return std::nullopt;
  const std::string_view text = value.substr(kTagBytes);
  const Tag tag = tag_of(key, text);
  if (std::memcmp(tag.data(), value.data(), tag.size()) != 0) return std::nullopt;
  return text;
}

std::string damaged(const std::string& file, const std::string& what) {
  return file + ": " + what +
         "; hint: the store is damaged: put it aside and start again, the node rejoins as new";
}

}  // namespace vpp::driver
