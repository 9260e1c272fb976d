// The real program: its arguments, exit codes, and a life from READY to a clean end.
#include <fcntl.h>
#include <netinet/in.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <ctime>
#include <fstream>
#include <string>
#include <vector>

#include "config/z85.h"
#include "mesh/cert_authority.h"
#include "scratch_dir.h"

using namespace vpp;
namespace fs = std::filesystem;

namespace {

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

/// A vppd with its stdout and stderr in one pipe.
class Process {
 public:
  explicit Process(std::vector<std::string> arguments, std::vector<std::string> more_env = {}) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    arguments.insert(arguments.begin(), VPPD_PATH);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    std::vector<char*> env;
    for (char** each = environ; *each != nullptr; ++each) env.push_back(*each);
    for (std::string& each : more_env) env.push_back(each.data());
    env.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    REQUIRE(::posix_spawn(&pid_, VPPD_PATH, &actions, nullptr, argv.data(), env.data()) == 0);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(ends[1]);
    out_ = ends[0];
  }
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(out_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  std::string read_until(const std::string& mark) {
    while (!has(all_, mark)) {
      std::array<char, 4'096> chunk{};
      const auto n = ::read(out_, chunk.data(), chunk.size());
      if (n <= 0) break;
      all_.append(chunk.data(), static_cast<std::size_t>(n));
    }
    return all_;
  }
  std::string read_all() { return read_until("\x01 never"); }
  [[nodiscard]] pid_t pid() const { return pid_; }
  void signal(int number) const { REQUIRE(::kill(pid_, number) == 0); }
  int wait() {
    int status = 0;
    REQUIRE(::waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  std::string all_;
};

struct Outcome {
  int code = 0;
  std::string said;
};
Outcome run(std::vector<std::string> arguments) {
  Process process{std::move(arguments)};
  const std::string said = process.read_all();
  return {process.wait(), said};
}

std::int64_t utc_ms() {
  return static_cast<std::int64_t>(std::time(nullptr)) * 1000;
}

/// Free a moment ago, and the system does not give it to another soon.
std::uint16_t free_port() {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

/// A fleet with one root.
struct Fleet {
  Fleet() {
    REQUIRE(mesh::crypto_ready());
    REQUIRE(mesh::init_authority(dir.path() / "fleet").has_value());
    request = mesh::keygen(dir.path() / "node").value();
    sign(request, Role::kRoot, utc_ms());
    write_config();
  }
  void sign(const mesh::CertRequest& who, Role role, std::int64_t now) const {
    mesh::SignOptions options;
    options.role = role;
    options.days = 1;
    const auto bytes = mesh::sign_request(dir.path() / "fleet", who, options, now);
    REQUIRE(bytes.has_value());
    REQUIRE(mesh::write_cert(dir.path() / "node" / "node.cert", *bytes).has_value());
  }
  void write_config(const std::string& more = {}) const {
    std::ofstream{config()} << "role = \"root\"\nname = \"root-1\"\n"
                            << "state_dir = \"state\"\nrun_dir = \"run\"\n"
                            << "[identity]\nkey = \"node/node.key\"\n"
                            << "certificate = \"node/node.cert\"\n"
                            << "fleet_key = \"fleet/fleet.pub\"\n"
                            << "[listen]\naddress = \"tcp://127.0.0.1:" << port << "\"\n"
                            << "[http]\naddress = \"127.0.0.1:0\"\n"
                            << more;
  }
  [[nodiscard]] std::string config() const { return (dir.path() / "vppd.toml").string(); }

  test::ScratchDir dir;
  std::uint16_t port = free_port();
  mesh::CertRequest request;
};

/// One request over the control socket; reads until `mark` or the end.
std::string control(const fs::path& socket, const std::string& request,
                    const std::string& mark = "\x01 never") {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, socket.c_str(), sizeof address.sun_path - 1);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  REQUIRE(::send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size()));
  std::string all;
  while (!has(all, mark)) {
    std::array<char, 4'096> chunk{};
    const auto n = ::recv(fd, chunk.data(), chunk.size(), 0);
    if (n <= 0) break;
    all.append(chunk.data(), static_cast<std::size_t>(n));
  }
  ::close(fd);
  return all;
}
std::string get(const std::string& path) {
  return "GET " + path + " HTTP/1.1\r\nHost: vppd\r\nConnection: close\r\n\r\n";
}
std::string order(const std::string& key) {
  const std::string body = R"({"key":")" + key + R"(","power_w":1000,"duration_s":3600})";
  return "POST /v1/orders HTTP/1.1\r\nHost: vppd\r\nConnection: close\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

/// What systemd gives its services.
struct NotifySocket {
  explicit NotifySocket(const fs::path& file) : path{file} {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, file.c_str(), sizeof address.sun_path - 1);
    fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~NotifySocket() { ::close(fd); }
  NotifySocket(const NotifySocket&) = delete;
  NotifySocket& operator=(const NotifySocket&) = delete;

  std::string await(const std::string& mark) const {
    std::array<char, 4'096> message{};
    for (;;) {
      const auto n = ::recv(fd, message.data(), message.size(), 0);
      REQUIRE(n > 0);
      const std::string text{message.data(), static_cast<std::size_t>(n)};
      if (has(text, mark)) return text;
    }
  }

  fs::path path;
  int fd = -1;
};

}  // namespace

TEST_CASE("vppd says what it is and what it wants", "[vppd]") {
  CHECK(run({"--version"}).code == 0);
  CHECK(has(run({"--version"}).said, "vppd 0."));
  CHECK(run({"--help"}).code == 0);
  CHECK(run({}).code == 2);
  CHECK(run({"--nonsense"}).code == 2);
  CHECK(run({"--config"}).code == 2);
  CHECK(run({"--config", "x", "--log-level", "loud"}).code == 2);
  CHECK(run({"keygen"}).code == 2);
}

TEST_CASE("a wrong config is exit code 2 with its place", "[vppd]") {
  const Fleet fleet;
  CHECK(run({"--check", fleet.config()}).code == 0);
  fleet.write_config("[log]\nlevle = \"info\"\n");
  const Outcome wrong = run({"--check", fleet.config()});
  CHECK(wrong.code == 2);
  CHECK(has(wrong.said, "vppd.toml:14:1:"));
  CHECK(has(wrong.said, "did you mean 'level'"));
  CHECK(run({"--config", fleet.config()}).code == 2);
  CHECK(run({"--config", "/does/not/exist.toml"}).code == 2);
}

TEST_CASE("the printed config is one that vppd takes", "[vppd]") {
  const Fleet fleet;
  const Outcome printed = run({"--config", fleet.config(), "--print-config"});
  REQUIRE(printed.code == 0);
  const std::string copy = (fleet.dir.path() / "copy.toml").string();
  std::ofstream{copy} << printed.said;
  CHECK(run({"--check", copy}).code == 0);
}

TEST_CASE("keygen makes keys once and never replaces them", "[vppd]") {
  const test::ScratchDir dir;
  const std::string target = (dir.path() / "n").string();
  CHECK(run({"keygen", "--dir", target}).code == 0);
  CHECK(fs::exists(dir.path() / "n" / "node.request"));
  const Outcome again = run({"keygen", "--dir", target});
  CHECK(again.code == 1);
  CHECK(has(again.said, "vppd keygen: "));
}

TEST_CASE("an identity that does not fit is one line with a hint, exit code 1", "[vppd]") {
  const Fleet fleet;
  std::string cause;
  SECTION("secret key open to others") {
    fs::permissions(fleet.dir.path() / "node" / "node.key", fs::perms{0644});
    cause = "node.key";
  }
  SECTION("expired") {
    fleet.sign(fleet.request, Role::kRoot, utc_ms() - 3 * 86'400'000LL);
    cause = "expired";
  }
  SECTION("of another role") {
    fleet.sign(fleet.request, Role::kLeaf, utc_ms());
    cause = "is for the role leaf, not root";
  }
  SECTION("for another key") {
    const auto other = mesh::keygen(fleet.dir.path() / "other").value();
    fleet.sign(other, Role::kRoot, utc_ms());
    cause = "is for another key";
  }
  SECTION("of another fleet") {
    fs::remove_all(fleet.dir.path() / "fleet");
    REQUIRE(mesh::init_authority(fleet.dir.path() / "fleet").has_value());
    cause = "node.cert";
  }
  const Outcome outcome = run({"--config", fleet.config()});
  CAPTURE(outcome.said);
  CHECK(outcome.code == 1);
  CHECK(has(outcome.said, cause));
  CHECK(has(outcome.said, "hint: "));
  CHECK(outcome.said.find('\n') == outcome.said.size() - 1);
}

TEST_CASE("a root gets ready, tells systemd, and leaves cleanly when asked", "[vppd]") {
  const Fleet fleet;
  const NotifySocket systemd{fleet.dir.path() / "notify"};
  const std::vector<std::string> env{"NOTIFY_SOCKET=" + systemd.path.string(),
                                     "WATCHDOG_USEC=300000"};
  Process vppd{{"--config", fleet.config()}, env};
  const std::string log = vppd.read_until("READY role=root name=root-1");
  REQUIRE(has(log, "READY role=root name=root-1"));
  CHECK(has(systemd.await("READY=1"), "STATUS=role=root"));
  CHECK(has(systemd.await("WATCHDOG=1"), "WATCHDOG=1"));

  const Outcome second = run({"--config", fleet.config()});
  CHECK(second.code == 1);
  CHECK(has(second.said, "another vppd uses this state_dir"));

  vppd.signal(SIGTERM);
  systemd.await("STOPPING=1");
  CHECK(has(vppd.read_all(), "stopped"));
  CHECK(vppd.wait() == 0);
  CHECK_FALSE(fs::exists(fleet.dir.path() / "run" / "control.sock"));
}

TEST_CASE("a killed root starts again where it was: its term has risen, its socket is free",
          "[vppd]") {
  const Fleet fleet;
  for (int round = 0; round < 3; ++round) {
    Process vppd{{"--config", fleet.config()}};
    REQUIRE(has(vppd.read_until(" pid="), "READY"));
    vppd.signal(SIGKILL);
    CHECK(vppd.wait() == 128 + SIGKILL);
  }
}

TEST_CASE("a damaged store keeps vppd from starting, with the file's name", "[vppd]") {
  const Fleet fleet;
  {
    Process vppd{{"--config", fleet.config()}};
    REQUIRE(has(vppd.read_until(" pid="), "READY"));
    vppd.signal(SIGTERM);
    REQUIRE(vppd.wait() == 0);
  }
  const fs::path store = fleet.dir.path() / "state" / "vppd.mdb";
  REQUIRE(fs::exists(store));
  fs::resize_file(store, 4'096);
  const Outcome outcome = run({"--config", fleet.config()});
  CHECK(outcome.code == 1);
  CHECK(has(outcome.said, "vppd.mdb"));
}

TEST_CASE("on a full disk orders are refused and stay so; what is in force goes on; it recovers",
          "[vppd]") {
  const Fleet fleet;
  const fs::path socket = fleet.dir.path() / "run" / "control.sock";
  Process vppd{{"--config", fleet.config()}};
  REQUIRE(has(vppd.read_until(" pid="), "READY"));
  REQUIRE(has(control(socket, order("first")), "HTTP/1.1 200"));

  rlimit unlimited{};
  REQUIRE(::prlimit(vppd.pid(), RLIMIT_FSIZE, nullptr, &unlimited) == 0);
  const rlimit none{1, unlimited.rlim_max};
  REQUIRE(::prlimit(vppd.pid(), RLIMIT_FSIZE, &none, nullptr) == 0);
  const std::string refused = control(socket, order("second"));
  CHECK(has(refused, "HTTP/1.1 409"));
  CHECK(has(refused, "no order can be made durable"));
  const std::string orders = control(socket, get("/v1/orders"));
  CHECK(has(orders, "\"first\""));
  CHECK_FALSE(has(orders, "\"second\""));
  // Only a cancellation goes through: it can only make things safer.
  CHECK(has(control(socket,
                    "POST /v1/orders/1/cancel HTTP/1.1\r\nHost: x\r\n"
                    "Connection: close\r\nContent-Length: 0\r\n\r\n"),
            "released, but"));
  CHECK(has(control(socket, get("/healthz")), "VPP_STORE_FULL"));

  REQUIRE(::prlimit(vppd.pid(), RLIMIT_FSIZE, &unlimited, nullptr) == 0);
  CHECK(has(control(socket, get("/v1/events?follow=1"), "VPP_STORE_OK"), "VPP_STORE_OK"));
  CHECK(has(control(socket, order("second")), "HTTP/1.1 200"));
  vppd.signal(SIGKILL);
  vppd.wait();

  Process again{{"--config", fleet.config()}};
  REQUIRE(has(again.read_until(" pid="), "READY"));
  const std::string kept = control(socket, get("/v1/orders"));
  CHECK(has(kept, "\"first\",\"source\":\"operator\",\"state\":\"cancelled\""));
  CHECK(has(kept, "\"second\",\"source\":\"operator\",\"state\":\"active\""));
}
