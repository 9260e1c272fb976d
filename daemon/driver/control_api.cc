#include "daemon/driver/control_api.h"

#include <charconv>
#include <limits>
#include <map>
#include <optional>
#include <string_view>
#include <utility>

#include "daemon/driver/documents.h"
#include "daemon/driver/health.h"
#include "daemon/driver/metrics.h"
#include "daemon/driver/order_request.h"

namespace vpp::driver {
namespace {

HttpResponse json(std::string body) {
  return {.status = 200, .content_type = "application/json", .body = std::move(body), .events = {}};
}

HttpResponse not_found(const std::string& what, const std::string& hint = {}) {
  return error_response(404, "not_found", what, hint);
}

/// A document, or 404 when there is nothing of that name.
HttpResponse found(std::optional<std::string> body, const std::string& what) {
  return body ? json(*std::move(body)) : not_found(what);
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// The part of `path` behind `prefix`, when it is one segment.
std::optional<std::string> behind(const std::string& path, std::string_view prefix) {
  if (!path.starts_with(prefix) || path.size() == prefix.size()) return std::nullopt;
  return path.substr(prefix.size());
}

using Document = std::string (*)(const Snapshot&);
const std::map<std::string_view, Document>& documents() {
  static const std::map<std::string_view, Document> kAll{
      {"/v1/status", status_document},     {"/v1/tree", tree_document},
      {"/v1/nodes", nodes_document},       {"/v1/capacity", capacity_document},
      {"/v1/programs", programs_document}, {"/v1/drain", drain_document},
      {"/v1/values", values_document},     {"/v1/settlement", settlement_document}};
  return kAll;
}
const std::map<std::string_view, Document>& root_documents() {
  static const std::map<std::string_view, Document> kAll{{"/v1/orders", orders_document},
                                                         {"/v1/bids", bids_document},
                                                         {"/v1/market", market_document},
                                                         {"/v1/market/prices", prices_document},
                                                         {"/v1/market/position", position_document},
                                                         {"/v1/market/gates", gates_document},
                                                         {"/v1/openadr", openadr_document},
                                                         {"/v1/forecast", forecast_document},
                                                         {"/v1/workers", workers_document}};
  return kAll;
}

bool is_root_path(const std::string& path) {
  return path.starts_with("/v1/orders") || path.starts_with("/v1/bids") ||
         path.starts_with("/v1/market") || path.starts_with("/v1/openadr") ||
         path.starts_with("/v1/forecast") || path.starts_with("/v1/workers");
}

HttpResponse health_response(const Snapshot& snapshot) {
  const auto codes = health_of(snapshot);
  HttpResponse response = json(health_document(codes));
  if (health_state(codes) == "error") response.status = 503;
  return response;
}

HttpResponse metrics_response(const Snapshot& snapshot) {
  return {.status = 200,
          .content_type = "text/plain; version=0.0.4; charset=utf-8",
          .body = metrics_text(snapshot),
          .events = {}};
}

void answer(const HttpServer::Respond& respond, HttpResponse response) {
  respond([made = std::move(response)] { return made; });
}

}  // namespace

ControlApi::ControlApi(ControlOptions options, NodeQueue& queue)
    : options_{std::move(options)}, queue_{queue} {}

void ControlApi::handle(const HttpRequest& request, const Respond& respond) const {
  const bool read = request.method == "GET" || request.method == "HEAD";
  if (read && request.path == "/healthz") return ask_snapshot(health_response, respond);
  if (read && request.path == "/metrics") return ask_snapshot(metrics_response, respond);
  if (!request.local) {
    return answer(respond, not_found("this address serves /healthz and /metrics only",
                                     "the control socket serves the rest"));
  }
  if (is_root_path(request.path) && options_.role != Role::kRoot) {
    return answer(respond, error_response(422, "wrong_role", "only the root has this",
                                          "ask the control socket of the root"));
  }
  if (read) return get(request, respond);
  if (request.method == "POST") return post(request, respond);
  answer(respond, error_response(405, "method_not_allowed", "GET, HEAD and POST only"));
}

void ControlApi::get(const HttpRequest& request, const Respond& respond) const {
  const std::string& path = request.path;
  if (const auto document = documents().find(path); document != documents().end()) {
    return ask_snapshot([make = document->second](const Snapshot& s) { return json(make(s)); },
                        respond);
  }
  if (const auto name = behind(path, "/v1/nodes/")) {
    return ask_snapshot(
        [id = *name](const Snapshot& s) { return found(node_document(s, id), "no node " + id); },
        respond);
  }
  if (path == "/v1/version") return answer(respond, json(version_document()));
  if (path == "/v1/config") {
    return answer(respond, json(config_document(options_.config_file, options_.config_toml)));
  }
  if (path == "/v1/events") return events(request, respond);
  if (path == "/v1/bids/replay") return replay(request, respond);
  if (path == "/v1/forecast/load") return load_forecast(respond);
  get_root_only(path, respond);
}

void ControlApi::get_root_only(const std::string& path, const Respond& respond) const {
  if (const auto document = root_documents().find(path); document != root_documents().end()) {
    return ask_snapshot([make = document->second](const Snapshot& s) { return json(make(s)); },
                        respond);
  }
  if (const auto id = behind(path, "/v1/orders/")) {
    const auto value = number(*id);
    if (!value) return answer(respond, not_found("no order " + *id));
    return ask_snapshot(
        [order = OrderId{*value}](const Snapshot& s) {
          return found(order_document(s, order), "no order " + std::to_string(order.value));
        },
        respond);
  }
  if (const auto key = behind(path, "/v1/bids/")) return get_bid(*key, respond);
  answer(respond, not_found("no such route: " + path, "docs/control-api.md lists them"));
}

void ControlApi::get_bid(const std::string& key, const Respond& respond) const {
  ask({.what = AskTrace{key},
       .answer =
           [key, respond](NodeAnswer answered) {
             respond([key, answered = std::move(answered)] {
               return found(bid_document(*answered.snapshot, key,
                                         answered.facts.value_or(std::vector<bidding::Fact>{})),
                            "no bid " + key);
             });
           }},
      respond);
}

void ControlApi::replay(const HttpRequest& request, const Respond& respond) const {
  MarketTime at = kEndOfTime;
  if (const auto wanted = request.query.find("at_ms"); wanted != request.query.end()) {
    const auto ms = number(wanted->second);
    if (!ms || *ms > static_cast<std::uint64_t>(kEndOfTime.time_since_epoch().count())) {
      return answer(respond, error_response(400, "bad_request",
                                            "at_ms is no time in milliseconds since 1970"));
    }
    at = MarketTime{Duration{static_cast<std::int64_t>(*ms)}};
  }
  ask({.what = AskFacts{},
       .answer =
           [at, solver = options_.solver, respond](NodeAnswer answered) {
             respond([at, solver, answered = std::move(answered)] {
               const std::vector<bidding::Fact> none;
               return json(replay_document(answered.facts ? *answered.facts : none, at, solver));
             });
           }},
      respond);
}

void ControlApi::load_forecast(const Respond& respond) const {
  ask({.what = AskFacts{},
       .answer =
           [respond](NodeAnswer answered) {
             respond([answered = std::move(answered)] {
               const std::vector<bidding::Fact> none;
               return json(load_forecast_document(*answered.snapshot,
                                                  answered.facts ? *answered.facts : none));
             });
           }},
      respond);
}

void ControlApi::events(const HttpRequest& request, const Respond& respond) const {
  const auto field = [&](const char* name) -> std::optional<std::uint64_t> {
    const auto at = request.query.find(name);
    return at == request.query.end() ? 0U : number(at->second);
  };
  const auto follow = field("follow");
  const auto after = field("after");
  const auto since = field("since_ms");
  constexpr std::uint64_t kAgeMax = 1ULL << 50U;
  if (!follow || *follow > 1 || !after || !since || *since > kAgeMax) {
    return answer(respond, error_response(400, "bad_request",
                                          "follow is 0 or 1, after and since_ms whole numbers"));
  }
  HttpResponse response;
  const bool bounded = request.query.contains("since_ms");
  response.events = HttpResponse::Events{
      .follow = *follow == 1,
      .after = *after,
      .since_utc_ms = bounded ? options_.utc_ms() - static_cast<std::int64_t>(*since) : 0};
  answer(respond, std::move(response));
}

void ControlApi::post(const HttpRequest& request, const Respond& respond) const {
  constexpr std::string_view kCancel = "/cancel";
  constexpr std::string_view kRetry = "/retry";
  if (request.path == "/v1/orders") return send_order(request.body, respond);
  if (request.path == "/v1/bids") return submit_bid(request.body, respond);
  constexpr std::string_view kWithdraw = "/withdraw";
  if (auto key = behind(request.path, "/v1/bids/"); key && key->ends_with(kWithdraw)) {
    return change_bid(node::WithdrawBid{key->substr(0, key->size() - kWithdraw.size())}, respond);
  }
  if (request.path == "/v1/drain") return drain(request.body, respond);
  if (request.path == "/v1/optout") return opt_out(request.body, respond);
  if (auto id = behind(request.path, "/v1/orders/"); id && id->ends_with(kCancel)) {
    return cancel_order(id->substr(0, id->size() - kCancel.size()), respond);
  }
  if (auto id = behind(request.path, "/v1/workers/tasks/"); id && id->ends_with(kRetry)) {
    return retry_task(id->substr(0, id->size() - kRetry.size()), respond);
  }
  answer(respond, not_found("nothing to post at " + request.path));
}

void ControlApi::send_order(const std::string& body, const Respond& respond) const {
  auto order = parse_order_request(body);
  if (!order) return answer(respond, error_response(400, "bad_request", order.error()));
  if (order->dry_run) {
    return ask_snapshot([command = order->command](
                            const Snapshot& s) { return json(dry_run_document(s, command)); },
                        respond);
  }
  command({.what = std::move(order->command), .answer = {}}, respond);
}

void ControlApi::submit_bid(const std::string& body, const Respond& respond) const {
  const auto bid = parse_bid_request(body);
  if (!bid) return answer(respond, error_response(400, "bad_request", bid.error()));
  change_bid(node::SubmitBid{*bid}, respond);
}

void ControlApi::change_bid(std::variant<node::SubmitBid, node::WithdrawBid> what,
                            const Respond& respond) const {
  const auto* own = std::get_if<node::SubmitBid>(&what);
  const std::string key = own != nullptr ? own->bid.key : std::get<node::WithdrawBid>(what).key;
  NodeQuestion question;
  std::visit([&](auto& command) { question.what = std::move(command); }, what);
  question.answer = [key, respond](NodeAnswer answered) {
    respond([key, answered = std::move(answered)] {
      if (answered.reply && answered.reply->refused.empty()) {
        return found(bid_document(*answered.snapshot, key, {}), "no bid " + key);
      }
      return error_response(409, "refused",
                            answered.reply ? answered.reply->refused : "the node did not answer");
    });
  };
  ask(std::move(question), respond);
}

void ControlApi::drain(const std::string& body, const Respond& respond) const {
  const auto on = parse_drain_request(body);
  if (!on) return answer(respond, error_response(400, "bad_request", on.error()));
  ask({.what = AskDrain{*on},
       .answer =
           [respond](NodeAnswer answered) {
             respond([answered = std::move(answered)] {
               const bool done = answered.reply && answered.reply->refused.empty();
               if (done) return json(drain_document(*answered.snapshot));
               return error_response(
                   422, "wrong_role",
                   answered.reply ? answered.reply->refused : "the node did not answer",
                   "only an aggregator can be drained, at its own control socket");
             });
           }},
      respond);
}

void ControlApi::opt_out(const std::string& body, const Respond& respond) const {
  const auto wanted = parse_opt_out_request(body);
  if (!wanted) return answer(respond, error_response(400, "bad_request", wanted.error()));
  ask({.what = AskOptOut{*wanted},
       .answer =
           [respond](NodeAnswer answered) {
             respond([answered = std::move(answered)] {
               const bool done = answered.reply && answered.reply->refused.empty();
               if (done) return json(programs_document(*answered.snapshot));
               return error_response(
                   409, "refused",
                   answered.reply ? answered.reply->refused : "the node did not answer");
             });
           }},
      respond);
}

void ControlApi::cancel_order(const std::string& id, const Respond& respond) const {
  const auto value = number(id);
  if (!value) return answer(respond, not_found("no order " + id));
  command({.what = node::CancelOrder{OrderId{*value}}, .answer = {}}, respond);
}

void ControlApi::retry_task(const std::string& id, const Respond& respond) const {
  const auto task = bidding::parse_task_id(id);
  if (!task) return answer(respond, not_found("no task " + id));
  ask({.what = AskRetry{*task},
       .answer =
           [respond](NodeAnswer answered) {
             respond([answered = std::move(answered)] {
               const bool done = answered.reply && answered.reply->refused.empty();
               if (done) return json(workers_document(*answered.snapshot));
               return error_response(
                   409, "refused",
                   answered.reply ? answered.reply->refused : "the node did not answer");
             });
           }},
      respond);
}

void ControlApi::command(NodeQuestion question, const Respond& respond) const {
  const auto* cancel = std::get_if<node::CancelOrder>(&question.what);
  const OrderId cancelled = cancel != nullptr ? cancel->order : kNoOrder;
  question.answer = [respond, cancelled](NodeAnswer answered) {
    respond([cancelled, answered = std::move(answered)] {
      const Snapshot& now = *answered.snapshot;
      if (answered.reply && answered.reply->order) {
        return json(order_document(now, *answered.reply->order));
      }
      if (cancelled != kNoOrder && !order_document(now, cancelled)) {
        return not_found("no order " + std::to_string(cancelled.value));
      }
      return error_response(409, "refused",
                            answered.reply ? answered.reply->refused : "the node did not answer");
    });
  };
  ask(std::move(question), respond);
}

void ControlApi::ask(NodeQuestion question, const Respond& respond) const {
  if (queue_.ask(std::move(question))) return;
  answer(respond, error_response(503, "busy", "too many requests wait for the node"));
}

void ControlApi::ask_snapshot(std::function<HttpResponse(const Snapshot&)> render,
                              const Respond& respond) const {
  ask({.what = AskSnapshot{},
       .answer =
           [render = std::move(render), respond](NodeAnswer answered) {
             respond(
                 [render, answered = std::move(answered)] { return render(*answered.snapshot); });
           }},
      respond);
}

}  // namespace vpp::driver
