// Boost.Beast lives here and nowhere else: it takes 20 s to compile.
#include "daemon/driver/http_server.h"

// clang-format off
#include <utility>  // Asio 1.74 forgets it, and must come after
// clang-format on

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <chrono>
#include <list>
#include <mutex>
#include <string_view>
#include <thread>

#include "daemon/driver/documents.h"
#include "daemon/driver/url.h"

namespace vpp::driver {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
namespace fs = std::filesystem;
using boost::system::error_code;
using Tcp = asio::ip::tcp;
using Local = asio::local::stream_protocol;

constexpr std::size_t kLinesPerChunk = 64;
constexpr std::size_t kLingerBytes = 1 << 20;
constexpr std::chrono::seconds kLinger{2};

auto await(error_code& error) {
  return asio::redirect_error(asio::use_awaitable, error);
}

http::response<http::string_body> to_beast(const HttpResponse& response, unsigned version,
                                           bool keep_alive) {
  http::response<http::string_body> out{static_cast<http::status>(response.status), version};
  out.set(http::field::content_type, response.content_type);
  out.set(http::field::cache_control, "no-store");
  out.set("X-Content-Type-Options", "nosniff");
  out.keep_alive(keep_alive);
  out.body() = response.body;
  out.prepare_payload();
  return out;
}

HttpRequest to_request(const http::request<http::string_body>& request, bool local) {
  HttpRequest out;
  out.method = std::string{request.method_string()};
  out.body = request.body();
  out.local = local;
  const auto target = request.target();
  auto url = parse_target({target.data(), target.size()});
  out.path = std::move(url.path);
  out.query = std::move(url.query);
  return out;
}

/// Owners and orders of the file: a stale socket of a dead vppd is taken over.
std::expected<void, std::string> prepare_socket(const fs::path& file) {
  const std::string name = file.string();
  if (name.size() >= sizeof(sockaddr_un::sun_path)) {
    return std::unexpected{name + ": too long for a Unix socket (" +
                           std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                           " characters at most); hint: a shorter run_dir"};
  }
  std::error_code error;
  if (!fs::exists(file.parent_path(), error) && fs::create_directories(file.parent_path(), error)) {
    fs::permissions(file.parent_path(), fs::perms::owner_all, error);
  }
  if (error) return std::unexpected{file.parent_path().string() + ": " + error.message()};
  if (!fs::exists(fs::symlink_status(file, error))) return {};
  if (!fs::is_socket(fs::symlink_status(file, error))) {
    return std::unexpected{name + ": exists and is no socket"};
  }
  asio::io_context io;
  Local::socket knock{io};
  error_code refused;
  knock.connect(Local::endpoint{name}, refused);
  if (!refused) {
    return std::unexpected{name + ": another vppd answers there; hint: one run_dir per node"};
  }
  fs::remove(file, error);
  return {};
}

/// Lets respond functions outlive the server.
struct Outlet {
  std::mutex mutex;
  asio::io_context* io = nullptr;

  template <class Work>
  void post(Work work) {
    const std::scoped_lock lock{mutex};
    if (io != nullptr) asio::post(*io, std::move(work));
  }
};

/// One request that waits for its answer; of the server's thread.
struct Waiting {
  explicit Waiting(asio::io_context& io) : timer{io} {}
  asio::steady_timer timer;
  HttpServer::Render render;
};

}  // namespace

class HttpServer::Impl {
 public:
  Impl(HttpOptions options, Handler handler, const EventRing& events)
      : options_{std::move(options)}, handler_{std::move(handler)}, events_{events} {
    outlet_->io = &io_;
  }

  ~Impl() {
    {
      const std::scoped_lock lock{outlet_->mutex};
      outlet_->io = nullptr;
    }
    io_.stop();
    if (thread_.joinable()) thread_.join();
    if (socket_made_) {
      std::error_code ignored;
      fs::remove(options_.socket, ignored);
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::expected<void, std::string> start() {
    if (auto listening = listen_local(); !listening) return listening;
    if (auto listening = listen_tcp(); !listening) return listening;
    asio::co_spawn(io_, accept_all(local_, local_count_), asio::detached);
    if (tcp_.is_open()) asio::co_spawn(io_, accept_all(tcp_, tcp_count_), asio::detached);
    thread_ = std::thread{[this] { io_.run(); }};
    return {};
  }

  void events_added() {
    outlet_->post([this] {
      for (asio::steady_timer* follower : followers_) follower->cancel();
    });
  }

  [[nodiscard]] std::string tcp_address() const { return tcp_address_; }

 private:
  template <class Protocol>
  using Acceptor = asio::basic_socket_acceptor<Protocol>;
  template <class Protocol>
  using Stream = beast::basic_stream<Protocol>;

  std::expected<void, std::string> listen_local() {
    if (auto ready = prepare_socket(options_.socket); !ready) return ready;
    const std::string name = options_.socket.string();
    error_code error;
    local_.open(Local{}, error);
    if (!error) local_.bind(Local::endpoint{name}, error);
    if (!error) {
      socket_made_ = true;
      // Before listen(): nobody can connect in between.
      if (::chmod(name.c_str(), 0600) != 0) error = {errno, boost::system::generic_category()};
    }
    if (!error) local_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return std::unexpected{name + ": " + error.message()};
    return {};
  }

  std::expected<void, std::string> listen_tcp() {
    if (!options_.tcp_host) return {};
    const std::string asked = *options_.tcp_host + ":" + std::to_string(options_.tcp_port);
    std::string host = *options_.tcp_host == "localhost" ? "127.0.0.1" : *options_.tcp_host;
    if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
    error_code error;
    const auto address = asio::ip::make_address(host, error);
    if (error || !address.is_loopback()) {
      return std::unexpected{asked + ": not a loopback address; hint: 127.0.0.1:9470"};
    }
    const Tcp::endpoint endpoint{address, options_.tcp_port};
    tcp_.open(endpoint.protocol(), error);
    if (!error) tcp_.set_option(asio::socket_base::reuse_address{true}, error);
    if (!error) tcp_.bind(endpoint, error);
    if (!error) tcp_.listen(asio::socket_base::max_listen_connections, error);
    if (error) return std::unexpected{"http " + asked + ": " + error.message()};
    tcp_port_ = std::to_string(tcp_.local_endpoint().port());
    tcp_address_ = *options_.tcp_host + ":" + tcp_port_;
    return {};
  }

  template <class Protocol>
  asio::awaitable<void> accept_all(Acceptor<Protocol>& acceptor, std::size_t& count) {
    for (;;) {
      error_code error;
      auto socket = co_await acceptor.async_accept(await(error));
      if (error) {  // out of descriptors: let some close
        asio::steady_timer pause{io_, std::chrono::milliseconds{100}};
        co_await pause.async_wait(await(error));
        continue;
      }
      if (count >= options_.connections_max) continue;  // closes it
      ++count;
      asio::co_spawn(io_, serve(Stream<Protocol>{std::move(socket)}),
                     [&count](const std::exception_ptr&) { --count; });
    }
  }

  template <class Protocol>
  asio::awaitable<void> serve(Stream<Protocol> stream) {
    beast::flat_buffer buffer{options_.header_max + options_.body_max};
    for (bool open = true; open;) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(static_cast<std::uint32_t>(options_.header_max));
      parser.body_limit(options_.body_max);
      stream.expires_after(options_.idle_max);
      error_code error;
      co_await http::async_read(stream, buffer, parser, await(error));
      if (error) {
        co_await explain(stream, error);
        break;
      }
      open = co_await answer(stream, parser.get());
    }
    co_await hang_up(stream);
  }

  /// A socket that is closed over unread bytes is reset, and the client may lose the answer that
  /// tells it why: the rest is read and thrown away, within limits (RFC 9112, 9.6).
  template <class Protocol>
  asio::awaitable<void> hang_up(Stream<Protocol>& stream) {
    error_code error;
    stream.socket().shutdown(asio::socket_base::shutdown_send, error);
    stream.expires_after(kLinger);
    std::array<char, 4096> rest{};
    for (std::size_t read = 0; !error && read < kLingerBytes;) {
      read += co_await stream.async_read_some(asio::buffer(rest), await(error));
    }
  }

  /// What a client that sent no request may still be told.
  template <class Protocol>
  asio::awaitable<void> explain(Stream<Protocol>& stream, error_code error) {
    HttpResponse response;
    if (error == http::error::body_limit || error == http::error::header_limit ||
        error == http::error::buffer_overflow) {
      response = error_response(413, "too_large", "the request is too large");
    } else if (error.category() == http::make_error_code(http::error::bad_method).category() &&
               error != http::error::end_of_stream) {
      response = error_response(400, "bad_request", "not HTTP: " + error.message());
    } else {
      co_return;
    }
    auto message = to_beast(response, 11, false);
    error_code ignored;
    co_await http::async_write(stream, message, await(ignored));
  }

  /// False: close the connection.
  template <class Protocol>
  asio::awaitable<bool> answer(Stream<Protocol>& stream,
                               const http::request<http::string_body>& request) {
    constexpr bool kLocal = std::is_same_v<Protocol, Local>;
    const auto host = request[http::field::host];
    HttpResponse response;
    if (!kLocal && !own_host({host.data(), host.size()})) {
      response = error_response(403, "forbidden_host", "this address serves its own host only");
    } else {
      response = co_await ask(to_request(request, kLocal));
    }
    stream.expires_after(options_.idle_max);
    if (response.events) {
      co_await stream_events(stream, request.version(), *response.events);
      co_return false;
    }
    auto message = to_beast(response, request.version(), request.keep_alive());
    if (request.method() == http::verb::head) message.body().clear();  // its length stays
    error_code error;
    co_await http::async_write(stream, message, await(error));
    co_return !error && request.keep_alive();
  }

  [[nodiscard]] bool own_host(std::string_view host) const {
    for (const char* name : {"127.0.0.1", "localhost", "[::1]"}) {
      if (host == name || host == std::string{name} + ":" + tcp_port_) return true;
    }
    return false;
  }

  asio::awaitable<HttpResponse> ask(HttpRequest request) {
    const auto waiting = std::make_shared<Waiting>(io_);
    const bool health = request.path == "/healthz";
    waiting->timer.expires_after(health ? options_.stuck_max : options_.request_max);
    handler_(request, [outlet = outlet_, weak = std::weak_ptr{waiting}](Render render) {
      outlet->post([weak, made = std::move(render)]() mutable {
        const auto held = weak.lock();
        if (!held || held->render) return;
        held->render = std::move(made);
        held->timer.cancel();
      });
    });
    error_code error;
    co_await waiting->timer.async_wait(await(error));
    if (waiting->render) co_return waiting->render();
    if (health) {
      co_return HttpResponse{
          503,
          "application/json",
          R"({"schema":"vppctl/v1","kind":"health","state":"error","codes":[{"code":)"
          R"("VPP_LOOP_STUCK","severity":"error","text":"the node's loop does not answer"}]})"
          "\n",
          {}};
    }
    co_return error_response(504, "timeout", "the node did not answer in time",
                             "an order may be booked: send it again with the same key");
  }

  template <class Protocol>
  asio::awaitable<void> stream_events(Stream<Protocol>& stream, unsigned version,
                                      HttpResponse::Events from) {
    http::response<http::empty_body> head{http::status::ok, version};
    head.set(http::field::content_type, "application/x-ndjson");
    head.set(http::field::cache_control, "no-store");
    head.chunked(true);
    head.keep_alive(false);
    http::response_serializer<http::empty_body> serializer{head};
    error_code error;
    co_await http::async_write_header(stream, serializer, await(error));
    asio::steady_timer fresh{io_};
    const auto place = followers_.insert(followers_.end(), &fresh);
    while (!error) {
      std::string text;
      for (EventRing::Line& line : events_.read(from.after, from.since_utc_ms, kLinesPerChunk)) {
        from.after = line.sequence;
        text += line.json;
      }
      if (text.empty()) {
        if (!from.follow) break;
        fresh.expires_after(options_.heartbeat);
        co_await fresh.async_wait(await(error));
        const bool quiet = !error;
        error.clear();
        if (!quiet) continue;
        text = "\n";
      }
      stream.expires_after(options_.idle_max);
      co_await asio::async_write(stream, http::make_chunk(asio::buffer(text)), await(error));
    }
    followers_.erase(place);
    if (!error) co_await asio::async_write(stream, http::make_chunk_last(), await(error));
  }

  const HttpOptions options_;
  const Handler handler_;
  const EventRing& events_;
  const std::shared_ptr<Outlet> outlet_ = std::make_shared<Outlet>();
  bool socket_made_ = false;
  std::string tcp_port_;
  std::string tcp_address_;
  std::size_t local_count_ = 0;
  std::size_t tcp_count_ = 0;
  std::list<asio::steady_timer*> followers_;
  asio::io_context io_{1};  // destroyed before what its coroutines use
  Acceptor<Local> local_{io_};
  Acceptor<Tcp> tcp_{io_};
  std::thread thread_;
};

HttpResponse error_response(int status, const std::string& code, const std::string& text,
                            const std::string& hint) {
  return {.status = status,
          .content_type = "application/json",
          .body = error_document(code, text, hint),
          .events = {}};
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_{std::move(impl)} {}
HttpServer::~HttpServer() = default;

std::expected<std::unique_ptr<HttpServer>, std::string> HttpServer::open(HttpOptions options,
                                                                         Handler handler,
                                                                         const EventRing& events) {
  auto impl = std::make_unique<Impl>(std::move(options), std::move(handler), events);
  if (auto started = impl->start(); !started) return std::unexpected{started.error()};
  return std::unique_ptr<HttpServer>{new HttpServer{std::move(impl)}};
}

void HttpServer::events_added() {
  impl_->events_added();
}
std::string HttpServer::tcp_address() const {
  return impl_->tcp_address();
}

}  // namespace vpp::driver
