// Why a TCP address does not answer as a vppd would: the name, the port, or who is there. For
// `vppctl doctor`; asked only once the proper way has failed.
//
// Blocking   each step at most as long as told.
// Side effects   a connection that is closed again; the other end may count it as a failed
//            handshake.
// Source     ZMTP 3.1 (RFC 37): the greeting.
#pragma once

#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <string>
#include <vector>

namespace vpp::ctl {

struct SocketAddress {
  sockaddr_storage bytes{};
  socklen_t size = 0;
  std::string text;  ///< "192.0.2.7:9402"
};

struct ResolveError {
  enum class Kind : std::uint8_t {
    kUnknown,   ///< the resolver answers that there is no such name
    kResolver,  ///< the resolver itself does not work
  };
  Kind kind = Kind::kUnknown;
  std::string cause;
};

/// IPv4 only, as libzmq connects unless the address is an IPv6 one in brackets.
[[nodiscard]] std::expected<std::vector<SocketAddress>, ResolveError> resolve(
    const std::string& host, std::uint16_t port, std::chrono::milliseconds most);

enum class Answer : std::uint8_t {
  kRefused,       ///< the machine is there, nobody listens on the port
  kNoAnswer,      ///< nothing came back: filtered, or no such machine
  kNoRoute,       ///< this machine's own network knows no way
  kLocalFailure,  ///< no socket could be made here
  kQuiet,         ///< connected, then nothing: frozen, or waits for us to speak another protocol
  kOther,         ///< speaks, but not ZMTP 3
  kWithoutCurve,  ///< ZMTP, but with another mechanism
  kCurve,         ///< as a vppd does
};
struct TcpAnswer {
  Answer answer = Answer::kNoAnswer;
  std::string detail;  ///< errno's text, what it said first, or the mechanism
};

/// Connects and exchanges ZMTP greetings.
[[nodiscard]] TcpAnswer greet(const SocketAddress& to, std::chrono::milliseconds most);

}  // namespace vpp::ctl
