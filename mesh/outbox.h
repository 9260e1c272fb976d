// What waits for a peer that is slower than we are: control first, live values conflated. Pure.
//
// Lanes       control leaves in order and before all else; then the newest share of an order, then
//             the newest live value. A live value (a report, a beacon, a renewed share) tells all
//             that older ones told, so only the newest is worth the wait.
// Bound       kControlMax of control and one of each live lane. A peer that lets more control wait
//             is cut off by the owner: better lost and back than obeyed in part.
// Ownership   values; nothing here sends.
// Source      design/mesh.md (Queues).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <utility>

#include "config/check.h"
#include "mesh/messages.h"

namespace vpp::mesh {

/// In the order in which they leave.
enum class Lane : std::uint8_t { kControl, kShare, kLive };

/// Everything is control but what a newer one of its kind replaces.
[[nodiscard]] Lane lane_of(const Message& message);

/// Lets `newer` tell what `older` (before it, of the same lane) told and does not repeat. False:
/// both must be kept.
[[nodiscard]] bool absorb(Message& newer, const Message& older);

/// `Item` is a message or its frame.
template <class Item>
class Outbox {
 public:
  static constexpr std::size_t kControlMax = 64;  ///< as many as libzmq holds before us

  /// False: no room for more control; nothing was taken.
  [[nodiscard]] bool put(Lane lane, Item item) {
    if (lane != Lane::kControl) {
      newest(lane) = std::move(item);
      return true;
    }
    if (control_.size() >= kControlMax) return false;
    control_.push_back(std::move(item));
    return true;
  }

  /// What waits in a live lane.
  [[nodiscard]] std::optional<Item>& newest(Lane lane) {
    VPP_CHECK(lane != Lane::kControl);
    return live_[static_cast<std::size_t>(lane) - 1];
  }

  [[nodiscard]] bool has_control() const { return !control_.empty(); }
  [[nodiscard]] bool empty() const { return control_.empty() && !live_[0] && !live_[1]; }

  /// What leaves next. Not empty.
  [[nodiscard]] Item& front() {
    if (!control_.empty()) return control_.front();
    std::optional<Item>& first = live_[0] ? live_[0] : live_[1];
    VPP_CHECK(first.has_value());
    return *first;
  }
  void pop() {
    if (!control_.empty()) return control_.pop_front();
    (live_[0] ? live_[0] : live_[1]).reset();
  }

 private:
  std::deque<Item> control_;
  std::array<std::optional<Item>, 2> live_;  ///< shares, live values
};

}  // namespace vpp::mesh
