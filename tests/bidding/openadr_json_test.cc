#include "bidding/openadr_json.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

using namespace vpp;
using namespace vpp::bidding::openadr;
using namespace std::chrono_literals;

namespace {

constexpr const char* kEvent = R"({
  "id": "e-1", "createdDateTime": "2026-01-01T00:00:00Z", "objectType": "EVENT",
  "modificationDateTime": "2026-01-01T00:00:01Z", "programID": "p-1", "eventName": null,
  "priority": 0, "duration": "PT2H", "targets": ["a"], "somethingNew": {"x": [1]},
  "payloadDescriptors": [{"objectType": "EVENT_PAYLOAD_DESCRIPTOR", "payloadType": "PRICE",
                          "units": "KWH", "currency": "USD"}],
  "reportDescriptors": [{"payloadType": "DEMAND"}],
  "intervalPeriod": {"start": "0001-01-01T00:00:00Z", "duration": "PT1H", "randomizeStart": "PT5M"},
  "intervals": [{"id": 7, "payloads": [{"type": "PRICE", "values": [0.17, -1, true, "x"]}]}]})";

}  // namespace

TEST_CASE("an event is read with all that counts, and what is unknown does not matter",
          "[openadr][json]") {
  const auto page = decode_events(std::string{"["} + kEvent + "]");
  REQUIRE(page);
  REQUIRE(page->events.size() == 1);
  const Event& event = page->events.front();
  CHECK(event.id == "e-1");
  CHECK(event.priority == 0);
  CHECK(event.name.empty());
  CHECK(event.modified - event.created == 1s);
  CHECK(event.duration == 2h);
  CHECK(event.period == Period{kStartsNow, 1h, 5min});
  CHECK(event.payloads == std::vector<PayloadDescriptor>{{"PRICE", "KWH", "USD"}});
  CHECK(event.reports == std::vector<ReportDescriptor>{{.type = "DEMAND"}});
  REQUIRE(event.intervals.size() == 1);
  CHECK(event.intervals[0].id == 7);
  CHECK(event.intervals[0].payloads[0].values ==
        std::vector<Value>{std::int64_t{170'000}, -kMillion, true, std::string{"x"}});
}

TEST_CASE("one event that cannot be read hides no other and is said with its id",
          "[openadr][json]") {
  const auto page = decode_events(std::string{"["} + kEvent +
                                  R"(, {"id": "bad", "intervals": 3}, 7, {"id": "late",
      "intervalPeriod": {"start": "tomorrow"}}])");
  REQUIRE(page);
  CHECK(page->events.size() == 1);
  CHECK(page->count == 4);
  REQUIRE(page->unreadable.size() == 3);
  CHECK(page->unreadable[0].first == "bad");
  CHECK(page->unreadable[2].second ==
        "intervalPeriod: start is not a date and time of 1970 to 2199");
}

TEST_CASE("half a body, or another kind of body, is refused with a cause", "[openadr][json]") {
  CHECK(decode_events("[{\"id\":").error() == "it is not JSON");
  CHECK(decode_events("{}").error() == "it is JSON, but no list");
  CHECK(decode_grant("{\"access_token\": \"\"}").error() == "its access_token is no token");
  CHECK(decode_grant("{\"access_token\": \"a\\nb\"}").error() == "its access_token is no token");
  CHECK(decode_grant(R"({"access_token": "a", "expires_in": 60})")->lasts == 60s);
  CHECK(decode_id("[]").error() == "it is no object");
  CHECK(decode_id_of(R"([{"venName": "a", "id": "1"}, {"venName": "b", "id": "2"}])", "venName",
                     "b") == "2");
  CHECK(decode_problem(R"({"title": "no", "detail": "not\nnow"})") == "no: not now");
}

TEST_CASE("a report names its event, and its program where the version asks for it",
          "[openadr][json]") {
  Report report{.name = "n",
                .event = "e",
                .program = "p",
                .client = "c",
                .resource = "r",
                .type = "DEMAND",
                .reading = "DIRECT_READ",
                .units = "KW",
                .confidence_pct = 90,
                .intervals = {}};
  report.intervals = {{.id = 2,
                       .from = MarketTime{1h},
                       .lasts = 15min,
                       .payloads = {{"DEMAND", {Value{std::int64_t{1'500'000}}}}}}};
  const auto old = nlohmann::json::parse(encode(Version::k30, report));
  const auto young = nlohmann::json::parse(encode(Version::k31, report));
  CHECK(old["programID"] == "p");
  CHECK_FALSE(young.contains("programID"));
  CHECK(young["payloadDescriptors"][0]["confidence"] == 90);
  const auto& interval = young["resources"][0]["intervals"][0];
  CHECK(interval["intervalPeriod"]["start"] == "1970-01-01T01:00:00Z");
  CHECK(interval["intervalPeriod"]["duration"] == "PT15M");
  CHECK(interval["payloads"][0]["values"][0] == 1.5);
}
