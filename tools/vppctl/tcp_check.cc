#include "tools/vppctl/tcp_check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>

namespace vpp::ctl {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr std::size_t kGreetingBytes = 64;
constexpr std::size_t kMechanismAt = 12;
constexpr std::size_t kMechanismBytes = 20;
constexpr char kSignatureFirst = '\xff';
constexpr char kSignatureLast = '\x7f';
constexpr std::size_t kSignatureLastAt = 9;
constexpr std::size_t kShownMax = 40;

class Socket {
 public:
  explicit Socket(int family)
      : fd_{::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)} {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_;
};

struct LookedUp {
  int error = 0;      ///< of getaddrinfo
  std::string cause;  ///< of `error`
  std::vector<SocketAddress> addresses;
};

LookedUp look_up(const std::string& host, const std::string& port, bool ipv6) {
  addrinfo hints{};
  hints.ai_family = ipv6 ? AF_UNSPEC : AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  LookedUp out;
  out.error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &list);
  if (out.error != 0) {
    out.cause = out.error == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(out.error);
    return out;
  }
  for (const addrinfo* at = list; at != nullptr; at = at->ai_next) {
    SocketAddress one;
    one.size = at->ai_addrlen;
    std::memcpy(&one.bytes, at->ai_addr, at->ai_addrlen);
    std::array<char, NI_MAXHOST> name{};
    (void)::getnameinfo(at->ai_addr, at->ai_addrlen, name.data(), name.size(), nullptr, 0,
                        NI_NUMERICHOST);
    one.text = fmt::format("{}:{}", name.data(), port);
    out.addresses.push_back(std::move(one));
  }
  ::freeaddrinfo(list);
  return out;
}

/// False: the time is over.
bool await(int fd, short what, steady_clock::time_point until) {
  const auto left = std::chrono::duration_cast<milliseconds>(until - steady_clock::now());
  pollfd item{fd, what, 0};
  return ::poll(&item, 1, static_cast<int>(std::max<std::int64_t>(0, left.count()))) == 1;
}

TcpAnswer failed(int error) {
  const std::string text = std::strerror(error);
  if (error == ECONNREFUSED) return {Answer::kRefused, text};
  if (error == ENETUNREACH || error == EHOSTUNREACH || error == EACCES || error == EPERM) {
    return {Answer::kNoRoute, text};
  }
  return {error == ETIMEDOUT ? Answer::kNoAnswer : Answer::kLocalFailure, text};
}

std::string printable(std::string_view bytes) {
  std::string out;
  for (const char c : bytes.substr(0, std::min(bytes.find('\n'), kShownMax))) {
    if (c >= ' ' && c < '\x7f') out.push_back(c);
  }
  return out;
}

/// As far as the other end needs it to send all of its own: it would hang up over a mechanism that
/// it does not like, and what it said would be lost with the connection.
std::string begin_of_greeting() {
  std::string out(kSignatureLastAt + 2, '\0');
  out.front() = kSignatureFirst;
  out[kSignatureLastAt] = kSignatureLast;
  out.back() = 3;
  return out;
}

TcpAnswer judge(std::string_view said) {
  if (said.empty()) return {Answer::kQuiet, {}};
  const bool signature = said.front() == kSignatureFirst && said.size() > kSignatureLastAt &&
                         said[kSignatureLastAt] == kSignatureLast;
  if (!signature) return {Answer::kOther, printable(said)};
  if (said.size() < kGreetingBytes) return {Answer::kOther, "an older ZMTP"};
  const std::string_view padded = said.substr(kMechanismAt, kMechanismBytes);
  const std::string mechanism{padded.substr(0, padded.find('\0'))};
  return {mechanism == "CURVE" ? Answer::kCurve : Answer::kWithoutCurve, mechanism};
}

}  // namespace

std::expected<std::vector<SocketAddress>, ResolveError> resolve(const std::string& host,
                                                                std::uint16_t port,
                                                                milliseconds most) {
  const bool ipv6 = host.starts_with('[') && host.ends_with(']');
  const std::string name = ipv6 ? host.substr(1, host.size() - 2) : host;
  // A resolver that does not answer holds its caller for as long as resolv.conf says; the thread
  // it holds is left to itself and touches nothing of ours.
  auto promise = std::make_shared<std::promise<LookedUp>>();
  std::future<LookedUp> answer = promise->get_future();
  std::thread{[promise, name, ipv6, text = std::to_string(port)] {
    promise->set_value(look_up(name, text, ipv6));
  }}.detach();
  if (answer.wait_for(most) != std::future_status::ready) {
    return std::unexpected{
        ResolveError{ResolveError::Kind::kResolver,
                     fmt::format("the resolver did not answer within {} ms", most.count())}};
  }
  LookedUp looked = answer.get();
  if (looked.error == 0) return std::move(looked.addresses);
  const bool unknown =
      looked.error == EAI_NONAME || looked.error == EAI_NODATA || looked.error == EAI_ADDRFAMILY;
  return std::unexpected{
      ResolveError{unknown ? ResolveError::Kind::kUnknown : ResolveError::Kind::kResolver,
                   std::move(looked.cause)}};
}

TcpAnswer greet(const SocketAddress& to, milliseconds most) {
  const auto until = steady_clock::now() + most;
  const Socket socket{to.bytes.ss_family};
  if (socket.get() < 0) return failed(errno);
  sockaddr_storage address = to.bytes;
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), to.size) != 0) {
    if (errno != EINPROGRESS) return failed(errno);
    if (!await(socket.get(), POLLOUT, until)) return {Answer::kNoAnswer, "no answer"};
    int error = 0;
    socklen_t size = sizeof error;
    (void)::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return failed(error);
  }
  const std::string greeting = begin_of_greeting();
  (void)::send(socket.get(), greeting.data(), greeting.size(), MSG_NOSIGNAL);
  std::string said;
  while (said.size() < kGreetingBytes && await(socket.get(), POLLIN, until)) {
    std::array<char, kGreetingBytes> part{};
    const ssize_t got = ::recv(socket.get(), part.data(), kGreetingBytes - said.size(), 0);
    if (got <= 0) break;
    said.append(part.data(), static_cast<std::size_t>(got));
    if (said.front() != kSignatureFirst) break;
  }
  return judge(said);
}

}  // namespace vpp::ctl
