// HTTP/1.1 on a Unix socket and, if wanted, on loopback TCP: one thread, bounded in everything.
//
// Authority  the socket file has mode 0600: who may open it may operate the node. TCP serves what
//            the handler lets it, and only to a Host of its own (a web page's script that rebinds a
//            name to 127.0.0.1 comes with another).
// Bounds     connections, header and body size, time per request and per idle connection. A reader
//            of the event stream has no queue of its own: it reads the ring at its own pace.
// Replies    the handler runs on the server's thread and may answer later, from any thread.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "daemon/driver/event_ring.h"

namespace vpp::driver {

struct HttpRequest {
  std::string method;
  std::string path;                          ///< percent-decoded, without the query
  std::map<std::string, std::string> query;  ///< decoded; the last of a name wins
  std::string body;
  bool local = false;  ///< over the Unix socket
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
  /// Instead of a body: events of the ring, and those that come if `follow`.
  struct Events {
    bool follow = false;
    std::uint64_t after = 0;
    std::int64_t since_utc_ms = 0;
  };
  std::optional<Events> events;
};

struct HttpOptions {
  std::filesystem::path socket;  ///< made with mode 0600; its directory too, 0700, if missing
  std::optional<std::string> tcp_host;
  std::uint16_t tcp_port = 0;  ///< 0: any
  std::size_t body_max = 16U << 10U;
  std::size_t header_max = 8U << 10U;
  std::size_t connections_max = 64;  ///< per listener
  std::chrono::milliseconds idle_max{30'000};
  std::chrono::milliseconds request_max{5'000};  ///< then 504
  std::chrono::milliseconds stuck_max{2'000};    ///< /healthz: then 503
  std::chrono::milliseconds heartbeat{15'000};   ///< blank line on an idle event stream
};

class HttpServer {
 public:
  /// Makes the answer; called on the server's thread, so that rendering costs no other.
  using Render = std::function<HttpResponse()>;
  /// At most once, from any thread; later than the time-out it does nothing.
  using Respond = std::function<void(Render)>;
  using Handler = std::function<void(const HttpRequest&, const Respond&)>;

  /// Listens and starts the thread. Errors are one line: path too long, another vppd answers
  /// there, address in use.
  [[nodiscard]] static std::expected<std::unique_ptr<HttpServer>, std::string> open(
      HttpOptions options, Handler handler, const EventRing& events);

  ~HttpServer();  ///< closes everything, removes the socket file
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  /// The ring has grown. From any thread.
  void events_added();

  /// "127.0.0.1:9470" with the real port; empty without TCP.
  [[nodiscard]] std::string tcp_address() const;

 private:
  class Impl;
  explicit HttpServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// An error document as docs/control-api.md has it.
[[nodiscard]] HttpResponse error_response(int status, const std::string& code,
                                          const std::string& text, const std::string& hint = {});

}  // namespace vpp::driver
