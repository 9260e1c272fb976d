// The control socket: any bytes, in any pieces. The server answers or closes, stays up, and what it
// says depends on the bytes alone, not on how they were cut: the same input in one piece brings the
// same answers. Limits are small here so that short inputs reach them.
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "config/check.h"
#include "daemon/driver/http_server.h"
#include "tests/fuzz/fuzz_input.h"

using namespace vpp;
using namespace vpp::driver;

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kHeaderMax = 512;

/// Says what it understood.
void echo(const HttpRequest& request, const HttpServer::Respond& respond) {
  VPP_CHECK(request.local);
  std::string body = request.method + '\n' + request.path + '\n';
  for (const auto& [name, value] : request.query) body += name + '=' + value + '\n';
  body += request.body;
  respond([body] { return HttpResponse{200, "text/plain", body, {}}; });
}

/// The fuzzer's own alarm clock interrupts what waits.
template <class Call>
ssize_t patiently(Call call) {
  ssize_t result = 0;
  while ((result = call()) < 0 && errno == EINTR) {
  }
  return result;
}

/// One server for the whole run.
class Server {
 public:
  Server() {
    std::string name = fs::temp_directory_path() / "vpp-fuzz-XXXXXX";
    VPP_CHECK(::mkdtemp(name.data()) != nullptr);
    directory_ = name;
    HttpOptions options;
    options.socket = directory_ / "s";
    options.header_max = kHeaderMax;
    options.body_max = 256;
    // A busy machine is no finding.
    options.idle_max = options.request_max = options.stuck_max = std::chrono::minutes{10};
    auto opened = HttpServer::open(options, echo, events_);
    VPP_CHECK(opened);
    server_ = *std::move(opened);
    address_.sun_family = AF_UNIX;
    std::strncpy(address_.sun_path, options.socket.c_str(), sizeof address_.sun_path - 1);
  }
  ~Server() {
    server_.reset();
    fs::remove_all(directory_);
  }
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  /// Sends the pieces and the end, and returns all that comes back.
  [[nodiscard]] std::string ask(const std::vector<std::string_view>& pieces) const {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    VPP_CHECK(fd >= 0);
    const auto* address = reinterpret_cast<const sockaddr*>(&address_);
    VPP_CHECK(::connect(fd, address, sizeof address_) == 0);
    for (const std::string_view piece : pieces) {
      const auto sent = [&] { return ::send(fd, piece.data(), piece.size(), MSG_NOSIGNAL); };
      if (patiently(sent) < 0) break;  // it has closed
    }
    ::shutdown(fd, SHUT_WR);
    std::string answer;
    char chunk[4096];
    ssize_t got = 0;
    while ((got = patiently([&] { return ::recv(fd, chunk, sizeof chunk, 0); })) > 0) {
      answer.append(chunk, static_cast<std::size_t>(got));
    }
    ::close(fd);
    VPP_CHECK(got == 0);  // its last words are not taken along by a reset
    return answer;
  }

 private:
  EventRing events_;
  fs::path directory_;
  sockaddr_un address_{};
  std::unique_ptr<HttpServer> server_;
};

bool too_large(const std::string& answer) {
  return answer.find("HTTP/1.1 413") != std::string::npos;
}

/// Which fault of a bad request is named, malformed or too large, depends on how much of it has
/// come. That it is refused does not.
bool refused(const std::string& answer) {
  return answer.find("HTTP/1.1 400") != std::string::npos || too_large(answer);
}

/// But a header about as long as the limit: Beast measures what it holds before it has found the
/// end, so whether the last piece came with the rest decides.
bool at_the_limit(std::string_view whole, const std::string& a, const std::string& b) {
  return whole.size() >= kHeaderMax && (too_large(a) || too_large(b));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Server server;
  fuzz::FuzzInput input{data, size};
  // Where to cut: three places of the rest, from the first three bytes.
  const std::size_t cuts[] = {input.byte(), input.byte(), input.byte()};
  const std::string_view whole = input.rest();
  std::vector<std::string_view> pieces;
  std::string_view left = whole;
  for (const std::size_t cut : cuts) {
    pieces.push_back(left.substr(0, cut));
    left.remove_prefix(pieces.back().size());
  }
  pieces.push_back(left);

  const std::string answer = server.ask(pieces);
  VPP_CHECK(answer.empty() || answer.starts_with("HTTP/1."));
  const std::string at_once = server.ask({whole});
  if (!at_the_limit(whole, at_once, answer)) {
    VPP_CHECK(refused(at_once) == refused(answer));
    VPP_CHECK(refused(answer) || at_once == answer);
  }
  const std::string well = server.ask({"GET /well HTTP/1.1\r\nHost: x\r\n\r\n"});
  VPP_CHECK(well.starts_with("HTTP/1.1 200") && well.ends_with("GET\n/well\n"));
  return 0;
}
