// The site controller while an order arms it for the grid's frequency.
#include <catch2/catch.hpp>

#include "config/rng.h"
#include "tests/device/site_bench.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::device;

namespace {

/// Armed with 1,900 W: 10 W for each mHz beyond the dead band of 10 mHz.
struct ArmedBench : SiteBench {
  explicit ArmedBench(const SiteLimits& limits = {}, std::int32_t soc_permille = 500)
      : SiteBench{limits, {}, soc_permille} {
    frequency_mhz = 50'000;
    run(3s);
    before = status;
    arm();
    run(1s);
  }
  void arm(Watts full = Watts{1900}, Duration market_length = 1h) {
    order(full, market_length, 9, Service::kFrequency);
  }
  /// A new reading of the frequency, and nothing else new, `after` the last step.
  SiteEffects hears(std::optional<std::int32_t> mhz, Duration after = 200ms) {
    const Telemetry old = telemetry();
    pass(after);
    Telemetry now_told = old;
    now_told.frequency_mhz = {mhz, mhz ? Quality::kGood : Quality::kNotImplemented, now.protocol};
    frequency_mhz = mhz;
    return SiteBench::round(now_told);
  }

  SiteStatus before;
};

Joules discharged(const SiteStatus& status) {
  return status.frequency.accounts.at(0).discharged;
}
Joules charged(const SiteStatus& status) {
  return status.frequency.accounts.at(0).charged;
}

}  // namespace

TEST_CASE("a step of the frequency is the full set point in the step that brings it",
          "[device][frequency]") {
  ArmedBench bench;
  CHECK(bench.status.frequency.armed);
  CHECK(bench.status.frequency.measured_mhz == 50'000);
  CHECK(bench.status.frequency.asked == Watts{0});
  CHECK(bench.status.mode == Mode::kDispatched);
  CHECK(bench.status.order == OrderId{9});

  const SiteEffects low = bench.hears(49'800);
  REQUIRE(low.write);
  CHECK(low.write->set_point == Watts{1900});
  CHECK(low.status.frequency.asked == Watts{1900});
  const SiteEffects high = bench.hears(50'105);
  REQUIRE(high.write);
  CHECK(high.write->set_point == Watts{-950});
  bench.run(1s);
  CHECK(bench.status.measured == Watts{-950});
}

TEST_CASE("within the dead band nothing is asked and nothing is written", "[device][frequency]") {
  ArmedBench bench;
  const std::size_t writes = bench.writes.size();
  for (const std::int32_t mhz : {49'990, 50'010, 49'995, 50'000}) {
    CHECK_FALSE(bench.hears(mhz).write);
    CHECK(bench.status.set_point == Watts{0});
  }
  CHECK(bench.writes.size() == writes);
}

TEST_CASE("the ramp holds the response back, in its steps", "[device][frequency]") {
  SiteLimits limits;
  limits.ramp_w_per_s = 1000;
  ArmedBench bench{limits};
  CHECK(bench.hears(49'800).write->set_point == Watts{200});
  CHECK(bench.status.limited_by == "ramp");
  CHECK(bench.controller.next_deadline(bench.now) == bench.now.protocol + kRampStep);
  bench.run(2s, 200ms);
  CHECK(bench.status.set_point == Watts{1900});
}

TEST_CASE("without a frequency to believe in there is no response, and it is said",
          "[device][frequency]") {
  ArmedBench bench;
  (void)bench.hears(49'800);
  REQUIRE(bench.status.set_point == Watts{1900});
  SECTION("unknown") {
    (void)bench.hears(std::nullopt);
  }
  SECTION("of no grid") {
    (void)bench.hears(0);
  }
  SECTION("of another grid") {
    (void)bench.hears(60'000);
  }
  SECTION("too old") {
    const Telemetry last = bench.telemetry();
    bench.pass(limits::kFrequencyAgeMax);
    (void)bench.round(last);
    CHECK(bench.status.set_point == Watts{1900});
    CHECK(bench.controller.next_deadline(bench.now) == bench.now.protocol + 1ms);
    bench.pass(1ms);
    (void)bench.round(last);
    bench.pass(200ms);
    (void)bench.round(last);
  }
  CHECK(bench.status.set_point == Watts{0});
  CHECK(bench.status.limited_by == "frequency unknown");
  CHECK_FALSE(bench.status.frequency.measured_mhz);
  CHECK(bench.status.frequency.armed);
  (void)bench.hears(49'800);
  CHECK(bench.status.set_point == Watts{1900});
  CHECK(bench.status.limited_by.empty());
}

TEST_CASE("what is armed is not offered: its power, and its energy for a quarter of an hour",
          "[device][frequency]") {
  ArmedBench bench;
  const Joules kept{1900 * 900};
  CHECK(bench.status.discharge.power == bench.before.discharge.power - Watts{1900});
  CHECK(bench.status.charge.power == bench.before.charge.power - Watts{1900});
  // The electronics draw a little from second to second.
  const auto lost = [](Joules before, Joules after) { return (before - after).count; };
  CHECK(lost(bench.before.discharge.energy, bench.status.discharge.energy) >= kept.count);
  CHECK(lost(bench.before.discharge.energy, bench.status.discharge.energy) <= kept.count + 100);
  CHECK(lost(bench.before.charge.energy, bench.status.charge.energy) <= kept.count);
  CHECK(lost(bench.before.charge.energy, bench.status.charge.energy) >= kept.count - 100);
  bench.controller.set_order(bench.now, std::nullopt);
  bench.run(3s);
  CHECK(bench.status.discharge.power == bench.before.discharge.power);
}

TEST_CASE("what can be armed is what would come either way and can be held",
          "[device][frequency]") {
  CHECK(ArmedBench{}.status.frequency.able == Watts{5000});  // by rating, whatever is armed
  SiteLimits limits;
  limits.charge_max = Watts{1200};
  CHECK(ArmedBench{limits}.status.frequency.able == Watts{1200});
  const ArmedBench low{{}, 220};  // 2 % of 13.5 kWh: 923 kJ, or 1,026 W for a quarter of an hour
  CHECK(low.status.frequency.able > Watts{970});  // a state of charge in whole permille
  CHECK(low.status.frequency.able <= Watts{1026});
  CHECK(low.status.discharge == Capability{});
}

TEST_CASE("an order for energy leaves alone what one for the frequency will need",
          "[device][frequency]") {
  SiteLimits limits;
  SiteBench bench{limits, {}, 260};  // 6 % above the reserve: 2.77 MJ to deliver
  bench.frequency_mhz = 50'000;
  bench.run(1s);
  const auto make = [&](std::uint64_t id, Watts power, MarketTime from, Service service) {
    return SiteOrder{OrderId{id}, power, from, from + 10min, bench.now.protocol + 15min, service};
  };
  bench.controller.plant_heard(bench.now);
  const MarketTime start = bench.now.market;
  bench.controller.set_order(bench.now, make(1, Watts{5000}, start, Service::kEnergy),
                             {make(2, Watts{1900}, start + 10min, Service::kFrequency)});
  bench.run(9min);
  CHECK(bench.status.set_point == Watts{0});
  CHECK(bench.status.limited_by == "stored energy");
  CHECK(bench.status.discharge == Capability{});
  const Joules reserve{to_joules(bench.battery.rating().capacity).count / 5};
  const std::int64_t left = (bench.battery.stored() - reserve).count * 95 / 100;
  CHECK(left >= 1900 * 900 - 20'000);  // the electronics draw from it, too
  bench.frequency_mhz = 49'700;
  bench.run(65s);
  CHECK(bench.status.order == OrderId{2});
  CHECK(bench.status.set_point == Watts{1900});
}

TEST_CASE("the owner's reserve ends the response", "[device][frequency]") {
  ArmedBench bench{{}, 202};
  bench.frequency_mhz = 49'000;
  bench.run(120s);
  CHECK(bench.status.set_point == Watts{0});
  CHECK(bench.status.limited_by == "stored energy");
  CHECK(bench.battery.soc_permille() >= 199);
}

TEST_CASE("the end of the order, its expiry and silence release the battery",
          "[device][frequency]") {
  ArmedBench bench;
  bench.frequency_mhz = 49'900;
  bench.run(2s);
  REQUIRE(bench.status.set_point == Watts{900});
  SECTION("its window ends") {
    bench.arm(Watts{1900}, 5s);
    bench.run(8s);
  }
  SECTION("it is not renewed") {
    bench.run(10min + 5s);
  }
  SECTION("no beacon") {
    bench.plant_speaks = false;
    bench.run(limits::kBeaconLossMax + 5s);
  }
  SECTION("it is cancelled") {
    bench.controller.set_order(bench.now, std::nullopt);
    bench.run(3s);
  }
  CHECK(bench.status.mode == Mode::kLocalDefault);
  CHECK_FALSE(bench.status.frequency.armed);
  CHECK(bench.status.frequency.asked == Watts{0});
  CHECK_FALSE(bench.battery.set_point());
}

TEST_CASE("energy for the frequency has accounts of its own, each way", "[device][frequency]") {
  ArmedBench bench;
  bench.run(2s);
  const auto injected = [&] { return bench.battery.accounts().injected_mj / 1000; };
  const auto absorbed = [&] { return bench.battery.accounts().absorbed_mj / 1000; };
  const Joules out = discharged(bench.status);
  const Joules in = charged(bench.status);
  const std::int64_t out_real = injected();
  const std::int64_t in_real = absorbed();
  bench.frequency_mhz = 49'800;
  bench.run(60s);
  bench.frequency_mhz = 50'105;
  bench.run(30s);
  CHECK(bench.status.accounts.empty());
  CHECK(std::abs((discharged(bench.status) - out).count - (injected() - out_real)) <= 2);
  CHECK(std::abs((charged(bench.status) - in).count - (absorbed() - in_real)) <= 2);
  CHECK((discharged(bench.status) - out).count > 100'000);
  CHECK((charged(bench.status) - in).count > 25'000);

  // Both ways between two readings are both accounted for.
  const Joules out_before = discharged(bench.status);
  const Joules in_before = charged(bench.status);
  (void)bench.hears(49'800);
  (void)bench.hears(50'105, 500ms);
  bench.run(1s);
  CHECK((discharged(bench.status) - out_before).count >= 1900 / 2);
  CHECK((charged(bench.status) - in_before).count >= 950);

  const auto kept = bench.status.frequency.accounts;
  bench.order(Watts{1000}, 1h, 10);
  bench.run(10s);
  REQUIRE(bench.status.accounts.size() == 1);
  CHECK(bench.status.accounts[0].order == OrderId{10});
  CHECK(bench.status.accounts[0].delivered.count > 7000);
  REQUIRE(bench.status.frequency.accounts.size() == 1);
  CHECK(std::abs((discharged(bench.status) - kept[0].discharged).count) <= 2000);
}

TEST_CASE("whatever the frequency does, the response is the droop's within the envelope",
          "[device][frequency][property]") {
  const auto seed = GENERATE(take(20, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  const auto drawn = [&](std::int64_t least, std::int64_t most) {
    return least + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most - least)));
  };
  SiteLimits limits;
  limits.discharge_max = Watts{drawn(500, 6000)};
  limits.charge_max = Watts{drawn(500, 6000)};
  if (rng.below(2) == 0) limits.power_min = Watts{drawn(1, 400)};
  ArmedBench bench{limits, static_cast<std::int32_t>(drawn(300, 900))};
  const Watts full{drawn(1, 8000)};
  bench.arm(rng.below(2) == 0 ? full : -full);
  for (int i = 0; i < 300; ++i) {
    const auto mhz = static_cast<std::int32_t>(drawn(49'700, 50'300));
    (void)bench.hears(mhz, Duration{drawn(150, 400)});
    if (i % 3 == 0) bench.run(1s);
    bench.arm(full);
    const Watts asked = droop_power(limits.droop, full, mhz);
    const Watts most = std::min({limits.discharge_max, bench.battery.rating().discharge_max});
    const Watts least = -std::min({limits.charge_max, bench.battery.rating().charge_max});
    Watts expected = std::clamp(asked, least, most);
    if (size_of(expected) < limits.power_min) expected = Watts{0};
    CAPTURE(i, mhz, full.count, expected.count, bench.status.limited_by);
    REQUIRE(bench.status.frequency.asked == asked);
    REQUIRE(bench.status.set_point == expected);
  }
}
