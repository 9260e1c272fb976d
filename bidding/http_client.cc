#include "bidding/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstddef>
#include <ctime>
#include <mutex>
#include <utility>

namespace vpp::bidding {
namespace {

constexpr long kConnectMsMax = 2'000;
constexpr std::size_t kBodyBytesMax = 16U << 20U;  // 8 days of 1-minute prices are 1.2 MB

struct Body {
  std::string bytes;
  bool too_long = false;
};

std::size_t append(char* data, std::size_t size, std::size_t count, void* user) {
  auto* body = static_cast<Body*>(user);
  const std::size_t bytes = size * count;
  if (body->bytes.size() + bytes > kBodyBytesMax) {
    body->too_long = true;
    return 0;  // libcurl stops the transfer
  }
  body->bytes.append(data, bytes);
  return bytes;
}

[[nodiscard]] bool is_loopback(const std::string& url) {
  return url.starts_with("http://127.") || url.starts_with("http://localhost") ||
         url.starts_with("http://[::1]");
}

}  // namespace

class HttpClient::Impl {
 public:
  Impl(std::string base_url, long timeout_ms, std::string ca_file)
      : base_url_{std::move(base_url)}, timeout_ms_{timeout_ms}, ca_file_{std::move(ca_file)} {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    easy_ = curl_easy_init();
  }
  ~Impl() { curl_easy_cleanup(easy_); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::expected<HttpResponse, std::string> perform(const HttpRequest& request) {
    if (easy_ == nullptr) return std::unexpected{"libcurl cannot start"};
    Body body;
    std::array<char, CURL_ERROR_SIZE> why{};
    curl_easy_reset(easy_);  // keeps connections
    const bool whole = request.path.starts_with("http://") || request.path.starts_with("https://");
    set_up(whole ? request.path : base_url_ + request.path, body, why.data());
    curl_slist* headers = curl_slist_append(nullptr, "Accept: application/json");
    if (request.method != "GET") {
      headers = curl_slist_append(headers, ("Content-Type: " + request.content_type).c_str());
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request.body.size()));
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request.body.c_str());
      curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request.method.c_str());
    }
    if (!request.bearer.empty()) {
      headers = curl_slist_append(headers, ("Authorization: Bearer " + request.bearer).c_str());
    }
    curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers);
    const CURLcode code = curl_easy_perform(easy_);
    curl_slist_free_all(headers);
    if (body.too_long) return std::unexpected{"the answer is longer than 16 MiB"};
    if (code != CURLE_OK) return std::unexpected{explain(code, why.data())};
    HttpResponse response{.status = 0, .body = std::move(body.bytes)};
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &response.status);
    response.date_s = date_of(header("Date"));
    response.retry_after_s = wait_of(header("Retry-After"), response.date_s);
    return response;
  }

 private:
  [[nodiscard]] std::string header(const char* name) {
    curl_header* found = nullptr;
    const auto code = curl_easy_header(easy_, name, 0, CURLH_HEADER, -1, &found);
    return code == CURLHE_OK ? found->value : "";
  }

  static std::optional<std::int64_t> date_of(const std::string& text) {
    const std::time_t at = text.empty() ? -1 : curl_getdate(text.c_str(), nullptr);
    return at < 0 ? std::nullopt : std::optional<std::int64_t>{at};
  }

  /// Seconds, or a date, which is meant by the server's own clock.
  static std::optional<std::int64_t> wait_of(const std::string& text,
                                             std::optional<std::int64_t> date) {
    constexpr std::int64_t kMost = 1'000'000;
    std::int64_t seconds = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc{} || end != text.data() + text.size()) {
      const auto until = date_of(text);
      if (!until || !date) return std::nullopt;
      seconds = *until - *date;
    }
    return std::clamp<std::int64_t>(seconds, 0, kMost);
  }

  void set_up(const std::string& url, Body& body, char* why) {
    curl_easy_setopt(easy_, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy_, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    if (!ca_file_.empty()) curl_easy_setopt(easy_, CURLOPT_CAINFO, ca_file_.c_str());
    curl_easy_setopt(easy_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy_, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy_, CURLOPT_CONNECTTIMEOUT_MS, std::min(kConnectMsMax, timeout_ms_));
    curl_easy_setopt(easy_, CURLOPT_TIMEOUT_MS, timeout_ms_);
    curl_easy_setopt(easy_, CURLOPT_USERAGENT, "vppd");
    curl_easy_setopt(easy_, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(easy_, CURLOPT_WRITEFUNCTION, &append);
    curl_easy_setopt(easy_, CURLOPT_WRITEDATA, &body);
    // A proxy of the environment must not stand between two processes of one machine.
    if (is_loopback(url)) curl_easy_setopt(easy_, CURLOPT_PROXY, "");
  }

  [[nodiscard]] static std::string explain(CURLcode code, const char* why) {
    std::string detail = *why != '\0' ? why : curl_easy_strerror(code);
    switch (code) {
      case CURLE_COULDNT_CONNECT:
        return "cannot connect: " + detail;
      case CURLE_OPERATION_TIMEDOUT:
        return "no answer in time: " + detail;
      case CURLE_PARTIAL_FILE:
      case CURLE_RECV_ERROR:
      case CURLE_GOT_NOTHING:
        return "the answer broke off: " + detail;
      default:
        return detail;
    }
  }

  std::string base_url_;
  long timeout_ms_;
  std::string ca_file_;
  CURL* easy_ = nullptr;
};

std::string url_escaped(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string escaped;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || std::string_view{"-._~"}.contains(c)) {
      escaped += c;
    } else {
      escaped += {'%', kHex[byte >> 4U], kHex[byte & 15U]};
    }
  }
  return escaped;
}

HttpClient::HttpClient(std::string base_url, long timeout_ms, std::string ca_file)
    : impl_{std::make_unique<Impl>(std::move(base_url), timeout_ms, std::move(ca_file))} {}

HttpClient::~HttpClient() = default;

std::expected<HttpResponse, std::string> HttpClient::get(const std::string& path) {
  return impl_->perform({.path = path});
}

std::expected<HttpResponse, std::string> HttpClient::post(const std::string& path,
                                                          const std::string& json) {
  return impl_->perform({.method = "POST", .path = path, .body = json});
}

std::expected<HttpResponse, std::string> HttpClient::request(const HttpRequest& request) {
  return impl_->perform(request);
}

}  // namespace vpp::bidding
