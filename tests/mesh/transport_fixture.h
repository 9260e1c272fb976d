// Nodes with real sockets on loopback, driven by one thread, for tests of the transport.
#pragma once

#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "mesh/zmq_transport.h"
#include "tests/mesh/fleet_fixture.h"

namespace vpp::mesh::testing {

/// One node's transport, its wall clock and what it has heard so far.
struct TestNode {
  explicit TestNode(const Fleet& fleet, Role role_, bool listens = false)
      : role{role_}, keys{generate_node_keys()}, certificate{fleet.issued_to(keys, role_)} {
    TransportOptions options;
    options.keys = keys;
    options.fleet = fleet.authority.pub;
    if (listens) options.listen = "tcp://127.0.0.1:*";
    options.utc_ms = [clock = utc_ms] { return *clock; };
    options.warn = [lines = warnings](std::string_view line) { lines->emplace_back(line); };
    auto opened = ZmqTransport::open(std::move(options));
    if (!opened) throw std::runtime_error{opened.error()};
    transport = std::move(*opened);
  }

  [[nodiscard]] Endpoint endpoint() const { return {transport->bound_address(), keys.curve}; }
  [[nodiscard]] const TransportCounters& counters() const { return transport->counters(); }
  void poll() { transport->wait(Duration{1}, heard); }

  [[nodiscard]] Hello hello() const {
    Hello out;
    out.certificate = certificate;
    out.role = role;
    out.name = "node";
    out.session = 1;
    return out;
  }
  [[nodiscard]] HelloAck ack() const {
    HelloAck out;
    out.session = 1;
    out.certificate = certificate;
    out.path = {keys.id()};
    return out;
  }

  template <class Event>
  [[nodiscard]] std::vector<Event> all() const {
    std::vector<Event> found;
    for (const TransportEvent& event : heard) {
      if (const auto* one = std::get_if<Event>(&event)) found.push_back(*one);
    }
    return found;
  }
  /// Messages of one kind that came on any connection or link.
  template <class Kind>
  [[nodiscard]] std::vector<Kind> messages() const {
    std::vector<Kind> found;
    const auto add = [&](const Message& message) {
      if (const auto* one = std::get_if<Kind>(&message)) found.push_back(*one);
    };
    for (const auto& event : all<FromChild>()) add(event.message);
    for (const auto& event : all<FromParent>()) add(event.message);
    return found;
  }
  template <class Kind>
  [[nodiscard]] std::size_t count() const {
    return messages<Kind>().size();
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

}  // namespace vpp::mesh::testing
