#include "tools/battery/modbus_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <modbus.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <span>
#include <utility>

namespace vpp::battery {
namespace {

constexpr int kBacklog = 16;
/// A client that stops in the middle of a request holds everybody up for so long, once.
constexpr std::uint32_t kRequestTimeoutUs = 100'000;

class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_{fd} {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  Fd(Fd&& other) noexcept : fd_{std::exchange(other.fd_, -1)} {}
  Fd& operator=(Fd&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  [[nodiscard]] int get() const { return fd_; }

 private:
  int fd_ = -1;
};

std::string errno_text(const std::string& what) {
  return what + ": " + std::strerror(errno);
}

struct FreeModbus {
  void operator()(modbus_t* context) const { modbus_free(context); }
};

/// Thousands of batteries and their clients need more than the usual 1,024 descriptors.
void raise_descriptor_limit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

std::expected<Fd, std::string> listen_on(const std::string& host, int port) {
  Fd fd{::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (fd.get() < 0) return std::unexpected{errno_text("socket")};
  const int yes = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  const std::string where = host + ":" + std::to_string(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    return std::unexpected{host + ": not an IPv4 address"};
  }
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), kBacklog) != 0) {
    return std::unexpected{errno_text(where)};
  }
  return fd;
}

int port_of(int fd) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.sin_port);
}

class Server final : public ModbusServer {
 public:
  explicit Server(std::vector<SunspecBattery>& batteries) : batteries_{batteries} {}

  std::expected<void, std::string> open(const std::string& host, int port_base);
  [[nodiscard]] const std::vector<int>& ports() const override { return ports_; }
  void run(const std::function<MarketTime()>& market_now,
           const std::function<void()>& each_second) override;

 private:
  void watch(int fd);
  void accept_on(int listener, std::size_t battery);
  void serve(int client, std::size_t battery, MarketTime now);
  bool answer(SunspecBattery& battery, std::span<const std::uint8_t> request);
  int write(SunspecBattery& battery, std::span<const std::uint8_t> pdu);

  std::vector<SunspecBattery>& batteries_;
  std::unique_ptr<modbus_t, FreeModbus> context_;
  Fd epoll_;
  Fd signals_;
  Fd timer_;
  std::map<int, std::pair<Fd, std::size_t>> listeners_;
  std::map<int, std::pair<Fd, std::size_t>> clients_;
  std::vector<int> ports_;
};

std::expected<void, std::string> Server::open(const std::string& host, int port_base) {
  raise_descriptor_limit();
  context_.reset(modbus_new_tcp("127.0.0.1", 0));  // never connects; frames and answers only
  if (!context_) return std::unexpected{errno_text("libmodbus")};
  modbus_set_indication_timeout(context_.get(), 0, kRequestTimeoutUs);
  modbus_set_response_timeout(context_.get(), 0, kRequestTimeoutUs);
  modbus_set_byte_timeout(context_.get(), 0, kRequestTimeoutUs);
  epoll_ = Fd{epoll_create1(EPOLL_CLOEXEC)};
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGTERM);
  sigaddset(&mask, SIGINT);
  sigprocmask(SIG_BLOCK, &mask, nullptr);
  signal(SIGPIPE, SIG_IGN);
  signals_ = Fd{signalfd(-1, &mask, SFD_CLOEXEC)};
  timer_ = Fd{timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC)};
  const itimerspec second{{1, 0}, {1, 0}};
  timerfd_settime(timer_.get(), 0, &second, nullptr);
  watch(signals_.get());
  watch(timer_.get());
  for (std::size_t i = 0; i < batteries_.size(); ++i) {
    auto fd = listen_on(host, port_base == 0 ? 0 : port_base + static_cast<int>(i));
    if (!fd) return std::unexpected{fd.error()};
    const int number = fd->get();
    ports_.push_back(port_of(number));
    watch(number);
    listeners_.emplace(number, std::pair{std::move(*fd), i});
  }
  return {};
}

void Server::watch(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Server::run(const std::function<MarketTime()>& market_now,
                 const std::function<void()>& each_second) {
  std::array<epoll_event, 64> events{};
  while (true) {
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), -1);
    if (count < 0 && errno != EINTR) return;
    for (int i = 0; i < count; ++i) {
      const int fd = events[static_cast<std::size_t>(i)].data.fd;
      if (fd == signals_.get()) return;
      if (fd == timer_.get()) {
        std::uint64_t ticks = 0;
        if (::read(fd, &ticks, sizeof ticks) == sizeof ticks) each_second();
      } else if (const auto listener = listeners_.find(fd); listener != listeners_.end()) {
        accept_on(fd, listener->second.second);
      } else if (const auto client = clients_.find(fd); client != clients_.end()) {
        serve(fd, client->second.second, market_now());
      }
    }
  }
}

void Server::accept_on(int listener, std::size_t battery) {
  const int fd = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
  if (fd < 0) return;
  Fd client{fd};
  const int yes = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const timeval patience{0, kRequestTimeoutUs};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  watch(fd);
  clients_.insert_or_assign(fd, std::pair{std::move(client), battery});
}

void Server::serve(int client, std::size_t battery, MarketTime now) {
  std::array<std::uint8_t, MODBUS_TCP_MAX_ADU_LENGTH> request{};
  modbus_set_socket(context_.get(), client);
  const int length = modbus_receive(context_.get(), request.data());
  batteries_[battery].advance(now);
  const bool alive =
      length > 0 &&
      answer(batteries_[battery], std::span{request}.first(static_cast<std::size_t>(length)));
  if (!alive) clients_.erase(client);
}

bool Server::answer(SunspecBattery& battery, std::span<const std::uint8_t> request) {
  const auto header = static_cast<std::size_t>(modbus_get_header_length(context_.get()));
  if (request.size() <= header) return false;
  const auto pdu = request.subspan(header);
  const int length = static_cast<int>(request.size());
  const bool at_meter = request[header - 1] == kMeterUnit;
  if (at_meter && !battery.meter_answers()) return true;
  int exception = 0;
  switch (pdu[0]) {
    case MODBUS_FC_READ_HOLDING_REGISTERS:
      break;
    case MODBUS_FC_WRITE_SINGLE_REGISTER:
    case MODBUS_FC_WRITE_MULTIPLE_REGISTERS:
      exception = at_meter ? MODBUS_EXCEPTION_ILLEGAL_DATA_ADDRESS : write(battery, pdu);
      break;
    default:
      exception = MODBUS_EXCEPTION_ILLEGAL_FUNCTION;
  }
  if (exception != 0) {
    return modbus_reply_exception(context_.get(), request.data(),
                                  static_cast<unsigned>(exception)) >= 0;
  }
  const auto registers = at_meter ? battery.meter_registers() : battery.registers();
  modbus_mapping_t mapping{};
  mapping.start_registers = kMapStart;
  mapping.nb_registers = static_cast<int>(registers.size());
  mapping.tab_registers = registers.data();
  return modbus_reply(context_.get(), request.data(), length, &mapping) >= 0;
}

/// Checks a write and carries it out; the answer is libmodbus's. A Modbus exception, or 0.
int Server::write(SunspecBattery& battery, std::span<const std::uint8_t> pdu) {
  const auto at = [&](std::size_t i) {
    return static_cast<std::uint16_t>(pdu[i] << 8U | pdu[i + 1]);
  };
  std::vector<std::uint16_t> values;
  if (pdu[0] == MODBUS_FC_WRITE_SINGLE_REGISTER) {
    if (pdu.size() < 5) return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
    values.push_back(at(3));
  } else {
    if (pdu.size() < 6) return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
    const std::size_t count = at(3);
    const bool whole = count >= 1 && count <= MODBUS_MAX_WRITE_REGISTERS && pdu[5] == count * 2 &&
                       pdu.size() >= 6 + count * 2;
    if (!whole) return MODBUS_EXCEPTION_ILLEGAL_DATA_VALUE;
    for (std::size_t i = 0; i < count; ++i) values.push_back(at(6 + 2 * i));
  }
  return static_cast<int>(battery.write(at(1), values));
}

}  // namespace

std::expected<std::unique_ptr<ModbusServer>, std::string> ModbusServer::listen(
    std::vector<SunspecBattery>& batteries, const std::string& host, int port_base) {
  auto server = std::make_unique<Server>(batteries);
  if (auto opened = server->open(host, port_base); !opened) {
    return std::unexpected{opened.error()};
  }
  return server;
}

}  // namespace vpp::battery
