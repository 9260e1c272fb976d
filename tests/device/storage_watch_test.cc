#include "device/storage_watch.h"

#include <catch2/catch.hpp>

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::device;

namespace {

constexpr Duration kAgeMax = 10s;

/// A battery of 10 kWh and 5 kW, read every second.
struct StorageWatchBench {
  StorageWatchBench() {
    nameplate.discharge_max = Watts{5000};
    nameplate.charge_max = Watts{5000};
    nameplate.energy_max = WattHours{10'000};
  }
  void tell(std::optional<std::int32_t> soc_permille, Watts power = {}, Duration after = 1s,
            std::optional<Joules> stored = std::nullopt) {
    now.protocol += after;
    now.market += after * now.speed;
    Telemetry telemetry;
    telemetry.battery = {power, Quality::kGood, now.protocol};
    telemetry.soc_permille = {
        soc_permille, soc_permille ? Quality::kGood : Quality::kNotImplemented, now.protocol};
    telemetry.stored = {stored, stored ? Quality::kGood : Quality::kNotImplemented, now.protocol};
    watch.step(now, nameplate, telemetry);
  }
  [[nodiscard]] bool believed() const { return watch.belief(now.protocol, kAgeMax).has_value(); }

  Now now{Instant{100s}, MarketTime{1h}, 1};
  Nameplate nameplate;
  StorageWatch watch;
};

}  // namespace

TEST_CASE("a plausible state of charge is believed and becomes joules", "[device][storage]") {
  StorageWatchBench bench;
  CHECK_FALSE(bench.believed());
  bench.tell(420);
  REQUIRE(bench.believed());
  CHECK(bench.watch.belief(bench.now.protocol, kAgeMax)->least == Joules{15'120'000});
  CHECK(bench.watch.doubt(bench.now.protocol, kAgeMax).empty());
}

TEST_CASE("exactly zero out of the blue is not believed, ever", "[device][storage]") {
  StorageWatchBench bench;
  for (int i = 0; i < 100; ++i) bench.tell(0);
  CHECK_FALSE(bench.believed());
  bench.tell(500);
  CHECK(bench.believed());
  for (int i = 0; i < 100; ++i) bench.tell(0);
  CHECK_FALSE(bench.believed());
}

TEST_CASE("a battery that ran down to zero is believed", "[device][storage]") {
  StorageWatchBench bench;
  for (int soc = 40; soc >= 0; --soc) bench.tell(soc, Watts{5000}, 7s);
  CHECK(bench.believed());
}

TEST_CASE("a jump beyond physics is doubted until it proves consistent", "[device][storage]") {
  StorageWatchBench bench;
  bench.tell(500);
  bench.tell(900);
  CHECK_FALSE(bench.believed());
  CHECK(bench.watch.doubt(bench.now.protocol, kAgeMax) == "state of charge jumped");
  bench.tell(500);
  CHECK(bench.believed());
  for (int i = 0; i < kRoundsToBelieve - 1; ++i) bench.tell(900);
  CHECK_FALSE(bench.believed());
  bench.tell(900);
  CHECK(bench.believed());
}

TEST_CASE("values that leap about never become believable", "[device][storage]") {
  StorageWatchBench bench;
  bench.tell(500);
  for (int i = 0; i < 40; ++i) {
    bench.tell(i % 2 == 0 ? 900 : 100);
    CHECK_FALSE(bench.believed());
  }
}

TEST_CASE("a value that stands still while energy flows is not believed", "[device][storage]") {
  StorageWatchBench bench;
  bench.tell(500);
  int rounds = 0;
  for (; rounds < 1000 && bench.believed(); ++rounds) bench.tell(500, Watts{5000});
  CHECK(rounds == 360 + 1);  // 5% of 10 kWh at 5 kW
  bench.tell(440, Watts{0});
  CHECK(bench.believed());
}

TEST_CASE("not implemented and out of range are unknown at once", "[device][storage]") {
  StorageWatchBench bench;
  bench.tell(500);
  bench.tell(std::nullopt);
  CHECK_FALSE(bench.believed());
  bench.tell(500);
  CHECK(bench.believed());
  bench.tell(1001);
  CHECK_FALSE(bench.believed());
  bench.tell(500);
  bench.nameplate.energy_max.reset();
  bench.tell(501);
  CHECK_FALSE(bench.believed());
}

TEST_CASE("an old value is no ground for a promise", "[device][storage]") {
  StorageWatchBench bench;
  bench.tell(500);
  bench.now.protocol += kAgeMax;
  CHECK(bench.believed());
  bench.now.protocol += 1ms;
  CHECK_FALSE(bench.believed());
  CHECK(bench.watch.doubt(bench.now.protocol, kAgeMax) == "state of charge is old");
}

TEST_CASE("what a battery at rest draws for itself is not taken for energy that it stores",
          "[device][storage]") {
  StorageWatchBench bench;
  bench.now.speed = 60;
  bench.tell(199);
  for (int i = 0; i < 72 * 6; ++i) bench.tell(199, Watts{-18}, 10s);  // three days
  CHECK(bench.believed());
  CHECK(bench.watch.belief(bench.now.protocol, kAgeMax)->flow_mj == 0);
  for (int i = 0; i < 72 * 6; ++i) bench.tell(199, Watts{-500}, 10s);
  CHECK(bench.watch.doubt(bench.now.protocol, kAgeMax) == "state of charge stands still");
}

TEST_CASE("market time at speed sixty makes room for faster change", "[device][storage]") {
  StorageWatchBench bench;
  bench.now.speed = 60;
  bench.tell(500);
  bench.tell(492, Watts{5000});  // 5 kW for a minute are 83 Wh
  CHECK(bench.believed());
}

TEST_CASE("what is stored becomes less certain with age, at the rate of the ratings",
          "[device][storage]") {
  StorageWatchBench bench;
  bench.tell(500);
  const SiteLimits limits;
  const auto belief = bench.watch.belief(bench.now.protocol, kAgeMax);
  REQUIRE(belief);
  const SiteState now = stored_range(*belief, limits, bench.nameplate, 0s);
  CHECK(now.stored_least == Joules{18'000'000});
  CHECK(now.stored_most == Joules{18'000'000});
  const SiteState later = stored_range(*belief, limits, bench.nameplate, 10s);
  CHECK(later.stored_least == Joules{18'000'000 - 52'632});  // 50 kJ out, at 95 %
  CHECK(later.stored_most == Joules{18'000'000 + 47'500});
  const SiteState ages = stored_range(*belief, limits, bench.nameplate, 100h);
  CHECK(ages.stored_least == Joules{0});
  CHECK(ages.stored_most == ages.capacity);
}

TEST_CASE("energy that flows while the told value stands still is counted", "[device][storage]") {
  StorageWatchBench bench;
  const SiteLimits limits;
  const auto range = [&] {
    return stored_range(*bench.watch.belief(bench.now.protocol, kAgeMax), limits, bench.nameplate,
                        0s);
  };
  bench.tell(500);
  bench.tell(500, Watts{1900});
  CHECK(range().stored_least == Joules{18'000'000 - 2'000});
  CHECK(range().stored_most == Joules{18'000'000});
  for (int i = 0; i < 3; ++i) bench.tell(500, Watts{-2000});
  CHECK(range().stored_least == Joules{18'000'000});
  CHECK(range().stored_most == Joules{18'000'000 + 3'895});
  bench.tell(501, Watts{-2000});
  CHECK(range().stored_least == Joules{18'036'000});
  CHECK(range().stored_most == Joules{18'036'000});
}

TEST_CASE("of two points that are told the worse counts, also when one is missing for a while",
          "[device][storage]") {
  StorageWatchBench bench;
  const auto least = [&] {
    return bench.watch.belief(bench.now.protocol, kAgeMax).value_or(StorageBelief{}).least;
  };
  bench.tell(500, {}, 1s, Joules{17'500'000});
  CHECK(least() == Joules{17'500'000});
  const Instant told = bench.now.protocol;
  bench.tell(501);
  CHECK(least() == Joules{17'500'000});
  CHECK(bench.watch.belief(bench.now.protocol, kAgeMax)->at == told);  // no news: it ages
  bench.tell(500, {}, 1s, Joules{17'400'000});
  CHECK(least() == Joules{17'400'000});
  for (int i = 0; i < kRoundsToBelieve; ++i) bench.tell(500, {}, 2s);
  CHECK_FALSE(bench.believed());
  bench.tell(500);
  CHECK(least() == Joules{18'000'000});  // it tells no more than that, then
}
