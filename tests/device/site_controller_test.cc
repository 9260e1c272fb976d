#include "device/site_controller.h"

#include <catch2/catch.hpp>

#include "tests/device/site_bench.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::device;

TEST_CASE("an order is followed to the watt and released at its end", "[device][controller]") {
  SiteBench bench;
  bench.run(3s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
  CHECK(bench.writes.empty());
  bench.order(Watts{3210}, 60s);
  CHECK(bench.controller.next_deadline(bench.now) == bench.now.protocol);
  bench.run(1s);
  CHECK(bench.status.mode == Mode::kDispatched);
  CHECK(bench.status.order == OrderId{1});
  bench.run(1s);
  CHECK(bench.status.measured == Watts{3210});
  CHECK(bench.status.set_point == Watts{3210});
  bench.run(60s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
  CHECK(bench.status.order == kNoOrder);
  CHECK_FALSE(bench.battery.set_point());
  CHECK_FALSE(bench.writes.back().set_point);
}

TEST_CASE("an order that expires, is cancelled or goes unheard leads home",
          "[device][controller]") {
  SiteBench bench;
  bench.order(Watts{2000}, 24h);
  bench.run(5s);
  REQUIRE(bench.status.mode == Mode::kDispatched);
  SECTION("cancelled") {
    bench.controller.set_order(bench.now, std::nullopt);
    bench.run(2s);
  }
  SECTION("not renewed") {
    bench.run(9min);
    CHECK(bench.status.mode == Mode::kDispatched);
    bench.run(62s);
  }
  SECTION("no beacon") {
    bench.plant_speaks = false;
    bench.run(limits::kBeaconLossMax - 2s);
    CHECK(bench.status.mode == Mode::kDispatched);
    bench.run(4s);
  }
  CHECK(bench.status.mode == Mode::kLocalDefault);
  CHECK(bench.status.set_point == Watts{0});
  CHECK_FALSE(bench.battery.set_point());
  bench.controller.plant_heard(bench.now);
  bench.run(5s);
  CHECK(bench.status.mode == Mode::kLocalDefault);  // what ended does not come back
}

namespace {

/// One order now and one right after it, as a leaf is told them.
void order_two(SiteBench& bench, Duration length, Instant expires) {
  const auto make = [&](std::uint64_t id, Watts power, MarketTime from) {
    return SiteOrder{OrderId{id}, power, from, from + length, expires};
  };
  bench.controller.plant_heard(bench.now);
  bench.controller.set_order(bench.now, make(1, Watts{2000}, bench.now.market),
                             {make(2, Watts{-1000}, bench.now.market + length)});
}

}  // namespace

TEST_CASE("a site that is cut off goes from one order to the next, then home",
          "[device][controller]") {
  SiteBench bench;
  order_two(bench, 20s, bench.now.protocol + 10min);
  bench.plant_speaks = false;
  bench.run(15s);
  CHECK(bench.status.order == OrderId{1});
  CHECK(bench.status.set_point == Watts{2000});
  bench.run(15s);
  CHECK(bench.status.order == OrderId{2});
  CHECK(bench.status.set_point == Watts{-1000});
  bench.run(20s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
  REQUIRE(bench.status.accounts.size() == 2);
  // The first round has nothing to ramp from, and what it sets shows in the next.
  CHECK(bench.status.accounts[0].delivered.count == 18 * 2'000);
  CHECK(bench.status.accounts[1].delivered.count <= -18 * 1'000);
}

TEST_CASE("what was told ahead expires with the rest, and never outlasts the silence",
          "[device][controller]") {
  SiteBench bench;
  bench.plant_speaks = false;
  SECTION("it expires") {
    order_two(bench, 20s, bench.now.protocol + 25s);
    bench.run(24s);
    CHECK(bench.status.order == OrderId{2});
    bench.run(4s);
  }
  SECTION("no beacon for too long") {
    order_two(bench, limits::kBeaconLossMax - 5s, bench.now.protocol + 10min);
    bench.run(limits::kBeaconLossMax - 2s);
    CHECK(bench.status.order == OrderId{2});
    bench.run(4s);
  }
  CHECK(bench.status.mode == Mode::kLocalDefault);
  bench.plant_speaks = true;
  bench.run(5s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
}

TEST_CASE("a newer word replaces what was told ahead", "[device][controller]") {
  SiteBench bench;
  order_two(bench, 20s, bench.now.protocol + 10min);
  bench.run(5s);
  bench.order(Watts{500}, 10s, 3);
  bench.run(40s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
  CHECK(bench.status.accounts.back().order == OrderId{3});
}

TEST_CASE("an order told ahead begins by itself though nothing runs before it",
          "[device][controller]") {
  SiteBench bench;
  bench.controller.plant_heard(bench.now);
  const MarketTime from = bench.now.market + 20s;
  bench.controller.set_order(
      bench.now, std::nullopt,
      {SiteOrder{OrderId{5}, Watts{1500}, from, from + 20s, bench.now.protocol + 5min}});
  bench.run(18s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
  bench.run(5s);
  CHECK(bench.status.order == OrderId{5});
  bench.run(20s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
}

TEST_CASE("accounts go on where an earlier life left them", "[device][controller]") {
  SiteBench bench;
  bench.order(Watts{3600}, 1h, 7);
  bench.run(11s);
  const auto before = bench.status.accounts;
  REQUIRE(before.size() == 1);
  SiteController again{{}, before};
  again.connected(bench.battery.nameplate());
  SiteStatus status = again.step(bench.now, bench.battery.telemetry(bench.now.protocol)).status;
  CHECK(status.accounts == before);
  again.plant_heard(bench.now);
  again.set_order(bench.now, SiteOrder{OrderId{7}, Watts{3600}, bench.now.market,
                                       bench.now.market + 1h, bench.now.protocol + 5min});
  (void)again.step(bench.now, bench.battery.telemetry(bench.now.protocol));
  bench.pass(10s);
  status = again.step(bench.now, bench.battery.telemetry(bench.now.protocol)).status;
  REQUIRE(status.accounts.size() == 1);
  CHECK(status.accounts[0].delivered == before[0].delivered + Joules{36'000});
}

TEST_CASE("nobody holds a battery beyond the longest time to live", "[device][controller]") {
  SiteBench bench;
  bench.controller.plant_heard(bench.now);
  bench.controller.set_order(bench.now, SiteOrder{.order = OrderId{1},
                                                  .power = Watts{100},
                                                  .from = bench.now.market,
                                                  .until = bench.now.market + 24h,
                                                  .expires = bench.now.protocol + 24h});
  bench.run(limits::kSetPointTtlMax - 1s);
  CHECK(bench.status.mode == Mode::kDispatched);
  bench.run(3s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
}

TEST_CASE("an order without a beacon ever has no say", "[device][controller]") {
  SiteBench bench;
  bench.plant_speaks = false;
  bench.controller.set_order(bench.now, SiteOrder{.order = OrderId{1},
                                                  .power = Watts{1000},
                                                  .from = bench.now.market,
                                                  .until = bench.now.market + 1h,
                                                  .expires = bench.now.protocol + 1h});
  bench.run(5s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
  CHECK(bench.writes.empty());
}

TEST_CASE("deadlines name begin, end and refresh, and lie ahead after each step",
          "[device][controller]") {
  const auto speed = GENERATE(std::int64_t{1}, 7, 60);
  CAPTURE(speed);
  SiteBench bench{{}, {}, 500, speed};
  bench.run(2s);
  bench.controller.plant_heard(bench.now);
  const MarketTime from = bench.now.market + 10min + 1ms;
  const SiteOrder order{.order = OrderId{1},
                        .power = Watts{1000},
                        .from = from,
                        .until = from + 20min,
                        .expires = bench.now.protocol + 1h};
  bench.controller.set_order(bench.now, order);
  bool began = false;
  for (int i = 0; i < 2000 && bench.now.market < from + 19min; ++i) {
    (void)bench.round();
    const Instant due = bench.controller.next_deadline(bench.now);
    REQUIRE(due > bench.now.protocol);
    REQUIRE(due != kNever);
    if (!began && bench.status.mode == Mode::kDispatched) {
      began = true;
      CHECK(bench.now.market >= from);
      CHECK(bench.now.market < from + Duration{speed});
    }
    bench.pass(std::min(due - bench.now.protocol, Duration{5s}));
    bench.controller.plant_heard(bench.now);
    bench.controller.set_order(bench.now, order);  // renewed: nothing new
  }
  CHECK(began);
}

TEST_CASE("the revert timer is refreshed at half and gives a dead daemon's battery back",
          "[device][controller]") {
  SiteBench bench;
  bench.order(Watts{1500}, 24h);
  bench.run(60s);
  REQUIRE(bench.writes.size() >= 4);
  REQUIRE(bench.writes.size() <= 7);  // 2 for the start, then one each 15 s
  CHECK(bench.writes.back().revert_s == 30);
  bench.pass(31s);
  CHECK_FALSE(bench.battery.set_point());
}

TEST_CASE("near the owner's reserve the revert timer is shorter than the way there",
          "[device][controller]") {
  SiteBench bench{{}, {}, 201};
  bench.order(Watts{5000}, 24h);
  bench.run(3s);
  REQUIRE(bench.status.mode == Mode::kDispatched);
  bench.pass(10min);  // the daemon hangs
  CHECK(bench.battery.soc_permille() >= 199);
}

TEST_CASE("a ramp takes its time in both directions", "[device][controller]") {
  SiteLimits limits;
  limits.ramp_w_per_s = 500;
  SiteBench bench{limits};
  bench.run(1s);
  bench.order(Watts{2000}, 24h);
  bench.run(2s);
  CHECK(bench.status.set_point == Watts{1000});
  CHECK(bench.status.limited_by == "ramp");
  bench.run(3s);
  CHECK(bench.status.set_point == Watts{2000});
  CHECK(bench.status.limited_by.empty());
  bench.controller.set_order(bench.now, std::nullopt);
  bench.run(1s);
  CHECK(bench.status.set_point == Watts{1500});
  CHECK(bench.status.mode == Mode::kRampingHome);
  bench.run(5s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
}

TEST_CASE("a set point that the device denies is lost control, and said", "[device][controller]") {
  SiteBench bench;
  bench.run(2s);
  bench.device_listens = false;
  bench.order(Watts{2000}, 24h);
  bench.run(5s);
  CHECK(bench.status.mode == Mode::kUncontrollable);
  CHECK(bench.status.discharge == Capability{});
  CHECK(bench.status.order == kNoOrder);
  CHECK_FALSE(bench.status.limited_by.empty());
  const std::size_t writes = bench.writes.size();
  bench.run(30s);
  CHECK(bench.writes.size() == writes);
  bench.device_listens = true;
  bench.order(Watts{2000}, 24h);
  bench.run(kLostFor);
  CHECK(bench.status.mode == Mode::kDispatched);
  CHECK(bench.status.measured == Watts{2000});
}

TEST_CASE("a set point left behind by a dead daemon is released at start", "[device][controller]") {
  SiteBench bench;
  bench.battery.set_point(Watts{4000}, 0ms);
  bench.run(1s);
  REQUIRE(bench.writes.size() == 1);
  CHECK_FALSE(bench.writes[0].set_point);
  bench.run(2s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
  CHECK(bench.writes.size() == 1);
}

TEST_CASE("a release that is not taken is repeated", "[device][controller]") {
  SiteBench bench;
  bench.order(Watts{2000}, 24h);
  bench.run(3s);
  bench.device_listens = false;
  bench.controller.set_order(bench.now, std::nullopt);
  const std::size_t before = bench.writes.size();
  bench.run(22s);
  CHECK(bench.writes.size() - before == 5);
  CHECK(bench.status.limited_by == "the device does not take its release");
  bench.device_listens = true;
  bench.run(7s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
}

TEST_CASE("a stale state of charge promises nothing and discharges nothing",
          "[device][controller]") {
  SiteBench bench;
  bench.order(Watts{3000}, 24h);
  bench.run(5s);
  REQUIRE(bench.status.measured == Watts{3000});
  for (int i = 0; i < 3; ++i) {
    bench.pass(1s);
    Telemetry telemetry = bench.battery.telemetry(bench.now.protocol);
    telemetry.soc_permille.value = 0;
    telemetry.stored.value = Joules{0};
    bench.round(telemetry);
  }
  CHECK(bench.status.stale);
  CHECK(bench.status.discharge == Capability{});
  CHECK(bench.status.charge == Capability{});
  CHECK_FALSE(bench.status.stored);
  CHECK(bench.battery.power() == Watts{0});
  CHECK(bench.status.limited_by == "state of charge is 0 without reason");
}

TEST_CASE("readings that stop age into unknown", "[device][controller]") {
  SiteBench bench;
  bench.run(5s);
  REQUIRE_FALSE(bench.status.stale);
  REQUIRE(bench.status.discharge.power > Watts{0});
  const MarketTime last = bench.now.market;
  for (int i = 0; i < 9; ++i) {
    bench.pass(1s);
    bench.round(Telemetry{});
  }
  CHECK_FALSE(bench.status.stale);
  CHECK(bench.status.measured_at == last);
  bench.pass(2s);
  bench.round(Telemetry{});
  CHECK(bench.status.stale);
  CHECK_FALSE(bench.status.measured);
  CHECK(bench.status.discharge == Capability{});
}

TEST_CASE("a device that cannot be controlled is read and never written", "[device][controller]") {
  SiteBench bench;
  Nameplate nameplate = bench.battery.nameplate();
  nameplate.controllable = false;
  nameplate.why_not = "704 not implemented";
  bench.controller.connected(nameplate);
  bench.battery.set_point(Watts{700}, 0ms);
  bench.order(Watts{3000}, 24h);
  bench.run(10s);
  CHECK(bench.writes.empty());
  CHECK(bench.status.mode == Mode::kUncontrollable);
  CHECK(bench.status.measured == Watts{700});
  CHECK(bench.status.discharge == Capability{});
  CHECK(bench.status.limited_by == "not controllable: 704 not implemented");
}

TEST_CASE("a lost device promises nothing, and its order resumes when it is back",
          "[device][controller]") {
  SiteBench bench;
  bench.order(Watts{2500}, 24h);
  bench.run(5s);
  bench.controller.disconnected(bench.now);
  bench.run(3s);
  CHECK(bench.status.stale);
  CHECK(bench.status.discharge == Capability{});
  CHECK(bench.status.limited_by == "device not connected");
  bench.controller.connected(bench.battery.nameplate());
  bench.run(3s);
  CHECK(bench.status.mode == Mode::kDispatched);
  CHECK(bench.status.measured == Watts{2500});
}

TEST_CASE("a device that takes set points but does not move is said to", "[device][controller]") {
  SiteBench bench;
  bench.order(Watts{4000}, 24h);
  for (int i = 0; i < 6; ++i) {
    bench.pass(1s);
    Telemetry telemetry = bench.battery.telemetry(bench.now.protocol);
    telemetry.battery.value = Watts{0};
    telemetry.injected = {};
    telemetry.absorbed = {};
    bench.round(telemetry);
  }
  CHECK(bench.status.limited_by == "the device does not follow its set point");
  CHECK(bench.status.measured == Watts{0});
  REQUIRE(bench.status.accounts.size() == 1);
  CHECK(bench.status.accounts[0].delivered == Joules{0});
}

TEST_CASE("receipts equal the battery's own account", "[device][controller][accounts]") {
  const auto speed = GENERATE(std::int64_t{1}, 60);
  const bool counters = GENERATE(true, false);
  CAPTURE(speed, counters);
  SiteBench bench{{}, {}, 800, speed};
  bench.home = {Watts{600}, Watts{0}};
  const auto round = [&] {
    bench.pass(1s);
    bench.controller.plant_heard(bench.now);
    Telemetry telemetry = bench.battery.telemetry(bench.now.protocol);
    if (!counters) telemetry.injected = telemetry.absorbed = {};
    bench.round(telemetry);
  };
  round();
  bench.order(Watts{3000}, 1h, 7);
  bench.round();
  const auto net = [&] {
    return (bench.battery.accounts().injected_mj - bench.battery.accounts().absorbed_mj) / 1000;
  };
  const auto start = net();
  for (int i = 0; i < 30; ++i) round();
  const auto middle = net();
  bench.order(Watts{-1000}, 1h, 8);
  bench.round();
  for (int i = 0; i < 20; ++i) round();
  REQUIRE(bench.status.accounts.size() == 2);
  CHECK(bench.status.accounts[0].order == OrderId{7});
  CHECK(std::abs(bench.status.accounts[0].delivered.count - (middle - start)) <= 2);
  CHECK(bench.status.accounts[1].order == OrderId{8});
  CHECK(std::abs(bench.status.accounts[1].delivered.count - (net() - middle)) <= 2);
}

TEST_CASE("an interval in which an order ends counts until the end only",
          "[device][controller][accounts]") {
  SiteBench bench;
  bench.battery.set_point(Watts{3600}, 0ms);  // so that the ramp has nothing to do
  bench.pass(1s);
  bench.order(Watts{3600}, 2500ms);
  (void)bench.round();
  bench.pass(2s);
  (void)bench.round();
  CHECK(bench.status.accounts.at(0).delivered.count == 7200);
  bench.pass(1s);
  (void)bench.round();
  CHECK(bench.status.accounts.at(0).delivered.count == 9000);
  bench.run(3s);
  CHECK(bench.status.mode == Mode::kLocalDefault);
  CHECK(bench.status.accounts.at(0).delivered.count == 9000);
}

TEST_CASE("only the newest orders are accounted for", "[device][controller][accounts]") {
  SiteBench bench;
  bench.run(1s);
  for (std::uint64_t id = 1; id <= 20; ++id) {
    bench.order(Watts{100}, 1h, id);
    bench.run(1s);
  }
  REQUIRE(bench.status.accounts.size() == limits::kReceiptsOfPlant);
  CHECK(bench.status.accounts.back().order == OrderId{20});
  CHECK(bench.status.accounts.front().order == OrderId{13});
}

TEST_CASE(
    "a limit that the device stops to tell holds until it is too old, then nothing is promised",
    "[device][controller]") {
  SiteBench bench;
  const auto round = [&](std::optional<Watts> limit) {
    bench.pass(1s);
    bench.controller.plant_heard(bench.now);
    Telemetry telemetry = bench.battery.telemetry(bench.now.protocol);
    telemetry.discharge_limit = {limit, limit ? Quality::kGood : Quality::kNotImplemented,
                                 bench.now.protocol};
    bench.round(telemetry);
  };
  round(std::nullopt);
  CHECK(bench.status.discharge.power == Watts{5000});
  round(Watts{2000});
  CHECK(bench.status.discharge.power == Watts{2000});
  bench.order(Watts{3000});
  round(Watts{2000});
  CHECK(bench.status.set_point == Watts{2000});
  CHECK(bench.status.limited_by == "device derating");
  for (int i = 0; i < 10; ++i) round(std::nullopt);
  CHECK(bench.status.discharge.power == Watts{2000});
  round(std::nullopt);
  CHECK(bench.status.discharge == Capability{});
  CHECK(bench.status.set_point == Watts{0});
  round(Watts{4000});
  CHECK(bench.status.discharge.power == Watts{4000});
}

TEST_CASE("what a home draws holds for a reading that the meter misses, until it is too old",
          "[device][controller]") {
  SiteBench bench;
  bench.home.load = Watts{1200};
  const auto round = [&](bool metered) {
    bench.pass(1s);
    Telemetry telemetry = bench.battery.telemetry(bench.now.protocol);
    if (!metered) telemetry.site = {std::nullopt, Quality::kNotImplemented, bench.now.protocol};
    bench.round(telemetry);
  };
  round(false);
  CHECK_FALSE(bench.status.net);
  bench.battery.set_point(Watts{500}, 0ms);
  round(true);
  CHECK(bench.status.net == Watts{-700});
  bench.battery.set_point(Watts{900}, 0ms);  // and not the net power of then
  for (int i = 0; i < 10; ++i) round(false);
  CHECK(bench.status.net == Watts{-300});
  round(false);
  CHECK_FALSE(bench.status.net);
}

TEST_CASE("between two readings the promise shrinks with age", "[device][controller]") {
  SiteBench bench;
  bench.run(3s);
  Capability out = bench.status.discharge;
  Capability in = bench.status.charge;
  const Telemetry last = bench.battery.telemetry(bench.now.protocol);
  for (int i = 0; i < 9; ++i) {
    bench.now.protocol += 1s;
    bench.now.market += 1s;
    bench.round(last);
    CHECK(bench.status.discharge.energy < out.energy);
    CHECK(bench.status.charge.energy < in.energy);
    out = bench.status.discharge;
    in = bench.status.charge;
  }
}
