// Strangers, forged and expired certificates, and frames that are no messages.
#include <catch2/catch.hpp>
#include <zmq.hpp>

#include "config/rng.h"
#include "mesh/codec.h"
#include "tests/mesh/flat_frame.h"
#include "tests/mesh/transport_fixture.h"

using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

namespace {

struct Net {
  /// Opens a link from `child` and waits until it is up.
  void connect(TestNode& child) {
    child.transport->open_link(1, parent.endpoint());
    REQUIRE(run_until({&parent, &child}, [&] { return !child.all<LinkOpened>().empty(); }));
  }
  /// Sends `hello` and waits for the answer, whatever it is.
  void greet(TestNode& child, const Hello& hello) {
    const std::size_t before = parent.count<Hello>() + child.count<HelloNak>();
    child.transport->send_up(1, hello);
    REQUIRE(run_until({&parent, &child},
                      [&] { return parent.count<Hello>() + child.count<HelloNak>() > before; }));
  }
  ConnectionId join(TestNode& child) {
    connect(child);
    greet(child, child.hello());
    REQUIRE(parent.count<Hello>() == 1);
    const ConnectionId connection = parent.all<FromChild>().back().connection;
    parent.transport->send_down(connection, parent.ack());
    REQUIRE(run_until({&parent, &child}, [&] { return child.count<HelloAck>() == 1; }));
    return connection;
  }

  Fleet fleet;
  TestNode parent{fleet, Role::kAggregator, true};
};

/// A client that speaks CURVE but not our protocol.
struct RawClient {
  RawClient(const TestNode& parent, bool curve) : dealer{context, zmq::socket_type::dealer} {
    dealer.set(zmq::sockopt::linger, 0);
    if (curve) {
      const NodeKeys keys = generate_node_keys();
      const auto set = [&](int option, const std::array<std::uint8_t, 32>& key) {
        REQUIRE(zmq_setsockopt(dealer.handle(), option, key.data(), key.size()) == 0);
      };
      set(ZMQ_CURVE_SERVERKEY, parent.keys.curve);
      set(ZMQ_CURVE_PUBLICKEY, keys.curve);
      set(ZMQ_CURVE_SECRETKEY, keys.curve_secret.bytes());
    }
    dealer.connect(parent.transport->bound_address());
  }
  /// Waits while the queue is full; the parent is served meanwhile.
  void send(TestNode& parent, const Frame& frame, bool more = false) {
    const auto flags =
        (more ? zmq::send_flags::sndmore : zmq::send_flags::none) | zmq::send_flags::dontwait;
    REQUIRE(run_until({&parent}, [&] {
      return dealer.send(zmq::const_buffer{frame.data(), frame.size()}, flags).has_value();
    }));
  }

  zmq::context_t context;
  zmq::socket_t dealer;
};

NodeCert with_caps_of(const Net& net, const TestNode& node) {
  return net.fleet.cert_for(node.keys, node.role);
}

}  // namespace

TEST_CASE("a stranger's Hello is refused, counted and answered", "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  net.connect(child);
  Hello hello = child.hello();
  const TransportCounters& counters = net.parent.counters();

  SECTION("without a certificate") {
    hello.certificate.clear();
    net.greet(child, hello);
    CHECK(counters.bad_cert == 1);
  }
  SECTION("with a certificate of another fleet") {
    hello.certificate = Fleet{}.issued_to(child.keys, Role::kLeaf);
    net.greet(child, hello);
    CHECK(counters.bad_cert == 1);
  }
  SECTION("with somebody else's certificate") {
    const NodeKeys victim = generate_node_keys();
    hello.certificate = net.fleet.issued_to(victim, Role::kLeaf);
    net.greet(child, hello);
    CHECK(counters.key_mismatch == 1);
  }
  SECTION("with one altered bit") {
    hello.certificate[130] ^= 1U;
    net.greet(child, hello);
    CHECK(counters.bad_cert == 1);
  }
  SECTION("expired") {
    *net.parent.utc_ms = kUtcMs + kHourMs;
    net.greet(child, hello);
    CHECK(counters.expired == 1);
  }
  SECTION("not yet valid") {
    *net.parent.utc_ms = kUtcMs - kHourMs - 1;
    net.greet(child, hello);
    CHECK(counters.expired == 1);
  }
  SECTION("in a role that is not its own") {
    hello.role = Role::kAggregator;
    net.greet(child, hello);
    CHECK(counters.bad_cert == 1);
  }
  SECTION("outside of its region") {
    NodeCert cert = with_caps_of(net, child);
    cert.scope = scope_of("north");
    hello.certificate = net.fleet.issued(cert);
    hello.region = "south";
    net.greet(child, hello);
    CHECK(counters.bad_cert == 1);
  }

  CHECK(net.parent.count<Hello>() == 0);
  REQUIRE(child.count<HelloNak>() == 1);
  CHECK(child.messages<HelloNak>().back().reason == NakReason::kNotAuthorised);
  CHECK_FALSE(net.parent.warnings->empty());
  child.transport->send_up(1, Report{});
  REQUIRE(run_until({&net.parent, &child}, [&] { return counters.unproven == 1; }));
  CHECK(net.parent.count<Report>() == 0);
}

TEST_CASE("a certificate for a region is good in that region", "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  net.connect(child);
  NodeCert cert = with_caps_of(net, child);
  cert.scope = scope_of("north");
  Hello hello = child.hello();
  hello.certificate = net.fleet.issued(cert);
  hello.region = "north";
  net.greet(child, hello);
  CHECK(net.parent.count<Hello>() == 1);
}

TEST_CASE("a child whose certificate expires in mid-session is cut off",
          "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  const ConnectionId connection = net.join(child);
  *net.parent.utc_ms = kUtcMs + kHourMs;
  SECTION("when it next reports") {
    child.transport->send_up(1, Report{});
  }
  SECTION("when it is next sent to") {
    net.parent.transport->send_down(connection, Beacon{});
  }
  REQUIRE(run_until({&net.parent, &child},
                    [&] { return !net.parent.all<ChildUnreachable>().empty(); }));
  CHECK(net.parent.all<ChildUnreachable>()[0].connection == connection);
  CHECK(net.parent.count<Report>() == 0);
  CHECK(net.parent.counters().expired == 1);

  // With a renewed certificate it is welcome again, as a new connection.
  NodeCert renewed = with_caps_of(net, child);
  renewed.not_after_ms = kUtcMs + 2 * kHourMs;
  child.certificate = net.fleet.issued(renewed);
  net.greet(child, child.hello());
  REQUIRE(net.parent.count<Hello>() == 2);
  CHECK(net.parent.all<FromChild>().back().connection != connection);
}

TEST_CASE("a parent whose certificate expires in mid-session is left",
          "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  const ConnectionId connection = net.join(child);
  *child.utc_ms = kUtcMs + kHourMs;
  net.parent.transport->send_down(connection, Beacon{});
  REQUIRE(run_until({&net.parent, &child}, [&] { return !child.all<LinkLost>().empty(); }));
  CHECK(child.count<Beacon>() == 0);
  CHECK(child.counters().expired == 1);
}

TEST_CASE("a parent that cannot prove itself is left", "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  net.connect(child);
  net.greet(child, child.hello());
  const ConnectionId connection = net.parent.all<FromChild>().back().connection;
  HelloAck ack = net.parent.ack();
  const TransportCounters& counters = child.counters();
  const auto lost = [&] {
    net.parent.transport->send_down(connection, ack);
    return run_until({&net.parent, &child}, [&] { return !child.all<LinkLost>().empty(); });
  };

  SECTION("without a certificate") {
    ack.certificate.clear();
    REQUIRE(lost());
    CHECK(counters.bad_cert == 1);
  }
  SECTION("with a leaf's certificate on its own key") {
    ack.certificate = net.fleet.issued_to(net.parent.keys, Role::kLeaf);
    REQUIRE(lost());
    CHECK(counters.bad_cert == 1);
  }
  SECTION("with another aggregator's certificate") {
    ack.certificate = net.fleet.issued_to(generate_node_keys(), Role::kAggregator);
    REQUIRE(lost());
    CHECK(counters.key_mismatch == 1);
  }
  SECTION("with a certificate of another fleet") {
    ack.certificate = Fleet{}.issued_to(net.parent.keys, Role::kAggregator);
    REQUIRE(lost());
    CHECK(counters.bad_cert == 1);
  }
  CHECK(child.count<HelloAck>() == 0);
}

TEST_CASE("orders before the parent has proven itself are dropped", "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  net.connect(child);
  net.greet(child, child.hello());
  const ConnectionId connection = net.parent.all<FromChild>().back().connection;
  net.parent.transport->send_down(connection, Dispatch{});
  net.parent.transport->send_down(connection, net.parent.ack());
  REQUIRE(run_until({&net.parent, &child}, [&] { return child.count<HelloAck>() == 1; }));
  CHECK(child.count<Dispatch>() == 0);
  CHECK(child.counters().unproven == 1);
}

TEST_CASE("a parent tells strangers nothing but ProbeAck and HelloNak",
          "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  net.connect(child);
  child.transport->send_up(1, Probe{1});
  REQUIRE(run_until({&net.parent, &child}, [&] { return net.parent.count<Probe>() == 1; }));
  const ConnectionId connection = net.parent.all<FromChild>().back().connection;
  net.parent.transport->send_down(connection, Beacon{});
  net.parent.transport->send_down(connection, ProbeAck{});
  REQUIRE(run_until({&net.parent, &child}, [&] { return child.count<ProbeAck>() == 1; }));
  CHECK(child.counters().frames_in == 1);
  CHECK(net.parent.counters().unproven == 1);
}

TEST_CASE("frames that are no messages are dropped and counted, and a good child is served",
          "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  net.join(child);
  RawClient raw{net.parent, true};
  const TransportCounters& counters = net.parent.counters();
  Rng rng{1};
  constexpr std::uint64_t kNoise = 3'000;
  const Frame probe = encode(Probe{1}).value();
  for (std::uint64_t i = 0; i < kNoise; ++i) {
    Frame noise = i % 2 == 0 ? testing::flat(probe) : Frame(rng.below(300));
    if (i % 2 == 0) {
      noise[8 + rng.below(8)] ^= 0xa5U;  // the root pointer
      noise = testing::packed(noise);
    } else {
      for (auto& byte : noise) byte = static_cast<std::uint8_t>(rng.next());
    }
    raw.send(net.parent, noise);
  }
  raw.send(net.parent, probe, true);
  raw.send(net.parent, probe);
  raw.send(net.parent, Frame(limits::kFrameBytesMax + 1));
  REQUIRE(run_until({&net.parent},
                    [&] { return counters.malformed == kNoise + 1 && counters.oversize == 1; }));
  CHECK(net.parent.count<Probe>() == 0);
  CHECK(net.parent.warnings->size() < 20);

  child.transport->send_up(1, Report{});
  CHECK(run_until({&net.parent, &child}, [&] { return net.parent.count<Report>() == 1; }));
}

TEST_CASE("who speaks a newer version is told ours, counted and named; good children are served",
          "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  net.join(child);
  CHECK_FALSE(net.parent.transport->other_version());
  RawClient raw{net.parent, true};
  Frame newer = testing::flat(encode(Probe{1}).value());
  newer[16] = kProtocolVersion + 1;  // the first field, see codec_test.cc
  raw.send(net.parent, testing::packed(newer));
  zmq::message_t answer;
  REQUIRE(run_until({&net.parent}, [&] {
    return raw.dealer.recv(answer, zmq::recv_flags::dontwait).has_value();
  }));
  const auto nak = decode({answer.data<std::uint8_t>(), answer.size()});
  REQUIRE(nak);
  CHECK(std::get<HelloNak>(*nak).reason == NakReason::kNotAuthorised);
  CHECK(net.parent.counters().other_version == 1);
  CHECK(net.parent.counters().malformed == 0);
  const auto other = net.parent.transport->other_version();
  REQUIRE(other);
  CHECK(other->version == kProtocolVersion + 1);
  CHECK_FALSE(other->above);
  child.transport->send_up(1, Report{});
  CHECK(run_until({&net.parent, &child}, [&] { return net.parent.count<Report>() == 1; }));
}

TEST_CASE("a frame far too long costs its sender the connection", "[mesh][transport][security]") {
  Net net;
  TestNode child{net.fleet, Role::kLeaf};
  net.join(child);
  RawClient raw{net.parent, true};
  raw.dealer.set(zmq::sockopt::reconnect_ivl, -1);
  raw.send(net.parent, Frame(1'000'000));
  REQUIRE(run_until({&net.parent}, [&] { return net.parent.counters().disconnects >= 1; }));
  CHECK(net.parent.counters().frames_in == 1);  // the Hello
  child.transport->send_up(1, Report{});
  CHECK(run_until({&net.parent, &child}, [&] { return net.parent.count<Report>() == 1; }));
}

TEST_CASE("who does not speak CURVE does not get in", "[mesh][transport][security]") {
  Net net;
  RawClient raw{net.parent, false};
  REQUIRE(run_until({&net.parent}, [&] { return net.parent.counters().handshakes_failed > 0; }));
  CHECK(net.parent.counters().frames_in == 0);
  CHECK(net.parent.transport->connections() == 0);
}
