// Asks a possible parent who it is, as a node that looks for one does, and goes no further: no
// Hello is sent, so nothing changes there. For diagnosis.
//
// Blocking   until the answer is there or `most` is over.
// Errors     only our own: no sockets, no randomness. What the other side does is the outcome.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>

#include "config/ids.h"
#include "config/time.h"
#include "mesh/keys.h"
#include "mesh/messages.h"

namespace vpp::mesh {

struct ParentProbe {
  enum class Outcome : std::uint8_t {
    kNoLink,    ///< no CURVE link with the key that was dialled: nobody there, or somebody else
    kSilent,    ///< the link holds, but no answer came
    kMisread,   ///< what came is none of our protocol's; see `misread`
    kAnswered,  ///< see `answer`
  };
  Outcome outcome = Outcome::kNoLink;
  std::optional<ProbeAck> answer;
  std::string misread;
  Duration took{0};  ///< until the outcome was certain
};

[[nodiscard]] std::expected<ParentProbe, std::string> probe_parent(const NodeKeys& keys,
                                                                   const Endpoint& parent,
                                                                   Duration most);

}  // namespace vpp::mesh
