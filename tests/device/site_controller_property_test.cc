#include <catch2/catch.hpp>

#include "config/rng.h"
#include "tests/device/site_bench.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::device;

namespace {

std::int64_t drawn(Rng& rng, std::int64_t least, std::int64_t most) {
  return least + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most - least) + 1));
}

SiteLimits random_limits(Rng& rng) {
  SiteLimits limits;
  limits.reserve_permille = static_cast<std::int32_t>(drawn(rng, 50, 600));
  limits.discharge_max = Watts{drawn(rng, 0, 6000)};
  limits.charge_max = Watts{drawn(rng, 0, 6000)};
  if (rng.below(2) == 0) limits.export_max = Watts{drawn(rng, 0, 5000)};
  if (rng.below(2) == 0) limits.import_max = Watts{drawn(rng, 0, 5000)};
  limits.ramp_w_per_s = drawn(rng, 50, 100'000);
  return limits;
}

SiteOrder random_order(Rng& rng, const Now& now) {
  return {.order = OrderId{rng.below(20) + 1},
          .power = Watts{drawn(rng, -20'000, 20'000)},
          .from = now.market + Duration{drawn(rng, -60'000, 60'000)},
          .until = now.market + Duration{drawn(rng, -30'000, 900'000)},
          .expires = now.protocol + Duration{drawn(rng, -1000, 60'000)}};
}

template <class T, class Spoil>
void maybe(Rng& rng, Reading<T>& reading, std::uint64_t one_in, const Spoil& spoil) {
  if (rng.below(one_in) != 0) return;
  if (rng.below(2) == 0) {
    reading.value.reset();
    reading.quality = Quality::kNotImplemented;
  } else {
    reading.value = spoil();
  }
}

Telemetry garbled(Rng& rng, Telemetry telemetry) {
  maybe(rng, telemetry.battery, 9, [&] { return Watts{drawn(rng, -900'000, 900'000)}; });
  maybe(rng, telemetry.site, 9, [&] { return Watts{drawn(rng, -900'000, 900'000)}; });
  maybe(rng, telemetry.soc_permille, 9,
        [&] { return static_cast<std::int32_t>(drawn(rng, -70'000, 70'000)); });
  maybe(rng, telemetry.stored, 9, [&] { return Joules{drawn(rng, -1, INT32_MAX) * 1000}; });
  maybe(rng, telemetry.injected, 9, [&] { return Joules{drawn(rng, 0, INT32_MAX)}; });
  maybe(rng, telemetry.set_point, 9, [&] { return Watts{drawn(rng, -9000, 9000)}; });
  if (rng.below(10) == 0) telemetry.set_point_active = !telemetry.set_point_active;
  if (rng.below(10) == 0) telemetry = Telemetry{};
  return telemetry;
}

/// What must hold of every write, told in other words than the guard's.
void check_write(const SiteBench& bench, const SiteLimits& limits, const SiteEffects& effects,
                 const Telemetry& telemetry) {
  if (!effects.write || !effects.write->set_point) return;
  const std::int64_t w = effects.write->set_point->count;
  const auto& rating = bench.battery.rating();
  REQUIRE(w <= std::min(rating.discharge_max, limits.discharge_max).count);
  REQUIRE(-w <= std::min(rating.charge_max, limits.charge_max).count);
  if (effects.status.stale) REQUIRE(w == 0);
  const bool metered = telemetry.battery.value && telemetry.site.value &&
                       std::abs(telemetry.battery.value->count) < 7000;
  if (metered && w > 0 && limits.export_max < limits::kSitePowerMax) {
    REQUIRE(telemetry.site.value->count - telemetry.battery.value->count + w <=
            limits.export_max.count);
  }
  if (metered && w < 0 && limits.import_max < limits::kSitePowerMax) {
    REQUIRE(telemetry.site.value->count - telemetry.battery.value->count + w >=
            -limits.import_max.count);
  }
}

}  // namespace

TEST_CASE("whatever orders, readings and times come, no write leaves the envelope",
          "[device][controller][property]") {
  const auto seed = GENERATE(take(60, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  const SiteLimits limits = random_limits(rng);
  SiteBench bench{limits,
                  {},
                  static_cast<std::int32_t>(drawn(rng, 1, 1000)),
                  rng.below(2) == 0 ? 1 : drawn(rng, 1, 100)};
  for (int i = 0; i < 400; ++i) {
    bench.home = {Watts{drawn(rng, 0, 4000)}, Watts{drawn(rng, 0, 6000)}};
    bench.pass(Duration{drawn(rng, 0, 3000)});
    if (rng.below(3) != 0) bench.controller.plant_heard(bench.now);
    if (rng.below(6) == 0) {
      bench.controller.set_order(bench.now, random_order(rng, bench.now));
    }
    if (rng.below(40) == 0) bench.controller.set_order(bench.now, std::nullopt);
    if (rng.below(60) == 0) bench.controller.disconnected(bench.now);
    if (rng.below(20) == 0) bench.controller.connected(bench.battery.nameplate());
    if (rng.below(50) == 0) bench.now.market += Duration{drawn(rng, -3'600'000, 3'600'000)};
    bench.device_listens = rng.below(12) != 0;
    const Telemetry telemetry = garbled(rng, bench.battery.telemetry(bench.now.protocol));
    const SiteEffects effects = bench.round(telemetry);
    CAPTURE(i);
    check_write(bench, limits, effects, telemetry);
    REQUIRE(bench.controller.next_deadline(bench.now) > bench.now.protocol);
    REQUIRE(effects.status.accounts.size() <= limits::kReceiptsMax);
    REQUIRE((effects.status.order == kNoOrder || effects.status.mode == Mode::kDispatched));
    if (effects.status.stale) REQUIRE(effects.status.discharge == Capability{});
  }
}

TEST_CASE("with honest readings the owner's reserve is never touched",
          "[device][controller][property]") {
  const auto seed = GENERATE(take(40, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  SiteLimits limits = random_limits(rng);
  limits.ramp_w_per_s = 100'000;
  battery::BatteryRating rating;
  rating.reserve_permille = limits.reserve_permille;
  const auto soc = static_cast<std::int32_t>(drawn(rng, limits.reserve_permille + 1, 999));
  SiteBench bench{limits, rating, soc, rng.below(2) == 0 ? 1 : 60};
  const Joules reserve{to_joules(rating.capacity).count * limits.reserve_permille / 1000};
  for (int i = 0; i < 600; ++i) {
    if (rng.below(10) == 0) bench.home = {Watts{drawn(rng, 0, 3000)}, Watts{0}};
    bench.pass(Duration{drawn(rng, 1, 1900)});
    if (rng.below(5) == 0) bench.order(Watts{drawn(rng, 0, 9000)}, 24h);
    bench.controller.plant_heard(bench.now);
    (void)bench.round();
    CAPTURE(i, bench.now.speed);
    // The electronics' own draw is not the guard's: 15 W for the two polls it looks ahead.
    const Joules own{rating.standby.count * 4 * bench.now.speed};
    REQUIRE(bench.battery.stored() + own >= reserve);
  }
}

namespace {

/// One thing that the device does not tell this time.
void withhold_something(Rng& rng, Telemetry& telemetry) {
  const auto withhold = [](auto& reading) {
    reading.value.reset();
    reading.quality = Quality::kNotImplemented;
  };
  switch (rng.below(6)) {
    case 0:
      return withhold(telemetry.battery);
    case 1:
      return withhold(telemetry.site);
    case 2:
      return withhold(telemetry.soc_permille);
    case 3:
      return withhold(telemetry.stored);
    case 4:
      withhold(telemetry.discharge_limit);
      return withhold(telemetry.charge_limit);
    default:
      telemetry = Telemetry{};  // no round at all
  }
}

}  // namespace

TEST_CASE("a device that tells less is never promised more of", "[device][controller][property]") {
  const auto seed = GENERATE(take(40, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  SiteLimits limits = random_limits(rng);
  limits.net_load_window = 5min;
  battery::BatteryRating rating;
  rating.standby = Watts{0};
  SiteBench bench{limits, rating, static_cast<std::int32_t>(drawn(rng, 100, 900)),
                  rng.below(2) == 0 ? 1 : 60};
  const bool tells_limits = rng.below(2) == 0;
  const Watts limit{drawn(rng, 0, 6000)};
  const std::int64_t health = drawn(rng, 990, 1000);
  // A state of charge in permille falls by one when the truth falls by nothing to speak of.
  const Joules step{to_joules(rating.capacity).count / 940};
  const auto no_more = [&](const Capability& doubt, const Capability& full) {
    CAPTURE(doubt.power.count, doubt.energy.count, full.power.count, full.energy.count);
    REQUIRE(doubt.energy <= full.energy + step);
    REQUIRE((doubt.power <= full.power || doubt.energy > full.energy));
  };
  const auto telemetry = [&] {
    Telemetry full = bench.battery.telemetry(bench.now.protocol);
    if (tells_limits) {
      full.discharge_limit = full.charge_limit = {limit, Quality::kGood, bench.now.protocol};
    }
    full.stored.value = Joules{full.stored.value->count * health / 1000};
    return full;
  };
  int promised = 0;
  for (int i = 0; i < 300; ++i) {
    const bool home_changes = rng.below(20) == 0;
    if (home_changes) bench.home = {Watts{drawn(rng, 0, 4000)}, Watts{drawn(rng, 0, 3000)}};
    bench.pass(Duration{drawn(rng, 500, 2000)});
    if (rng.below(10) == 0) bench.order(Watts{drawn(rng, -6000, 6000)}, 24h);
    bench.controller.plant_heard(bench.now);
    const Telemetry full = telemetry();
    // What a device can tell shows in the first round; and nobody knows what just began.
    if (i == 0 || home_changes) {
      (void)bench.round(full);
      continue;
    }
    Telemetry less = full;
    withhold_something(rng, less);
    SiteController other = bench.controller;
    const SiteStatus in_doubt = other.step(bench.now, less).status;
    const SiteStatus status = bench.round(full).status;
    CAPTURE(i, bench.now.speed);
    no_more(in_doubt.discharge, status.discharge);
    no_more(in_doubt.charge, status.charge);
    if (status.discharge.power > Watts{0}) ++promised;
  }
  CAPTURE(limits.discharge_max.count, limits.export_max.count, limit.count);
  CHECK((promised > 0 || limits.discharge_max < Watts{100} || limits.export_max < Watts{3500} ||
         limit < Watts{100} || limits.reserve_permille > 90));
}
