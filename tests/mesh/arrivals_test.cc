// The order in which a node hears what arrived at once, against a second, slow implementation.
#include "mesh/arrivals.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <utility>
#include <vector>

#include "config/rng.h"
#include "mesh/outbox.h"
#include "tests/mesh/live_values.h"

using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

namespace {

/// Peer and number of an event; numbers rise in the order of arrival.
using Mark = std::pair<std::uint64_t, std::uint64_t>;

Mark mark_of(const TransportEvent& event) {
  const auto& from = std::get<FromChild>(event);
  if (const auto* report = std::get_if<Report>(&from.message)) {
    return {from.connection, report->sequence};
  }
  if (const auto* ack = std::get_if<DispatchAck>(&from.message)) {
    return {from.connection, ack->tick};
  }
  return {from.connection, std::get<Bye>(from.message).session};
}

bool is_live(const TransportEvent& event) {
  return std::holds_alternative<Report>(std::get<FromChild>(event).message);
}

std::vector<TransportEvent> random_arrivals(Rng& rng) {
  std::vector<TransportEvent> out;
  const std::uint64_t count = rng.below(40);
  for (std::uint64_t i = 1; i <= count; ++i) {
    const ConnectionId peer = 1 + rng.below(4);
    Message message = report_at(i);
    if (rng.below(4) == 0) message = DispatchAck{.order = {}, .tick = i};
    if (rng.below(10) == 0) message = Bye{i};
    out.emplace_back(FromChild{peer, std::nullopt, std::move(message)});
  }
  return out;
}

/// Each event is looked at by itself: whether a later one of its peer replaces or needs it.
std::vector<Mark> naive(const std::vector<TransportEvent>& events) {
  std::vector<Mark> first;
  std::vector<Mark> then;
  for (std::size_t i = 0; i < events.size(); ++i) {
    bool replaced = false;
    bool needed = !is_live(events[i]);
    bool control_between = false;
    for (std::size_t k = i + 1; k < events.size(); ++k) {
      if (mark_of(events[k]).first != mark_of(events[i]).first) continue;
      if (!is_live(events[k])) needed = control_between = true;
      if (is_live(events[k]) && is_live(events[i]) && !control_between) replaced = true;
    }
    if (replaced) continue;
    (needed ? first : then).push_back(mark_of(events[i]));
  }
  first.insert(first.end(), then.begin(), then.end());
  return first;
}

}  // namespace

TEST_CASE("of what arrives at once control is heard first, and of live values only the newest",
          "[mesh][arrivals][property]") {
  Rng rng{3};
  for (int round = 0; round < 2'000; ++round) {
    auto events = random_arrivals(rng);
    const std::size_t before = events.size();
    const std::vector<Mark> expected = naive(events);
    CHECK(sift(events) == before - expected.size());
    std::vector<Mark> heard;
    for (const auto& event : events) heard.push_back(mark_of(event));
    REQUIRE(heard == expected);
  }
}

TEST_CASE("a link and a connection of the same number are two peers", "[mesh][arrivals]") {
  std::vector<TransportEvent> events;
  events.emplace_back(FromParent{1, kNoNode, beacon_at(1)});
  events.emplace_back(FromChild{1, std::nullopt, Report{}});
  events.emplace_back(FromParent{1, kNoNode, beacon_at(2)});
  CHECK(sift(events) == 1);
  REQUIRE(events.size() == 2);
  CHECK(std::holds_alternative<FromChild>(events[0]));
}

TEST_CASE("what came before a link was lost is heard before its loss", "[mesh][arrivals]") {
  std::vector<TransportEvent> events;
  events.emplace_back(FromParent{1, kNoNode, beacon_at(1)});
  events.emplace_back(FromParent{1, kNoNode, share_at(1)});
  events.emplace_back(LinkLost{1});
  events.emplace_back(FromParent{2, kNoNode, beacon_at(2)});
  CHECK(sift(events) == 0);
  CHECK(std::holds_alternative<LinkLost>(events[2]));
}

TEST_CASE("a renewed share replaces the older one, and keeps a beacon beside it",
          "[mesh][arrivals]") {
  std::vector<TransportEvent> events;
  for (std::uint64_t tick = 1; tick <= 5; ++tick) {
    events.emplace_back(FromParent{1, kNoNode, share_at(tick)});
    events.emplace_back(FromParent{1, kNoNode, beacon_at(static_cast<Stamp>(tick))});
  }
  CHECK(sift(events) == 8);
  REQUIRE(events.size() == 2);
  CHECK(std::get<Dispatch>(std::get<FromParent>(events[0]).message).tick == 5);
  CHECK(std::get<Beacon>(std::get<FromParent>(events[1]).message).stamp == 5);
}
