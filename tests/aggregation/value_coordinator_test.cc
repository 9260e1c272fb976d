// Homes under a value signal, in a tree and cut off, against the linear program of them all.
#include "aggregation/value_coordinator.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <vector>

#include "config/rng.h"
#include "tests/device/home_program.h"

namespace vpp::aggregation {
namespace {

using namespace std::chrono_literals;
using device::Home;
using device::HomePlan;
using device::ValueFollower;
using device::ValueSignal;

constexpr MarketTime kStart{std::chrono::days{17'000}};
constexpr Price kPerKwh{1'000'000'000};  // one unit of money for a kWh
const ValueCoordinator::Settings kSettings{
    .price_max = kPerKwh, .per_kw = {kPerKwh.count / 20}, .holds = 15min};

/// Homes that all charge in the cheap night and come home to the same evening.
struct Street {
  std::vector<Home> homes;
  std::vector<ValueFollower> followers;
  std::vector<HomePlan> plans;

  explicit Street(std::size_t count, std::size_t slots, std::uint64_t seed) {
    Rng rng{seed};
    for (std::size_t i = 0; i < count; ++i) {
      Home home;
      home.from = kStart;
      home.slot = 1h;
      home.capacity = to_joules({4'000 + static_cast<std::int64_t>(rng.below(10'000))});
      home.stored = {home.capacity.count / 2};
      home.limits.charge_max = home.limits.discharge_max = {3'000};
      home.stored_value = {150'000'000};
      for (std::size_t t = 0; t < slots; ++t) {
        const bool evening = t % 24 >= 17 && t % 24 < 21;
        // No two hours of a day are worth the same, so that moving away from the best one costs.
        const Price by_day{(150 + 7 * static_cast<std::int64_t>(t * 7 % 13)) * 1'000'000};
        const auto noise = static_cast<std::int64_t>(rng.below(1'500));
        home.slots.push_back({Watts{noise + (evening ? 2'500 : 300)},
                              evening ? Price{500'000'000} : by_day, Price{80'000'000}});
      }
      homes.push_back(home);
    }
    followers.resize(count);
    plans.resize(count);
  }

  PlannedLoad answer(std::size_t i, const ValueSignal& signal, MarketTime now = kStart) {
    plans[i] = followers[i].answer(homes[i], signal, now);
    return planned_load(plans[i]);
  }
  PlannedLoad answer_all(const ValueSignal& signal, MarketTime now = kStart) {
    PlannedLoad sum;
    for (std::size_t i = 0; i < homes.size(); ++i) sum += answer(i, signal, now);
    return sum;
  }
  [[nodiscard]] double cost(const PlannedLoad& sum, std::span<const Watts> target) const {
    double cost = 0;
    for (std::size_t i = 0; i < homes.size(); ++i) {
      cost += static_cast<double>(bill(homes[i], plans[i]).count);
    }
    for (std::size_t t = 0; t < target.size(); ++t) {
      const Watts beyond = std::max(Watts{0}, sum.net_load[t] - target[t]);
      cost += static_cast<double>(beyond.count) / 1e6 * static_cast<double>(kPerKwh.count);
    }
    return cost;
  }
};

Watts peak(const PlannedLoad& sum) {
  return std::ranges::max(sum.net_load);
}

/// Rounds until within `part` of the best.
int rounds_to(Street& street, ValueCoordinator& coordinator, ValueSignal signal,
              const std::vector<Watts>& target, double part) {
  const double best = device::testing::lp_least_cost(street.homes, target, kPerKwh);
  for (int round = 1; round <= 200; ++round) {
    const PlannedLoad sum = street.answer_all(signal);
    for (std::size_t i = 0; i < street.homes.size(); ++i) {
      REQUIRE(device::testing::faults_of(street.homes[i], street.plans[i]).empty());
    }
    const double cost = street.cost(sum, target);
    REQUIRE(cost >= best - 1'000);  // feasible in every round: never better than the best
    if (cost <= best * (1 + part)) return round;
    signal = coordinator.step(sum, kStart);
  }
  return 1'000;
}

TEST_CASE("the homes come near the linear program of them all, and again sooner when warm",
          "[aggregation][value][lp]") {
  Street street{8, 24, 71};
  const PlannedLoad alone = street.answer_all(
      ValueCoordinator{kSettings}.begin(kStart, 1h, std::vector<Watts>(24), kStart));
  const std::vector<Watts> target(24, Watts{peak(alone).count * 6 / 10});
  for (auto& follower : street.followers) follower.forget();
  ValueCoordinator coordinator{kSettings};
  const int cold =
      rounds_to(street, coordinator, coordinator.begin(kStart, 1h, target, kStart), target, 0.01);
  CHECK(cold > 2);
  CHECK(cold <= 40);
  Rng rng{72};
  for (auto& home : street.homes) {
    for (auto& slot : home.slots) slot.net_load += Watts{static_cast<std::int64_t>(rng.below(200))};
  }
  const int warm =
      rounds_to(street, coordinator, coordinator.begin(kStart, 1h, target, kStart), target, 0.01);
  CAPTURE(cold, warm);
  CHECK(warm < cold);
}

TEST_CASE("a tree of any shape gives the same signals as one level", "[aggregation][value]") {
  Street flat{9, 12, 73};
  Street tree{9, 12, 73};
  ValueCoordinator above_flat{kSettings};
  ValueCoordinator above_tree{kSettings};
  const std::vector<Watts> target(12, Watts{9'000});
  ValueSignal one = above_flat.begin(kStart, 1h, target, kStart);
  ValueSignal other = above_tree.begin(kStart, 1h, target, kStart);
  for (int round = 0; round < 10; ++round) {
    REQUIRE(one == other);
    PlannedLoad left;
    PlannedLoad right;
    for (std::size_t i = 9; i-- > 0;) (i % 4 == 0 ? left : right) += tree.answer(i, other);
    right += left;
    const PlannedLoad sum = flat.answer_all(one);
    REQUIRE(right == sum);
    one = above_flat.step(sum, kStart);
    other = above_tree.step(right, kStart);
  }
}

TEST_CASE("the price rises where the homes pass the target and nowhere else",
          "[aggregation][value]") {
  ValueCoordinator coordinator{kSettings};
  const std::vector<Watts> target{Watts{1'000}, Watts{1'000}, Watts{1'000}, Watts{1'000}};
  (void)coordinator.begin(kStart, 1h, target, kStart);
  const PlannedLoad sum{2, {Watts{3'000}, Watts{1'000}, Watts{-5'000}, Watts{1'000'000}}};
  const ValueSignal first = coordinator.step(sum, kStart);
  const std::vector<Price> prices{Price{50'000'000}, Price{0}, Price{0}, kPerKwh};
  CHECK(std::ranges::equal(coordinator.prices(), prices));
  CHECK(first.values.front() == Price{100'000'000});  // ahead of the price by as much as it rose
  CHECK(first.until == kStart + 15min);
  // Unanswered slots, and a group of nobody, change nothing.
  (void)coordinator.step({}, kStart);
  CHECK(std::ranges::equal(coordinator.prices(), prices));
  // It falls again, but never below nothing.
  const ValueSignal last = coordinator.step({2, {Watts{-5'000}}}, kStart);
  CHECK(coordinator.prices().front() == Price{0});
  CHECK(last.values.front() == Price{-50'000'000});
}

TEST_CASE("a new horizon keeps the prices of its times and begins as the day before",
          "[aggregation][value]") {
  ValueCoordinator coordinator{kSettings};
  (void)coordinator.begin(kStart, 1h, std::vector<Watts>(24), kStart);
  PlannedLoad sum{1, std::vector<Watts>(24)};
  sum.net_load[1] = {1'000};
  sum.net_load[5] = {2'000};
  (void)coordinator.step(sum, kStart);
  const std::vector<Price> before(coordinator.prices().begin(), coordinator.prices().end());
  const auto now = kStart + 2h;
  const ValueSignal warm = coordinator.begin(now, 1h, std::vector<Watts>(24), now);
  CHECK(warm.values[3] == before[5]);
  CHECK(warm.values[23] == before[1]);
  CHECK(warm.values[0] == Price{0});
  // Another cut of time has nothing in common with it.
  const ValueSignal other = coordinator.begin(now + 7min, 15min, std::vector<Watts>(4), now);
  CHECK(std::ranges::all_of(other.values, [](Price value) { return value == Price{0}; }));
}

TEST_CASE("a home that is cut off follows the last signal until it ends, then runs on its own",
          "[aggregation][value]") {
  Street street{1, 24, 74};
  Home& home = street.homes.front();
  ValueFollower& follower = street.followers.front();
  ValueSignal signal{.round = 1,
                     .from = kStart,
                     .slot = 1h,
                     .until = kStart + 3h,
                     .per_kw = kSettings.per_kw,
                     .values = std::vector<Price>(24)};
  for (std::size_t t = 18; t < 20; ++t) signal.values[t] = kPerKwh;
  const HomePlan alone = device::plan_home(home);
  const HomePlan first = follower.answer(home, signal, kStart);
  REQUIRE(first.net_load[18] < alone.net_load[18]);

  CHECK(follower.plan(home, kStart + 3h - 1ms) == first);  // states are as they were
  CHECK(follower.plan(home, kStart + 3h) == device::plan_home(home));

  // Two hours on it plans anew, by the same signal at the same times.
  Home later = home;
  later.from += 2h;
  later.slots.erase(later.slots.begin(), later.slots.begin() + 2);
  later.stored = first.stored[1];
  const HomePlan second = follower.plan(later, kStart + 2h);
  CHECK(second.net_load[16] < device::plan_home(later).net_load[16]);
  CHECK(device::testing::faults_of(later, second).empty());
}

TEST_CASE("a signal that is repeated, late, ended or cut otherwise moves nothing",
          "[aggregation][value]") {
  Street street{1, 24, 75};
  const Home& home = street.homes.front();
  ValueFollower& follower = street.followers.front();
  ValueCoordinator coordinator{kSettings};
  const ValueSignal first = coordinator.begin(kStart, 1h, std::vector<Watts>(24), kStart);
  PlannedLoad sum = street.answer_all(first);
  const ValueSignal second = coordinator.step(sum, kStart);
  const HomePlan answered = follower.answer(home, second, kStart);
  CHECK(follower.answer(home, second, kStart) == answered);
  CHECK(follower.answer(home, first, kStart) == answered);

  ValueSignal ended = second;
  ended.round = 9;
  ended.until = kStart;
  ended.values.assign(24, kPerKwh);
  CHECK(follower.answer(home, ended, kStart) == answered);

  ValueSignal other = ended;
  other.until = kStart + 1h;
  other.slot = 15min;
  CHECK(follower.answer(home, other, kStart) == device::plan_home(home));

  // A new parent counts from one again.
  follower.forget();
  CHECK(follower.answer(home, first, kStart) == device::plan_home(home));
}

TEST_CASE("no home loses by more than it is paid, and the group pays less than it saves",
          "[aggregation][value]") {
  Street street{12, 24, 76};
  ValueCoordinator coordinator{kSettings};
  const auto none = std::vector<Watts>(24, Watts{1'000'000});
  const PlannedLoad before = street.answer_all(coordinator.begin(kStart, 1h, none, kStart));
  const auto alone = street.plans;
  const std::vector<Watts> target(24, Watts{peak(before).count * 4 / 10});
  const double cost_before = street.cost(before, target);
  ValueSignal signal = coordinator.begin(kStart, 1h, target, kStart);
  PlannedLoad sum;
  for (int round = 0; round < 60; ++round) {
    sum = street.answer_all(signal);
    signal = coordinator.step(sum, kStart);
  }
  double bills = 0;
  double paid = 0;
  double topped = 0;
  for (std::size_t i = 0; i < street.homes.size(); ++i) {
    const auto settled =
        device::settle(street.homes[i], alone[i], street.plans[i], coordinator.prices());
    REQUIRE(settled.gain() >= Amount{0});
    REQUIRE(settled.top_up >= Amount{0});
    bills += static_cast<double>((settled.bill - settled.alone).count);
    paid += static_cast<double>(settled.paid().count);
    topped += static_cast<double>(settled.top_up.count);
  }
  CHECK(peak(sum) < peak(before));
  CHECK(paid > 0);
  CHECK(topped < paid / 10);
  const double saved = cost_before - (street.cost(sum, target) - bills);  // of the penalty
  CHECK(paid < saved);
}

}  // namespace
}  // namespace vpp::aggregation
