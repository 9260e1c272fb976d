#include "tools/vppctl/plan_command.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "config/rng.h"
#include "tests/tools/plan/plan_files.h"

namespace vpp::ctl {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using Json = nlohmann::ordered_json;

constexpr const char* kFleet = "id,power_w,energy_wh\na,5000,5000\nb,3000,9000\n";

TEST_CASE("a feasible request is planned in whole watts that sum to it", "[plan]") {
  const auto result = run(kFleet, "power_w\n4000\n4000\n3000\n");
  CHECK(result.code == 0);
  CHECK(result.err.empty());
  const auto json = Json::parse(result.out);
  CHECK(json["schema"] == "vppctl/v1");
  CHECK(json["feasible"] == true);
  CHECK(json["unserved_wh"] == 0);
  CHECK(json["scale_max"].get<double>() == Approx(14.0 / 11).epsilon(1e-15));
  REQUIRE(json["steps"].size() == 3);
  CHECK(json["steps"][2]["t_s"] == 7200);
  for (const auto& step : json["steps"]) {
    CHECK(step["request_w"] == step["served_w"]);
    std::int64_t sum = 0;
    for (const auto& [id, power] : step["set_points"].items()) {
      REQUIRE(power.is_number_integer());
      sum += power.get<std::int64_t>();
    }
    CHECK(sum == step["request_w"]);
  }
}

TEST_CASE("an infeasible request is served as far as possible and the rest is told", "[plan]") {
  const auto json = Json::parse(run(kFleet, "power_w\n9000\n8000\n").out);
  CHECK(json["feasible"] == false);
  CHECK(json["unserved_wh"] == 6000);  // 17 kWh asked; a gives 5, b 6 within two hours
  CHECK(json["scale_max"].get<double>() == Approx(11.0 / 17).epsilon(1e-15));
}

TEST_CASE("nothing asked has no largest scale", "[plan]") {
  const auto json = Json::parse(run(kFleet, "power_w\n0\n0\n").out);
  CHECK(json["feasible"] == true);
  CHECK(json["scale_max"].is_null());
}

TEST_CASE("parents change no set point and are summed beside the sites", "[plan]") {
  const std::string request = "power_w\n4000\n2000\n";
  const auto flat = Json::parse(run(kFleet, request).out);
  const auto tree = Json::parse(
      run("id,parent,power_w,energy_wh\na,north,5000,5000\nb,south,3000,9000\n", request).out);
  for (std::size_t i = 0; i < 2; ++i) {
    CHECK(flat["steps"][i]["set_points"] == tree["steps"][i]["set_points"]);
    CHECK_FALSE(flat["steps"][i].contains("groups"));
    CHECK(tree["steps"][i]["groups"]["north"] == tree["steps"][i]["set_points"]["a"]);
  }
}

TEST_CASE("decimals are planned to the milliwatt", "[plan]") {
  const auto json =
      Json::parse(run("id,power_w,energy_wh\na,5000.5,2500.25\n", "power_w\n5000.5\n", "30m").out);
  CHECK(json["feasible"] == true);
  CHECK(json["steps"][0]["set_points"]["a"] == 5000.5);
  CHECK(json["scale_max"] == 1.0);
}

TEST_CASE("a request scaled to the boundary is feasible just below and infeasible just above",
          "[plan]") {
  Rng rng{5};
  for (int round = 0; round < 40; ++round) {
    std::string fleet = "id,power_w,energy_wh\n";
    for (std::size_t i = 0, n = 1 + rng.below(10); i < n; ++i) {
      fleet += "s" + std::to_string(i) + "," + std::to_string(1'000 + rng.below(9'000)) + "," +
               std::to_string(500 + rng.below(20'000)) + "\n";
    }
    std::vector<double> request;
    for (std::size_t t = 0, n = 1 + rng.below(8); t < n; ++t) {
      request.push_back(static_cast<double>(500 + rng.below(30'000)));
    }
    const auto scaled = [&](double factor) {
      std::ostringstream text;
      text.precision(17);
      text << "power_w\n";
      for (const double power : request) text << power * factor << '\n';
      return Json::parse(run(fleet, text.str(), "15m").out);
    };
    const auto scale = scaled(1)["scale_max"].get<double>();
    const auto below = scaled(scale * (1 - 1e-9));
    REQUIRE(below["feasible"] == true);
    for (const auto& step : below["steps"]) REQUIRE(step["served_w"] == step["request_w"]);
    REQUIRE(scaled(scale * (1 + 1e-5))["feasible"] == false);
  }
}

TEST_CASE("ids of any text make valid JSON", "[plan]") {
  const auto result =
      run("id,power_w,energy_wh\n\"a\"\"\\,\xC3\xBC\",5,5\n\xFF,5,5\n", "power_w\n5\n");
  CHECK(result.code == 0);
  CHECK(Json::parse(result.out)["steps"][0]["set_points"].size() == 2);
}

TEST_CASE("every error of both files is told in one go, and nothing is planned", "[plan]") {
  const auto result =
      run("id,power_w,energy_wh\na,nan,5\na,-5,x\n,1e30,\n", "power_w\n5\n-3\n", "5");
  CHECK(result.code == 2);
  CHECK(result.out.empty());
  CHECK(result.err ==
        "vppctl plan: --step: step '5' is no duration from 1s to 24h; hint: write 30s, 5m or 1h\n"
        "fleet.csv:2:3: power_w 'nan' is not a number; hint: digits, with a point for decimals\n"
        "fleet.csv:3:1: id 'a' is there twice; hint: first in line 2\n"
        "fleet.csv:3:3: power_w '-5' is negative; hint: it is what the site can discharge, never "
        "below 0\n"
        "fleet.csv:3:6: energy_wh 'x' is not a number; hint: digits, with a point for decimals\n"
        "fleet.csv:4:1: id is missing\n"
        "fleet.csv:4:2: power_w '1e30' is beyond any fleet; hint: the unit is in the column's "
        "name\n"
        "fleet.csv:4:7: energy_wh is missing; hint: write 0 for none\n"
        "request.csv:3:1: power_w '-3' is negative; hint: the fleet file does not say how "
        "much room there is to charge: it needs columns charge_power_w and charge_energy_wh\n");
}

TEST_CASE("files without rows or not there are errors", "[plan]") {
  CHECK(run("id,power_w,energy_wh\n", "power_w\n").code == 2);
  std::ostringstream out;
  std::ostringstream err;
  CHECK(run_plan({"/nonexistent/f.csv", "/nonexistent/r.csv", "5m", true}, out, err) == 2);
  CHECK(err.str().find("/nonexistent/f.csv:1:1: cannot be read") != std::string::npos);
  CHECK(err.str().find("/nonexistent/r.csv:1:1: cannot be read") != std::string::npos);
}

TEST_CASE("a step is a whole number with its unit", "[plan]") {
  CHECK(parse_step("30s") == 30s);
  CHECK(parse_step("5m") == 5min);
  CHECK(parse_step("24h") == 24h);
  for (const char* bad :
       {"", "5", "m", "0s", "-5m", "25h", "5 m", "5min", "1.5h", "9999999999999h"}) {
    CHECK_FALSE(parse_step(bad).has_value());
  }
}

TEST_CASE("people see a table, each site while they fit", "[plan]") {
  const auto small = run(kFleet, "power_w\n4000\n", "1h", false);
  CHECK(small.out ==
        "FEASIBLE   yes\n"
        "SCALE MAX  2\n"
        "UNSERVED   0 Wh\n"
        "SITES      2\n"
        "\n"
        "STEP  T_S  REQUEST_W  SERVED_W     a     b\n"
        "   0    0       4000      4000  1000  3000\n");
  std::string fleet = "id,power_w,energy_wh\n";
  for (int i = 0; i < 20; ++i) fleet += std::to_string(i) + ",1000,1000\n";
  CHECK(run(fleet, "power_w\n40\n", "1h", false).out.find("SITES_SERVING") != std::string::npos);
}

}  // namespace
}  // namespace vpp::ctl
