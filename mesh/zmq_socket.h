// libzmq's sockets without exceptions: cppzmq throws on EINTR and on a full queue alike.
// For the transport only.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <zmq.hpp>

#include "mesh/keys.h"

namespace vpp::mesh {

/// Nothing: none has arrived. Never waits.
[[nodiscard]] std::optional<zmq::message_t> receive(zmq::socket_t& socket);

enum class Sent : std::uint8_t { kYes, kFull, kUnreachable };
/// Never waits; the message is taken over only on kYes.
[[nodiscard]] Sent send(zmq::socket_t& socket, zmq::message_t& message, bool more);

void set_option(zmq::socket_t& socket, int option, int value);
void set_option(zmq::socket_t& socket, int option, const std::array<std::uint8_t, 32>& key);

// Of handshakes. A parent that thousands want at once is done with each in time only if they wait.
inline constexpr int kHandshakeMinMs = 5'000;
inline constexpr int kHandshakeMaxMs = 30'000;

/// What both ends of a link share: limits, secret key, keep-alive.
void set_common_options(zmq::socket_t& socket, const NodeKeys& keys, const std::string& address);

/// Makes libzmq handle what its threads have told `socket`: a send just after the monitor said
/// "connected" would otherwise sometimes not see the connection yet.
void process_commands(zmq::socket_t& socket);

/// Tells what happens to one socket; ends before it does.
class Monitor {
 public:
  /// `name` is unique within the context. Throws zmq::error_t, as cppzmq's own sockets do.
  Monitor(zmq::context_t& context, zmq::socket_t& watched, const std::string& name, int events);
  Monitor(const Monitor&) = delete;
  Monitor& operator=(const Monitor&) = delete;
  ~Monitor();

  struct Event {
    std::uint16_t event = 0;
    std::uint32_t value = 0;
  };
  [[nodiscard]] std::optional<Event> next();
  [[nodiscard]] zmq::socket_t& pipe() { return pipe_; }

 private:
  zmq::socket_t& watched_;
  zmq::socket_t pipe_;
};

inline constexpr int kHandshakeFailed = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                        ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                                        ZMQ_EVENT_HANDSHAKE_FAILED_AUTH;

}  // namespace vpp::mesh
