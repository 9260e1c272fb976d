#include "daemon/driver/event_ring.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

using namespace vpp;
using namespace vpp::driver;

namespace {
const node::Notice kNotice{node::Severity::kWarning, "VPP_TEST", "some \"text\"\nand \xff more"};
}

TEST_CASE("an event is one line of JSON, whatever its text", "[driver][events]") {
  EventRing ring;
  ring.add(1'000, MarketTime{std::chrono::milliseconds{5}}, kNotice);
  const auto lines = ring.read(0, 0, 10);
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].json.find('\n') == lines[0].json.size() - 1);
  const auto json = nlohmann::json::parse(lines[0].json);
  CHECK(json["schema"] == "vppctl/v1");
  CHECK(json["seq"] == 1);
  CHECK(json["severity"] == "warning");
  CHECK(json["code"] == "VPP_TEST");
  CHECK(json["market_ms"] == 5);
}

TEST_CASE("the ring keeps the newest events, and a slow reader sees a gap", "[driver][events]") {
  EventRing ring;
  for (int i = 0; i < 1'500; ++i) ring.add(i, MarketTime{}, kNotice);
  const auto lines = ring.read(10, 0, 5'000);
  REQUIRE(lines.size() == EventRing::kEventsMax);
  CHECK(lines.front().sequence == 501);
  CHECK(lines.back().sequence == 1'500);
  CHECK(ring.read(1'500, 0, 10).empty());
  CHECK(ring.read(0, 1'495, 100).size() == 5);
  CHECK(ring.read(0, 0, 3).size() == 3);
}
