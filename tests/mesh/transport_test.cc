#include <sys/resource.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>
#include <thread>

#include "mesh/zmq_transport.h"
#include "tests/mesh/transport_fixture.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

TEST_CASE("a child probes, proves itself, and both then know each other", "[mesh][transport]") {
  Pair net;
  net.child.transport->send_up(net.link, Probe{7});
  REQUIRE(net.run([&] { return net.parent.count<Probe>() == 1; }));
  const auto probe = net.parent.all<FromChild>().front();
  CHECK_FALSE(probe.peer);
  net.parent.transport->send_down(probe.connection, ProbeAck{.nonce = 7, .path = {}, .region = {}});
  REQUIRE(net.run([&] { return net.child.count<ProbeAck>() == 1; }));
  CHECK(net.child.all<FromParent>().front().peer == kNoNode);

  const ConnectionId connection = net.join();
  CHECK(connection == probe.connection);
  const auto hello = net.parent.all<FromChild>().back();
  REQUIRE(hello.peer);
  CHECK(hello.peer->id == net.child.keys.id());
  CHECK(hello.peer->role == Role::kLeaf);
  CHECK(hello.peer->discharge_max == Watts{5'000});
  CHECK(hello.peer->charge_max == Watts{4'000});
  CHECK(hello.peer->energy_max == to_joules(WattHours{13'500}));
  CHECK(net.child.all<FromParent>().back().peer == net.parent.keys.id());

  net.report();
  REQUIRE(net.run([&] { return net.parent.count<Report>() == 1; }));
  CHECK(net.parent.all<FromChild>().back().peer->id == net.child.keys.id());
  CHECK(net.parent.counters().unproven == 0);
  CHECK(net.parent.warnings->empty());
}

TEST_CASE("beacons reach every child, equal or not", "[mesh][transport]") {
  Pair net;
  TestNode second{net.fleet, Role::kLeaf};
  second.transport->open_link(5, net.parent.endpoint());
  REQUIRE(run_until({&second, &net.parent}, [&] { return !second.heard.empty(); }));
  const ConnectionId first_connection = net.join();
  second.transport->send_up(5, second.hello());
  REQUIRE(run_until({&second, &net.parent}, [&] { return net.parent.count<Hello>() == 2; }));
  const ConnectionId second_connection = net.parent.all<FromChild>().back().connection;
  net.parent.transport->send_down(second_connection, net.parent.ack());

  std::size_t sent = 0;
  for (const Stamp stamp : {1, 1, 2, 3}) {
    Beacon beacon = beacon_at(stamp);
    beacon.path = {net.parent.keys.id()};
    net.parent.transport->send_down(first_connection, beacon);
    net.parent.transport->send_down(second_connection, beacon);
    ++sent;
    REQUIRE(run_until({&second, &net.child, &net.parent}, [&] {
      return second.count<Beacon>() == sent && net.child.count<Beacon>() == sent;
    }));
  }
  const auto stamps = [](const TestNode& node) {
    std::vector<Stamp> out;
    for (const Beacon& beacon : node.messages<Beacon>()) out.push_back(beacon.stamp);
    return out;
  };
  CHECK(stamps(net.child) == std::vector<Stamp>{1, 1, 2, 3});
  CHECK(stamps(second) == std::vector<Stamp>{1, 1, 2, 3});
}

TEST_CASE("the death of a parent is told at once", "[mesh][transport]") {
  Pair net;
  net.join();
  net.parent.transport.reset();
  REQUIRE(net.run([&] { return !net.child.all<LinkLost>().empty(); }));
  CHECK(net.child.all<LinkLost>().size() == 1);
  // What is sent to a lost link is dropped and counted; closing it is harmless.
  net.report();
  CHECK(net.child.counters().unknown_connection == 1);
  net.child.transport->close_link(net.link);
}

TEST_CASE("where nobody listens the link is lost", "[mesh][transport]") {
  const Fleet fleet;
  TestNode child{fleet, Role::kLeaf};
  Endpoint gone;
  {
    const TestNode parent{fleet, Role::kAggregator, true};
    gone = parent.endpoint();
  }
  child.transport->open_link(1, gone);
  CHECK(run_until({&child}, [&] { return child.all<LinkLost>().size() == 1; }));
  child.transport->open_link(2, Endpoint{"tcp://", {}});
  CHECK(run_until({&child}, [&] { return child.all<LinkLost>().size() == 2; }));
  CHECK(child.all<LinkOpened>().empty());
}

TEST_CASE("a parent with another key than the one dialled is not talked to",
          "[mesh][transport][security]") {
  const Fleet fleet;
  TestNode parent{fleet, Role::kAggregator, true};
  TestNode child{fleet, Role::kLeaf};
  child.transport->open_link(1, Endpoint{parent.endpoint().address, generate_node_keys().curve});
  REQUIRE(run_until({&parent, &child}, [&] { return !child.all<LinkLost>().empty(); }));
  CHECK(child.all<LinkOpened>().empty());
  CHECK(run_until({&parent, &child}, [&] { return parent.counters().handshakes_failed > 0; }));
}

TEST_CASE("a dead child is told once, when it is next sent to", "[mesh][transport]") {
  Pair net;
  const ConnectionId connection = net.join();
  net.child.transport.reset();
  REQUIRE(net.run([&] {
    net.parent.transport->send_down(connection, beacon_at(1));
    return !net.parent.all<ChildUnreachable>().empty();
  }));
  for (int i = 0; i < 3; ++i) {
    net.parent.transport->send_down(connection, beacon_at(2));
    net.parent.poll();
  }
  const auto told = net.parent.all<ChildUnreachable>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].connection == connection);
  CHECK(net.parent.counters().unknown_connection >= 3);
  CHECK(net.parent.transport->connections() == 0);
}

TEST_CASE("a Bye still leaves when its link is closed behind it", "[mesh][transport]") {
  Pair net;
  net.join();
  // Behind other work, so that it has most likely not left before the close.
  Report bulky;
  bulky.attached.resize(limits::kAttachmentsMax);
  for (int i = 0; i < 50; ++i) net.child.transport->send_up(net.link, bulky);
  net.child.transport->send_up(net.link, Bye{1});
  REQUIRE(net.child.counters().slow_peer == 0);
  SECTION("by close_link") {
    net.child.transport->close_link(net.link);
  }
  SECTION("by the end of the transport") {
    net.child.transport.reset();
  }
  CHECK(net.run([&] { return net.parent.count<Bye>() == 1; }));
}

TEST_CASE("a dropped connection starts over as a new one", "[mesh][transport]") {
  Pair net;
  const ConnectionId first = net.join();
  net.parent.transport->drop(first);
  net.report();
  REQUIRE(net.run([&] { return net.parent.counters().unproven == 1; }));
  CHECK(net.parent.count<Report>() == 0);
  CHECK(net.join() != first);
  CHECK(net.parent.all<ChildUnreachable>().empty());
}

TEST_CASE("kinds that never go a way are dropped and counted", "[mesh][transport]") {
  Pair net;
  const ConnectionId connection = net.join();
  net.child.transport->send_up(net.link, beacon_at(1));
  net.child.transport->send_up(net.link, Dispatch{});
  net.parent.transport->send_down(connection, Report{});
  CHECK(net.run([&] {
    return net.parent.counters().misdirected == 2 && net.child.counters().misdirected == 1;
  }));
  CHECK(net.parent.count<Dispatch>() == 0);
  CHECK(net.child.count<Report>() == 0);
}

TEST_CASE("children that all come at once are all let in, each as itself", "[mesh][transport]") {
  const Fleet fleet;
  TestNode parent{fleet, Role::kAggregator, true};
  std::vector<std::unique_ptr<TestNode>> children;
  std::vector<TestNode*> everybody{&parent};
  for (int i = 0; i < 50; ++i) {
    children.push_back(std::make_unique<TestNode>(fleet, Role::kLeaf));
    everybody.push_back(children.back().get());
    children.back()->transport->open_link(1, parent.endpoint());
  }
  REQUIRE(run_until(everybody, [&] {
    return std::ranges::all_of(children, [](const auto& c) { return !c->heard.empty(); });
  }));
  for (const auto& child : children) {
    REQUIRE(child->all<LinkOpened>().size() == 1);
    child->transport->send_up(1, child->hello());
  }
  REQUIRE(run_until({&parent}, [&] { return parent.count<Hello>() == children.size(); }));
  std::set<ConnectionId> connections;
  std::set<NodeId> peers;
  std::set<NodeId> expected;
  for (const FromChild& hello : parent.all<FromChild>()) {
    connections.insert(hello.connection);
    peers.insert(hello.peer->id);
  }
  for (const auto& child : children) expected.insert(child->keys.id());
  CHECK(connections.size() == children.size());
  CHECK(peers == expected);
  CHECK(parent.transport->connections() == children.size());
}

TEST_CASE("wake ends a wait from another thread", "[mesh][transport]") {
  const Fleet fleet;
  TestNode node{fleet, Role::kLeaf};
  std::jthread other{[&] { node.transport->wake(); }};
  std::vector<TransportEvent> none;
  node.transport->wait(1h, none);
  CHECK(none.empty());
}

TEST_CASE("links come and go without using up sockets", "[mesh][transport]") {
  Pair net;
  for (LinkId link = 100; link < 1'300; ++link) {  // above libzmq's 1,023 sockets
    net.child.transport->open_link(link, net.parent.endpoint());
    net.child.transport->close_link(link);
    if (link % 64 == 0) net.child.poll();
  }
  net.join();
}

#ifndef VPP_SANITIZED  // which needs descriptors itself
TEST_CASE("without descriptors a link is lost, and works again once there are some",
          "[mesh][transport]") {
  Pair net;
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{4, before.rlim_max};  // fewer than are open already
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  net.child.transport->open_link(50, net.parent.endpoint());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(net.run([&] { return net.child.all<LinkLost>().size() == 1; }));
  CHECK(net.child.all<LinkLost>()[0].link == 50);
  net.join();
  net.child.transport->open_link(51, net.parent.endpoint());
  CHECK(net.run([&] { return net.child.all<LinkOpened>().size() == 2; }));
}
#endif

TEST_CASE("an address that cannot be listened on is a clear error", "[mesh][transport]") {
  const Fleet fleet;
  const TestNode first{fleet, Role::kAggregator, true};
  TransportOptions options;
  options.keys = generate_node_keys();
  options.fleet = fleet.authority.pub;
  options.utc_ms = [] { return kUtcMs; };
  options.listen = first.transport->bound_address();
  const auto taken = ZmqTransport::open(options);
  REQUIRE_FALSE(taken);
  CHECK_THAT(taken.error(), Catch::Contains(*options.listen) && Catch::Contains("in use"));
  options.listen = "tcp://nonsense";
  CHECK_FALSE(ZmqTransport::open(options));
}
