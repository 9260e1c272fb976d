#include "tools/battery/battery_model.h"

#include <catch2/catch.hpp>

#include "config/rng.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::battery;

namespace {

constexpr Home kDark{Watts{0}, Watts{0}};

BatteryRating ideal() {
  BatteryRating rating;
  rating.charge_efficiency_permille = 1000;
  rating.discharge_efficiency_permille = 1000;
  rating.standby = Watts{0};
  return rating;
}

Joules share(const BatteryRating& rating, std::int32_t permille) {
  return {to_joules(rating.capacity).count * permille / 1000};
}

std::int64_t between(Rng& rng, std::int64_t least, std::int64_t most) {
  return least + static_cast<std::int64_t>(rng.below(static_cast<std::uint64_t>(most - least) + 1));
}

}  // namespace

TEST_CASE("a lossless battery delivers exactly the set point", "[battery]") {
  BatteryModel battery{ideal(), share(ideal(), 500)};
  battery.set_point(Watts{3000}, 0ms);
  battery.step(10min, kDark);
  CHECK(battery.power() == Watts{3000});
  CHECK(battery.accounts().injected_mj == 3000LL * 600'000);
  CHECK(battery.stored() == share(ideal(), 500) - Joules{3000LL * 600});
}

TEST_CASE("both efficiencies and the auxiliary draw are paid for", "[battery]") {
  BatteryRating rating;
  BatteryModel battery{rating, share(rating, 500)};
  battery.set_point(Watts{-2000}, 0ms);
  battery.step(1h, kDark);
  const std::int64_t charged = 2000LL * 950 * 3600 - 15LL * 3'600'000;
  CHECK(battery.stored_mj() - battery.initial_mj() == charged);
  const std::int64_t before = battery.stored_mj();
  battery.set_point(Watts{1900}, 0ms);
  battery.step(1h, kDark);
  CHECK(battery.accounts().injected_mj == 1900LL * 3'600'000);
  CHECK(before - battery.stored_mj() == 2000LL * 3'600'000 + 15LL * 3'600'000);
}

TEST_CASE("energy is conserved to the millijoule whatever happens", "[battery][property]") {
  const auto seed = GENERATE(take(40, random(1, 1'000'000)));
  CAPTURE(seed);
  Rng rng{static_cast<std::uint64_t>(seed)};
  BatteryRating rating;
  rating.capacity = WattHours{between(rng, 1, 40'000)};
  rating.charge_efficiency_permille = static_cast<std::int32_t>(between(rng, 800, 1000));
  rating.discharge_efficiency_permille = static_cast<std::int32_t>(between(rng, 800, 1000));
  rating.standby = Watts{between(rng, 0, 60)};
  BatteryModel battery{rating, Joules{between(rng, 0, to_joules(rating.capacity).count)}};
  std::int64_t time_ms = 0;
  for (int i = 0; i < 300; ++i) {
    if (rng.below(4) == 0) {
      battery.set_point(Watts{between(rng, -9000, 9000)}, Duration{between(rng, 0, 120'000)});
    }
    if (rng.below(10) == 0) battery.release();
    const Home home{Watts{between(rng, 0, 4000)}, Watts{between(rng, 0, 6000)}};
    const Duration step{between(rng, 0, 90'000)};
    battery.step(step, home);
    time_ms += step.count();
    const Accounts& a = battery.accounts();
    REQUIRE(a.absorbed_mj - a.injected_mj ==
            battery.stored_mj() - battery.initial_mj() + a.losses_mj);
    REQUIRE(a.exported_mj - a.imported_mj == a.injected_mj - a.absorbed_mj + a.pv_mj - a.load_mj);
    REQUIRE(a.losses_mj >= rating.standby.count * time_ms);
    REQUIRE(battery.stored() <= to_joules(rating.capacity));
    REQUIRE(battery.power() <= rating.discharge_max);
    REQUIRE(battery.power() >= -rating.charge_max - rating.standby);
  }
}

TEST_CASE("a set point falls back to self-consumption when its revert timer ends", "[battery]") {
  BatteryModel battery{ideal(), share(ideal(), 500)};
  const Home home{Watts{700}, Watts{200}};
  battery.set_point(Watts{4000}, 60s);
  battery.step(59s, home);
  CHECK(battery.power() == Watts{4000});
  CHECK(battery.revert_remaining() == 1s);
  battery.step(2s, home);
  CHECK_FALSE(battery.set_point());
  CHECK(battery.power() == Watts{500});
  CHECK(battery.accounts().injected_mj == 4000LL * 60'000 + 500LL * 1000);
}

TEST_CASE("by itself it covers load minus PV and leaves the reserve alone", "[battery]") {
  BatteryModel battery{ideal(), share(ideal(), 201)};
  battery.step(1min, Home{Watts{300}, Watts{1300}});
  CHECK(battery.power() == Watts{-1000});
  CHECK(battery.site() == Watts{0});
  battery.step(24h, Home{Watts{5000}, Watts{0}});
  CHECK(battery.stored() >= share(ideal(), 200));
  CHECK(battery.stored() <= share(ideal(), 200) + Joules{10});
  CHECK(battery.site() == Watts{-5000});
}

TEST_CASE("its electronics do not eat the reserve", "[battery]") {
  BatteryRating rating;
  BatteryModel battery{rating, share(rating, 200)};
  battery.step(24h, kDark);
  CHECK(battery.stored() == share(rating, 200));
  CHECK(battery.power() == -rating.standby);
}

TEST_CASE("power tapers near full and near empty", "[battery]") {
  BatteryModel full{ideal(), share(ideal(), 990)};
  full.set_point(Watts{-5000}, 0ms);
  full.step(1s, kDark);
  CHECK(full.power() == Watts{-1000});  // 10 of 50 permille left
  BatteryModel empty{ideal(), share(ideal(), 25)};
  empty.set_point(Watts{5000}, 0ms);
  empty.step(1s, kDark);
  CHECK(empty.power() == Watts{2500});
  empty.step(24h, kDark);
  CHECK(empty.stored() < Joules{20});
}
