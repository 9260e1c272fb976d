#include "daemon/driver/http_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <condition_variable>
#include <cstring>
#include <fstream>
#include <mutex>
#include <vector>

#include "scratch_dir.h"

using namespace vpp;
using namespace vpp::driver;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

/// A client that is as plain as can be, so that it shares no code with the server.
class Client {
 public:
  explicit Client(const fs::path& socket) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
    fd_ = ::socket(AF_UNIX, SOCK_STREAM, 0);
    open_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  explicit Client(const std::string& tcp_address) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    const std::size_t colon = tcp_address.rfind(':');
    address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(tcp_address.substr(colon + 1))));
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    fd_ = ::socket(AF_INET, SOCK_STREAM, 0);
    open_ = ::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  }
  ~Client() { ::close(fd_); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  [[nodiscard]] bool open() const { return open_; }
  void send(const std::string& text) {
    std::size_t sent = 0;
    while (sent < text.size()) {
      const auto n = ::send(fd_, text.data() + sent, text.size() - sent, MSG_NOSIGNAL);
      if (n <= 0) return;
      sent += static_cast<std::size_t>(n);
    }
  }
  /// Until `mark` has come or the server closed.
  std::string read_until(const std::string& mark) {
    while (all_.find(mark) == std::string::npos) {
      char chunk[4'096];
      const auto n = ::recv(fd_, chunk, sizeof chunk, 0);
      if (n <= 0) break;
      all_.append(chunk, static_cast<std::size_t>(n));
    }
    return all_;
  }
  std::string read_all() { return read_until("\x01 never"); }

 private:
  int fd_ = -1;
  bool open_ = false;
  std::string all_;
};

std::string get(const std::string& path, const std::string& host = "vppd") {
  return "GET " + path + " HTTP/1.1\r\nHost: " + host + "\r\nConnection: close\r\n\r\n";
}

HttpServer::Handler echo() {
  return [](const HttpRequest& request, const HttpServer::Respond& respond) {
    respond([request] {
      HttpResponse response;
      response.body = request.method + " " + request.path + " " + request.body +
                      (request.local ? " local" : " tcp");
      return response;
    });
  };
}

struct Server {
  explicit Server(HttpServer::Handler handler = echo(), HttpOptions options = {}) {
    options.socket = dir.path() / "run" / "control.sock";
    auto opened = HttpServer::open(options, std::move(handler), ring);
    INFO((opened ? "" : opened.error()));
    REQUIRE(opened.has_value());
    server = *std::move(opened);
  }
  [[nodiscard]] fs::path socket() const { return dir.path() / "run" / "control.sock"; }
  std::string ask(const std::string& request) const {
    Client client{socket()};
    REQUIRE(client.open());
    client.send(request);
    return client.read_all();
  }

  test::ScratchDir dir;
  EventRing ring;
  std::unique_ptr<HttpServer> server;
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a request over the Unix socket is answered", "[driver][http]") {
  const Server server;
  const std::string answer = server.ask(get("/v1/status?x=1"));
  CHECK(answer.starts_with("HTTP/1.1 200"));
  CHECK(has(answer, "GET /v1/status  local"));
}

TEST_CASE("the socket belongs to its owner, and goes with the server", "[driver][http]") {
  auto server = std::make_unique<Server>();
  struct stat info{};
  REQUIRE(::stat(server->socket().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0600U);
  REQUIRE(::stat(server->socket().parent_path().c_str(), &info) == 0);
  CHECK((info.st_mode & 0777U) == 0700U);
  server->server.reset();
  CHECK_FALSE(fs::exists(server->socket()));
}

TEST_CASE("one connection carries many requests, bodies included", "[driver][http]") {
  const Server server;
  Client client{server.socket()};
  for (int i = 0; i < 20; ++i) {
    const std::string body = "body" + std::to_string(i) + ";";
    client.send("POST /v1/orders HTTP/1.1\r\nHost: vppd\r\nContent-Length: " +
                std::to_string(body.size()) + "\r\n\r\n" + body);
    CHECK(has(client.read_until(body), "POST /v1/orders " + body));
  }
}

TEST_CASE("a stale socket file is taken over, a live one is not", "[driver][http]") {
  Server server;
  HttpOptions options;
  options.socket = server.socket();
  const auto second = HttpServer::open(options, echo(), server.ring);
  REQUIRE_FALSE(second.has_value());
  CHECK(has(second.error(), "another vppd"));
  CHECK(has(server.ask(get("/still-here")), "/still-here"));

  // What a killed vppd leaves behind: a bound socket file that nobody listens at.
  const fs::path stale = server.dir.path() / "stale.sock";
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, stale.c_str(), sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  ::close(fd);
  options.socket = stale;
  CHECK(HttpServer::open(options, echo(), server.ring).has_value());

  // A file that is no socket is somebody's: it stays.
  const fs::path file = server.dir.path() / "notes.txt";
  std::ofstream{file} << "x";
  options.socket = file;
  CHECK_FALSE(HttpServer::open(options, echo(), server.ring).has_value());
  CHECK(fs::exists(file));
}

TEST_CASE("a socket path that is too long is one clear line", "[driver][http]") {
  const EventRing ring;
  HttpOptions options;
  options.socket = fs::path{"/tmp"} / std::string(120, 'x') / "control.sock";
  const auto server = HttpServer::open(options, echo(), ring);
  REQUIRE_FALSE(server.has_value());
  CHECK(has(server.error(), "too long for a Unix socket"));
  CHECK(has(server.error(), "run_dir"));
}

TEST_CASE("over TCP only the server's own host is served", "[driver][http]") {
  HttpOptions options;
  options.tcp_host = "127.0.0.1";
  const Server server{echo(), options};
  const std::string address = server.server->tcp_address();
  const auto ask = [&](const std::string& host) {
    Client client{address};
    REQUIRE(client.open());
    client.send(get("/healthz", host));
    return client.read_all();
  };
  CHECK(has(ask(address), "GET /healthz  tcp"));
  CHECK(ask("localhost" + address.substr(address.rfind(':'))).starts_with("HTTP/1.1 200"));
  CHECK(ask("evil.example").starts_with("HTTP/1.1 403"));
  CHECK(ask("127.0.0.1:1").starts_with("HTTP/1.1 403"));
  CHECK(ask("").starts_with("HTTP/1.1 403"));
}

TEST_CASE("an address that is not loopback is refused", "[driver][http]") {
  const test::ScratchDir dir;
  const EventRing ring;
  HttpOptions options;
  options.socket = dir.path() / "c.sock";
  options.tcp_host = "0.0.0.0";
  const auto server = HttpServer::open(options, echo(), ring);
  REQUIRE_FALSE(server.has_value());
  CHECK(has(server.error(), "not a loopback address"));
}

TEST_CASE("a node that does not answer is a time-out, and its late answer harms nobody",
          "[driver][http]") {
  std::vector<HttpServer::Respond> forgotten;
  HttpOptions options;
  options.request_max = 20ms;
  options.stuck_max = 20ms;
  const Server server{
      [&](const HttpRequest&, const HttpServer::Respond& respond) { forgotten.push_back(respond); },
      options};
  CHECK(server.ask(get("/v1/status")).starts_with("HTTP/1.1 504"));
  const std::string health = server.ask(get("/healthz"));
  CHECK(health.starts_with("HTTP/1.1 503"));
  CHECK(has(health, "VPP_LOOP_STUCK"));
  for (const auto& respond : forgotten) {
    respond([] { return HttpResponse{}; });
    respond([] { return HttpResponse{}; });
  }
  CHECK(server.ask(get("/again")).starts_with("HTTP/1.1 504"));
}

TEST_CASE("an answer that comes after the server is gone is no crash", "[driver][http]") {
  std::mutex mutex;
  std::condition_variable changed;
  std::optional<HttpServer::Respond> kept;
  {
    const Server server{[&](const HttpRequest&, const HttpServer::Respond& respond) {
      const std::scoped_lock lock{mutex};
      kept = respond;
      changed.notify_all();
    }};
    Client client{server.socket()};
    client.send(get("/v1/status"));
    std::unique_lock lock{mutex};
    changed.wait(lock, [&] { return kept.has_value(); });
  }
  (*kept)([] { return HttpResponse{}; });
}

TEST_CASE("too much is refused: body, header, nonsense", "[driver][http]") {
  const Server server;
  CHECK(server
            .ask("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 20000\r\n\r\n" +
                 std::string(20'000, 'x'))
            .starts_with("HTTP/1.1 413"));
  CHECK(server.ask("GET / HTTP/1.1\r\nHost: x\r\nX: " + std::string(9'000, 'x') + "\r\n\r\n")
            .starts_with("HTTP/1.1 413"));
  CHECK(server.ask("what is this\r\n\r\n").starts_with("HTTP/1.1 400"));
  CHECK(server.ask(get("/alive")).starts_with("HTTP/1.1 200"));
}

TEST_CASE("more connections than the bound are closed, not queued", "[driver][http]") {
  HttpOptions options;
  options.connections_max = 4;
  const Server server{echo(), options};
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(std::make_unique<Client>(server.socket()));
    clients.back()->send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(has(clients.back()->read_until("local"), "200"));
  }
  CHECK(server.ask(get("/one-too-many")).empty());
}

TEST_CASE("events are streamed as they come, each reader at its own pace", "[driver][http]") {
  Server server{[](const HttpRequest& request, const HttpServer::Respond& respond) {
    respond([follow = request.path == "/follow"] {
      HttpResponse response;
      response.events = HttpResponse::Events{.follow = follow, .after = 0, .since_utc_ms = 0};
      return response;
    });
  }};
  const auto say = [&](const std::string& text) {
    server.ring.add(1, MarketTime{}, {node::Severity::kInfo, "VPP_TEST", text});
    server.server->events_added();
  };
  say("first");
  Client one{server.socket()};
  Client two{server.socket()};
  one.send(get("/follow"));
  two.send(get("/follow"));
  CHECK(has(one.read_until("first"), "Transfer-Encoding: chunked"));
  two.read_until("first");
  say("second");
  CHECK(has(one.read_until("second"), "second"));
  CHECK(has(two.read_until("second"), "second"));
  // Without following the answer ends.
  const std::string ended = server.ask(get("/once"));
  CHECK(has(ended, "second"));
  CHECK(ended.ends_with("0\r\n\r\n"));
}
