// What waits for a slow peer: order, bound, and what a newer live value must carry on.
#include "mesh/outbox.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <set>
#include <vector>

#include "config/limits.h"
#include "config/rng.h"
#include "tests/mesh/live_values.h"

using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

namespace {

NodeId node(std::uint64_t number) {
  return {.high = 7, .low = number};
}

using Places = std::map<NodeId, Session>;

std::vector<Attachment> random_places(Rng& rng, std::size_t most) {
  std::set<NodeId> nodes;
  for (auto n = rng.below(most + 1); n > 0; --n) nodes.insert(node(1 + rng.below(2 * most)));
  std::vector<Attachment> out;
  for (const NodeId id : nodes) out.push_back({id, 1 + rng.below(9), false});
  return out;
}

Places places_of(const std::vector<Attachment>& list) {
  Places out;
  for (const Attachment& one : list) out[one.node] = one.session;
  return out;
}

}  // namespace

TEST_CASE("what waits leaves as control in order, newest share, newest value, back-fill in order",
          "[mesh][outbox][property]") {
  Rng rng{7};
  for (int round = 0; round < 200; ++round) {
    Outbox<int> outbox;
    std::vector<int> control;
    std::vector<int> backfill;
    std::optional<int> share;
    std::optional<int> live;
    for (int item = 0; item < 100; ++item) {
      const auto lane = static_cast<Lane>(rng.below(4));
      const bool full = (lane == Lane::kControl && control.size() >= Outbox<int>::kControlMax) ||
                        (lane == Lane::kBackfill && backfill.size() >= Outbox<int>::kBackfillMax);
      const bool room = !full;
      CHECK(outbox.put(lane, item) == room);
      if (lane == Lane::kControl && room) control.push_back(item);
      if (lane == Lane::kBackfill && room) backfill.push_back(item);
      if (lane == Lane::kShare) share = item;
      if (lane == Lane::kLive) live = item;
    }
    std::vector<int> expected = control;
    if (share) expected.push_back(*share);
    if (live) expected.push_back(*live);
    expected.insert(expected.end(), backfill.begin(), backfill.end());
    std::vector<int> left;
    for (; !outbox.empty(); outbox.pop()) {
      CHECK(outbox.has_control() == (left.size() < control.size()));
      left.push_back(outbox.front());
    }
    CHECK(left == expected);
  }
}

TEST_CASE("control that finds no room is refused, live values always find some", "[mesh][outbox]") {
  Outbox<int> outbox;
  for (std::size_t i = 0; i < Outbox<int>::kControlMax; ++i) {
    CHECK(outbox.put(Lane::kControl, 1));
  }
  CHECK_FALSE(outbox.put(Lane::kControl, 2));
  CHECK(outbox.put(Lane::kLive, 3));
  CHECK(outbox.put(Lane::kShare, 4));
  CHECK(outbox.newest(Lane::kLive) == 3);
}

TEST_CASE("only reports, beacons and shares may be replaced", "[mesh][outbox]") {
  CHECK(lane_of(Report{}) == Lane::kLive);
  CHECK(lane_of(Beacon{}) == Lane::kLive);
  CHECK(lane_of(Dispatch{}) == Lane::kShare);
  CHECK(lane_of(JournalPart{}) == Lane::kBackfill);
  CHECK(lane_of(ValueSignal{}) == Lane::kBackfill);
  CHECK(lane_of(PlannedLoad{}) == Lane::kBackfill);
  const std::vector<Message> control{Probe{},       ProbeAck{}, Hello{},   HelloAck{}, HelloNak{},
                                     DispatchAck{}, Evict{},    Cleared{}, Bye{},      Redirect{},
                                     Follow{},      Lead{},     Unload{}};
  for (const Message& message : control) CHECK(lane_of(message) == Lane::kControl);
}

TEST_CASE("a report in place of two tells whom either announced or left out",
          "[mesh][outbox][property]") {
  Rng rng{11};
  for (int round = 0; round < 500; ++round) {
    Report older = report_at(1);
    older.attached = random_places(rng, 6);
    older.evicted = random_places(rng, 6);
    Report newer = report_at(2);
    newer.attached = random_places(rng, 6);
    newer.evicted = random_places(rng, 6);

    // As the parent would have it after both, one after the other.
    Places evicted = places_of(older.evicted);
    for (const auto& [id, session] : places_of(newer.evicted)) evicted[id] = session;
    Places attached = places_of(older.attached);
    for (const auto& [id, session] : evicted) attached.erase(id);
    for (const auto& [id, session] : places_of(newer.attached)) attached[id] = session;

    Message both = newer;
    REQUIRE(absorb(both, older));
    const auto& told = std::get<Report>(both);
    CHECK(told.sequence == 2);
    CHECK(places_of(told.evicted) == evicted);
    CHECK(places_of(told.attached) == attached);
    CHECK(told.evicted.size() == evicted.size());
    CHECK(told.attached.size() == attached.size());
  }
}

TEST_CASE("two reports that tell too much for one are both kept", "[mesh][outbox]") {
  Report older;
  Report newer;
  for (std::size_t i = 0; i < limits::kAttachmentsMax; ++i) older.attached.push_back({node(i), 1});
  newer.attached.push_back({node(limits::kAttachmentsMax), 1});
  Message both = newer;
  CHECK_FALSE(absorb(both, older));
  CHECK(std::get<Report>(both) == newer);
}

TEST_CASE("a report of a newer session carries nothing of the older one", "[mesh][outbox]") {
  Report older = report_at(1, 1);
  older.attached = {{node(1), 1}};
  const Report newer = report_at(1, 2);
  Message both = newer;
  CHECK(absorb(both, older));
  CHECK(std::get<Report>(both) == newer);
}

TEST_CASE("a beacon in place of two keeps the alternates", "[mesh][outbox]") {
  Beacon older;
  older.alternates = {{"tcp://a:1", {}}};
  Message both = beacon_at(2);
  CHECK(absorb(both, older));
  CHECK(std::get<Beacon>(both).alternates == older.alternates);
  CHECK(std::get<Beacon>(both).stamp == 2);
}

TEST_CASE("a share says nothing of another program's or group's", "[mesh][outbox]") {
  Dispatch feeder;
  feeder.scope = {"energy", "feeder=a"};
  Message newer = feeder;
  CHECK_FALSE(absorb(newer, Message{Dispatch{}}));
  CHECK(absorb(newer, Message{feeder}));
}
