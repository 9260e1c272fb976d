// Which of several possible parents is wanted most: a ladder, one criterion per line. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "config/ids.h"
#include "mesh/messages.h"

namespace vpp::mesh {

/// Why an answer to a Probe is no offer.
enum class Unfit : std::uint8_t {
  kNoRoot,      ///< it reaches no root itself
  kOldTerm,     ///< it obeys an older root than we did
  kLoop,        ///< its path holds us
  kTooDeep,     ///< the tree would grow beyond kDepthMax
  kFull,        ///< no free slot
  kInfeasible,  ///< its path is not shorter than one we advertised (Babel)
};

/// What an offer is judged against.
struct Seeker {
  NodeId self;
  Role role = Role::kLeaf;
  std::string region;
  std::uint64_t term = 0;  ///< highest ever obeyed
};

struct Offer {
  ProbeAck answer;
  std::size_t place = 0;  ///< in the config; learned alternates come after every seed
};

/// Nothing: fit to be asked. Feasibility is not judged here, see mesh/feasibility.h.
[[nodiscard]] std::optional<Unfit> unfit(const Seeker& seeker, const ProbeAck& answer);
[[nodiscard]] std::optional<Unfit> unfit_path(const Seeker& seeker, const Path& path,
                                              std::uint64_t term);

/// The last quarter of the slots is for those who have no other choice.
[[nodiscard]] bool crowded(const ProbeAck& answer);

/// Length of a path as a rank: lower is better. For a leaf the root and a node right below it
/// are alike: it gains nothing there, and would take the place of an aggregator.
[[nodiscard]] std::size_t rank_of(Role role, std::size_t path_length);

/// Whether `a` is to be asked before `b`; both fit. A strict weak order.
[[nodiscard]] bool wanted_more(const Seeker& seeker, const Offer& a, const Offer& b);

/// The parent that a node has.
struct Held {
  std::size_t path_length = 0;
  std::size_t place = 0;
  bool same_region = false;  ///< as the node's own
};

/// Whether an attached node gains a rung by moving: a newer term, a seed of a better rank, or one
/// of the same rank named earlier in the config, for which nobody leaves its own region.
/// Alternates of a better rank are for healing: with them every tree would end up flat.
[[nodiscard]] bool worth_moving(const Seeker& seeker, const Held& held, const Offer& offer,
                                std::size_t seeds);

}  // namespace vpp::mesh
