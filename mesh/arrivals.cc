#include "mesh/arrivals.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "mesh/outbox.h"

namespace vpp::mesh {
namespace {

/// What came from one peer later than the event looked at.
struct Later {
  bool control = false;
  std::array<Message*, 2> live{};  ///< by lane; nothing of control lies between
};

/// Connections and links are numbered apart.
std::uint64_t key_of(std::uint64_t number, bool below) {
  return number * 2 + (below ? 1 : 0);
}

std::uint64_t source_of(const TransportEvent& event) {
  if (const auto* e = std::get_if<FromChild>(&event)) return key_of(e->connection, true);
  if (const auto* e = std::get_if<ChildUnreachable>(&event)) return key_of(e->connection, true);
  if (const auto* e = std::get_if<FromParent>(&event)) return key_of(e->link, false);
  if (const auto* e = std::get_if<LinkOpened>(&event)) return key_of(e->link, false);
  return key_of(std::get<LinkLost>(event).link, false);
}

Message* message_of(TransportEvent& event) {
  if (auto* e = std::get_if<FromChild>(&event)) return &e->message;
  if (auto* e = std::get_if<FromParent>(&event)) return &e->message;
  return nullptr;
}

enum class Place : std::uint8_t { kFirst, kThen, kReplaced };

Place place(Later& later, Message* message) {
  const Lane lane = message == nullptr ? Lane::kControl : lane_of(*message);
  if (lane == Lane::kBackfill) return Place::kThen;
  if (lane == Lane::kControl) {
    later = {.control = true, .live = {}};
    return Place::kFirst;
  }
  Message*& newest = later.live.at(static_cast<std::size_t>(lane) - 1);
  if (newest != nullptr && absorb(*newest, *message)) return Place::kReplaced;
  newest = message;
  return later.control ? Place::kFirst : Place::kThen;
}

}  // namespace

std::size_t sift(std::vector<TransportEvent>& events) {
  if (events.size() < 2) return 0;
  std::unordered_map<std::uint64_t, Later> peers;
  std::vector<Place> places(events.size());
  for (std::size_t i = events.size(); i-- > 0;) {
    places[i] = place(peers[source_of(events[i])], message_of(events[i]));
  }
  std::vector<TransportEvent> sorted;
  sorted.reserve(events.size());
  for (const Place wanted : {Place::kFirst, Place::kThen}) {
    for (std::size_t i = 0; i < events.size(); ++i) {
      if (places[i] == wanted) sorted.push_back(std::move(events[i]));
    }
  }
  const std::size_t replaced = events.size() - sorted.size();
  events = std::move(sorted);
  return replaced;
}

}  // namespace vpp::mesh
