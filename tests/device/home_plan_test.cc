// A home's plan against its linear program, and with a pull against a naive search over a grid of
// stored energies.
#include "device/home_plan.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "config/rng.h"
#include "tests/device/home_program.h"

namespace vpp::device {
namespace {

using namespace std::chrono_literals;
using namespace testing;

double hours_of(const Home& home) {
  return static_cast<double>(home.slot.count()) / 3600;
}

/// What drawing `x` in a slot costs with its pull. Micro-units.
double cost_of(const Home& home, const HomeSlot& slot, const Pull& pull, double x) {
  const double away = x - static_cast<double>(pull.towards.count);
  const double price =
      static_cast<double>((x > 0 ? slot.buy : std::min(slot.sell, slot.buy)).count);
  return hours_of(home) / 1e6 *
         (x * (price + static_cast<double>(pull.value.count)) +
          static_cast<double>(pull.per_kw.count) / 1000 / 2 * away * away);
}

double cost_of(const Home& home, std::span<const Pull> pulls, const HomePlan& plan) {
  double sum = 0;
  for (std::size_t t = 0; t < home.slots.size(); ++t) {
    sum += cost_of(home, home.slots[t], pulls[t], static_cast<double>(plan.net_load[t].count));
  }
  const Joules left = plan.stored.back();
  return sum -
         static_cast<double>(left.count) / 3.6e9 * static_cast<double>(home.stored_value.count);
}

/// What a watt more or less in each slot can cost at the most, prices as random_home() has them.
double a_watt_in_each(const Home& home, std::span<const Pull> pulls) {
  double sum = 0;
  for (std::size_t t = 0; t < home.slots.size(); ++t) {
    double price = 2e9;
    if (!pulls.empty()) {
      price += std::abs(static_cast<double>(pulls[t].value.count)) +
               static_cast<double>(pulls[t].per_kw.count) * 20;
    }
    sum += price * hours_of(home) / 1e6;
  }
  return sum;
}

std::vector<Pull> random_pulls(Rng& rng, const Home& home) {
  std::vector<Pull> pulls;
  for (std::size_t t = 0; t < home.slots.size(); ++t) {
    const auto value = static_cast<std::int64_t>(rng.below(400)) - 100;
    const auto towards = static_cast<std::int64_t>(rng.below(14'000)) - 7'000;
    const auto per_kw = static_cast<std::int64_t>(rng.below(200));
    pulls.push_back({Price{value * 1'000'000}, Watts{towards}, Price{per_kw * 1'000'000}});
  }
  return pulls;
}

/// The best x between two: the cost is convex in it.
double least_between(const Home& home, const HomeSlot& slot, const Pull& pull, double low,
                     double high) {
  for (int i = 0; i < 40 && high - low > 0.01; ++i) {
    const double a = low + (high - low) / 3;
    const double b = high - (high - low) / 3;
    (cost_of(home, slot, pull, a) <= cost_of(home, slot, pull, b) ? high : low) =
        cost_of(home, slot, pull, a) <= cost_of(home, slot, pull, b) ? b : a;
  }
  return std::min({cost_of(home, slot, pull, low), cost_of(home, slot, pull, high),
                   low < 0 && high > 0 ? cost_of(home, slot, pull, 0) : 1e300});
}

/// Naive: the best of all plans whose energies lie on a grid through what is stored now.
double least_on_grid(const Home& home, std::span<const Pull> pulls, int points) {
  const auto part = [&](int permille) {
    return static_cast<double>(home.capacity.count) / 3600 * permille / 1000;
  };
  const double stored = static_cast<double>(home.stored.count) / 3600;
  const double low = std::min(part(home.limits.reserve_permille), stored);
  const double high = std::max(part(home.limits.full_permille), stored);
  std::vector<double> grid{stored};
  for (int i = 0; i <= points; ++i) grid.push_back(low + (high - low) * i / points);
  std::vector<double> ahead;
  for (const double wh : grid)
    ahead.push_back(-wh / 1e6 * static_cast<double>(home.stored_value.count));
  for (std::size_t t = home.slots.size(); t-- > 0;) {
    const HomeSlot& slot = home.slots[t];
    const auto net = static_cast<double>(slot.net_load.count);
    const double discharge = static_cast<double>(
        std::clamp(slot.net_load + home.limits.export_max, Watts{0}, home.limits.discharge_max)
            .count);
    const double charge = static_cast<double>(
        std::clamp(home.limits.import_max - slot.net_load, Watts{0}, home.limits.charge_max).count);
    const double in = hours_of(home) * home.limits.charge_efficiency_permille / 1000;
    const double out = hours_of(home) * 1000 / home.limits.discharge_efficiency_permille;
    std::vector<double> now(grid.size(), 1e300);
    for (std::size_t i = 0; i < grid.size(); ++i) {
      for (std::size_t j = 0; j < grid.size(); ++j) {
        const double gain = grid[j] - grid[i];
        if (gain > charge * in + 1e-9 || gain < -discharge * out - 1e-9) continue;
        const double least = gain > 0 ? gain / in : gain / out;
        const double span = charge * in + discharge * out;
        const double most =
            span > 0 ? -discharge + (gain + discharge * out) / span * (charge + discharge) : 0;
        const double here =
            least_between(home, slot, pulls[t], net + least, net + std::max(least, most));
        now[i] = std::min(now[i], here + ahead[j]);
      }
    }
    ahead = std::move(now);
  }
  return ahead.front();
}

TEST_CASE("a plan can be carried out and costs what a linear program finds", "[device][plan][lp]") {
  Rng rng{61};
  for (int round = 0; round < 400; ++round) {
    const Home home = random_home(rng, 1 + rng.below(48));
    const HomePlan plan = plan_home(home);
    REQUIRE(faults_of(home, plan).empty());
    const auto cost = static_cast<double>(bill(home, plan).count);
    const double least = lp_least_bill(home);
    REQUIRE(std::abs(cost - least) <= 1 + a_watt_in_each(home, {}));
  }
}

/// What a plan discharges in each slot, watts, by what it draws and what it leaves in store: what
/// is wasted went in and out again.
std::vector<double> discharged(const Home& home, const HomePlan& plan) {
  const double in = hours_of(home) * home.limits.charge_efficiency_permille / 1000;
  const double out = hours_of(home) * 1000 / home.limits.discharge_efficiency_permille;
  std::vector<double> watts;
  Joules before = home.stored;
  for (std::size_t t = 0; t < home.slots.size(); ++t) {
    const auto charges = static_cast<double>((plan.net_load[t] - home.slots[t].net_load).count);
    const double gains = static_cast<double>((plan.stored[t] - before).count) / 3600;
    const double wasted = std::max(0.0, charges * (charges > 0 ? in : out) - gains);
    watts.push_back(std::max(0.0, -charges) + (out > in ? wasted / (out - in) : 0));
    before = plan.stored[t];
  }
  return watts;
}

TEST_CASE("wear is paid for what is discharged, also for what is only wasted",
          "[device][plan][lp]") {
  Rng rng{65};
  int wasting = 0;
  for (int round = 0; round < 400; ++round) {
    Home home = random_home(rng, 1 + rng.below(48));
    home.wear = {static_cast<std::int64_t>(rng.below(60)) * 1'000'000};
    for (HomeSlot& slot : home.slots) {
      if (rng.below(3) == 0) slot.buy -= Price{600'000'000};
      slot.sell = std::min(slot.sell, slot.buy);
    }
    const HomePlan plan = plan_home(home);
    REQUIRE(faults_of(home, plan).empty());
    const double kept = home.limits.charge_efficiency_permille / 1000.0 *
                        home.limits.discharge_efficiency_permille / 1000;
    const double a_watt = hours_of(home) / 1e6 * static_cast<double>(home.wear.count);
    double cost = static_cast<double>(bill(home, plan).count);
    double rounding = 1 + a_watt_in_each(home, {});
    for (const double watts : discharged(home, plan)) {
      cost += watts * a_watt;
      rounding += a_watt / (1 - std::min(kept, 0.999));
    }
    CAPTURE(round, cost, lp_least_bill(home), rounding);
    REQUIRE(std::abs(cost - lp_least_bill(home)) <= rounding);
    for (std::size_t t = 0; t < home.slots.size(); ++t) {
      const double charges = static_cast<double>((plan.net_load[t] - home.slots[t].net_load).count);
      if (charges > 1 && discharged(home, plan)[t] > 10) ++wasting;
    }
  }
  CHECK(wasting > 50);
}

TEST_CASE("a value is one more price: the linear program of the tariff with it agrees",
          "[device][plan][lp]") {
  Rng rng{62};
  for (int round = 0; round < 200; ++round) {
    Home home = random_home(rng, 1 + rng.below(24));
    std::vector<Pull> pulls = random_pulls(rng, home);
    for (auto& pull : pulls) pull.per_kw = {};
    const HomePlan plan = plan_home(home, pulls);
    REQUIRE(faults_of(home, plan).empty());
    const double cost = cost_of(home, pulls, plan);
    for (std::size_t t = 0; t < home.slots.size(); ++t) {
      home.slots[t].buy += pulls[t].value;
      home.slots[t].sell += pulls[t].value;
    }
    REQUIRE(std::abs(cost - lp_least_bill(home)) <= 1 + a_watt_in_each(home, pulls));
  }
}

TEST_CASE("with a pull no plan on a fine grid of energies is better", "[device][plan]") {
  Rng rng{63};
  int near = 0;
  for (int round = 0; round < 60; ++round) {
    const Home home = random_home(rng, 2 + rng.below(5));
    const auto pulls = random_pulls(rng, home);
    const HomePlan plan = plan_home(home, pulls);
    REQUIRE(faults_of(home, plan).empty());
    const double cost = cost_of(home, pulls, plan);
    const double naive = least_on_grid(home, pulls, 40);
    REQUIRE(cost <= naive + 1 + a_watt_in_each(home, pulls));
    const double idle = least_on_grid(home, pulls, 0);
    if (naive - cost < 0.03 * (idle - cost)) ++near;
  }
  CAPTURE(near);
  CHECK(near > 20);  // the grid finds nearly all that there is to gain, so it is a judge
}

TEST_CASE("near a plan that is the best already, a home stays", "[device][plan]") {
  Rng rng{64};
  for (int round = 0; round < 100; ++round) {
    const Home home = random_home(rng, 24);
    const HomePlan alone = plan_home(home);
    std::vector<Pull> pulls;
    for (const Watts load : alone.net_load) pulls.push_back({Price{0}, load, Price{100'000'000}});
    const HomePlan again = plan_home(home, pulls);
    REQUIRE(faults_of(home, again).empty());
    // Only what whole watts had cost is worth a move.
    const double moved = cost_of(home, pulls, again) - static_cast<double>(bill(home, again).count);
    REQUIRE(moved <= 1 + a_watt_in_each(home, {}));
  }
}

TEST_CASE("PV is kept for the evening, and the reserve for the owner", "[device][plan]") {
  Home home;
  home.slot = 1h;
  home.capacity = to_joules({10'000});
  home.stored = to_joules({2'000});
  home.limits.reserve_permille = 200;
  home.limits.full_permille = 1000;
  home.limits.charge_efficiency_permille = 1000;
  home.limits.discharge_efficiency_permille = 1000;
  home.limits.charge_max = home.limits.discharge_max = {3'000};
  const Price day{200'000'000};
  const Price sold{50'000'000};
  home.slots = {{Watts{-3'000}, day, sold}, {Watts{-3'000}, day, sold}, {Watts{4'000}, day, sold}};
  const HomePlan plan = plan_home(home);
  CHECK(plan.net_load[0] + plan.net_load[1] == Watts{-3'000});  // three of six are stored
  CHECK(plan.net_load[2] == Watts{1'000});
  CHECK(plan.stored.back() == to_joules({2'000}));
  CHECK(bill(home, plan).count == 200'000 - 3 * 50'000);
}

TEST_CASE("a battery below its reserve rests; one without power or energy plans nothing",
          "[device][plan]") {
  Home home;
  home.slot = 1h;
  home.capacity = to_joules({10'000});
  home.stored = to_joules({1'000});
  home.slots = {{Watts{2'000}, Price{500'000'000}, Price{0}}};
  CHECK(plan_home(home).net_load.front() == Watts{2'000});
  CHECK(plan_home(home).stored.front() == home.stored);
  home.stored = to_joules({5'000});
  home.limits.discharge_max = home.limits.charge_max = {0};
  CHECK(plan_home(home).net_load.front() == Watts{2'000});
  home.capacity = home.stored = {0};
  CHECK(plan_home(home).net_load.front() == Watts{2'000});
  home.slots.clear();
  CHECK(plan_home(home).net_load.empty());
}

}  // namespace
}  // namespace vpp::device
