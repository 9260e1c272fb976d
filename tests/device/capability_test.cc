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
  NetLoadWindow window;
  const MarketTime start{std::chrono::hours{480'000}};
  CHECK_FALSE(window.over_window(start));
  window.add(start, Watts{-3000});
  window.add(start + 5min, Watts{900});
  CHECK(window.over_window(start + 5min)->least == Watts{-3000});
  CHECK(window.over_window(start + 5min)->most == Watts{900});
  CHECK(window.over_window(start + 16min)->least == Watts{900});
  CHECK_FALSE(window.over_window(start + 60min));
}
