// What happens next, on (time, sequence): events of the same instant come out in the order they
// went in, so that a run is a pure function of its seed.
//
// Cost  O(log instants pending) per event. There are a few thousand instants, in milliseconds, and
//       millions of events; those of one instant lie side by side.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <utility>

#include "config/check.h"
#include "tests/sim/world_clock.h"

namespace vpp::sim {

template <class Event>
class EventQueue {
 public:
  void push(WorldTime at, Event event) {
    VPP_CHECK(at >= now_);
    due_[at].push_back(std::move(event));
  }

  /// Precondition: not empty. Time moves on to the event's.
  Event pop() {
    VPP_CHECK(!due_.empty());
    const auto first = due_.begin();
    now_ = first->first;
    Event next = std::move(first->second.front());
    first->second.pop_front();
    if (first->second.empty()) due_.erase(first);
    return next;
  }

  [[nodiscard]] WorldTime now() const { return now_; }
  [[nodiscard]] WorldTime next_at() const {
    return due_.empty() ? kEndOfWorld : due_.begin()->first;
  }

 private:
  WorldTime now_{};
  std::map<WorldTime, std::deque<Event>> due_;  ///< none is empty
};

}  // namespace vpp::sim
