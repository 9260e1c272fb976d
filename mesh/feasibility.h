// Babel's feasibility condition (RFC 8966, section 3.5.1) for an aggregator. Pure.
//
// Rule     a parent is feasible if its path is strictly shorter than any path this node ever
//          advertised in the same term, or its term is newer. So whoever still believes an old
//          advert of this node has a longer path than the bound, and can never become its parent:
//          no loop forms, whatever is lost, late or reordered.
// Reset    once nobody can hold an old advert: no child for a whole lease (its children noticed
//          the silence well before that).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "config/ids.h"
#include "config/limits.h"
#include "config/planted_bug.h"
#include "config/time.h"

namespace vpp::mesh {

class Feasibility {
 public:
  /// `advertised` is the bound to start from after a restart; nothing: never advertised.
  explicit Feasibility(Role role, std::optional<std::size_t> advertised, std::uint64_t term)
      : takes_children_{role != Role::kLeaf}, bound_{advertised}, term_{term} {}

  [[nodiscard]] bool allows(Instant now, std::size_t parent_path, std::uint64_t term) const {
    if (!takes_children_ || term > term_ || forgotten(now)) return true;
    const std::size_t slack = planted(Bug::kFeasibleWhenEqual) ? 1 : 0;
    return !bound_ || parent_path < *bound_ + slack;
  }

  /// This node now advertises a path one longer than its parent's.
  void advertise(Instant now, std::size_t parent_path, std::uint64_t term) {
    const std::size_t own = parent_path + 1;
    const bool afresh = !bound_ || term > term_ || forgotten(now);
    bound_ = afresh ? own : std::min(*bound_, own);
    term_ = std::max(term_, term);
  }

  /// `lease`: the longest that this node grants to any of them.
  void set_children(Instant now, bool any, Duration lease) {
    lease_ = std::max(lease_, lease);
    if (any) childless_since_.reset();
    if (!any && !childless_since_) childless_since_ = now;
  }

 private:
  [[nodiscard]] bool forgotten(Instant now) const {
    return childless_since_ && now - *childless_since_ >= lease_;
  }

  bool takes_children_;
  std::optional<std::size_t> bound_;  ///< shortest path advertised in `term_`
  std::uint64_t term_;
  std::optional<Instant> childless_since_;
  Duration lease_ = limits::kLease;
};

}  // namespace vpp::mesh
