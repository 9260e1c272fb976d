// Slow and frozen peers on real sockets: what waits, what is replaced, and who is not held up.
#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <vector>

#include "config/limits.h"
#include "mesh/outbox.h"
#include "mesh/zmq_transport.h"
#include "tests/mesh/transport_fixture.h"

using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

namespace {

constexpr std::uint64_t kFlood = 20'000;
/// Far below kFlood; what libzmq and the kernel hold is heard in a few portions.
constexpr std::size_t kFew = 100;

/// The place in `heard` of the first message that satisfies `wanted`.
template <class Kind, class Wanted>
std::size_t place_of(const TestNode& node, Wanted wanted) {
  const auto found = std::ranges::find_if(node.heard, [&](const TransportEvent& event) {
    const auto* one = TestNode::message_in<Kind>(event);
    return one != nullptr && wanted(*one);
  });
  REQUIRE(found != node.heard.end());
  return static_cast<std::size_t>(found - node.heard.begin());
}

/// A child that has joined and does not read from then on.
ConnectionId join_and_freeze(TestNode& parent, TestNode& child) {
  child.transport->open_link(9, parent.endpoint());
  REQUIRE(run_until({&child, &parent}, [&] { return !child.heard.empty(); }));
  const std::size_t before = parent.count<Hello>();
  child.transport->send_up(9, child.hello());
  REQUIRE(run_until({&parent}, [&] { return parent.count<Hello>() > before; }));
  return parent.all<FromChild>().back().connection;
}

Evict bulky_control() {
  return {std::vector<Attachment>(limits::kAttachmentsMax)};
}

}  // namespace

TEST_CASE("of a flood of reports a parent that was busy hears the newest, and few others",
          "[mesh][transport][queues]") {
  Pair net;
  net.join();
  for (std::uint64_t i = 1; i <= kFlood; ++i) {
    net.child.transport->send_up(net.link, report_at(i));
  }
  const auto newest = [&] {
    const auto reports = net.parent.messages<Report>();
    return !reports.empty() && reports.back().sequence == kFlood;
  };
  REQUIRE(net.run(newest));
  CHECK(net.parent.count<Report>() < kFew);
  const auto reports = net.parent.messages<Report>();
  CHECK(std::ranges::is_sorted(reports, {}, &Report::sequence));
  CHECK(net.child.counters().conflated + net.parent.counters().conflated +
            net.parent.count<Report>() ==
        kFlood);
  CHECK(net.child.counters().slow_peer == 0);
}

TEST_CASE("an acknowledgement overtakes reports that wait for a busy parent",
          "[mesh][transport][queues]") {
  Pair net;
  net.join();
  for (std::uint64_t i = 1; i <= kFlood; ++i) {
    net.child.transport->send_up(net.link, report_at(i));
  }
  net.child.transport->send_up(net.link, DispatchAck{.order = {}, .tick = 77});
  net.child.transport->send_up(net.link, report_at(kFlood + 1));
  const auto last = [](const Report& report) { return report.sequence == kFlood + 1; };
  REQUIRE(net.run([&] { return std::ranges::any_of(net.parent.messages<Report>(), last); }));
  CHECK(place_of<DispatchAck>(net.parent, [](const auto& ack) { return ack.tick == 77; }) <
        place_of<Report>(net.parent, last));
}

TEST_CASE("whom a child announced or left out while its parent was busy is told all the same",
          "[mesh][transport][queues]") {
  Pair net;
  net.join();
  std::vector<Attachment> announced;
  for (std::uint64_t i = 1; i <= kFlood; ++i) {
    Report report = report_at(i);
    if (i % 100 == 0) {
      announced.push_back({NodeId{.high = 1, .low = i}, 1});
      report.attached = {announced.back()};
    }
    net.child.transport->send_up(net.link, report);
  }
  REQUIRE(net.run([&] {
    const auto reports = net.parent.messages<Report>();
    return !reports.empty() && reports.back().sequence == kFlood;
  }));
  std::vector<Attachment> told;
  for (const Report& report : net.parent.messages<Report>()) {
    told.insert(told.end(), report.attached.begin(), report.attached.end());
  }
  CHECK(told.size() == announced.size());
  CHECK(std::ranges::is_permutation(told, announced));
}

TEST_CASE("a child that was frozen hears the newest beacon and share, and few others",
          "[mesh][transport][queues]") {
  Pair net;
  TestNode frozen{net.fleet, Role::kLeaf};
  const ConnectionId stuck = join_and_freeze(net.parent, frozen);
  net.parent.transport->send_down(stuck, net.parent.ack());
  for (std::uint64_t i = 1; i <= kFlood; ++i) {
    net.parent.transport->send_down(stuck, share_at(i));
    net.parent.transport->send_down(stuck, beacon_at(static_cast<Stamp>(i)));
  }
  net.parent.transport->send_down(stuck, Cleared{});
  const auto newest = [](const Beacon& beacon) { return beacon.stamp == Stamp{kFlood}; };
  REQUIRE(run_until({&net.parent, &frozen},
                    [&] { return std::ranges::any_of(frozen.messages<Beacon>(), newest); }));
  CHECK(frozen.count<Beacon>() < kFew);
  CHECK(frozen.count<Dispatch>() < kFew);
  CHECK(frozen.messages<Dispatch>().back().tick == kFlood);
  // Sent last, heard before the live values that had to wait.
  const std::size_t control = place_of<Cleared>(frozen, [](const auto&) { return true; });
  const std::size_t share =
      place_of<Dispatch>(frozen, [](const auto& one) { return one.tick == kFlood; });
  CHECK(control < share);
  CHECK(share < place_of<Beacon>(frozen, newest));
  CHECK(net.parent.counters().conflated > 0);
  CHECK(net.parent.counters().slow_peer == 0);
}

TEST_CASE("a frozen child holds up nobody: the others hear every beacon",
          "[mesh][transport][queues]") {
  Pair net;
  TestNode frozen{net.fleet, Role::kLeaf};
  const ConnectionId stuck = join_and_freeze(net.parent, frozen);
  const ConnectionId good = net.join();
  for (std::uint64_t i = 0; i < kFlood && net.parent.counters().conflated == 0; ++i) {
    net.parent.transport->send_down(stuck, beacon_at(1'000'000));
  }
  REQUIRE(net.parent.counters().conflated > 0);
  for (Stamp stamp = 1; stamp <= 500; ++stamp) {
    net.parent.transport->send_down(stuck, beacon_at(1'000'000 + stamp));
    net.parent.transport->send_down(good, beacon_at(stamp));
    REQUIRE(net.run([&] { return net.child.count<Beacon>() == static_cast<std::size_t>(stamp); }));
  }
  CHECK(net.child.messages<Beacon>().back().stamp == 500);
  CHECK(net.parent.counters().slow_peer == 0);
}

TEST_CASE("a standby root that falls behind with the journal is paused, not cut off",
          "[mesh][transport][queues]") {
  Pair net;
  TestNode standby{net.fleet, Role::kRoot};
  const ConnectionId slow = join_and_freeze(net.parent, standby);
  net.parent.transport->send_down(slow, net.parent.ack());
  JournalPart part;
  constexpr std::uint8_t kFill = 0xa5;  // zeros would be packed to next to nothing
  part.entries = {std::vector<std::uint8_t>(limits::kJournalEntryBytesMax, kFill)};
  constexpr std::uint64_t kParts = 1'200;  // 69 MB: more than libzmq's queues and the kernel take
  for (part.position = 1; part.position <= kParts; ++part.position) {
    net.parent.transport->send_down(slow, part);
  }
  net.parent.transport->send_down(slow, Lead{.promised = 7, .leads = true});
  CHECK(net.parent.counters().slow_peer == 0);
  REQUIRE(run_until({&net.parent, &standby}, [&] { return standby.count<Lead>() == 1; }));
  // It says what it has, and is told the rest.
  const auto heard = [&] { return standby.count<JournalPart>(); };
  REQUIRE(run_until({&net.parent, &standby}, [&] { return heard() > 0; }));
  part.position = kParts + 1;
  const auto is_last = [&](const TransportEvent& event) {
    const auto* one = TestNode::message_in<JournalPart>(event);
    return one != nullptr && one->position == part.position;
  };
  while (std::ranges::none_of(standby.heard, is_last)) {
    net.parent.transport->send_down(slow, part);
    const std::size_t before = heard();
    REQUIRE(run_until({&net.parent, &standby}, [&] { return heard() > before; }));
  }
  CHECK(std::ranges::is_sorted(standby.messages<JournalPart>(), {}, &JournalPart::position));
  CHECK(heard() < kParts);
  CHECK(net.parent.all<ChildUnreachable>().empty());
}

TEST_CASE("a child that lets too much control wait is cut off, and comes back as a new one",
          "[mesh][transport][queues]") {
  Pair net;
  TestNode frozen{net.fleet, Role::kLeaf};
  const ConnectionId stuck = join_and_freeze(net.parent, frozen);
  const ConnectionId good = net.join();
  const Evict bulky = bulky_control();
  for (std::uint64_t i = 0; i < kFlood && net.parent.counters().slow_peer == 0; ++i) {
    net.parent.transport->send_down(stuck, bulky);
  }
  REQUIRE(net.parent.counters().slow_peer == 1);
  REQUIRE(net.run([&] { return !net.parent.all<ChildUnreachable>().empty(); }));
  CHECK(net.parent.all<ChildUnreachable>().size() == 1);
  CHECK(net.parent.all<ChildUnreachable>().front().connection == stuck);
  net.parent.transport->send_down(good, beacon_at(1));
  CHECK(net.run([&] { return net.child.count<Beacon>() == 1; }));

  const std::size_t before = net.parent.count<Hello>();
  frozen.transport->close_link(9);
  frozen.transport->open_link(10, net.parent.endpoint());
  const auto opened = [](const TransportEvent& event) {
    const auto* link = std::get_if<LinkOpened>(&event);
    return link != nullptr && link->link == 10;
  };
  REQUIRE(
      run_until({&net.parent, &frozen}, [&] { return std::ranges::any_of(frozen.heard, opened); }));
  frozen.transport->send_up(10, frozen.hello());
  REQUIRE(run_until({&net.parent, &frozen}, [&] { return net.parent.count<Hello>() > before; }));
  CHECK(net.parent.all<FromChild>().back().connection != stuck);
}

TEST_CASE("a parent that does not take control is left", "[mesh][transport][queues]") {
  Pair net;
  net.join();
  for (std::uint64_t i = 0; i < 100 * kFlood && net.child.counters().slow_peer == 0; ++i) {
    net.child.transport->send_up(net.link, DispatchAck{.order = {}, .tick = i});
  }
  REQUIRE(net.child.counters().slow_peer > 0);
  CHECK(run_until({&net.child}, [&] { return net.child.all<LinkLost>().size() == 1; }));
}

TEST_CASE("nothing waits for a stranger that does not read", "[mesh][transport][queues]") {
  Pair net;
  net.child.transport->send_up(net.link, Probe{1});
  REQUIRE(run_until({&net.parent}, [&] { return net.parent.count<Probe>() == 1; }));
  const ConnectionId stranger = net.parent.all<FromChild>().front().connection;
  const ProbeAck answer{.nonce = 1, .path = {}, .region = std::string(64, 'x')};
  for (std::uint64_t i = 0; i < kFlood; ++i) net.parent.transport->send_down(stranger, answer);
  CHECK(net.parent.counters().slow_peer > 0);
  CHECK(net.parent.counters().conflated == 0);
  CHECK(net.parent.transport->connections() == 1);
}
