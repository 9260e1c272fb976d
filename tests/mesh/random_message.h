// Random messages of every kind that hold all limits, with their edges drawn often.
#pragma once

#include <cstddef>

#include "config/rng.h"
#include "mesh/messages.h"

namespace vpp::mesh::testing {

inline constexpr std::size_t kMessageKinds = std::variant_size_v<Message>;

/// `kind` is an index of Message, below kMessageKinds.
[[nodiscard]] Message random_message(std::size_t kind, Rng& rng);

}  // namespace vpp::mesh::testing
