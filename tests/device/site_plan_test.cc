// A site between orders: its home's own plan, what takes over from it, and where it counts for
// nothing.
#include <catch2/catch.hpp>
#include <chrono>

#include "tests/device/site_bench.h"

namespace vpp::device {
namespace {

using namespace std::chrono_literals;

SitePlan plan_of(const SiteBench& bench, std::vector<Watts> net_load, Duration holds = 4h) {
  return {.from = bench.now.market,
          .slot = 1h,
          .until = bench.now.market + holds,
          .net_load = std::move(net_load)};
}

SiteBench home_of(Watts load) {
  SiteBench bench;
  bench.home.load = load;
  bench.run(3s);
  return bench;
}

TEST_CASE("between orders a site brings its net load to the planned one, slot by slot",
          "[device][plan]") {
  SiteBench bench = home_of(Watts{1'000});
  bench.controller.set_plan(plan_of(bench, {Watts{0}, Watts{3'000}, Watts{-500}}));
  CHECK(bench.controller.next_deadline(bench.now) == bench.now.protocol);
  bench.run(3s);
  CHECK(bench.status.mode == Mode::kPlanned);
  CHECK(bench.status.order == kNoOrder);
  CHECK(bench.status.set_point == Watts{1'000});
  bench.home.load = Watts{1'800};  // the load moves, the net load does not
  bench.run(3s);
  CHECK(bench.status.set_point == Watts{1'800});
  bench.run(1h, 10s);
  bench.run(3s);
  CHECK(bench.status.set_point == Watts{-1'200});
  bench.run(1h, 10s);
  bench.run(3s);
  CHECK(bench.status.set_point == Watts{2'300});
  bench.run(1h, 10s);
  bench.run(5s);
  CHECK(bench.status.mode == Mode::kLocalDefault);  // nothing is planned any more
  CHECK_FALSE(bench.writes.back().set_point);
}

TEST_CASE("an order takes over from a plan, and gives back to it", "[device][plan]") {
  SiteBench bench = home_of(Watts{1'000});
  bench.controller.set_plan(plan_of(bench, {Watts{2'000}, Watts{2'000}}));
  bench.run(3s);
  REQUIRE(bench.status.set_point == Watts{-1'000});
  const Capability before = bench.status.discharge;
  bench.order(Watts{3'000}, 10s);
  bench.run(3s);
  CHECK(bench.status.mode == Mode::kDispatched);
  CHECK(bench.status.order == OrderId{1});
  CHECK(bench.status.set_point == Watts{3'000});
  CHECK(bench.status.discharge.power == before.power);  // a plan keeps nothing from orders
  bench.run(10s);
  CHECK(bench.status.mode == Mode::kPlanned);
  CHECK(bench.status.set_point == Watts{-1'000});
  // What the order delivered is its own: the plan's charging is in no account.
  REQUIRE(bench.status.accounts.size() == 1);
  CHECK(bench.status.accounts.front().delivered > Joules{20'000});
}

TEST_CASE("a plan goes on while the plant is silent, and ends where it says", "[device][plan]") {
  SiteBench bench = home_of(Watts{500});
  bench.controller.set_plan(plan_of(bench, {Watts{0}, Watts{0}}, 30min));
  bench.plant_speaks = false;
  bench.run(25min, 10s);
  CHECK(bench.status.mode == Mode::kPlanned);
  bench.run(6min, 10s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
}

TEST_CASE("without a fresh meter, or what the guard refuses, a plan moves nothing",
          "[device][plan]") {
  SiteBench bench = home_of(Watts{500});
  bench.controller.set_plan(plan_of(bench, {Watts{0}, Watts{0}}));
  bench.run(3s);
  REQUIRE(bench.status.mode == Mode::kPlanned);
  for (int i = 0; i < 30; ++i) {
    bench.pass(1s);
    Telemetry blind = bench.telemetry();
    blind.site = {};
    bench.round(blind);
  }
  CHECK(bench.status.mode == Mode::kLocalDefault);
  CHECK_FALSE(bench.writes.back().set_point);

  SiteLimits limits;
  limits.reserve_permille = 500;
  SiteBench full{limits, {}, 500};
  full.home.load = {2'000};
  full.run(3s);
  full.controller.set_plan(plan_of(full, {Watts{-5'000}}));
  full.run(1min);
  CHECK(full.status.set_point == Watts{0});  // the owner's reserve
}

TEST_CASE("what a plan may count on is told, and a new plan of nothing lets go", "[device][plan]") {
  SiteBench bench = home_of(Watts{700});
  REQUIRE(bench.status.battery);
  CHECK(bench.status.battery->capacity == to_joules({13'500}));
  CHECK(bench.status.battery->discharge_max == Watts{5'000});
  bench.controller.set_plan(plan_of(bench, {Watts{700}}));
  bench.run(3s);
  CHECK(bench.status.set_point == Watts{0});
  CHECK(bench.status.mode == Mode::kPlanned);
  bench.controller.set_plan({});
  bench.run(3s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
}

}  // namespace
}  // namespace vpp::device
