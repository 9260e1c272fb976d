// Message <-> frame bytes (Cap'n Proto, mesh/messages.capnp). No socket, no clock, no state.
//
// Bounds     a frame is one packed segment of at most kFrameBytesMax bytes, which unpack to at
//            most kReaderWordsMax; nesting kReaderNestingMax. Packed, because most of a message is
//            zeros and metered links pay for them. Every list, text, number and enumerator is
//            checked against mesh/message_limits.h, in both directions: what we would refuse to
//            read we refuse to write.
// Errors     a text for the log, never an exception: bytes of a peer must not unwind the driver.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "mesh/messages.h"

namespace vpp::mesh {

using Frame = std::vector<std::uint8_t>;

/// Fails on a message beyond its limits, in a list, a text, a number or as a whole.
[[nodiscard]] std::expected<Frame, std::string> encode(const Message& message);

/// `bytes` need no alignment. What comes back holds every limit. Unknown kinds and other
/// protocol versions are errors.
[[nodiscard]] std::expected<Message, std::string> decode(std::span<const std::uint8_t> bytes);

/// Which version a frame has that decode() refused for it; nothing: it was refused for something
/// else.
[[nodiscard]] std::optional<std::uint16_t> other_version(std::span<const std::uint8_t> bytes);

}  // namespace vpp::mesh
