// What happens next: a binary heap on (time, sequence). Events of the same instant come out in
// the order they went in, so that a run is a pure function of its seed.
//
// Cost  O(log pending) per event; payloads rest in slots, the heap moves 24 bytes.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "config/check.h"
#include "tests/sim/world_clock.h"

namespace vpp::sim {

template <class Event>
class EventQueue {
 public:
  void push(WorldTime at, Event event) {
    VPP_CHECK(at >= now_);
    std::uint32_t slot = 0;
    if (free_.empty()) {
      slot = static_cast<std::uint32_t>(slots_.size());
      slots_.push_back(std::move(event));
    } else {
      slot = free_.back();
      free_.pop_back();
      slots_[slot] = std::move(event);
    }
    heap_.push_back({at, next_sequence_++, slot});
    std::ranges::push_heap(heap_, later);
  }

  /// Precondition: not empty. Time moves on to the event's.
  Event pop() {
    VPP_CHECK(!heap_.empty());
    std::ranges::pop_heap(heap_, later);
    const Entry entry = heap_.back();
    heap_.pop_back();
    now_ = entry.at;
    free_.push_back(entry.slot);
    return std::move(slots_[entry.slot]);
  }

  [[nodiscard]] bool empty() const { return heap_.empty(); }
  [[nodiscard]] std::size_t size() const { return heap_.size(); }
  [[nodiscard]] WorldTime now() const { return now_; }
  [[nodiscard]] WorldTime next_at() const { return heap_.empty() ? kEndOfWorld : heap_[0].at; }

 private:
  struct Entry {
    WorldTime at;
    std::uint64_t sequence;
    std::uint32_t slot;
  };
  static bool later(const Entry& a, const Entry& b) {
    return std::pair{a.at, a.sequence} > std::pair{b.at, b.sequence};
  }

  WorldTime now_{};
  std::uint64_t next_sequence_ = 0;
  std::vector<Entry> heap_;
  std::vector<Event> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace vpp::sim
