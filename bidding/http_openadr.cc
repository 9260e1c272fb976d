// OpenADR 3 over HTTP: one request per call. The token is kept here and goes nowhere else.
#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

#include "bidding/http_client.h"
#include "bidding/openadr_adapter.h"
#include "bidding/openadr_json.h"

namespace vpp::bidding::openadr {
namespace {

constexpr long kTooManyStatus = 429;
constexpr long kServerErrorStatus = 500;

using What = decltype(Answer::what);

/// Where a request goes, and what with.
struct Plan {
  std::string method = "GET";
  std::string path;  ///< or a whole URL
  std::string body = {};
  bool form = false;
  bool with_token = true;
};

class HttpVtn final : public VtnAdapter {
 public:
  explicit HttpVtn(VtnOptions options)
      : options_{std::move(options)},
        http_{base_of(options_.url), HttpClient::kTimeoutMs, options_.ca_file} {}

  Answer call(const Call& call) override {
    Answer out{call, Refused{0, "out of memory"}};
    try {
      carry_out(out);
    } catch (const std::exception& error) {  // out of memory; a JSON surprise
      out.what = Refused{0, error.what()};
    }
    return out;
  }

 private:
  static std::string base_of(std::string url) {
    while (url.ends_with('/')) url.pop_back();
    return url;
  }

  void carry_out(Answer& out) {
    const Plan plan = std::visit([&](const auto& c) { return plan_of(c); }, out.call);
    if (plan.path.empty()) {
      out.what = Refused{0, "the server's tokenURL is not https, as the server itself is"};
      return;
    }
    HttpRequest request{
        .method = plan.method,
        .path = plan.path,
        .body = plan.body,
        .content_type = plan.form ? "application/x-www-form-urlencoded" : "application/json"};
    if (plan.with_token) request.bearer = token_;
    const auto response = http_.request(request);
    if (!response) {
      out.what = Refused{0, plan.method + " " + plan.path + ": " + response.error()};
      return;
    }
    if (response->date_s) out.date = MarketTime{std::chrono::seconds{*response->date_s}};
    if (response->retry_after_s) out.retry_after = std::chrono::seconds{*response->retry_after_s};
    const bool good = response->status >= 200 && response->status < 300;
    if (!good) {
      out.what = Refused{response->status, explain(plan, *response)};
      return;
    }
    auto read = std::visit([&](const auto& c) { return read_answer(c, response->body); }, out.call);
    if (read) {
      out.what = *std::move(read);
    } else {
      out.what = Refused{
          0, plan.method + " " + plan.path + ": the answer is not as agreed: " + read.error()};
    }
  }

  static std::string explain(const Plan& plan, const HttpResponse& response) {
    std::string out = plan.method + " " + plan.path.substr(0, plan.path.find('?')) + ": HTTP " +
                      std::to_string(response.status);
    if (response.status == kTooManyStatus) return out + " (too many requests)";
    const std::string why = decode_problem(response.body);
    if (response.status >= kServerErrorStatus && why.starts_with("<")) return out;  // HTML
    return why.empty() ? out : out + ": " + why;
  }

  // --- requests ------------------------------------------------------------------------------

  [[nodiscard]] bool is_31() const { return options_.version == Version::k31; }

  static std::string page(std::size_t skip) {
    return "skip=" + std::to_string(skip) + "&limit=" + std::to_string(kPageMost);
  }
  [[nodiscard]] std::string targets() const {
    std::string out;
    if (!is_31() && !options_.targets.empty()) out = "&targetType=GROUP";
    for (const std::string& target : options_.targets) {
      out += (is_31() ? "&targets=" : "&targetValues=") + url_escaped(target);
    }
    return out;
  }
  [[nodiscard]] std::string resources_path(const std::string& ven) const {
    return is_31() ? "/resources" : "/vens/" + url_escaped(ven) + "/resources";
  }

  Plan plan_of(const AskTokenUrl&) const { return {.path = "/auth/server", .with_token = false}; }
  Plan plan_of(const AskToken& call) const {
    const std::string_view scope =
        is_31() ? "read_targets read_ven_objects write_reports write_subscriptions write_vens"
                : "read_all write_reports write_vens";
    std::string url = call.url.empty() ? "/auth/token" : call.url;
    // A secret that is meant for https never goes without.
    if (options_.url.starts_with("https://") && url.starts_with("http://")) url.clear();
    return {.method = "POST",
            .path = url,
            .body = "grant_type=client_credentials&client_id=" + url_escaped(options_.client_id) +
                    "&client_secret=" + url_escaped(options_.client_secret) +
                    "&scope=" + url_escaped(scope),
            .form = true,
            .with_token = false};
  }
  Plan plan_of(const RegisterVen& call) const {
    return {.method = "POST", .path = "/vens", .body = encode(options_.version, call)};
  }
  Plan plan_of(const FindVen& call) const {
    return {.path = "/vens?venName=" + url_escaped(call.name) + "&" + page(0)};
  }
  Plan plan_of(const RegisterResource& call) const {
    return {
        .method = "POST", .path = resources_path(call.ven), .body = encode(options_.version, call)};
  }
  Plan plan_of(const FindResource& call) const {
    return {.path = resources_path(call.ven) + "?resourceName=" + url_escaped(call.name) +
                    (is_31() ? "&venID=" + url_escaped(call.ven) : "") + "&" + page(0)};
  }
  Plan plan_of(const FetchPrograms& call) const {
    return {.path = "/programs?" + page(call.skip) + targets()};
  }
  Plan plan_of(const FetchEvents& call) const {
    return {.path = "/events?" + page(call.skip) + targets()};
  }
  Plan plan_of(const FetchReports& call) const {
    return {.path = "/reports?eventID=" + url_escaped(call.event) +
                    "&clientName=" + url_escaped(call.client) + "&" + page(call.skip)};
  }
  Plan plan_of(const SendReport& call) const {
    return {.method = "POST", .path = "/reports", .body = encode(options_.version, call.report)};
  }

  // --- answers -------------------------------------------------------------------------------

  template <class Made>
  static Decoded<What> wrap(Decoded<Made> made) {
    if (!made) return std::unexpected{made.error()};
    return What{*std::move(made)};
  }
  static Decoded<What> found(Decoded<std::string> id) {
    if (!id) return std::unexpected{id.error()};
    return What{ObjectFound{*std::move(id)}};
  }

  static Decoded<What> read_answer(const AskTokenUrl&, const std::string& body) {
    auto url = decode_token_url(body);
    if (!url) return std::unexpected{url.error()};
    return What{TokenUrl{*std::move(url)}};
  }
  Decoded<What> read_answer(const AskToken&, const std::string& body) {
    auto grant = decode_grant(body);
    if (!grant) return std::unexpected{grant.error()};
    token_ = std::move(grant->token);
    return What{TokenGiven{grant->lasts}};
  }
  static Decoded<What> read_answer(const RegisterVen&, const std::string& body) {
    return found(decode_id(body));
  }
  static Decoded<What> read_answer(const RegisterResource&, const std::string& body) {
    return found(decode_id(body));
  }
  static Decoded<What> read_answer(const FindVen& call, const std::string& body) {
    return found(decode_id_of(body, "venName", call.name));
  }
  static Decoded<What> read_answer(const FindResource& call, const std::string& body) {
    return found(decode_id_of(body, "resourceName", call.name));
  }
  static Decoded<What> read_answer(const FetchPrograms&, const std::string& body) {
    return wrap(decode_programs(body));
  }
  static Decoded<What> read_answer(const FetchEvents&, const std::string& body) {
    return wrap(decode_events(body));
  }
  static Decoded<What> read_answer(const FetchReports&, const std::string& body) {
    return wrap(decode_report_names(body));
  }
  static Decoded<What> read_answer(const SendReport&, const std::string&) { return What{Done{}}; }

  VtnOptions options_;
  HttpClient http_;
  std::string token_;
};

}  // namespace
}  // namespace vpp::bidding::openadr

extern "C" [[gnu::visibility("default")]] vpp::bidding::openadr::VtnAdapter* vpp_make_vtn(
    const vpp::bidding::openadr::VtnOptions& options) {
  try {
    return new vpp::bidding::openadr::HttpVtn{options};
  } catch (const std::exception&) {
    return nullptr;
  }
}
