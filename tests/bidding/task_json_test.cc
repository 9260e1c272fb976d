#include "bidding/task_json.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <string>
#include <variant>
#include <vector>

#include "aggregation/duration_curve.h"
#include "bidding/forecast.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::bidding;

namespace {

ForecastAnswer some_answer() {
  ForecastAnswer answer{"mine", {}};
  for (int hour = 0; hour < 3; ++hour) {
    ForecastHour& out = answer.hours.emplace_back();
    out.price = Price{hour * 1'000'000};
    for (int i = 0; i < 19; ++i) out.quantiles.push_back(Price{i * 1'000 - 7});
  }
  return answer;
}

std::string unread(std::string_view text) {
  const FromWorker message = from_worker_json(text);
  const auto* why = std::get_if<WorkerUnread>(&message);
  return why != nullptr ? why->why : "it was read";
}

}  // namespace

TEST_CASE("a question, an answer and a task are the same after a trip through their text") {
  const ForecastAsk ask{
      "lear", MarketTime{std::chrono::hours{480'000}}, {Price{5}, std::nullopt, Price{-7}}};
  REQUIRE(forecast_ask_from_json(to_json(ask)) == ask);
  REQUIRE(forecast_answer_from_json(to_json(some_answer())) == some_answer());
  for (const TaskState state : {TaskState::kOpen, TaskState::kDone, TaskState::kPoisoned}) {
    Task task;
    task.ask = {TaskKind::kOptimise, 3, "prices", to_json(ask)};
    task.id = id_of(task.ask);
    task.number = 12;
    task.state = state;
    task.leases = 2;
    task.result = to_json(some_answer());
    task.worker = "zmq:1";
    task.why = "a \"reason\"";
    REQUIRE(task_from_json(to_json(task)) == task);
  }
}

TEST_CASE("what an optimiser is asked is the same after a trip through its text") {
  const MarketTime from{std::chrono::hours{480'000}};
  AdviceAsk ask{.model = "dearest",
                .gate = {from, from + 15min, from - 5min},
                .price_min = Price{7},
                .slots = {{from, from + 15min, Price{-5}, {Price{-9}, Price{1}}},
                          {from + 15min, from + 30min, Price{5}, {}}},
                .firm = std::vector<Joules>(aggregation::kGridPoints, Joules{12}),
                .committed = {{Watts{3}, from, from + 1h}},
                .most = Watts{40},
                .limits = {10, Price{-150}, Price{1'000}}};
  REQUIRE(advice_ask_from_json(to_json(ask)) == ask);
  const AdviceAnswer answer{"dearest", {{Watts{30}, Price{8}}, {Watts{10}, Price{9}}}, {}};
  REQUIRE(advice_answer_from_json(to_json(answer), ask) == answer);
  const AdviceAnswer none{"dearest", {}, "later is dearer"};
  REQUIRE(advice_answer_from_json(to_json(none), ask) == none);
  REQUIRE(advice_answer_from_json(R"({"model":"m","segments":[{"power_w":41,)"
                                  R"("price_micro_per_mwh":8}]})",
                                  ask)
              .error() == "41 W is more than the 40 W that are firm and free then");
  Task task;
  task.ask = {TaskKind::kOptimise, kAdviceTaskVersion, "bid-1", to_json(ask), from - 5min};
  REQUIRE(task_from_json(to_json(task)) == task);
}

TEST_CASE("what workers say is read") {
  REQUIRE(from_worker_json(R"({"type":"hello","version":1,"name":"py","kinds":["forecast"]})") ==
          FromWorker{WorkerHello{1, "py", {TaskKind::kForecast}, std::nullopt}});
  REQUIRE(from_worker_json(R"({"type":"hello","version":1,"name":"py","kinds":["optimise"],)"
                           R"("lease_ms":2000})") ==
          FromWorker{WorkerHello{1, "py", {TaskKind::kOptimise}, 2s}});
  REQUIRE(from_worker_json(R"({"type":"result","task":"00000000000000ab","output":{"a":1}})") ==
          FromWorker{WorkerResult{TaskId{0xab}, "{\"a\":1}"}});
  REQUIRE(from_worker_json(R"({"type":"failed","task":"00000000000000ab","why":"so"})") ==
          FromWorker{WorkerFailed{TaskId{0xab}, "so"}});
  REQUIRE(from_worker_json(R"({"type":"heartbeat"})") == FromWorker{WorkerHeartbeat{}});
  REQUIRE(from_worker_json(R"({"type":"bye","more":[1]})") == FromWorker{WorkerBye{}});
}

TEST_CASE("what cannot be read is said to the worker, with the place") {
  REQUIRE(unread("") == "not JSON");
  REQUIRE(unread("\xff\x00{") == "not JSON");
  REQUIRE(unread("[1]") == "JSON, but not an object");
  REQUIRE(unread("{}") == "type is missing");
  REQUIRE(unread(R"({"type":"sing"})") == "unknown type of message: sing");
  REQUIRE(unread(R"({"type":"result","task":"12","output":{}})") ==
          "task is no task id of 16 hex digits");
  REQUIRE(unread(R"({"type":"hello","version":1,"name":"a b","kinds":["forecast"]})") ==
          "name must have 1 to 64 printable characters without blanks");
  REQUIRE(unread(R"({"type":"hello","version":1,"name":"a","kinds":["sing"]})") ==
          "unknown kind of task: sing");
  REQUIRE(unread(R"({"type":"hello","version":1,"name":"a","kinds":[]})") == "kinds is empty");
  REQUIRE(unread(R"({"type":"hello","version":1,"name":"a","kinds":["forecast"],"lease_ms":0})") ==
          "lease_ms must be above 0 and at most 600000");
  REQUIRE(unread(std::string(kWorkerFrameBytesMax + 1, ' ')) ==
          "a message may have at most 262144 bytes");
}

TEST_CASE("a forecast that no bidder may believe is refused, whoever made it") {
  const auto refused = [](const ForecastAnswer& answer) {
    return !forecast_answer_from_json(to_json(answer)).has_value();
  };
  REQUIRE_FALSE(refused(some_answer()));
  ForecastAnswer answer = some_answer();
  answer.hours.clear();
  REQUIRE(refused(answer));
  answer = some_answer();
  answer.hours.resize(kForecastHours + 1);
  REQUIRE(refused(answer));
  answer = some_answer();
  answer.hours[1].quantiles[3] = Price{-8};
  REQUIRE(refused(answer));
  answer = some_answer();
  answer.hours[1].quantiles.pop_back();
  REQUIRE(refused(answer));
  answer = some_answer();
  answer.hours[2].price = kPriceMax + Price{1};
  REQUIRE(refused(answer));
  for (const char* text :
       {R"({"model":"m","hours":[{"price_micro_per_mwh":1.5,"quantiles_micro_per_mwh":[]}]})",
        R"({"model":"m","hours":[{"price_micro_per_mwh":1}]})",
        R"({"model":"m","hours":[{"price_micro_per_mwh":1,"quantiles_micro_per_mwh":[1e99]}]})",
        R"({"model":"m","hours":[3]})", R"({"hours":[]})"}) {
    REQUIRE_FALSE(forecast_answer_from_json(text).has_value());
  }
}
