// What waits for a peer that is slower than we are: control first, live values conflated. Pure.
//
// Lanes       control leaves in order and before all else; then the newest share of an order, then
//             the newest live value, then back-fill in order. A live value (a report, a beacon, a
//             renewed share) tells all that older ones told, so only the newest is worth the wait.
// Bound       kControlMax of control, one of each live lane, kBackfillMax of back-fill. A peer that
//             lets more control wait is cut off by the owner: better lost and back than obeyed in
//             part. Back-fill pauses instead: what finds no room is not taken, and whoever needs
//             it says again what it has (daemon/node/journal.h).
// Ownership   values; nothing here sends.
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
enum class Lane : std::uint8_t { kControl, kShare, kLive, kBackfill };

/// A newer one of its kind replaces it.
[[nodiscard]] constexpr bool is_live(Lane lane) {
  return lane == Lane::kShare || lane == Lane::kLive;
}

/// Everything is control but live values and what can wait: the journal on its way to another root,
/// and value signals with their answers, of which the next round makes up for any that is lost.
[[nodiscard]] Lane lane_of(const Message& message);

/// Lets `newer` tell what `older` (before it, of the same lane) told and does not repeat. False:
/// both must be kept.
[[nodiscard]] bool absorb(Message& newer, const Message& older);

/// `Item` is a message or its frame.
template <class Item>
class Outbox {
 public:
  static constexpr std::size_t kControlMax = 64;  ///< as many as libzmq holds before us

  static constexpr std::size_t kBackfillMax = 8;  ///< full frames: half a megabyte

  /// False: no room; nothing was taken. Of control that is the end of the peer.
  [[nodiscard]] bool put(Lane lane, Item item) {
    if (is_live(lane)) {
      newest(lane) = std::move(item);
      return true;
    }
    const bool control = lane == Lane::kControl;
    auto& queue = control ? control_ : backfill_;
    if (queue.size() >= (control ? kControlMax : kBackfillMax)) return false;
    queue.push_back(std::move(item));
    return true;
  }

  /// What waits in a live lane.
  [[nodiscard]] std::optional<Item>& newest(Lane lane) {
    VPP_CHECK(is_live(lane));
    return live_[static_cast<std::size_t>(lane) - 1];
  }

  [[nodiscard]] bool has_control() const { return !control_.empty(); }
  [[nodiscard]] bool empty() const {
    return control_.empty() && !live_[0] && !live_[1] && backfill_.empty();
  }

  /// What leaves next. Not empty.
  [[nodiscard]] Item& front() {
    if (!control_.empty()) return control_.front();
    if (live_[0]) return *live_[0];
    if (live_[1]) return *live_[1];
    VPP_CHECK(!backfill_.empty());
    return backfill_.front();
  }
  void pop() {
    if (!control_.empty()) return control_.pop_front();
    if (live_[0]) return live_[0].reset();
    if (live_[1]) return live_[1].reset();
    backfill_.pop_front();
  }

 private:
  std::deque<Item> control_;
  std::array<std::optional<Item>, 2> live_;  ///< shares, live values
  std::deque<Item> backfill_;
};

}  // namespace vpp::mesh
