#include "tools/market/server.h"

#include <csignal>
#include <cstddef>
#include <utility>

// Asio 1.74 uses std::exchange without including <utility>: it has to come first.
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

namespace vpp::market {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using asio::ip::tcp;

constexpr std::size_t kBodyBytesMax = 256 * 1024;
constexpr std::uint32_t kHeaderBytesMax = 16 * 1024;
constexpr std::chrono::seconds kIdleMax{60};
constexpr int kConnectionsMax = 64;

[[nodiscard]] http::response<http::string_body> make_response(
    const http::request<http::string_body>& request, Reply reply) {
  http::response<http::string_body> response{static_cast<http::status>(reply.status),
                                             request.version()};
  response.set(http::field::content_type, "application/json");
  if (reply.retry_after_s) {
    response.set(http::field::retry_after, std::to_string(*reply.retry_after_s));
  }
  response.keep_alive(request.keep_alive());
  response.body() = std::move(reply.json);
  response.prepare_payload();
  return response;
}

[[nodiscard]] std::string_view view(beast::string_view text) {
  return {text.data(), text.size()};
}

asio::awaitable<void> serve_connection(const ServerOptions& options, tcp::socket socket,
                                       int& connections) {
  beast::tcp_stream stream{std::move(socket)};
  ++connections;
  try {
    beast::flat_buffer buffer{kHeaderBytesMax + kBodyBytesMax};
    for (bool open = true; open;) {
      http::request_parser<http::string_body> parser;
      parser.header_limit(kHeaderBytesMax);
      parser.body_limit(kBodyBytesMax);
      stream.expires_after(kIdleMax);
      co_await http::async_read(stream, buffer, parser, asio::use_awaitable);
      const auto& request = parser.get();
      Reply reply = options.on_request(
          {view(request.method_string()), view(request.target()), request.body()});
      const Cut cut = reply.cut;
      if (cut == Cut::kNoAnswer) break;
      auto response = make_response(request, std::move(reply));
      if (cut == Cut::kHalfBody) {  // its length promised more
        response.body().resize(response.body().size() / 2);
        response.keep_alive(false);
      }
      open = response.keep_alive();
      co_await http::async_write(stream, response, asio::use_awaitable);
    }
  } catch (const std::exception&) {  // NOLINT(bugprone-empty-catch)
    // The peer left, was too slow or spoke no HTTP: its connection ends, nothing else.
  }
  --connections;
}

asio::awaitable<void> accept(const ServerOptions& options, tcp::acceptor& acceptor) {
  int connections = 0;
  for (;;) {
    boost::system::error_code error;
    tcp::socket socket =
        co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
    if (error || connections >= kConnectionsMax) continue;  // closes it
    asio::co_spawn(acceptor.get_executor(),
                   serve_connection(options, std::move(socket), connections), asio::detached);
  }
}

asio::awaitable<void> tick(const ServerOptions& options) {
  asio::steady_timer timer{co_await asio::this_coro::executor};
  for (;;) {
    options.on_tick();
    timer.expires_after(options.tick);
    co_await timer.async_wait(asio::use_awaitable);
  }
}

}  // namespace

void serve(const ServerOptions& options) {
  asio::io_context context{1};
  tcp::acceptor acceptor{context, {asio::ip::address_v4::loopback(), options.port}};
  asio::signal_set signals{context, SIGTERM, SIGINT};
  signals.async_wait([&](auto, auto) { context.stop(); });
  asio::co_spawn(context, accept(options, acceptor), asio::detached);
  asio::co_spawn(context, tick(options), asio::detached);
  options.on_ready(acceptor.local_endpoint().port());
  context.run();
}

}  // namespace vpp::market
