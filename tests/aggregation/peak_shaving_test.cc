// The closed-form threshold against a linear program, and its closed loop on right and wrong
// forecasts.
#include "aggregation/peak_shaving.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <vector>

#include "aggregation/split.h"
#include "tests/aggregation/fleets.h"
#include "tests/aggregation/linear_program.h"

namespace vpp::aggregation {
namespace {

using namespace std::chrono_literals;
using namespace testing;
using Sites = std::vector<device::Capability>;
using Loads = std::vector<Watts>;

constexpr Watts kNoCap{INT64_MIN / 4};

/// Loads about the size of what the fleet can do; now and then PV feeds in.
Loads random_loads(Rng& rng, const Sites& sites, std::size_t slots) {
  std::int64_t power = 1'000;
  for (const auto& site : sites) power += site.power.count;
  Loads loads;
  for (std::size_t t = 0; t < slots; ++t) loads.push_back({between(rng, -power / 4, 2 * power)});
  return loads;
}

std::vector<NetLoadStep> steps_of(std::span<const Watts> loads, std::chrono::milliseconds slot) {
  std::vector<NetLoadStep> steps;
  for (const Watts load : loads) steps.push_back({load, slot});
  return steps;
}

/// Energies that last whole slots, so that whole watts lose nothing.
Sites in_whole_slots(Sites sites, std::int64_t slot_s) {
  for (auto& site : sites) site.energy = {site.energy.count / slot_s * slot_s};
  return sites;
}

/// Takes `power` out of the sites for one slot; what they could not give.
Watts hold_for_slot(Sites& sites, Watts power, std::int64_t slot_s, std::size_t slots_left) {
  Sites in_units = sites;
  for (auto& site : in_units) site.energy = {site.energy.count / slot_s};
  const Split split = split_slot(power.count, in_units, static_cast<std::int64_t>(slots_left));
  for (std::size_t i = 0; i < sites.size(); ++i) {
    sites[i].energy -= Joules{split.shares[i].count * slot_s};
  }
  return split.shortfall;
}

/// The loop, one tick a slot: each time the load of now is known and the rest is `forecast`.
struct Run {
  std::vector<Watts> levels;  ///< as solved in each slot
  Loads net;                  ///< what the grid saw
};
Run run(Sites sites, const Loads& actual, Loads forecast, std::chrono::seconds slot, Watts cap) {
  Run out;
  for (std::size_t t = 0; t < actual.size(); ++t) {
    forecast[t] = actual[t];
    const auto ahead = steps_of(std::span{forecast}.subspan(t), slot);
    const Shaving now = shave(ahead, DurationCurve::of_sites(sites), cap);
    REQUIRE(now.dispatch >= Watts{0});
    REQUIRE(now.dispatch <= std::max(Watts{0}, actual[t]));  // nothing is fed in for the peak
    REQUIRE(hold_for_slot(sites, now.dispatch, slot.count(), actual.size() - t) == Watts{0});
    out.levels.push_back(now.level);
    out.net.push_back(actual[t] - now.dispatch);
  }
  return out;
}

TEST_CASE("the threshold is the lowest that a linear program finds", "[aggregation][peak][lp]") {
  Rng rng{51};
  int above_zero = 0;
  for (int round = 0; round < 300; ++round) {
    const auto slot = std::vector{300s, 900s, 3600s}[rng.below(3)];
    const Sites sites = random_sites(rng, 1 + rng.below(7));
    const Loads loads = random_loads(rng, sites, 1 + rng.below(10));
    const Watts level = peak_threshold(steps_of(loads, slot), curve_of(sites));
    const double lp = lp_peak_threshold(sites, loads, static_cast<double>(slot.count()));
    REQUIRE(static_cast<double>(level.count) >= lp - 1e-3);
    REQUIRE(static_cast<double>(level.count) <= lp + 1 + 1e-3);  // whole watts, rounded up
    if (level > Watts{0}) ++above_zero;
  }
  CHECK(above_zero > 100);
  CHECK(above_zero < 300);
}

TEST_CASE("off the grid the threshold is never below what can be kept", "[aggregation][peak][lp]") {
  Rng rng{52};
  for (int round = 0; round < 100; ++round) {
    const auto slot = std::chrono::seconds{between(rng, 60, 4'000)};
    const Sites sites = random_sites(rng, 1 + rng.below(7));
    const Loads loads = random_loads(rng, sites, 1 + rng.below(7));
    const Watts level = peak_threshold(steps_of(loads, slot), curve_of(sites));
    const double lp = lp_peak_threshold(sites, loads, static_cast<double>(slot.count()));
    REQUIRE(static_cast<double>(level.count) >= lp - 1e-3);
    REQUIRE(level <= std::max(Watts{0}, std::ranges::max(loads)));
  }
}

TEST_CASE("a step cut in pieces has the same threshold", "[aggregation][peak]") {
  Rng rng{53};
  for (int round = 0; round < 100; ++round) {
    const Sites sites = random_sites(rng, 1 + rng.below(20));
    const auto curve = curve_of(sites);
    const auto whole = steps_of(random_loads(rng, sites, 1 + rng.below(6)), 900s);
    std::vector<NetLoadStep> pieces;
    for (const auto& step : whole) {
      for (int i = 0; i < 3; ++i) pieces.push_back({step.net_load, 300s});
    }
    REQUIRE(peak_threshold(pieces, curve) == peak_threshold(whole, curve));
  }
}

TEST_CASE("solved again every slot, the net load stays under the first threshold",
          "[aggregation][peak]") {
  Rng rng{54};
  for (int round = 0; round < 200; ++round) {
    const auto slot = std::vector{300s, 900s, 3600s}[rng.below(3)];
    const Sites sites = in_whole_slots(random_sites(rng, 1 + rng.below(20)), slot.count());
    const Loads loads = random_loads(rng, sites, 1 + rng.below(12));
    const Run right = run(sites, loads, loads, slot, kNoCap);
    REQUIRE(std::ranges::is_sorted(right.levels, std::greater{}));
    REQUIRE(std::ranges::max(right.net) <= right.levels.front());
  }
}

TEST_CASE("a load below its forecast keeps under the threshold of the forecast",
          "[aggregation][peak]") {
  Rng rng{55};
  for (int round = 0; round < 200; ++round) {
    const Sites sites = in_whole_slots(random_sites(rng, 1 + rng.below(20)), 900);
    const Loads forecast = random_loads(rng, sites, 2 + rng.below(10));
    Loads actual = forecast;
    for (auto& load : actual) load -= Watts{between(rng, 0, 5'000)};
    const Watts promised = peak_threshold(steps_of(forecast, 900s), curve_of(sites));
    const Run wrong = run(sites, actual, forecast, 900s, kNoCap);
    REQUIRE(std::ranges::is_sorted(wrong.levels, std::greater{}));
    REQUIRE(std::ranges::max(wrong.net) <= promised);
  }
}

TEST_CASE("a load that nobody foresaw is shaved by what is there, and never made worse",
          "[aggregation][peak]") {
  Rng rng{56};
  int better = 0;
  for (int round = 0; round < 200; ++round) {
    const Sites sites = in_whole_slots(random_sites(rng, 1 + rng.below(20)), 900);
    const Loads actual = random_loads(rng, sites, 2 + rng.below(10));
    const Loads forecast = random_loads(rng, sites, actual.size());
    const Run wrong = run(sites, actual, forecast, 900s, kNoCap);
    const Watts before = std::ranges::max(actual);
    const Watts after = std::ranges::max(wrong.net);
    REQUIRE(after <= std::max(before, Watts{0}));
    // No forecast gives a lower peak than the right one.
    REQUIRE(after >= std::min(peak_threshold(steps_of(actual, 900s), curve_of(sites)), before));
    if (after < before) ++better;
  }
  CHECK(better > 100);
}

TEST_CASE("a cap that can be kept is kept with the energy it takes, and no more",
          "[aggregation][peak]") {
  Rng rng{57};
  int kept = 0;
  for (int round = 0; round < 200; ++round) {
    const Sites sites = in_whole_slots(random_sites(rng, 1 + rng.below(20)), 300);
    const Loads loads = random_loads(rng, sites, 1 + rng.below(12));
    const auto steps = steps_of(loads, 300s);
    const Watts least = peak_threshold(steps, curve_of(sites));
    const Watts cap{between(rng, 0, 2 * least.count + 5'000)};
    const Shaving first = shave(steps, curve_of(sites), cap);
    REQUIRE(first.over == std::max(Watts{0}, least - cap));
    REQUIRE(first.room == std::max(Watts{0}, cap - loads.front()));
    const Run done = run(sites, loads, loads, 300s, cap);
    for (std::size_t t = 0; t < loads.size(); ++t) {
      if (least > cap) {
        REQUIRE(done.net[t] <= least);
        continue;
      }
      ++kept;
      REQUIRE(done.net[t] == std::min(loads[t], cap));
    }
  }
  CHECK(kept > 100);
}

TEST_CASE("an order gets what the cap does not need later, to the watt",
          "[aggregation][peak][lp]") {
  Rng rng{59};
  int limited = 0;
  for (int round = 0; round < 200; ++round) {
    const auto slot = std::vector{300s, 900s, 3600s}[rng.below(3)];
    const auto slot_s = static_cast<double>(slot.count());
    const Sites sites = in_whole_slots(random_sites(rng, 1 + rng.below(7)), slot.count());
    const Loads loads = random_loads(rng, sites, 1 + rng.below(8));
    const auto steps = steps_of(loads, slot);
    const Watts cap{between(rng, 0, 2 * peak_threshold(steps, curve_of(sites)).count + 5'000)};
    const Shaving now = shave(steps, curve_of(sites), cap);
    REQUIRE(now.most >= now.dispatch);
    // What every slot takes, with as much as an order may have in the first one.
    std::vector<Watts> taken{now.most};
    for (std::size_t t = 1; t < loads.size(); ++t) {
      taken.push_back(std::max(Watts{0}, loads[t] - now.level));
    }
    REQUIRE(lp_unserved(sites, taken, slot_s) < 1);
    taken.front() += Watts{2};
    REQUIRE(lp_unserved(sites, taken, slot_s) > 0.5 * slot_s);
    if (now.most.count < curve_of(sites).at(slot).count / slot.count()) ++limited;
  }
  CHECK(limited > 30);
}

TEST_CASE("the cap wins over an order, and says by how much", "[aggregation][peak]") {
  const auto curve = DurationCurve::of_site({Watts{4'000}, to_joules({2'000})});
  const auto steps = steps_of(Loads{Watts{7'000}, Watts{9'000}}, 1h);
  // An hour at 9 kW takes 1 of the 2 kWh; one may go now.
  const Shaving shaving = shave(steps, curve, Watts{8'000});
  CHECK(shaving.over == Watts{0});
  CHECK(under_cap(Watts{3'000}, shaving).battery == Watts{1'000});
  CHECK(under_cap(Watts{3'000}, shaving).shortfall == Watts{2'000});
  CHECK(under_cap(Watts{500}, shaving).battery == Watts{500});
  CHECK(under_cap(Watts{500}, shaving).shortfall == Watts{0});
  // Charging stops at the cap.
  CHECK(under_cap(Watts{-3'000}, shaving).battery == Watts{-1'000});
  CHECK(under_cap(Watts{-3'000}, shaving).shortfall == Watts{-2'000});
  // A load beyond the cap is shaved, whatever is asked.
  const Shaving beyond =
      shave(steps_of(Loads{Watts{9'000}, Watts{7'000}}, 1h), curve, Watts{8'000});
  CHECK(under_cap(Watts{-3'000}, beyond).battery == Watts{1'000});
  CHECK(under_cap(Watts{0}, beyond).shortfall == Watts{-1'000});
}

/// The daemon's loop: solved when a slot begins, carried out every minute, energies as they come.
TEST_CASE("ticks of a minute hold a slot's level but for what equalisation takes",
          "[aggregation][peak]") {
  constexpr std::int64_t kTickS = 60;
  Rng rng{58};
  for (int round = 0; round < 20; ++round) {
    Sites sites = random_sites(rng, 20);
    const Loads loads = random_loads(rng, sites, 6);
    const Watts first = peak_threshold(steps_of(loads, 30min), curve_of(sites));
    Watts given_in_all{0};
    Watts above{0};
    for (std::size_t t = 0; t < loads.size(); ++t) {
      const auto ahead = steps_of(std::span{loads}.subspan(t), 30min);
      const Watts asked = shave(ahead, DurationCurve::of_sites(sites), kNoCap).dispatch;
      for (std::int64_t tick = 0; tick < 1'800 / kTickS; ++tick) {
        const Split split = split_by_sites(asked, sites);
        Watts given{0};
        for (std::size_t i = 0; i < sites.size(); ++i) {
          const Watts power{std::min(split.shares[i].count, sites[i].energy.count / kTickS)};
          sites[i].energy -= Joules{power.count * kTickS};
          given += power;
        }
        given_in_all += given;
        above += std::max(Watts{0}, loads[t] - given - first);
      }
    }
    REQUIRE(above.count * 1'000 <= given_in_all.count * 3);
  }
}

TEST_CASE("without batteries the threshold is the peak; without load it is zero",
          "[aggregation][peak]") {
  const auto steps = steps_of(Loads{Watts{500}, Watts{-300}, Watts{800}}, 15min);
  CHECK(peak_threshold(steps, {}) == Watts{800});
  CHECK(peak_threshold({}, {}) == Watts{0});
  CHECK(peak_threshold(steps_of(Loads{Watts{-300}}, 15min), {}) == Watts{0});
  const Shaving feeding = shave(steps_of(Loads{Watts{-300}}, 15min), {}, Watts{-500});
  CHECK(feeding.dispatch == Watts{0});
  CHECK(feeding.over == Watts{500});
  CHECK(feeding.room == Watts{0});
}

}  // namespace
}  // namespace vpp::aggregation
