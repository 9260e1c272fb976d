#include "tools/vppctl/client.h"

#include <curl/curl.h>

#include <memory>
#include <optional>
#include <utility>

namespace vpp::ctl {
namespace {

struct CurlDeleter {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
using Handle = std::unique_ptr<CURL, CurlDeleter>;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t append(char* data, std::size_t size, std::size_t count, void* user) {
  static_cast<std::string*>(user)->append(data, size * count);
  return size * count;
}

struct LineReader {
  const std::function<bool(std::string_view)>* line;
  std::string pending;
  bool stopped = false;
};

std::size_t take_lines(char* data, std::size_t size, std::size_t count, void* user) {
  auto& reader = *static_cast<LineReader*>(user);
  reader.pending.append(data, size * count);
  for (auto end = reader.pending.find('\n'); end != std::string::npos;
       end = reader.pending.find('\n')) {
    const std::string one = reader.pending.substr(0, end);
    reader.pending.erase(0, end + 1);
    if (!one.empty() && !(*reader.line)(one)) {
      reader.stopped = true;
      return 0;
    }
  }
  return size * count;
}

/// Not 0: the transfer ends.
int ask_to_stop(void* user, curl_off_t /*down_total*/, curl_off_t /*down*/, curl_off_t /*up_total*/,
                curl_off_t /*up*/) {
  return (*static_cast<const std::function<bool()>*>(user))() ? 1 : 0;
}

Handle prepare(const std::string& socket_path, const std::string& path) {
  static const bool initialised = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  Handle handle{initialised ? curl_easy_init() : nullptr};
  if (!handle) return handle;
  curl_easy_setopt(handle.get(), CURLOPT_UNIX_SOCKET_PATH, socket_path.c_str());
  curl_easy_setopt(handle.get(), CURLOPT_URL, ("http://vppd" + path).c_str());
  curl_easy_setopt(handle.get(), CURLOPT_NOPROXY, "*");
  curl_easy_setopt(handle.get(), CURLOPT_NOSIGNAL, 1L);
  return handle;
}

Failure explain(CURLcode code, const std::string& socket_path) {
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return {Exit::kTimeout, "vppd at " + socket_path + " did not answer in time",
            "is its loop stuck? see its log; --timeout waits longer"};
  }
  return {Exit::kUnreachable,
          "cannot reach vppd at " + socket_path + ": " + curl_easy_strerror(code),
          "is vppd running, and may you open the socket? --socket or VPPCTL_SOCKET names another"};
}

Exit exit_of(long status) {
  if (status == 409 || status == 403 || status == 422) return Exit::kRefused;
  if (status == 400 || status == 404 || status == 405) return Exit::kUsage;
  if (status == 504) return Exit::kTimeout;
  return Exit::kFailure;
}

std::expected<Document, Failure> answer(CURL* handle, CURLcode code, const std::string& body,
                                        const std::string& socket_path) {
  if (code != CURLE_OK) return std::unexpected{explain(code, socket_path)};
  Document document = Document::parse(body, nullptr, false);
  if (document.is_discarded() || !document.is_object()) {
    return std::unexpected{Failure{Exit::kFailure, "vppd answered no JSON document",
                                   "is " + socket_path + " the control socket of a vppd?"}};
  }
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  if (status >= 400) {
    const auto text_of = [&](const char* key, const char* otherwise) {
      const auto found = document.find(key);
      const bool is_text = found != document.end() && found->is_string();
      return is_text ? found->get<std::string>() : std::string{otherwise};
    };
    return std::unexpected{
        Failure{exit_of(status), text_of("text", "refused"), text_of("hint", "")}};
  }
  return document;
}

std::expected<Document, Failure> request(const std::string& socket_path,
                                         std::chrono::milliseconds timeout, const std::string& path,
                                         const std::optional<std::string>& body) {
  const Handle handle = prepare(socket_path, path);
  if (!handle) return std::unexpected{Failure{Exit::kFailure, "libcurl does not start", ""}};
  std::string out;
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, append);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &out);
  curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
  std::unique_ptr<curl_slist, ListDeleter> headers{
      curl_slist_append(nullptr, "Content-Type: application/json")};
  if (body) {
    curl_easy_setopt(handle.get(), CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(handle.get(), CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(body->size()));
    curl_easy_setopt(handle.get(), CURLOPT_COPYPOSTFIELDS, body->c_str());
  }
  const CURLcode code = curl_easy_perform(handle.get());
  return answer(handle.get(), code, out, socket_path);
}

}  // namespace

Client::Client(std::string socket_path, std::chrono::milliseconds timeout)
    : socket_path_{std::move(socket_path)}, timeout_{timeout} {}

std::expected<Document, Failure> Client::get(const std::string& path) const {
  return request(socket_path_, timeout_, path, std::nullopt);
}

std::expected<Document, Failure> Client::post(const std::string& path, const Document& body) const {
  return request(socket_path_, timeout_, path, body.is_null() ? "" : body.dump());
}

std::expected<void, Failure> Client::stream(const std::string& path,
                                            const std::function<bool(std::string_view)>& line,
                                            bool endless, const std::function<bool()>& stop) const {
  const Handle handle = prepare(socket_path_, path);
  if (!handle) return std::unexpected{Failure{Exit::kFailure, "libcurl does not start", ""}};
  LineReader reader{&line, {}};
  curl_easy_setopt(handle.get(), CURLOPT_WRITEFUNCTION, take_lines);
  curl_easy_setopt(handle.get(), CURLOPT_WRITEDATA, &reader);
  if (!endless) {
    curl_easy_setopt(handle.get(), CURLOPT_TIMEOUT_MS, static_cast<long>(timeout_.count()));
  }
  if (stop) {
    curl_easy_setopt(handle.get(), CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle.get(), CURLOPT_XFERINFOFUNCTION, ask_to_stop);
    curl_easy_setopt(handle.get(), CURLOPT_XFERINFODATA, &stop);
  }
  const CURLcode code = curl_easy_perform(handle.get());
  if (code == CURLE_OK || code == CURLE_ABORTED_BY_CALLBACK || reader.stopped) return {};
  return std::unexpected{explain(code, socket_path_)};
}

}  // namespace vpp::ctl
