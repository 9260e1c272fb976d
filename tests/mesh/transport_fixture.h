// Nodes with real sockets on loopback, driven by one thread, for tests of the transport.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "mesh/zmq_transport.h"
#include "tests/mesh/fleet_fixture.h"
#include "tests/mesh/live_values.h"

namespace vpp::mesh::testing {

/// One node's transport, its wall clock and what it has heard so far.
struct TestNode {
  /// Listens on any free port of loopback.
  TestNode(const Fleet& fleet, Role as, bool listens = false);

  [[nodiscard]] Endpoint endpoint() const { return {transport->bound_address(), keys.curve}; }
  [[nodiscard]] const TransportCounters& counters() const { return transport->counters(); }
  void poll() { transport->wait(Duration{1}, heard); }

  [[nodiscard]] Hello hello() const;   ///< with its certificate
  [[nodiscard]] HelloAck ack() const;  ///< likewise

  template <class Event>
  [[nodiscard]] std::vector<Event> all() const {
    std::vector<Event> found;
    for (const TransportEvent& event : heard) {
      if (const auto* one = std::get_if<Event>(&event)) found.push_back(*one);
    }
    return found;
  }
  /// The message of one kind that came with `event`, on any connection or link; or null.
  template <class Kind>
  [[nodiscard]] static const Kind* message_in(const TransportEvent& event) {
    if (const auto* e = std::get_if<FromChild>(&event)) return std::get_if<Kind>(&e->message);
    if (const auto* e = std::get_if<FromParent>(&event)) return std::get_if<Kind>(&e->message);
    return nullptr;
  }
  template <class Kind>
  [[nodiscard]] std::vector<Kind> messages() const {
    std::vector<Kind> found;
    for (const TransportEvent& event : heard) {
      if (const auto* one = message_in<Kind>(event)) found.push_back(*one);
    }
    return found;
  }
  template <class Kind>
  [[nodiscard]] std::size_t count() const {
    return static_cast<std::size_t>(std::ranges::count_if(
        heard, [](const auto& event) { return message_in<Kind>(event) != nullptr; }));
  }

  Role role;
  NodeKeys keys;
  CertBytes certificate;
  std::shared_ptr<std::int64_t> utc_ms = std::make_shared<std::int64_t>(kUtcMs);
  std::shared_ptr<std::vector<std::string>> warnings = std::make_shared<std::vector<std::string>>();
  std::vector<TransportEvent> heard;
  std::unique_ptr<ZmqTransport> transport;
};

/// Drives the nodes until `done`; false when that does not come about. The limit is only there
/// to end a failing test.
template <class Done>
[[nodiscard]] bool run_until(const std::vector<TestNode*>& nodes, Done done) {
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds{20};
  while (!done()) {
    if (std::chrono::steady_clock::now() > give_up) return false;
    for (TestNode* node : nodes) {
      if (node->transport) node->poll();
    }
  }
  return true;
}

/// An aggregator that listens and a leaf with an open link to it.
struct Pair {
  Pair() {
    child.transport->open_link(link, parent.endpoint());
    REQUIRE(run([&] { return child.all<LinkOpened>().size() == 1; }));
  }

  template <class Done>
  [[nodiscard]] bool run(Done done) {
    return run_until({&parent, &child}, done);
  }
  /// Hello up, HelloAck down; returns the connection.
  ConnectionId join() {
    const std::size_t before = parent.count<Hello>();
    child.transport->send_up(link, child.hello());
    REQUIRE(run([&] { return parent.count<Hello>() > before; }));
    const ConnectionId connection = parent.all<FromChild>().back().connection;
    const std::size_t acks = child.count<HelloAck>();
    parent.transport->send_down(connection, parent.ack());
    REQUIRE(run([&] { return child.count<HelloAck>() > acks; }));
    return connection;
  }
  void report() const { child.transport->send_up(link, Report{}); }

  Fleet fleet;
  LinkId link = 1;
  TestNode parent{fleet, Role::kAggregator, true};
  TestNode child{fleet, Role::kLeaf};
};

}  // namespace vpp::mesh::testing
