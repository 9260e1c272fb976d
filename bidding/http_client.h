// The little HTTP that a market adapter needs, over libcurl.
#pragma once

#include <expected>
#include <memory>
#include <string>

#include "bidding/http_adapter.h"

namespace vpp::bidding {

/// One connection, kept open between calls. Not thread-safe.
class HttpClient {
 public:
  static constexpr long kTimeoutMs = 5'000;

  explicit HttpClient(std::string base_url, long timeout_ms = kTimeoutMs);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Error: no complete answer came (refused, timed out, broke off, too long); one line.
  [[nodiscard]] std::expected<HttpResponse, std::string> get(const std::string& path);
  [[nodiscard]] std::expected<HttpResponse, std::string> post(const std::string& path,
                                                              const std::string& json);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpp::bidding
