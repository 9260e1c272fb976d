// Both directions, groups, what is firm and what-if, from files.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "aggregation/duration_curve.h"
#include "aggregation/firm.h"
#include "config/rng.h"
#include "tests/tools/plan/plan_files.h"
#include "tools/vppctl/plan_command.h"

namespace vpp::ctl {
namespace {

using namespace testing;
using Json = nlohmann::ordered_json;
using Texts = std::vector<std::string>;

PlanArguments asked(PlanSelection select, const std::string& confidence = {},
                    const std::string& step = "1h") {
  return {.fleet = {},
          .request = {},
          .step = step,
          .json = true,
          .select = std::move(select),
          .confidence = confidence};
}

Json answer(const std::string& fleet, const std::string& request, const PlanArguments& arguments) {
  const auto result = run_files(fleet, request, arguments);
  INFO(result.err);
  REQUIRE(result.code == 0);
  return Json::parse(result.out);
}

constexpr const char* kBothWays =
    "id,power_w,energy_wh,charge_power_w,charge_energy_wh\n"
    "a,5000,5000,4000,2000\nb,3000,9000,3000,6000\n";

TEST_CASE("a negative request charges, each way is answered for itself", "[plan]") {
  const auto json = answer(kBothWays, "power_w\n4000\n-5000\n-4000\n3000\n", asked({}));
  CHECK(json["discharge"]["feasible"] == true);
  CHECK(json["discharge"]["scale_max"].get<double>() == Approx(11.0 / 7));
  CHECK(json["charge"]["feasible"] == false);  // 9 kWh asked; a takes 2, b 6
  CHECK(json["charge"]["unserved_wh"] == 1000);
  CHECK(json["charge"]["scale_max"].get<double>() == Approx(8.0 / 9));
  CHECK(json["feasible"] == false);
  CHECK(json["unserved_wh"] == 1000);
  CHECK(json["scale_max"] == json["charge"]["scale_max"]);
  CHECK(json["charged_energy_counted"] == false);
  CHECK(json["steps"][1]["request_w"] == -5000);
  for (const auto& step : json["steps"]) {
    std::int64_t sum = 0;
    for (const auto& [id, power] : step["set_points"].items()) {
      CHECK(power.get<std::int64_t>() * step["request_w"].get<std::int64_t>() >= 0);
      sum += power.get<std::int64_t>();
    }
    CHECK(sum == step["served_w"]);
  }
}

/// Every battery's own books, with neither losses nor the plan's sums.
TEST_CASE("no battery is overdrawn or overfilled by a random request of both signs", "[plan]") {
  Rng rng{51};
  for (int round = 0; round < 60; ++round) {
    const std::size_t sites = 1 + rng.below(6);
    std::ostringstream fleet;
    fleet << "id,charge_energy_wh,power_w,charge_power_w,energy_wh\n";
    std::vector<std::int64_t> stored;
    std::vector<std::int64_t> size;
    for (std::size_t i = 0; i < sites; ++i) {
      stored.push_back(static_cast<std::int64_t>(rng.below(10'000)));
      size.push_back(stored.back() + static_cast<std::int64_t>(rng.below(10'000)));
      fleet << i << ',' << size[i] - stored[i] << ',' << rng.below(5'000) << ',' << rng.below(5'000)
            << ',' << stored[i] << '\n';
    }
    std::ostringstream request;
    request << "power_w\n";
    for (std::size_t t = 0, n = 1 + rng.below(8); t < n; ++t) {
      request << static_cast<std::int64_t>(rng.below(20'000)) - 10'000 << '\n';
    }
    const auto json = answer(fleet.str(), request.str(), asked({}));
    std::vector<double> now(stored.begin(), stored.end());
    double missing = 0;
    for (const auto& step : json["steps"]) {
      for (std::size_t i = 0; i < sites; ++i) {
        now[i] -= step["set_points"][std::to_string(i)].get<double>();
        REQUIRE(now[i] >= -1e-6);
        REQUIRE(now[i] <= static_cast<double>(size[i]) + 1e-6);
      }
      missing += std::abs(step["request_w"].get<double>() - step["served_w"].get<double>());
    }
    REQUIRE(missing == Approx(json["unserved_wh"].get<double>()).margin(1e-6));
    REQUIRE(json["feasible"].get<bool>() == (missing < 1e-9));
  }
}

constexpr const char* kRegions =
    "id,region,feeder,power_w,energy_wh\n"
    "a,north,1,1000,2000\nb,north,2,2000,2000\nc,south,1,4000,8000\nd,west,2,8000,8000\n";

TEST_CASE("a group is planned as if there were nothing else", "[plan]") {
  const std::string request = "power_w\n900\n400\n";
  const auto north = answer(kRegions, request, asked({.groups = {"region=north"}}));
  const auto alone = answer("id,power_w,energy_wh\na,1000,2000\nb,2000,2000\n", request, asked({}));
  CHECK(north["group"] == Json{"region=north"});
  for (const char* key : {"feasible", "scale_max", "unserved_wh", "sites", "steps"}) {
    CHECK(north[key] == alone[key]);
  }
  const auto sites = [&](const Texts& groups) {
    Texts ids;
    const auto json = answer(kRegions, request, asked({.groups = groups}));
    for (const auto& [id, power] : json["steps"][0]["set_points"].items()) ids.push_back(id);
    return ids;
  };
  CHECK(sites({"region=north", "region=west"}) == Texts{"a", "b", "d"});
  CHECK(sites({"region=north", "region=south", "feeder=1"}) == Texts{"a", "c"});
  CHECK(sites({"id=d"}) == Texts{"d"});
}

TEST_CASE("what if regions were missing: each, then all of them", "[plan]") {
  const std::string request = "power_w\n6000\n3000\n";
  const auto json = answer(kRegions, request, asked({.without = {"region=north", "region=west"}}));
  CHECK(json["feasible"] == true);
  CHECK(json["steps"][0]["set_points"].size() == 4);
  REQUIRE(json["without"].size() == 3);
  const auto reduced = [&](const std::string& rows) {
    return answer("id,power_w,energy_wh\n" + rows, request, asked({}));
  };
  const std::vector<Json> expected{reduced("c,4000,8000\nd,8000,8000\n"),
                                   reduced("a,1000,2000\nb,2000,2000\nc,4000,8000\n"),
                                   reduced("c,4000,8000\n")};
  for (std::size_t i = 0; i < 3; ++i) {
    for (const char* key : {"feasible", "scale_max", "unserved_wh", "sites"}) {
      CHECK(json["without"][i][key] == expected[i][key]);
    }
  }
  CHECK(json["without"][2]["left_out"] == Json{"region=north", "region=west"});
  CHECK(json["without"][2]["feasible"] == false);
}

TEST_CASE("what is firm comes from the same rates and uplinks as in a root", "[plan]") {
  const std::string fleet =
      "id,region,power_w,energy_wh,response_pct,availability_pct\n"
      "a,north,1000,2000,95,98\nb,north,2000,2000,,\nc,south,4000,8000,99.9,\n"
      "d,,8000,8000,80,\n";
  const auto json = answer(fleet, "power_w\n100\n", asked({}, "99"));
  using namespace aggregation;
  const auto site = [](std::int64_t power, std::int64_t watt_hours, std::int32_t permille) {
    return SiteReliability{{Watts{power}, Joules{watt_hours * 3600}}, permille};
  };
  const std::vector north{site(1000, 2000, 950), site(2000, 2000, 900)};
  const std::vector south{site(4000, 8000, 999)};
  const std::vector alone{site(8000, 8000, 800)};
  DurationCurve nominal;
  for (const auto* group : {&north, &south, &alone}) {
    for (const auto& each : *group) nominal += DurationCurve::of_site(each.capability);
  }
  const std::vector<Block> blocks{{PerMillion{980'000}, Moments::of_sites(north)},
                                  {PerMillion{990'000}, Moments::of_sites(south)}};
  const auto firm = firm_curve(nominal, blocks, alone, PerMillion{10'000});
  const auto& up = json["firm"]["up"];
  REQUIRE(up.size() == 4);
  for (const auto& at : up) {
    const auto seconds = at["duration_s"].get<std::int64_t>();
    CHECK(at["power_w"] == nominal.at(std::chrono::seconds{seconds}).count / seconds);
    CHECK(at["firm_w"] == firm.at(std::chrono::seconds{seconds}).count / seconds);
    CHECK(at["firm_w"] < at["power_w"]);
  }
  CHECK(
      json["firm"]["scale_max"].get<double>() ==
      Approx(static_cast<double>(firm.at(std::chrono::hours{1}).count) / 3600 / 100).epsilon(1e-6));
}

TEST_CASE("firm is never more than nominal, and less the surer it has to be", "[plan]") {
  Rng rng{52};
  std::ostringstream fleet;
  fleet << "id,parent,power_w,energy_wh,charge_power_w,charge_energy_wh\n";
  for (int i = 0; i < 200; ++i) {
    fleet << i << ",p" << rng.below(7) << ',' << rng.below(9'000) << ".5," << rng.below(20'000)
          << ',' << rng.below(9'000) << ',' << rng.below(20'000) << '\n';
  }
  const std::string request = "power_w\n300000.5\n-200000\n100000\n";
  double above = 1e9;
  for (const char* confidence : {"+60", "090%", "99", "99.9"}) {
    const auto json = answer(fleet.str(), request, asked({.without = {"parent=p3"}}, confidence));
    const auto scale = json["firm"]["scale_max"].get<double>();
    CHECK(scale < above);
    CHECK(scale < json["scale_max"].get<double>());
    CHECK(json["without"][0]["firm"]["scale_max"].get<double>() < scale);
    CHECK((scale >= 1) == json["firm"]["feasible"].get<bool>());
    above = scale;
  }
}

Texts errors(const std::string& fleet, const std::string& request, const PlanArguments& arguments) {
  const auto result = run_files(fleet, request, arguments);
  CHECK(result.code == 2);
  CHECK(result.out.empty());
  Texts lines;
  std::istringstream text{result.err};
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST_CASE("a group that nobody is in is an error that guesses what was meant", "[plan]") {
  const std::string request = "power_w\n1\n";
  CHECK(errors(kRegions, request,
               asked({.groups = {"regoin=north", "region", "power_w=5"}, .without = {"=x"}})) ==
        Texts{"vppctl plan: --group regoin=north: the fleet has no column 'regoin' to group by; "
              "hint: did you mean 'region'?",
              "vppctl plan: --group region: no column and value; hint: write e.g. region=north",
              "vppctl plan: --group power_w=5: the fleet has no column 'power_w' to group by",
              "vppctl plan: --without =x: no column and value; hint: write e.g. region=north"});
  CHECK(
      errors(kRegions, request, asked({.groups = {"region=nroth"}, .without = {"region=soth"}})) ==
      Texts{"vppctl plan: --group region=nroth: no site has 'nroth' in column 'region'; hint: "
            "did you mean 'north'?",
            "vppctl plan: --without region=soth: no site has 'soth' in column 'region'; hint: "
            "did you mean 'south'?"});
  CHECK(errors(kRegions, request, asked({.groups = {"region=\n"}})).size() == 1);
  CHECK(errors(kRegions, request, asked({.groups = {"region=west", "feeder=1"}})) ==
        Texts{"vppctl plan: --group: no site is in all of them"});
  CHECK(errors("id,region,region,power_w,energy_wh\na,n,n,1,1\n", request,
               asked({.groups = {"region=n"}})) ==
        Texts{"vppctl plan: --group region=n: the fleet has two columns 'region'"});
}

TEST_CASE("rates and rooms that cannot be are errors at their place", "[plan]") {
  CHECK(errors("id,power_w,energy_wh,response_pct,region,availability_pct\n"
               "a,1,1,101,n,99\nb,1,1,nan,n,98\nc,1,1,-1,n,inf\n",
               "power_w\n1\n", asked({}, "100")) ==
        Texts{"vppctl plan: --confidence: confidence '100' is no percentage from 50 to 99.9; hint: "
              "write e.g. 99",
              "fleet.csv:2:7: response_pct '101' is more than 100 percent; hint: the unit is in "
              "the column's name",
              "fleet.csv:3:7: response_pct 'nan' is not a number; hint: digits, with a point for "
              "decimals",
              "fleet.csv:3:13: availability_pct of region 'n' is another one; hint: first in line "
              "2",
              "fleet.csv:4:7: response_pct '-1' is negative; hint: it is a percentage, 0 to 100",
              "fleet.csv:4:12: availability_pct 'inf' is not a number; hint: digits, with a point "
              "for decimals"});
  CHECK(errors("id,power_w,energy_wh,charge_power_w\na,1,1,1\n", "power_w\n-1\n", asked({})) ==
        Texts{"fleet.csv:1:1: no column 'charge_energy_wh'; hint: charge_power_w and "
              "charge_energy_wh only make sense together",
              "request.csv:2:1: power_w '-1' is negative; hint: the fleet file does not say how "
              "much room there is to charge: it needs columns charge_power_w and "
              "charge_energy_wh"});
  CHECK(errors(kBothWays, "power_w\n-1e30\n", asked({})) ==
        Texts{"request.csv:2:1: power_w '-1e30' is beyond any fleet; hint: the unit is in the "
              "column's name"});
  CHECK(errors("id,power_w,energy_wh,availability_pct\na,1,1,99\n", "power_w\n1\n",
               asked({}, "99")) ==
        Texts{"vppctl plan: availability_pct: of which uplinks? hint: --uplink COLUMN says "
              "whose"});
}

TEST_CASE("sums near overflow are refused, whichever way", "[plan]") {
  std::string fleet = "id,power_w,energy_wh,charge_power_w,charge_energy_wh\n";
  for (int i = 0; i < 20; ++i) {
    fleet += std::to_string(i) + ",1.5,1,1e10,1.6e12\n";
  }
  std::string request = "power_w\n";
  for (int i = 0; i < 60; ++i) request += "-1e10\n";
  const auto lines = errors(fleet, request, asked({}, "99", "24h"));
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].find("too large for exact sums") != std::string::npos);
}

TEST_CASE("a column that is misspelt is ignored, and its right name told", "[plan]") {
  const auto result = run("id,power_w,energy_wh,respons_pct\na,1,1,5\n", "power_w\n1\n");
  CHECK(result.code == 0);
  CHECK(result.err ==
        "vppctl plan: column 'respons_pct' of the fleet is ignored; hint: did you mean "
        "'response_pct'?\n");
}

TEST_CASE("people see each case in a line", "[plan]") {
  auto arguments = asked({.without = {"id=b"}}, "95");
  arguments.json = false;
  const auto result = run_files(kBothWays, "power_w\n4000\n-5000\n", arguments);
  CHECK(
      result.out.starts_with("FEASIBLE   yes\n"
                             "SCALE MAX  1\n"
                             "UNSERVED   0 Wh\n"
                             "SITES      2\n"
                             "CHARGED    not counted as energy to discharge later\n"
                             "\n"
                             "CASE                       FEASIBLE  SCALE_MAX  UNSERVED_WH\n"
                             "nominal                         yes          1            0\n"
                             "  discharge                     yes          2            0\n"
                             "  charge                        yes          1            0\n"
                             "firm at 95%                      no "));
  CHECK(result.out.find("without id=b, nominal            no        0.4         3000\n") !=
        std::string::npos);
  CHECK(result.out.find("UP FOR   NOMINAL_W  FIRM_W\n5 min         8000 ") != std::string::npos);
  CHECK(result.out.find("DOWN FOR  NOMINAL_W  FIRM_W\n5 min          7000 ") != std::string::npos);
}

}  // namespace
}  // namespace vpp::ctl
