// What people are told about who comes and goes below: each by name while few do, a line of totals
// while many do. Pure.
//
// Rate     at most kNamedMax + 1 notices of a kind a second, however many children move.
// Codes    VPP_CHILD_ATTACHED, _LEFT (said goodbye), _LOST (lease or connection), _MOVED (lives
//          below another parent now).
// Cost     O(children) in the seconds in which somebody came or went, nothing in the others.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "daemon/node/node.h"
#include "mesh/children.h"

namespace vpp::node {

class MembershipNews {
 public:
  static constexpr std::size_t kNamedMax = 3;
  static constexpr Duration kSpacing = std::chrono::seconds{1};

  /// Somebody may have come or gone.
  void changed(Instant now);
  [[nodiscard]] Instant next_deadline() const { return due_; }

  /// Nothing before the deadline. `children` is the view of then.
  [[nodiscard]] std::vector<Notice> advance(Instant now, const mesh::Children& children);

 private:
  enum class Change : std::uint8_t { kAttached, kLeft, kLost, kMoved };
  struct Known {
    mesh::Session session = 0;
    bool attached = false;
    bool moved = false;
  };

  [[nodiscard]] static std::optional<Change> change(const Known* before,
                                                    const mesh::ChildView& child);
  void tell(Change change, const std::vector<std::string>& who, std::vector<Notice>& out) const;

  std::map<NodeId, Known> known_;
  Instant told_at_{};
  Instant due_ = kNever;
};

}  // namespace vpp::node
