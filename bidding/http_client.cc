#include "bidding/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <mutex>
#include <utility>

namespace vpp::bidding {
namespace {

constexpr long kConnectMsMax = 2'000;
constexpr curl_off_t kRetryAfterMaxS = 3'600;      // who asks for more is asked again after an hour
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
  Impl(std::string base_url, long timeout_ms)
      : base_url_{std::move(base_url)}, timeout_ms_{timeout_ms} {
    static std::once_flag once;
    std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
    easy_ = curl_easy_init();
  }
  ~Impl() { curl_easy_cleanup(easy_); }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

  std::expected<HttpResponse, std::string> perform(const std::string& path,
                                                   const std::string* json) {
    if (easy_ == nullptr) return std::unexpected{"libcurl cannot start"};
    Body body;
    std::array<char, CURL_ERROR_SIZE> why{};
    curl_easy_reset(easy_);  // keeps connections
    set_up(path, body, why.data());
    curl_slist* headers = curl_slist_append(nullptr, "Accept: application/json");
    if (json != nullptr) {
      headers = curl_slist_append(headers, "Content-Type: application/json");
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(json->size()));
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, json->c_str());
    }
    curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers);
    const CURLcode code = curl_easy_perform(easy_);
    curl_slist_free_all(headers);
    if (body.too_long) return std::unexpected{"the answer is longer than 16 MiB"};
    if (code != CURLE_OK) return std::unexpected{explain(code, why.data())};
    HttpResponse response{.status = 0, .body = std::move(body.bytes)};
    curl_easy_getinfo(easy_, CURLINFO_RESPONSE_CODE, &response.status);
    curl_off_t wait_s = 0;  // libcurl reads seconds and dates
    curl_easy_getinfo(easy_, CURLINFO_RETRY_AFTER, &wait_s);
    if (wait_s > 0) response.retry_after_s = wait_s;
    return response;
  }

 private:
  void set_up(const std::string& path, Body& body, char* why) {
    curl_easy_setopt(easy_, CURLOPT_URL, (base_url_ + path).c_str());
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
    if (is_loopback(base_url_)) curl_easy_setopt(easy_, CURLOPT_PROXY, "");
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
  CURL* easy_ = nullptr;
};

HttpClient::HttpClient(std::string base_url, long timeout_ms)
    : impl_{std::make_unique<Impl>(std::move(base_url), timeout_ms)} {}

HttpClient::~HttpClient() = default;

std::expected<HttpResponse, std::string> HttpClient::get(const std::string& path) {
  return impl_->perform(path, nullptr);
}

std::expected<HttpResponse, std::string> HttpClient::post(const std::string& path,
                                                          const std::string& json) {
  return impl_->perform(path, &json);
}

}  // namespace vpp::bidding
