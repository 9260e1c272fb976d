#include "daemon/driver/control_api.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <optional>

#include "snapshots.h"

using namespace vpp;
using namespace vpp::driver;
using nlohmann::json;

namespace {

/// The API with a node's loop that answers at once from a snapshot.
struct ControlApiBench {
  explicit ControlApiBench(Role role = Role::kRoot)
      : api{{.role = role,
             .config_file = "f.toml",
             .config_toml = "x = 1",
             .utc_ms = [] { return std::int64_t{1'000'000}; }},
            queue} {}

  HttpResponse request(const std::string& method, const std::string& path, std::string body = {},
                       bool local = true) {
    std::optional<HttpResponse> out;
    api.handle({method, path, query, std::move(body), local},
               [&](const HttpServer::Render& render) { out = render(); });
    for (NodeQuestion& question : queue.take()) answer(question);
    REQUIRE(out.has_value());
    return *out;
  }
  int status(const std::string& method, const std::string& path, std::string body = {}) {
    return request(method, path, std::move(body)).status;
  }
  void answer(NodeQuestion& question) {
    NodeAnswer reply;
    reply.snapshot = std::make_shared<const Snapshot>(snapshot);
    if (const auto* send = std::get_if<node::SendOrder>(&question.what)) {
      sent.push_back(*send);
      reply.reply = next_reply;
    }
    if (const auto* cancel = std::get_if<node::CancelOrder>(&question.what)) {
      cancelled.push_back(cancel->order);
      reply.reply = next_reply;
    }
    if (const auto* drain = std::get_if<AskDrain>(&question.what)) {
      snapshot.status.draining = drain->on && next_reply.refused.empty();
      reply.snapshot = std::make_shared<const Snapshot>(snapshot);
      reply.reply = next_reply;
    }
    question.answer(std::move(reply));
  }

  Snapshot snapshot = test::root_snapshot();
  std::map<std::string, std::string> query;
  std::vector<node::SendOrder> sent;
  std::vector<OrderId> cancelled;
  node::Reply next_reply;
  NodeQueue queue{[] {}};
  ControlApi api;
};

constexpr const char* kOrderText = R"({"key":"k","power_w":1000,"duration_s":60})";

}  // namespace

TEST_CASE("every route answers with its document", "[driver][api]") {
  ControlApiBench bench;
  for (const char* path :
       {"/v1/status", "/v1/tree", "/v1/nodes", "/v1/nodes/node-2", "/v1/capacity", "/v1/drain",
        "/v1/orders", "/v1/orders/7", "/v1/bids", "/v1/bids/bid-1", "/v1/market",
        "/v1/market/position", "/v1/market/prices", "/v1/market/gates", "/v1/config", "/v1/version",
        "/healthz"}) {
    CAPTURE(path);
    const HttpResponse response = bench.request("GET", path);
    CHECK(response.status == 200);
    CHECK(json::parse(response.body)["schema"] == "vppctl/v1");
  }
  CHECK(bench.request("GET", "/metrics").content_type.starts_with("text/plain"));
}

TEST_CASE("what does not exist is 404 with a document", "[driver][api]") {
  ControlApiBench bench;
  for (const char* path : {"/", "/v1", "/v1/nope", "/v1/nodes/", "/v1/nodes/x", "/v1/orders/99",
                           "/v1/orders/x", "/v1/orders/-1", "/v1/bids/x", "/v1/status/"}) {
    CAPTURE(path);
    const HttpResponse response = bench.request("GET", path);
    CHECK(response.status == 404);
    CHECK(json::parse(response.body)["code"] == "not_found");
  }
  CHECK(bench.status("DELETE", "/v1/orders/7") == 405);
  CHECK(bench.status("POST", "/v1/status") == 404);
}

TEST_CASE("a drain is asked, told and undone; who has none to drain refuses", "[driver][api]") {
  ControlApiBench bench{Role::kAggregator};
  const json on = json::parse(bench.request("POST", "/v1/drain", R"({"on":true})").body);
  CHECK(on["draining"] == true);
  CHECK(on["attached"] == 2);
  CHECK(json::parse(bench.request("GET", "/v1/tree").body)["node"]["state"] == "drained");
  CHECK(json::parse(bench.request("POST", "/v1/drain", R"({"on":false})").body)["draining"] ==
        false);
  for (const char* body : {"", "{}", "true", R"({"on":1})", R"({"on":true,"more":1})", "[true]"}) {
    CAPTURE(body);
    CHECK(bench.status("POST", "/v1/drain", body) == 400);
  }
  bench.next_reply.refused = "a leaf has no children";
  const HttpResponse refused = bench.request("POST", "/v1/drain", R"({"on":true})");
  CHECK(refused.status == 422);
  CHECK(json::parse(refused.body)["text"] == "a leaf has no children");
}

TEST_CASE("over TCP there is health and metrics, and nothing else", "[driver][api]") {
  ControlApiBench bench;
  CHECK(bench.request("GET", "/healthz", "", false).status == 200);
  CHECK(bench.request("GET", "/metrics", "", false).status == 200);
  CHECK(bench.request("GET", "/v1/status", "", false).status == 404);
  CHECK(bench.request("POST", "/v1/orders", kOrderText, false).status == 404);
  CHECK(bench.sent.empty());
}

TEST_CASE("an order is sent once it parses, and its reply is what the node said", "[driver][api]") {
  ControlApiBench bench;
  bench.next_reply.order = bench.snapshot.status.orders[0];
  const HttpResponse booked = bench.request("POST", "/v1/orders", kOrderText);
  CHECK(booked.status == 200);
  CHECK(json::parse(booked.body)["order"]["id"] == 7);
  REQUIRE(bench.sent.size() == 1);
  CHECK(bench.sent[0].power == Watts{1'000});

  bench.next_reply = {0, std::nullopt, "the store is full"};
  const HttpResponse refused = bench.request("POST", "/v1/orders", kOrderText);
  CHECK(refused.status == 409);
  CHECK(json::parse(refused.body)["text"] == "the store is full");

  CHECK(bench.status("POST", "/v1/orders", "{}") == 400);
  CHECK(bench.sent.size() == 2);
}

TEST_CASE("a dry run sends nothing", "[driver][api]") {
  ControlApiBench bench;
  const HttpResponse dry = bench.request(
      "POST", "/v1/orders", R"({"key":"k","power_w":1000,"duration_s":60,"dry_run":true})");
  CHECK(dry.status == 200);
  CHECK(json::parse(dry.body)["would"]["feasible"] == true);
  CHECK(bench.sent.empty());
}

TEST_CASE("cancelling tells unknown orders from those that are over", "[driver][api]") {
  ControlApiBench bench;
  bench.next_reply.refused = "over";
  CHECK(bench.status("POST", "/v1/orders/7/cancel") == 409);
  CHECK(bench.status("POST", "/v1/orders/8/cancel") == 404);
  CHECK(bench.cancelled == std::vector{OrderId{7}, OrderId{8}});
}

TEST_CASE("only a root has orders, bids and a market", "[driver][api]") {
  ControlApiBench bench{Role::kLeaf};
  bench.snapshot = test::leaf_snapshot();
  CHECK(bench.status("GET", "/v1/status") == 200);
  CHECK(bench.status("GET", "/v1/orders") == 422);
  CHECK(bench.status("POST", "/v1/orders", kOrderText) == 422);
  CHECK(bench.status("GET", "/v1/market/prices") == 422);
  CHECK(bench.sent.empty());
}

TEST_CASE("health is 503 when something is an error", "[driver][api]") {
  ControlApiBench bench;
  bench.snapshot.vitals.store_problem = "no space left";
  const HttpResponse response = bench.request("GET", "/healthz");
  CHECK(response.status == 503);
  CHECK(json::parse(response.body)["codes"][0]["code"] == "VPP_STORE_FULL");
}

TEST_CASE("a node that does not keep up turns requests away", "[driver][api]") {
  ControlApiBench bench;
  int busy = 0;
  for (std::size_t i = 0; i < NodeQueue::kQuestionsMax + 3; ++i) {
    bench.api.handle({"GET", "/v1/status", {}, "", true},
                     [&](const HttpServer::Render& render) { busy += render().status == 503; });
  }
  CHECK(busy == 3);
  CHECK(bench.queue.dropped() == 3);
}

TEST_CASE("events are asked for by age and number", "[driver][api]") {
  ControlApiBench bench;
  bench.query = {{"follow", "1"}, {"since_ms", "1000"}, {"after", "5"}};
  const auto events = bench.request("GET", "/v1/events").events;
  REQUIRE(events.has_value());
  CHECK(events->follow);
  CHECK(events->after == 5);
  CHECK(events->since_utc_ms == 999'000);
  bench.query = {};
  CHECK(bench.request("GET", "/v1/events").events->since_utc_ms == 0);
  bench.query = {{"follow", "yes"}};
  CHECK(bench.status("GET", "/v1/events") == 400);
  bench.query = {{"since_ms", "-1"}};
  CHECK(bench.status("GET", "/v1/events") == 400);
}
