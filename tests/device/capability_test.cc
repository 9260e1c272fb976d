#include "device/capability.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "config/rng.h"
#include "device/net_load.h"
#include "tools/battery/battery_model.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::device;

namespace {

std::int64_t between(Rng& rng, std::int64_t least, std::int64_t most) {
  return least + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most - least) + 1));
}

Nameplate plate() {
  Nameplate nameplate;
  nameplate.discharge_max = Watts{5000};
  nameplate.charge_max = Watts{4000};
  nameplate.energy_max = WattHours{13'500};
  nameplate.controllable = true;
  return nameplate;
}

}  // namespace

TEST_CASE("capability equals the formula in real numbers, rounded down",
          "[device][capability][property]") {
  const auto seed = GENERATE(take(30, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  for (int i = 0; i < 200; ++i) {
    SiteLimits limits;
    limits.reserve_permille = static_cast<std::int32_t>(between(rng, 0, 1000));
    limits.full_permille = static_cast<std::int32_t>(between(rng, 0, 1000));
    limits.charge_efficiency_permille = static_cast<std::int32_t>(between(rng, 700, 1000));
    limits.discharge_efficiency_permille = static_cast<std::int32_t>(between(rng, 700, 1000));
    const double capacity = static_cast<double>(between(rng, 1, 100'000'000));
    const auto stored = between(rng, 0, static_cast<std::int64_t>(capacity));
    const SiteState state{
        Joules{stored}, Joules{stored}, Joules{static_cast<std::int64_t>(capacity)}, {}};
    const double out =
        limits.discharge_efficiency_permille / 1000.0 *
        std::max(0.0, static_cast<double>(stored) - capacity * limits.reserve_permille / 1000.0);
    const double in =
        std::max(0.0, capacity * limits.full_permille / 1000.0 - static_cast<double>(stored)) /
        (limits.charge_efficiency_permille / 1000.0);
    const auto e = static_cast<double>(discharge_energy(limits, state).count);
    const auto c = static_cast<double>(charge_energy(limits, state).count);
    REQUIRE(e <= out + 1e-3);
    REQUIRE(e >= out - 2.1);
    REQUIRE(c <= in + 1e-3);
    REQUIRE(c >= in - 3.1);
  }
}

TEST_CASE("what is promised can be delivered: the battery model does it",
          "[device][capability][property]") {
  const auto seed = GENERATE(take(40, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  battery::BatteryRating rating;
  rating.standby = Watts{0};
  const SiteLimits limits;
  const std::int64_t joules = to_joules(rating.capacity).count;
  battery::BatteryModel battery{rating, Joules{joules * between(rng, 210, 940) / 1000}};
  const SiteState state{battery.stored(), battery.stored(), Joules{joules}, {}};
  const bool discharge = rng.below(2) == 0;
  const Capability can = discharge ? discharge_capability(limits, battery.nameplate(), state, 2s)
                                   : charge_capability(limits, battery.nameplate(), state, 2s);
  const std::int64_t seconds = can.energy.count / can.power.count;
  battery.set_point(discharge ? can.power : -can.power, 0ms);
  for (std::int64_t i = 0; i < seconds; ++i) {
    battery.step(1s, {});
    REQUIRE(battery.power() == (discharge ? can.power : -can.power));
  }
  if (discharge) CHECK(battery.soc_permille() >= 199);
}

TEST_CASE("unknown makes a promise smaller, never larger", "[device][capability]") {
  const SiteState half{Joules{24'300'000}, Joules{24'300'000}, Joules{48'600'000}, {}};
  SiteLimits limits;
  CHECK(discharge_capability(limits, plate(), half, 2s).power == Watts{5000});
  CHECK(charge_capability(limits, plate(), half, 2s).power == Watts{4000});

  Nameplate unrated = plate();
  unrated.discharge_max.reset();
  CHECK(discharge_capability(limits, unrated, half, 2s) == Capability{});
  Nameplate foreign = plate();
  foreign.controllable = false;
  CHECK(charge_capability(limits, foreign, half, 2s) == Capability{});

  limits.export_max = Watts{2000};
  CHECK(discharge_capability(limits, plate(), half, 2s) == Capability{});  // no meter
  SiteState metered = half;
  metered.net_load = NetLoad{Watts{-1500}, Watts{700}};
  CHECK(discharge_capability(limits, plate(), metered, 2s).power == Watts{500});
  limits.import_max = Watts{3000};
  CHECK(charge_capability(limits, plate(), metered, 2s).power == Watts{2300});
}

TEST_CASE("energy that runs out within the look ahead lowers the power", "[device][capability]") {
  const SiteState nearly{Joules{9'720'000 + 6000}, Joules{9'726'000}, Joules{48'600'000}, {}};
  const Capability can = discharge_capability(SiteLimits{}, plate(), nearly, 2s);
  CHECK(can.energy == Joules{5700});
  CHECK(can.power == Watts{2850});
}

TEST_CASE("the net load window keeps the extremes of the last quarter of an hour",
          "[device][capability]") {
  NetLoadWindow window{15min};
  const MarketTime start{std::chrono::hours{480'000}};
  CHECK_FALSE(window.over_window());
  window.add(start, Watts{-3000}, 10s);
  for (auto passed = 10s; passed <= 14min; passed += 10s) {
    window.add(start + passed, Watts{passed == 5min ? 900 : 200}, 10s);
    CHECK_FALSE(window.over_window());  // the rest may have held anything
  }
  window.add(start + 15min, Watts{200}, 60s);
  REQUIRE(window.over_window());
  CHECK(window.over_window()->least == Watts{-3000});
  CHECK(window.over_window()->most == Watts{900});
  for (auto passed = 15min + 10s; passed <= 18min; passed += 10s) {
    window.add(start + passed, Watts{200}, 10s);
  }
  CHECK(window.over_window()->least == Watts{200});
  CHECK(window.over_window()->most == Watts{900});
  window.add(start + 25min, Watts{200}, 10s);
  CHECK_FALSE(window.over_window());  // nobody watched for two fifths of it
}

TEST_CASE(
    "readings further apart than a part of the window count if they vouch for what is between",
    "[device][capability]") {
  NetLoadWindow window{15min};
  const MarketTime start{std::chrono::hours{480'000}};
  window.add(start, Watts{700}, 1h);
  window.add(start + 1h, Watts{-100}, 1h);
  REQUIRE(window.over_window());
  CHECK(window.over_window()->least == Watts{-100});
  CHECK(window.over_window()->most == Watts{700});
  window.add(start + 1h - 1min, Watts{100}, 1h);  // the clock was set back
  CHECK_FALSE(window.over_window());
}

TEST_CASE("the window is never kinder than the readings within it",
          "[device][capability][property]") {
  const auto seed = GENERATE(take(20, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  const Duration length = std::chrono::minutes{between(rng, 5, 60)};
  NetLoadWindow window{length};
  std::vector<std::pair<MarketTime, std::int64_t>> told;
  int known = 0;
  MarketTime at{std::chrono::hours{480'000}};
  for (int i = 0; i < 200; ++i) {
    at += Duration{between(rng, 1, rng.below(30) == 0 ? length.count() : length.count() / 9)};
    told.emplace_back(at, between(rng, -9000, 9000));
    window.add(at, Watts{told.back().second}, length / 8);
    // Watched without a gap: since when, were a gap of so much allowed?
    const auto watched = [&](Duration gap) {
      std::size_t first = told.size() - 1;
      while (first > 0 && told[first].first - told[first - 1].first <= gap) --first;
      return at - told[first].first;
    };
    const auto seen = window.over_window();
    CAPTURE(i, length.count());
    if (watched(length / 8) >= length * 6 / 5) REQUIRE(seen);
    if (watched(length * 2 / 5) < length * 4 / 5) REQUIRE_FALSE(seen);
    if (!seen) continue;
    ++known;
    for (const auto& [when, load] : told) {
      if (when <= at - length) continue;
      REQUIRE(seen->least <= Watts{load});
      REQUIRE(seen->most >= Watts{load});
    }
  }
  CHECK(known > 0);
}

namespace {

/// Everything that a promise rests on.
struct Known {
  SiteLimits limits;
  Nameplate nameplate;
  SiteState state;
  Duration horizon{};
};

Known random_known(Rng& rng) {
  Known known;
  SiteLimits& limits = known.limits;
  limits.reserve_permille = static_cast<std::int32_t>(between(rng, 0, 600));
  limits.full_permille = static_cast<std::int32_t>(between(rng, 600, 1000));
  limits.own_use = Joules{rng.below(2) == 0 ? 0 : between(rng, 0, 9'000'000)};
  limits.power_min = Watts{rng.below(2) == 0 ? 0 : between(rng, 0, 1500)};
  limits.ramp_w_per_s = rng.below(2) == 0 ? 100'000 : between(rng, 1, 200);
  limits.discharge_max = Watts{between(rng, 0, 8000)};
  limits.charge_max = Watts{between(rng, 0, 8000)};
  if (rng.below(2) == 0) limits.export_max = Watts{between(rng, 0, 6000)};
  if (rng.below(2) == 0) limits.import_max = Watts{between(rng, 0, 6000)};
  limits.charge_efficiency_permille = static_cast<std::int32_t>(between(rng, 700, 1000));
  limits.discharge_efficiency_permille = static_cast<std::int32_t>(between(rng, 700, 1000));
  known.nameplate.controllable = rng.below(20) != 0;
  known.nameplate.tells_limits = rng.below(2) == 0;
  if (rng.below(20) != 0) known.nameplate.discharge_max = Watts{between(rng, 0, 7000)};
  if (rng.below(20) != 0) known.nameplate.charge_max = Watts{between(rng, 0, 7000)};
  if (rng.below(4) == 0) known.nameplate.ramp_w_per_s = between(rng, 1, 300);
  SiteState& state = known.state;
  state.capacity = Joules{between(rng, 1, 60'000'000)};
  state.stored_least = Joules{between(rng, 0, state.capacity.count)};
  state.stored_most = Joules{between(rng, state.stored_least.count, state.capacity.count)};
  if (rng.below(4) != 0) {
    const std::int64_t load = between(rng, -8000, 8000);
    state.net_load = NetLoad{Watts{load}, Watts{load + between(rng, 0, 2000)}};
  }
  if (known.nameplate.tells_limits && rng.below(4) != 0) {
    state.device = {Watts{between(rng, 0, 7000)}, Watts{between(rng, 0, 7000)}};
  }
  if (rng.below(3) == 0) {
    state.pledged = {Watts{between(rng, 0, 3000)}, Joules{between(rng, 0, 3'000'000)}};
  }
  known.horizon = Duration{between(rng, 1, 120'000)};
  return known;
}

Capability discharge_of(const Known& known) {
  return discharge_capability(known.limits, known.nameplate, known.state, known.horizon);
}
Capability charge_of(const Known& known) {
  return charge_capability(known.limits, known.nameplate, known.state, known.horizon);
}

struct Told {
  double power = 0;
  double energy = 0;
};

/// One direction, as one would write it down on paper.
Told on_paper(const Known& known, bool discharge) {
  const SiteLimits& limits = known.limits;
  const SiteState& state = known.state;
  const auto& rating = discharge ? known.nameplate.discharge_max : known.nameplate.charge_max;
  const auto& device = discharge ? state.device.discharge : state.device.charge;
  const double connection =
      static_cast<double>((discharge ? limits.export_max : limits.import_max).count);
  if (!known.nameplate.controllable || !rating) return {};
  if (known.nameplate.tells_limits && !device) return {};
  double power = static_cast<double>(rating->count);
  power = std::min(
      power, static_cast<double>((discharge ? limits.discharge_max : limits.charge_max).count));
  if (device) power = std::min(power, static_cast<double>(device->count));
  if (connection < 1e6) {
    if (!state.net_load) return {};
    const double load =
        static_cast<double>((discharge ? state.net_load->least : state.net_load->most).count);
    power = std::min(power, discharge ? connection + load : connection - load);
  }
  power = std::min(power, 60.0 * static_cast<double>(limits.ramp_w_per_s));
  if (known.nameplate.ramp_w_per_s) {
    power = std::min(power, 60.0 * static_cast<double>(*known.nameplate.ramp_w_per_s));
  }
  const auto capacity = static_cast<double>(state.capacity.count);
  double energy = discharge ? (static_cast<double>(state.stored_least.count) -
                               capacity * limits.reserve_permille / 1000 -
                               static_cast<double>(limits.own_use.count)) *
                                  limits.discharge_efficiency_permille / 1000
                            : (capacity * limits.full_permille / 1000 -
                               static_cast<double>(state.stored_most.count)) /
                                  limits.charge_efficiency_permille * 1000;
  energy = std::max(0.0, energy) - static_cast<double>(state.pledged.energy.count);
  power = std::min(power - static_cast<double>(state.pledged.power.count),
                   energy * 1000 / static_cast<double>(known.horizon.count()));
  if (power < 1 || energy < 1 || power < static_cast<double>(limits.power_min.count)) return {};
  return {power, energy};
}

/// One thing less that is known.
void forget_something(Rng& rng, Known& known) {
  SiteState& state = known.state;
  switch (rng.below(9)) {
    case 0:
      known.nameplate.discharge_max.reset();
      break;
    case 1:
      known.nameplate.charge_max.reset();
      break;
    case 2:
      known.nameplate.controllable = false;
      break;
    case 3:
      state.device.discharge.reset();
      known.nameplate.tells_limits = true;
      break;
    case 4:
      state.device.charge.reset();
      known.nameplate.tells_limits = true;
      break;
    case 5:
      state.net_load.reset();
      break;
    case 6:
      if (state.net_load) state.net_load->least -= Watts{between(rng, 0, 3000)};
      if (state.net_load) state.net_load->most += Watts{between(rng, 0, 3000)};
      break;
    case 7:
      state.stored_least = Joules{between(rng, 0, state.stored_least.count)};
      break;
    default:
      state.stored_most = Joules{between(rng, state.stored_most.count, state.capacity.count)};
  }
}

}  // namespace

TEST_CASE("a promise equals what one works out on paper, whatever is known",
          "[device][capability][property]") {
  const auto seed = GENERATE(take(30, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  for (int i = 0; i < 200; ++i) {
    const Known known = random_known(rng);
    for (const bool discharge : {true, false}) {
      const Capability can = discharge ? discharge_of(known) : charge_of(known);
      const Told paper = on_paper(known, discharge);
      CAPTURE(i, discharge, can.power.count, can.energy.count, paper.power, paper.energy);
      // Each division rounds down once: near an edge that is the whole of it.
      const double near = 4 + 4000.0 / static_cast<double>(known.horizon.count());
      REQUIRE(static_cast<double>(can.power.count) <= paper.power + 1e-3);
      REQUIRE(static_cast<double>(can.energy.count) <= paper.energy + 1e-3);
      const bool edge = paper.energy < 8 || paper.power < near ||
                        paper.power < static_cast<double>(known.limits.power_min.count) + near;
      if (edge) continue;
      REQUIRE(static_cast<double>(can.power.count) >= paper.power - near);
      REQUIRE(static_cast<double>(can.energy.count) >= paper.energy - 4);
    }
  }
}

TEST_CASE("to know less never promises more", "[device][capability][property]") {
  const auto seed = GENERATE(take(30, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  for (int i = 0; i < 200; ++i) {
    Known known = random_known(rng);
    for (int step = 0; step < 4; ++step) {
      const Capability out = discharge_of(known);
      const Capability in = charge_of(known);
      forget_something(rng, known);
      CAPTURE(i, step);
      REQUIRE(discharge_of(known).power <= out.power);
      REQUIRE(discharge_of(known).energy <= out.energy);
      REQUIRE(charge_of(known).power <= in.power);
      REQUIRE(charge_of(known).energy <= in.energy);
    }
  }
}

TEST_CASE("what the home and another service keep is not promised", "[device][capability]") {
  const SiteState half{Joules{24'300'000}, Joules{24'300'000}, Joules{48'600'000}};
  SiteLimits limits;
  const Capability all = discharge_capability(limits, plate(), half, 2s);
  limits.own_use = Joules{4'000'000};
  CHECK(discharge_capability(limits, plate(), half, 2s).energy == all.energy - Joules{3'800'000});
  CHECK(charge_capability(limits, plate(), half, 2s) ==
        charge_capability(SiteLimits{}, plate(), half, 2s));
  SiteState pledged = half;
  pledged.pledged = {Watts{2000}, Joules{1'800'000}};
  CHECK(discharge_capability(SiteLimits{}, plate(), pledged, 2s) ==
        Capability{all.power - Watts{2000}, all.energy - Joules{1'800'000}});
}

TEST_CASE("a power below the unit's least, or that the ramp does not reach, is not promised",
          "[device][capability]") {
  const SiteState half{Joules{24'300'000}, Joules{24'300'000}, Joules{48'600'000}};
  SiteLimits limits;
  limits.power_min = Watts{4500};
  CHECK(discharge_capability(limits, plate(), half, 2s).power == Watts{5000});
  CHECK(charge_capability(limits, plate(), half, 2s) == Capability{});  // 4 kW at the most
  limits.power_min = {};
  limits.ramp_w_per_s = 50;
  CHECK(discharge_capability(limits, plate(), half, 2s).power == Watts{3000});
  Nameplate slow = plate();
  slow.ramp_w_per_s = 20;
  CHECK(discharge_capability(limits, slow, half, 2s).power == Watts{1200});
}

TEST_CASE("a device that tells its limits is believed, and doubted when it does not",
          "[device][capability]") {
  SiteState half{Joules{24'300'000}, Joules{24'300'000}, Joules{48'600'000}};
  Nameplate telling = plate();
  telling.tells_limits = true;
  CHECK(discharge_capability(SiteLimits{}, telling, half, 2s) == Capability{});
  half.device = {Watts{1500}, Watts{0}};
  CHECK(discharge_capability(SiteLimits{}, telling, half, 2s).power == Watts{1500});
  CHECK(charge_capability(SiteLimits{}, telling, half, 2s) == Capability{});
}
