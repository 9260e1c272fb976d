// The little HTTP that a market adapter needs, over libcurl.
#pragma once

#include <expected>
#include <memory>
#include <string>
#include <string_view>

#include "bidding/http_adapter.h"

namespace vpp::bidding {

struct HttpRequest {
  std::string method = "GET";
  std::string path;  ///< from the base URL on, or a whole URL
  std::string body = {};
  std::string content_type = "application/json";  ///< not said with GET
  std::string bearer = {};                        ///< token; empty: none is sent
};

/// Characters that need no escape in a URL (RFC 3986, unreserved); others as %XX.
[[nodiscard]] std::string url_escaped(std::string_view text);

/// One connection, kept open between calls. Not thread-safe. TLS 1.2 or newer, verified.
class HttpClient {
 public:
  static constexpr long kTimeoutMs = 5'000;

  /// `ca_file`: who signs servers; empty: whom the system trusts.
  explicit HttpClient(std::string base_url, long timeout_ms = kTimeoutMs, std::string ca_file = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Error: no complete answer came (refused, timed out, broke off, too long); one line.
  [[nodiscard]] std::expected<HttpResponse, std::string> get(const std::string& path);
  [[nodiscard]] std::expected<HttpResponse, std::string> post(const std::string& path,
                                                              const std::string& json);
  [[nodiscard]] std::expected<HttpResponse, std::string> request(const HttpRequest& request);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpp::bidding
