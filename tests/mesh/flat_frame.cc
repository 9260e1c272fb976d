#include "tests/mesh/flat_frame.h"

#include <cstddef>

namespace vpp::mesh::testing {
namespace {

constexpr std::size_t kWord = 8;

}  // namespace

// https://capnproto.org/encoding.html#packing, here in its plainest form.
Frame packed(std::span<const std::uint8_t> words) {
  Frame out;
  for (; words.size() >= kWord; words = words.subspan(kWord)) {
    const std::size_t tag_at = out.size();
    out.push_back(0);
    for (std::size_t i = 0; i < kWord; ++i) {
      if (words[i] == 0) continue;
      out[tag_at] |= static_cast<std::uint8_t>(1U << i);
      out.push_back(words[i]);
    }
    const std::uint8_t tag = out[tag_at];
    if (tag == 0 || tag == 0xff) out.push_back(0);  // no further words that are all zero, or none
  }
  return out;
}

Frame flat(std::span<const std::uint8_t> frame) {
  Frame out;
  std::size_t at = 0;
  while (at < frame.size()) {
    const std::uint8_t tag = frame[at++];
    for (unsigned i = 0; i < kWord; ++i) {
      const bool there = (tag >> i & 1U) != 0;
      out.push_back(there ? frame[at++] : std::uint8_t{0});
    }
    if (tag == 0) out.resize(out.size() + kWord * frame[at++]);
    if (tag == 0xff) {
      for (std::size_t left = kWord * frame[at++]; left > 0; --left) out.push_back(frame[at++]);
    }
  }
  return out;
}

}  // namespace vpp::mesh::testing
