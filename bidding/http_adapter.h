// The HTTP client of the loadable module, for those who want no more of it than to post JSON.
#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <optional>
#include <string>

namespace vpp::bidding {

struct HttpResponse {
  long status = 0;
  std::string body;
  std::optional<std::int64_t> date_s = {};         ///< the server's clock, seconds since 1970
  std::optional<std::int64_t> retry_after_s = {};  ///< how long it wants to be left alone
};

/// One server. Not thread-safe; one thread calls it, and that thread may wait.
class HttpPoster {
 public:
  HttpPoster() = default;
  virtual ~HttpPoster() = default;
  HttpPoster(const HttpPoster&) = delete;
  HttpPoster& operator=(const HttpPoster&) = delete;

  /// Blocks for the time-out at the most. Never throws. Error: no complete answer; one line.
  [[nodiscard]] virtual std::expected<HttpResponse, std::string> post(const std::string& path,
                                                                      const std::string& json) = 0;
};

/// What the module exports as kMakePosterSymbol. The caller deletes it. Null: out of memory.
using MakePoster = HttpPoster*(const char* base_url, long timeout_ms);
inline constexpr const char* kMakePosterSymbol = "vpp_make_poster";

}  // namespace vpp::bidding
