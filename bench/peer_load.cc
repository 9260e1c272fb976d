// Clients of a broker in the shapes of our tree: the peers of a root with as many children.
//
// One thread, raw protocol over plain TCP, so that the broker is what is measured:
//   mqtt   MQTT 3.1.1, QoS 1 everywhere: every message acknowledged on every hop
//   nats   NATS core: at most once, nothing acknowledged
// Shapes:
//   fan-in   every client sends one message a round to one subscriber; a new round begins while no
//            more than `window` rounds are under way. Prints messages per second at the subscriber.
//   fan-out  one message to all clients, each of which answers with one to the sender. Prints the
//            time of each round, from before the send to after the last answer, in microseconds.
// Usage: peer_load --protocol mqtt|nats --port P --clients N --shape fan-in|fan-out
//          [--seconds 5] [--rounds 20] [--window 8] [--bytes 200] [--ack-bytes 56] [--gap-ms 50]
//          [--hold]   once all are connected say so and wait for a line on standard input
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <exception>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;

struct Options {
  std::map<std::string, std::string, std::less<>> text{
      {"protocol", ""},    {"shape", ""},    {"port", "0"},    {"clients", "0"},
      {"seconds", "5"},    {"rounds", "20"}, {"window", "8"},  {"bytes", "200"},
      {"ack-bytes", "56"}, {"gap-ms", "50"}, {"hold", "false"}};

  [[nodiscard]] std::size_t number(const char* name) const { return std::stoul(text.at(name)); }
};

[[noreturn]] void fail(const std::string& what) {
  throw std::system_error{errno, std::generic_category(), what};
}

// --- one connection ------------------------------------------------------------------------------

class Connection {
 public:
  explicit Connection(std::uint16_t port) : fd_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)} {
    if (fd_ < 0) fail("socket");
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) fail("connect");
    const int yes = 1;
    (void)::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { ::close(fd_); }

  [[nodiscard]] int fd() const { return fd_; }
  void stop_blocking() const {
    if (::fcntl(fd_, F_SETFL, O_NONBLOCK) != 0) fail("fcntl");
  }

  void write(std::string_view bytes) {
    out_.append(bytes);
    flush();
  }
  /// What the socket takes; the rest at the next call.
  void flush() {
    while (sent_ < out_.size()) {
      const ssize_t n = ::send(fd_, out_.data() + sent_, out_.size() - sent_, MSG_NOSIGNAL);
      if (n < 0 && errno == EAGAIN) return;
      if (n < 0) fail("send");
      sent_ += static_cast<std::size_t>(n);
    }
    out_.clear();
    sent_ = 0;
  }
  [[nodiscard]] bool backed_up() const { return !out_.empty(); }

  /// Appends what has arrived to `in`.
  void read() {
    std::array<char, 65'536> bytes{};
    const ssize_t n = ::recv(fd_, bytes.data(), bytes.size(), 0);
    if (n == 0) throw std::runtime_error{"the broker closed a connection"};
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) fail("recv");
    in.append(bytes.data(), static_cast<std::size_t>(n));
  }

  std::string in;

 private:
  int fd_;
  std::string out_;
  std::size_t sent_ = 0;
};

// --- protocols -----------------------------------------------------------------------------------

enum class Topic : std::uint8_t { kUp, kDown, kAck };
constexpr std::string_view name_of(Topic topic) {
  constexpr std::string_view kNames[] = {"up", "down", "ack"};
  return kNames[static_cast<std::size_t>(topic)];
}

class Protocol {
 public:
  Protocol() = default;
  Protocol(const Protocol&) = delete;
  Protocol& operator=(const Protocol&) = delete;
  virtual ~Protocol() = default;
  /// These wait.
  virtual void hello(Connection& connection, std::size_t number) = 0;
  virtual void subscribe(Connection& connection, Topic topic) = 0;
  virtual void publish(Connection& connection, Topic topic, std::string_view payload) = 0;
  /// Messages among what has arrived; answers what must be answered.
  [[nodiscard]] virtual std::size_t take_messages(Connection& connection) = 0;
};

class Mqtt final : public Protocol {
 public:
  void hello(Connection& connection, std::size_t number) override {
    std::string body = with_length("MQTT");
    body += std::string{"\x04\x02\x00\x00", 4};  // 3.1.1, clean session, no keep-alive
    body += with_length("bench-" + std::to_string(number));
    connection.write(packet(0x10, body));
    await(connection, 0x20);
  }
  void subscribe(Connection& connection, Topic topic) override {
    connection.write(
        packet(0x82, std::string{"\x00\x01", 2} + with_length(name_of(topic)) + "\x01"));
    await(connection, 0x90);
  }
  void publish(Connection& connection, Topic topic, std::string_view payload) override {
    next_id_ = next_id_ % 0xffffU + 1U;
    std::string body = with_length(name_of(topic));
    body += static_cast<char>(next_id_ >> 8U);
    body += static_cast<char>(next_id_ & 0xffU);
    body += payload;
    connection.write(packet(0x32, body));
  }
  std::size_t take_messages(Connection& connection) override {
    std::size_t messages = 0;
    std::size_t at = 0;
    std::string answers;
    while (const auto found = next(connection.in, at)) {
      const std::string_view body = found->body;
      if ((found->kind & 0xf0U) == 0x30U) {
        ++messages;
        const std::size_t topic = length_at(body, 0);
        answers += std::string{"\x40\x02", 2} + std::string{body.substr(2 + topic, 2)};
      }
      at = found->end;
    }
    connection.in.erase(0, at);
    if (!answers.empty()) connection.write(answers);
    return messages;
  }

 private:
  struct Packet {
    unsigned kind = 0;
    std::string_view body;
    std::size_t end = 0;
  };

  static std::size_t length_at(std::string_view text, std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(text.at(at))) << 8U |
           static_cast<unsigned char>(text.at(at + 1));
  }
  static std::string with_length(std::string_view text) {
    std::string out{static_cast<char>(text.size() >> 8U)};
    out += static_cast<char>(text.size() & 0xffU);
    out += text;
    return out;
  }
  static std::string packet(int kind, const std::string& body) {
    std::string out{static_cast<char>(kind)};
    for (std::size_t left = body.size();;) {
      const std::size_t digit = left % 128;
      left /= 128;
      out += static_cast<char>(left > 0 ? digit | 128U : digit);
      if (left == 0) break;
    }
    return out + body;
  }
  static std::optional<Packet> next(std::string_view in, std::size_t at) {
    if (at + 2 > in.size()) return std::nullopt;
    std::size_t length = 0;
    std::size_t head = at + 1;
    for (unsigned shift = 0;; shift += 7U) {
      if (head >= in.size()) return std::nullopt;
      const auto byte = static_cast<unsigned char>(in.at(head++));
      length |= static_cast<std::size_t>(byte & 127U) << shift;
      if (byte < 128U) break;
    }
    if (head + length > in.size()) return std::nullopt;
    return Packet{static_cast<unsigned char>(in.at(at)), in.substr(head, length), head + length};
  }
  static void await(Connection& connection, unsigned kind) {
    while (true) {
      if (const auto found = next(connection.in, 0)) {
        const unsigned got = found->kind;
        connection.in.erase(0, found->end);
        if (got != kind) throw std::runtime_error{"the broker answers something else"};
        return;
      }
      connection.read();
    }
  }

  unsigned next_id_ = 0;
};

class Nats final : public Protocol {
 public:
  void hello(Connection& connection, std::size_t /*number*/) override {
    connection.write("CONNECT {\"verbose\":false,\"pedantic\":false}\r\n");
    flush(connection);
  }
  void subscribe(Connection& connection, Topic topic) override {
    connection.write("SUB " + std::string{name_of(topic)} + " 1\r\n");
    flush(connection);
  }
  void publish(Connection& connection, Topic topic, std::string_view payload) override {
    std::string text = "PUB " + std::string{name_of(topic)} + " " + std::to_string(payload.size());
    text += "\r\n";
    text += payload;
    text += "\r\n";
    connection.write(text);
  }
  std::size_t take_messages(Connection& connection) override {
    std::size_t messages = 0;
    std::size_t at = 0;
    const std::string_view in = connection.in;
    for (auto end = in.find("\r\n"); end != std::string_view::npos; end = in.find("\r\n", at)) {
      const std::string_view line = in.substr(at, end - at);
      if (line.starts_with("MSG ")) {
        std::size_t size = 0;
        const std::string_view digits = line.substr(line.rfind(' ') + 1);
        std::from_chars(digits.begin(), digits.end(), size);
        if (end + 2 + size + 2 > in.size()) break;
        ++messages;
        end += 2 + size;
      } else if (line == "PING") {
        connection.write("PONG\r\n");
      } else if (line.starts_with("-ERR")) {
        throw std::runtime_error{std::string{line}};
      }
      at = end + 2;
    }
    connection.in.erase(0, at);
    return messages;
  }

 private:
  static void flush(Connection& connection) {
    connection.write("PING\r\n");
    while (connection.in.find("PONG\r\n") == std::string::npos) connection.read();
    connection.in.clear();
  }
};

// --- the shapes ----------------------------------------------------------------------------------

class Load {
 public:
  explicit Load(const Options& options)
      : options_{options}, epoll_{::epoll_create1(EPOLL_CLOEXEC)} {
    if (epoll_ < 0) fail("epoll");
    if (options.text.at("protocol") == "mqtt") protocol_ = std::make_unique<Mqtt>();
    if (options.text.at("protocol") == "nats") protocol_ = std::make_unique<Nats>();
    if (!protocol_) throw std::runtime_error{"--protocol mqtt or nats"};
    const bool down = options.text.at("shape") == "fan-out";
    const auto port = static_cast<std::uint16_t>(options.number("port"));
    const std::size_t clients = options.number("clients");
    for (std::size_t i = 0; i <= clients; ++i) {
      all_.push_back(std::make_unique<Connection>(port));
      protocol_->hello(*all_.back(), i);
      const bool is_hub = i == 0;
      if (is_hub) protocol_->subscribe(*all_.back(), down ? Topic::kAck : Topic::kUp);
      if (!is_hub && down) protocol_->subscribe(*all_.back(), Topic::kDown);
    }
    for (std::size_t i = 0; i < all_.size(); ++i) {
      all_[i]->stop_blocking();
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, all_[i]->fd(), &event) != 0) fail("epoll_ctl");
    }
  }
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;
  ~Load() { ::close(epoll_); }

  /// Messages per second.
  [[nodiscard]] double fan_in() {
    const std::string payload(options_.number("bytes"), 'x');
    const std::uint64_t clients = all_.size() - 1;
    const std::uint64_t under_way_max = clients * options_.number("window");
    const auto lasts = std::chrono::seconds{options_.number("seconds")};
    // The first second is for warming up.
    const auto from = Clock::now() + std::chrono::seconds{1};
    std::uint64_t sent = 0;
    std::uint64_t got = 0;
    std::uint64_t got_before = 0;
    auto began = Clock::time_point{};
    while (Clock::now() < from + lasts) {
      if (began == Clock::time_point{} && Clock::now() >= from) {
        began = Clock::now();
        got_before = got;
      }
      if (sent - got + clients <= under_way_max) {
        for (std::size_t i = 1; i < all_.size(); ++i) {
          protocol_->publish(*all_[i], Topic::kUp, payload);
          backlog_ = backlog_ || all_[i]->backed_up();
          if (i % 256 == 0) got += take(0, false);
        }
        sent += clients;
      }
      got += take(sent - got + clients <= under_way_max ? 0 : 1, false);
    }
    const std::chrono::duration<double> took = Clock::now() - began;
    return static_cast<double>(got - got_before) / took.count();
  }

  /// Microseconds of each round.
  [[nodiscard]] std::vector<std::int64_t> fan_out() {
    const std::string payload(options_.number("bytes"), 'x');
    ack_.assign(options_.number("ack-bytes"), 'y');
    std::vector<std::int64_t> out;
    for (std::size_t round = 0; round < options_.number("rounds"); ++round) {
      std::this_thread::sleep_for(std::chrono::milliseconds{options_.number("gap-ms")});
      const auto began = Clock::now();
      protocol_->publish(*all_[0], Topic::kDown, payload);
      for (std::size_t got = 0; got < all_.size() - 1;) got += take(1'000, true);
      const auto took = Clock::now() - began;
      out.push_back(std::chrono::duration_cast<std::chrono::microseconds>(took).count());
    }
    return out;
  }

 private:
  /// Messages that reached the hub.
  std::size_t take(int most_ms, bool answer) {
    if (backlog_) flush();
    const int count = ::epoll_wait(epoll_, events_.data(), static_cast<int>(events_.size()),
                                   backlog_ ? std::min(most_ms, 1) : most_ms);
    std::size_t reached = 0;
    for (int i = 0; i < count; ++i) {
      const std::size_t who = events_.at(static_cast<std::size_t>(i)).data.u64;
      all_[who]->read();
      const std::size_t messages = protocol_->take_messages(*all_[who]);
      if (who == 0) reached += messages;
      if (who == 0 || !answer) continue;
      for (std::size_t n = 0; n < messages; ++n) protocol_->publish(*all_[who], Topic::kAck, ack_);
      backlog_ = backlog_ || all_[who]->backed_up();
    }
    return reached;
  }
  void flush() {
    backlog_ = false;
    for (const auto& each : all_) {
      each->flush();
      backlog_ = backlog_ || each->backed_up();
    }
  }

  const Options& options_;
  int epoll_;
  std::unique_ptr<Protocol> protocol_;
  std::vector<std::unique_ptr<Connection>> all_;  ///< the hub first
  std::array<epoll_event, 1'024> events_{};
  std::string ack_;
  bool backlog_ = false;  ///< somebody's socket did not take everything
};

void run(const Options& options) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
  Load load{options};
  if (options.text.at("hold") == "true") {
    std::cout << "READY\n" << std::flush;
    std::string line;
    std::getline(std::cin, line);
  }
  if (options.text.at("shape") == "fan-in") {
    std::cout << "{\"per_second\": " << load.fan_in() << "}\n";
    return;
  }
  std::cout << "{\"us\": [";
  bool first = true;
  for (const std::int64_t us : load.fan_out()) {
    std::cout << (first ? "" : ", ") << us;
    first = false;
  }
  std::cout << "]}\n";
}

bool parse(const std::vector<std::string>& words, Options& options) {
  for (std::size_t i = 0; i < words.size(); ++i) {
    const auto found =
        words[i].starts_with("--") ? options.text.find(words[i].substr(2)) : options.text.end();
    if (found == options.text.end()) return false;
    if (found->first == "hold") {
      found->second = "true";
    } else if (++i < words.size()) {
      found->second = words[i];
    } else {
      return false;
    }
  }
  const std::string& shape = options.text.at("shape");
  return options.number("clients") > 0 && (shape == "fan-in" || shape == "fan-out");
}

}  // namespace

int main(int argc, char** argv) {
  Options options;
  try {
    if (!parse({argv + 1, argv + argc}, options)) {
      std::cerr
          << "peer_load --protocol mqtt|nats --port P --clients N --shape fan-in|fan-out ...\n";
      return 2;
    }
    run(options);
  } catch (const std::exception& error) {
    std::cerr << "peer_load: " << error.what() << '\n';
    return 1;
  }
  return 0;
}
