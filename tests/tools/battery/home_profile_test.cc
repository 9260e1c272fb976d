#include "tools/battery/home_profile.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::battery;

namespace {

/// A directory for one test.
struct Folder {
  Folder()
      : path{std::filesystem::temp_directory_path() / ("vpp-homes-" + std::to_string(getpid()))} {
    std::filesystem::create_directories(path);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  void put(const std::string& name, const std::string& text) const {
    std::ofstream{path / name} << text;
  }
  std::filesystem::path path;
};

}  // namespace

TEST_CASE("homes are read as watts per hour", "[battery][homes]") {
  const Folder folder;
  folder.put("load_kwh.csv", "h,A,B\n0,2.276,0.0\n1,0.5,1.25\n");
  folder.put("pv_w_per_kw.csv", "h,A,B\n0,0.0,100.5\n1,500.0,0.0\n");
  folder.put("buildings.csv", "building,pv_kw\nA,4.0\nB,2.0\nC,9.0\n");
  const auto homes = read_homes(folder.path.string());
  REQUIRE(homes);
  REQUIRE(homes->size() == 2);
  CHECK((*homes)[0].load_w == std::vector<std::int32_t>{2276, 500});
  CHECK((*homes)[0].pv_w == std::vector<std::int32_t>{0, 2000});
  CHECK((*homes)[1].pv_w == std::vector<std::int32_t>{201, 0});
}

TEST_CASE("what is missing or wrong in homes and fleets is said", "[battery][homes]") {
  const Folder folder;
  CHECK(read_homes(folder.path.string()).error().find("load_kwh.csv") != std::string::npos);
  folder.put("load_kwh.csv", "h,A\n0,1\n");
  folder.put("pv_w_per_kw.csv", "h,A\n0,1\n1,2\n");
  folder.put("buildings.csv", "building,pv_kw\nA,1\n");
  CHECK_FALSE(read_homes(folder.path.string()));
  folder.put("fleet.csv", "id,state,system_max_p,system_min_p,system_capacity\n1,X,5,-4.5,abc\n");
  CHECK_FALSE(read_fleet((folder.path / "fleet.csv").string()));
  folder.put("fleet.csv",
             "id,state,system_max_p,system_min_p,system_capacity\n1,X,5,-4.5,13.5\n2,X,0,-1,9\n");
  const auto fleet = read_fleet((folder.path / "fleet.csv").string());
  REQUIRE(fleet);
  REQUIRE(fleet->size() == 1);
  CHECK(fleet->front().charge_max == Watts{5000});
  CHECK(fleet->front().discharge_max == Watts{4500});
  CHECK(fleet->front().capacity == WattHours{13'500});
}

TEST_CASE("no home draws or makes more than a site can be", "[battery][homes]") {
  const Folder folder;
  folder.put("load_kwh.csv", "h,A\n0,5e6\n1,-3\n");
  folder.put("pv_w_per_kw.csv", "h,A\n0,9e8\n1,9e8\n");
  folder.put("buildings.csv", "building,pv_kw\nA,9e8\n");
  const auto homes = read_homes(folder.path.string());
  REQUIRE(homes);
  const auto most = static_cast<std::int32_t>(limits::kSitePowerMax.count);
  CHECK(homes->front().load_w == std::vector<std::int32_t>{most, 0});
  CHECK(homes->front().pv_w == std::vector<std::int32_t>{most, most});
}

TEST_CASE("a profile is constant within an hour and repeats each year", "[battery][homes]") {
  HomeProfile profile;
  for (std::int32_t hour = 0; hour < kHoursPerYear; ++hour) {
    profile.load_w.push_back(hour);
    profile.pv_w.push_back(0);
  }
  const Household home{std::make_shared<const HomeProfile>(profile), 1000, 1000};
  CHECK(home.at(kProfileStart).load == Watts{0});
  CHECK(home.at(kProfileStart + 1h - 1ms).load == Watts{0});
  CHECK(home.at(kProfileStart + 1h).load == Watts{1});
  CHECK(home.at(kProfileStart - 1ms).load == Watts{kHoursPerYear - 1});
  CHECK(home.at(kProfileStart + std::chrono::hours{kHoursPerYear * 3 + 5}).load == Watts{5});
  CHECK(until_next_hour(kProfileStart) == 1h);
  CHECK(until_next_hour(kProfileStart + 1h - 1ms) == 1ms);
  CHECK(until_next_hour(kProfileStart - 1ms) == 1ms);
}

TEST_CASE("a load that is told takes the profile's place", "[battery][homes]") {
  HomeProfile profile;
  profile.load_w.assign(kHoursPerYear, 400);
  profile.pv_w.assign(kHoursPerYear, 0);
  Household home{std::make_shared<const HomeProfile>(profile), 1000, 1000};
  const auto told = std::make_shared<ToldLoads>();
  home.told = told;
  CHECK(home.at(kProfileStart).load == Watts{400});
  *told = {1500, -700};
  CHECK(home.at(kProfileStart).load == Watts{1500});
  for (const std::size_t number : {1U, 2U}) {  // the last stands for all further homes
    home.number = number;
    CHECK(home.at(kProfileStart).load == Watts{0});
    CHECK(home.at(kProfileStart).pv == Watts{700});
  }
}

TEST_CASE("the homes and ratings we have are read whole", "[battery][homes][data]") {
  const std::string data = VPP_SHARED_DATA;
  if (!std::filesystem::exists(data + "/homes/load_kwh.csv")) {
    WARN("skipped: no data of real homes");
    return;
  }
  const auto homes = read_homes(data + "/homes");
  REQUIRE(homes);
  CHECK(homes->size() == 12);
  for (const auto& home : *homes) {
    REQUIRE(home.load_w.size() == kHoursPerYear);
    REQUIRE(*std::ranges::max_element(home.load_w) < 50'000);
    REQUIRE(*std::ranges::max_element(home.pv_w) < 20'000);
  }
  const auto fleet = read_fleet(data + "/fleet/fleet_ratings.csv");
  REQUIRE(fleet);
  CHECK(fleet->size() > 400);
}

TEST_CASE("what is made up depends on the seed alone", "[battery][homes]") {
  Rng a{5};
  Rng b{5};
  CHECK(synthetic_home(a).load_w == synthetic_home(b).load_w);
  CHECK(synthetic_rating(a).capacity == synthetic_rating(b).capacity);
}
