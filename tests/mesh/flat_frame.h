// A frame's words, to change them in tests: the segment table first, as before packing.
#pragma once

#include <cstdint>
#include <span>

#include "mesh/codec.h"

namespace vpp::mesh::testing {

/// Of a sound frame.
[[nodiscard]] Frame flat(std::span<const std::uint8_t> frame);
/// `words` is any number of whole words, sound or not; nothing more than packed.
[[nodiscard]] Frame packed(std::span<const std::uint8_t> words);

}  // namespace vpp::mesh::testing
