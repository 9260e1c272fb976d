#include "config/ids.h"

#include <charconv>

namespace vpp {
namespace {

void append_hex(std::string& out, std::uint64_t word) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (int shift = 60; shift >= 0; shift -= 4) {
    out.push_back(kDigits[(word >> static_cast<unsigned>(shift)) & 0xfU]);
  }
}

bool parse_word(std::string_view hex, std::uint64_t& word) {
  const auto [end, error] = std::from_chars(hex.data(), hex.data() + hex.size(), word, 16);
  return error == std::errc{} && end == hex.data() + hex.size();
}

}  // namespace

std::string to_string(NodeId id) {
  std::string out;
  out.reserve(32);
  append_hex(out, id.high);
  append_hex(out, id.low);
  return out;
}

std::expected<NodeId, std::string> parse_node_id(std::string_view hex) {
  NodeId id;
  if (hex.size() != 32) return std::unexpected{"a node id has 32 hex digits"};
  if (!parse_word(hex.substr(0, 16), id.high) || !parse_word(hex.substr(16), id.low)) {
    return std::unexpected{"a node id has hex digits only"};
  }
  return id;
}

std::string_view to_string(Role role) {
  switch (role) {
    case Role::kLeaf:
      return "leaf";
    case Role::kAggregator:
      return "aggregator";
    case Role::kRoot:
      return "root";
  }
  return "unknown";
}

}  // namespace vpp
