#include "bidding/http_market.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <set>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "bidding/bid_formats.h"
#include "bidding/format_json.h"
#include "bidding/http_client.h"
#include "bidding/market_json.h"

namespace vpp::bidding {
namespace {

constexpr long kOk = 200;
constexpr long kCreated = 201;
constexpr long kNotFound = 404;
constexpr long kConflict = 409;
constexpr long kGone = 410;
constexpr long kTooManyRequests = 429;
constexpr std::size_t kQuoteBytesMax = 120;

/// Why a call brought nothing.
struct Failure {
  std::string why;
  std::optional<Duration> retry_after = {};
};
template <class T>
using Result = std::expected<T, Failure>;

[[nodiscard]] bool is_success(long status) {
  return status == kOk || status == kCreated;
}

/// The market's own words if it has some.
[[nodiscard]] std::string reason(const HttpResponse& response) {
  const auto json = parse_json_object(response.body);
  JsonReader reader;
  std::string text = json ? reader.text(*json, "error") : std::string{};
  if (!json || !reader.error().empty()) text = response.body.substr(0, kQuoteBytesMax);
  std::ranges::replace_if(text, [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
  return text;
}

[[nodiscard]] std::string explain(const HttpResponse& response) {
  const std::string status = "HTTP " + std::to_string(response.status);
  if (response.status == kTooManyRequests) return status + " (too many requests)";
  const std::string why = reason(response);
  return why.empty() ? status : status + ": " + why;
}

[[nodiscard]] std::optional<Duration> wait_of(const HttpResponse& response) {
  constexpr std::int64_t kMostS = 86'400;  // beyond any sense, and no overflow
  if (!response.retry_after_s) return std::nullopt;
  return std::chrono::seconds{std::clamp<std::int64_t>(*response.retry_after_s, 0, kMostS)};
}

[[nodiscard]] Failure failure_of(const HttpResponse& response) {
  return {explain(response), wait_of(response)};
}

/// What the market's clock showed, where it says so.
[[nodiscard]] std::optional<MarketTime> told_at(JsonReader& reader, const Json& body) {
  if (!body.contains("market_ms")) return std::nullopt;
  return reader.time(body, "market_ms");
}

/// Characters that need no escape in a query (RFC 3986, unreserved); others as %XX.
[[nodiscard]] std::string query_escaped(std::string_view text) {
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

[[nodiscard]] std::string listed(const std::vector<std::string>& keys) {
  std::string list;
  for (const std::string& key : keys) list += (list.empty() ? "" : ",") + query_escaped(key);
  return list;
}

[[nodiscard]] std::string to_text(MarketTime time) {
  return std::to_string(time.time_since_epoch().count());
}

class HttpMarket final : public MarketAdapter {
 public:
  HttpMarket(const std::string& url, const MarketConfig& config)
      : http_{url}, format_{config.format}, cost_{config.price_min} {}

  MarketAnswer call(const MarketCall& call) override {
    try {
      auto answer = std::visit([&](const auto& c) { return carry_out(c); }, call);
      if (answer) return *std::move(answer);
      return CallFailed{call, answer.error().why, answer.error().retry_after};
    } catch (const std::exception& error) {  // out of memory; a JSON surprise
      return CallFailed{call, error.what(), std::nullopt};
    }
  }

 private:
  Result<MarketAnswer> carry_out(const FetchPrices& c) {
    const auto json =
        get("/v1/prices?from_ms=" + to_text(c.from) + "&until_ms=" + to_text(c.until) +
            "&session=" + std::string{name_of(c.session)} +
            "&product=" + std::string{name_of(c.product)});
    return read<PricesFetched>(json, [&](JsonReader& reader, const Json& body) {
      PricesFetched answer{{}, c.session, 0, told_at(reader, body), c.product};
      for (const Json& value : reader.array(body, "prices")) {
        // One point that is none says nothing against the others.
        JsonReader of_point;
        PricePoint point;
        of_point.read(value, point);
        const bool asked_for = point.session == c.session && point.product == c.product;
        if (of_point.error().empty() && asked_for) {
          answer.prices.push_back(point);
        } else {
          ++answer.unreadable;
        }
      }
      return answer;
    });
  }

  Result<MarketAnswer> carry_out(const FetchGates&) {
    if (format_ == BidFormat::kAemo) {
      if (const auto told = tell_bands(); !told) return std::unexpected{told.error()};
    }
    return read<GatesFetched>(get("/v1/gates"), [](JsonReader& reader, const Json& body) {
      return GatesFetched{reader.list<Gate>(body, "gates"), told_at(reader, body)};
    });
  }

  Result<MarketAnswer> carry_out(const FetchAwards& c) {
    return read<AwardsFetched>(get("/v1/awards?keys=" + listed(c.keys)),
                               [](JsonReader& reader, const Json& body) {
                                 return AwardsFetched{reader.list<Award>(body, "awards")};
                               });
  }

  Result<MarketAnswer> carry_out(const FetchCalls& c) {
    return read<CallsFetched>(get("/v1/calls?keys=" + listed(c.keys)),
                              [](JsonReader& reader, const Json& body) {
                                return CallsFetched{reader.list<ReserveCall>(body, "calls")};
                              });
  }

  Result<MarketAnswer> carry_out(const SubmitBid& c) {
    const auto shape = shape_of(c.bid);
    if (!shape) return std::unexpected{shape.error()};
    if (!shape->why_not.empty()) return BidRefused{c.bid.key, shape->why_not, true, {}, {}};
    const auto response = http_.post("/v1/bids", shape->json.dump());
    if (!response) return std::unexpected{Failure{response.error()}};
    if (is_success(response->status)) return BidAccepted{c.bid.key};
    const bool passing =
        response->status >= 500 || response->status == kTooManyRequests || response->status < 400;
    BidRefused refused{c.bid.key, explain(*response), !passing, std::nullopt, wait_of(*response)};
    if (response->status == kConflict) {
      const auto json = parse_json_object(response->body);
      JsonReader reader;
      Bid standing;
      if (json) reader.read(reader.object(*json, "standing"), standing);
      if (json && reader.error().empty()) refused.standing = std::move(standing);
    }
    return refused;
  }

  Result<MarketAnswer> carry_out(const WithdrawBid& c) {
    const auto response = http_.post("/v1/withdrawals", Json{{"key", c.key}}.dump());
    if (!response) return std::unexpected{Failure{response.error()}};
    if (is_success(response->status)) return WithdrawalAnswered{c.key, Withdrawal::kDone, {}};
    const bool unknown = response->status == kNotFound;
    if (!unknown && response->status != kGone) return std::unexpected{failure_of(*response)};
    return WithdrawalAnswered{c.key, unknown ? Withdrawal::kNotKnown : Withdrawal::kStands,
                              explain(*response)};
  }

  Result<MarketAnswer> carry_out(const SubmitDelivery& c) {
    const auto response = http_.post("/v1/deliveries", to_json_value(c.delivery).dump());
    if (!response) return std::unexpected{Failure{response.error()}};
    // A conflict says what was settled before; the market has the last word.
    if (!is_success(response->status) && response->status != kConflict) {
      return std::unexpected{failure_of(*response)};
    }
    return read<Settled>(parsed(*response), [](JsonReader& reader, const Json& body) {
      Settled settled;
      reader.read(reader.object(body, "settlement"), settled.settlement);
      return settled;
    });
  }

  struct Shape {
    Json json;
    std::string why_not;  ///< the bid has no such shape; empty: it has
  };
  template <class Made>
  static Shape shape_from(const std::expected<Made, std::string>& made) {
    return made ? Shape{to_json_value(*made), {}} : Shape{{}, made.error()};
  }

  /// As the market wants it.
  Result<Shape> shape_of(const Bid& bid) {
    if (format_ == BidFormat::kOwn) return Shape{to_json_value(bid), {}};
    if (format_ == BidFormat::kCaiso) return shape_from(to_curve(bid, kCaisoRules));
    const auto days = band_days("?at_ms=" + to_text(bid.gate.from));
    if (!days) return std::unexpected{days.error()};
    if (!days->front().prices) {
      return Shape{{}, "no prices hold for the trading day, and it is too late to tell them"};
    }
    return shape_from(to_bands(bid, *days->front().prices, kAemoRules, "bid for what is firm"));
  }

  struct BandDay {
    MarketTime begin{};
    MarketTime due{};
    bool told = false;
    std::optional<BandPrices> prices;  ///< that hold
  };

  /// At least one.
  Result<std::vector<BandDay>> band_days(const std::string& query) {
    const auto json = get("/v1/bands" + query);
    if (!json) return std::unexpected{json.error()};
    JsonReader reader;
    std::vector<BandDay> days;
    for (const Json& value : reader.array(*json, "days")) {
      BandDay& day = days.emplace_back();
      day = {reader.time(value, "trading_day_ms"), reader.time(value, "due_ms"),
             reader.yes_or_no(value, "told"), std::nullopt};
      if (value.contains("prices") && !value["prices"].is_null()) {
        day.prices = read_band_prices(reader, value["prices"]);
      }
    }
    if (days.empty()) reader.fail("days has none");
    if (!reader.error().empty()) {
      return std::unexpected{Failure{"the answer is not as agreed: " + reader.error()}};
    }
    return days;
  }

  /// For each day that has none, and where the market may still take them: it knows whether.
  Result<std::monostate> tell_bands() {
    const auto days = band_days("");
    if (!days) return std::unexpected{days.error()};
    for (const BandDay& day : *days) {
      if (day.told || late_.contains(day.begin)) continue;
      Json body = to_json_value(band_prices_around(cost_, kAemoRules));
      body["trading_day_ms"] = day.begin.time_since_epoch().count();
      const auto response = http_.post("/v1/bands", body.dump());
      if (!response) return std::unexpected{Failure{response.error()}};
      if (response->status == kGone) late_.insert(day.begin);
      if (response->status >= 500 || response->status == kTooManyRequests) {
        return std::unexpected{failure_of(*response)};
      }
    }
    return std::monostate{};
  }

  Result<Json> get(const std::string& path) {
    const auto response = http_.get(path);
    if (!response) return std::unexpected{Failure{response.error()}};
    if (!is_success(response->status)) return std::unexpected{failure_of(*response)};
    return parsed(*response);
  }

  static Result<Json> parsed(const HttpResponse& response) {
    auto json = parse_json_object(response.body);
    if (!json) return std::unexpected{Failure{"the answer is " + json.error()}};
    return *std::move(json);
  }

  template <class Answer, class Read>
  static Result<MarketAnswer> read(const Result<Json>& json, Read read_body) {
    if (!json) return std::unexpected{json.error()};
    JsonReader reader;
    Answer answer = read_body(reader, *json);
    if (!reader.error().empty()) {
      return std::unexpected{Failure{"the answer is not as agreed: " + reader.error()}};
    }
    return answer;
  }

  HttpClient http_;
  BidFormat format_;
  Price cost_;
  std::set<MarketTime> late_;  // trading days whose prices the market no longer takes
};

}  // namespace

std::expected<std::unique_ptr<MarketAdapter>, std::string> make_http_market(
    const MarketConfig& config) {
  const std::string& url = config.url;
  if (!url.starts_with("http://") && !url.starts_with("https://")) {
    return std::unexpected{"a market's URL begins with http:// or https://"};
  }
  std::string base = url;
  while (base.ends_with('/')) base.pop_back();
  return std::make_unique<HttpMarket>(base, config);
}

}  // namespace vpp::bidding

extern "C" [[gnu::visibility("default")]] vpp::bidding::MarketAdapter* vpp_make_market(
    const vpp::MarketConfig& config, char* error, std::size_t n) {
  std::string why;
  try {
    auto market = vpp::bidding::make_http_market(config);
    if (market) return market->release();
    why = market.error();
  } catch (const std::exception& exception) {
    why = exception.what();
  }
  if (n > 0) {
    const std::size_t length = std::min(n - 1, why.size());
    std::memcpy(error, why.data(), length);
    error[length] = '\0';
  }
  return nullptr;
}

namespace {

class Poster final : public vpp::bidding::HttpPoster {
 public:
  Poster(const char* base_url, long timeout_ms) : http_{base_url, timeout_ms} {}

  std::expected<vpp::bidding::HttpResponse, std::string> post(const std::string& path,
                                                              const std::string& json) override {
    try {
      return http_.post(path, json);
    } catch (const std::exception& error) {  // out of memory
      return std::unexpected{std::string{error.what()}};
    }
  }

 private:
  vpp::bidding::HttpClient http_;
};

}  // namespace

extern "C" [[gnu::visibility("default")]] vpp::bidding::HttpPoster* vpp_make_poster(
    const char* base_url, long timeout_ms) {
  try {
    return new Poster{base_url, timeout_ms};
  } catch (const std::exception&) {
    return nullptr;
  }
}
