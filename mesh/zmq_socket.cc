#include "mesh/zmq_socket.h"

#include <cerrno>
#include <cstring>

#include "config/check.h"
#include "config/limits.h"

namespace vpp::mesh {
namespace {

// A frame a little too long still reaches us, to be counted; beyond, libzmq cuts the link.
constexpr int kOversizeSeen = 4096;
// Beacons and leases are the heartbeat; a peer that went without a word is TCP's to find: an idle
// connection by keep-alive, one with something unacknowledged by this. No ZMTP heartbeats here:
// libzmq cancels a timer by walking through all of them, and each of a parent's connections would
// have two (at 10,000 children that took more than a core, and the parent lost them all).
constexpr int kUnacknowledgedMs = 45'000;
constexpr int kKeepAliveIdleS = 60;
constexpr int kKeepAliveIntervalS = 15;
constexpr int kKeepAliveCount = 4;
constexpr int kSendQueue = 64;
constexpr int kReceiveQueue = 256;
// What the kernel holds can neither be overtaken nor conflated: 4 s of a link of 64 kbit/s, and
// still 300 kB/s where an answer takes 100 ms.
constexpr int kSendBufferBytes = 32'768;

}  // namespace

std::optional<zmq::message_t> receive(zmq::socket_t& socket) {
  zmq::message_t message;
  while (zmq_msg_recv(message.handle(), socket.handle(), ZMQ_DONTWAIT) < 0) {
    if (errno == EINTR) continue;
    VPP_CHECK(errno == EAGAIN);
    return std::nullopt;
  }
  return message;
}

Sent send(zmq::socket_t& socket, zmq::message_t& message, bool more) {
  const int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
  while (zmq_msg_send(message.handle(), socket.handle(), flags) < 0) {
    if (errno == EINTR) continue;
    if (errno == EHOSTUNREACH) return Sent::kUnreachable;
    VPP_CHECK(errno == EAGAIN);
    return Sent::kFull;
  }
  return Sent::kYes;
}

void set_option(zmq::socket_t& socket, int option, int value) {
  VPP_CHECK(zmq_setsockopt(socket.handle(), option, &value, sizeof(value)) == 0);
}

void set_option(zmq::socket_t& socket, int option, const std::array<std::uint8_t, 32>& key) {
  VPP_CHECK(zmq_setsockopt(socket.handle(), option, key.data(), key.size()) == 0);
}

void set_common_options(zmq::socket_t& socket, const NodeKeys& keys, const std::string& address) {
  set_option(socket, ZMQ_CURVE_SECRETKEY, keys.curve_secret.bytes());
  const std::int64_t bytes_max = limits::kFrameBytesMax + kOversizeSeen;
  VPP_CHECK(zmq_setsockopt(socket.handle(), ZMQ_MAXMSGSIZE, &bytes_max, sizeof(bytes_max)) == 0);
  set_option(socket, ZMQ_SNDHWM, kSendQueue);
  set_option(socket, ZMQ_RCVHWM, kReceiveQueue);
  set_option(socket, ZMQ_SNDBUF, kSendBufferBytes);
  set_option(socket, ZMQ_LINGER, 0);
  set_option(socket, ZMQ_TCP_MAXRT, kUnacknowledgedMs);
  set_option(socket, ZMQ_TCP_KEEPALIVE, 1);
  set_option(socket, ZMQ_TCP_KEEPALIVE_IDLE, kKeepAliveIdleS);
  set_option(socket, ZMQ_TCP_KEEPALIVE_INTVL, kKeepAliveIntervalS);
  set_option(socket, ZMQ_TCP_KEEPALIVE_CNT, kKeepAliveCount);
  // Only where asked for: a host without IPv6 refuses such sockets.
  if (address.find('[') != std::string::npos) set_option(socket, ZMQ_IPV6, 1);
}

void process_commands(zmq::socket_t& socket) {
  int events = 0;
  std::size_t size = sizeof(events);
  // Fails with EINTR only, after which the next poll does the same work.
  (void)zmq_getsockopt(socket.handle(), ZMQ_EVENTS, &events, &size);
}

Monitor::Monitor(zmq::context_t& context, zmq::socket_t& watched, const std::string& name,
                 int events)
    : watched_{watched}, pipe_{context, zmq::socket_type::pair} {
  const std::string address = "inproc://monitor." + name;
  // Unbounded: a full pipe would stop libzmq's own thread, and with it every link. We read it in
  // every wait().
  set_option(pipe_, ZMQ_RCVHWM, 0);
  set_option(pipe_, ZMQ_LINGER, 0);
  // Fails when descriptors run out, as the making of any socket does.
  if (zmq_socket_monitor(watched_.handle(), address.c_str(), events) != 0) throw zmq::error_t{};
  if (zmq_connect(pipe_.handle(), address.c_str()) != 0) {
    const int cause = zmq_errno();
    (void)zmq_socket_monitor(watched_.handle(), nullptr, 0);
    throw zmq::error_t{cause};
  }
}

Monitor::~Monitor() {
  (void)zmq_socket_monitor(watched_.handle(), nullptr, 0);
}

std::optional<Monitor::Event> Monitor::next() {
  const auto head = receive(pipe_);
  if (!head) return std::nullopt;
  if (head->more()) (void)receive(pipe_);  // the address; both parts arrive at once
  Event event;
  VPP_CHECK(head->size() == sizeof(event.event) + sizeof(event.value));
  std::memcpy(&event.event, head->data(), sizeof(event.event));
  std::memcpy(&event.value, head->data<char>() + sizeof(event.event), sizeof(event.value));
  return event;
}

}  // namespace vpp::mesh
