// Value signals through a tree of cores: a head, aggregators, homes; what is lost, comes and goes.
#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "aggregation/value_coordinator.h"
#include "config/limits.h"
#include "config/rng.h"
#include "daemon/node/value_group.h"
#include "daemon/node/value_home.h"
#include "mesh/codec.h"

namespace vpp::node {
namespace {

using namespace std::chrono_literals;

constexpr MarketTime kStart{std::chrono::days{20'000} + 5min};
constexpr Price kPerKwh{1'000'000'000};  // one unit of money for a kWh
const NodeId kHead{1, 1};

NodeId group_id(std::size_t group) {
  return {2, group};
}
NodeId home_id(std::size_t home) {
  return {3, home};
}

ValueHeadOptions head_options(Watts target) {
  return {.target = target, .price_max = kPerKwh, .per_kw = {kPerKwh.count / 4}};
}

/// Everybody comes home to the same evening.
ValueHomeOptions home_options() {
  ValueHomeOptions out;
  out.tariff.buy = {300'000'000};
  out.tariff.sell = {80'000'000};
  out.tariff.periods = {{17h, 21h, Price{500'000'000}, Price{80'000'000}},
                        {1h, 5h, Price{180'000'000}, Price{80'000'000}},
                        {11h, 14h, Price{220'000'000}, Price{80'000'000}}};
  out.tariff.stored_value = {150'000'000};
  out.limits.discharge_max = out.limits.charge_max = {3'000};
  out.most = kPerKwh * 3;
  return out;
}

device::LoadProfile::Slots days_watched(std::size_t home) {
  Rng rng{7 + home};
  device::LoadProfile::Slots out{};
  for (std::size_t quarter = 0; quarter < out.size(); ++quarter) {
    const bool evening = quarter / 4 >= 17 && quarter / 4 < 21;
    out.at(quarter) = {Watts{static_cast<std::int64_t>(rng.below(1'500)) + (evening ? 2'500 : 300)},
                       3};
  }
  return out;
}

device::SiteStatus status_of(std::size_t home, Watts load) {
  device::SiteStatus out;
  out.measured = Watts{0};
  out.net = -load;
  out.stored = Joules{to_joules({4'000}).count + static_cast<std::int64_t>(home) * 1'000'000};
  out.battery = device::BatteryStatus{.stored = *out.stored,
                                      .capacity = to_joules({8'000}),
                                      .discharge_max = Watts{5'000},
                                      .charge_max = Watts{5'000}};
  out.stale = false;
  return out;
}

/// A head over groups of homes. Messages arrive at once, unless `lose` says otherwise.
struct Plant {
  Now now{Instant{1'000s}, kStart, 1};
  std::unique_ptr<ValueGroup> head;
  std::vector<std::unique_ptr<ValueGroup>> groups;
  std::vector<std::unique_ptr<ValueHome>> homes;
  std::vector<device::SiteStatus> statuses;
  std::map<std::size_t, device::SitePlan> plans;  ///< newest told to each device
  std::vector<mesh::ValueSignal> signals;         ///< of the head, one for each round
  std::vector<mesh::PlannedLoad> to_head;
  std::vector<std::size_t> home_sees;  ///< signals that reached each home
  std::function<bool(NodeId from, NodeId to)> lose = [](NodeId, NodeId) { return false; };
  std::map<NodeId, mesh::Session> below_head;
  std::size_t per_group;

  Plant(std::size_t group_count, std::size_t homes_per_group, Watts target)
      : per_group{homes_per_group} {
    start_head(target);
    for (std::size_t g = 0; g < group_count; ++g) {
      groups.push_back(std::make_unique<ValueGroup>(group_id(g), std::nullopt));
      below_head[group_id(g)] = 1;
      std::map<NodeId, mesh::Session> below;
      for (std::size_t i = 0; i < per_group; ++i) {
        const std::size_t home = homes.size();
        below[home_id(home)] = 1;
        homes.push_back(
            std::make_unique<ValueHome>(home_options(), days_watched(home), ValueAccount{}));
        statuses.push_back(status_of(home, Watts{400}));
        homes.back()->seen(now, statuses.back());
      }
      groups[g]->attached(now, below);
    }
    home_sees.resize(homes.size());
    head->attached(now, below_head);
  }
  void start_head(Watts target) {
    head = std::make_unique<ValueGroup>(kHead, head_options(target));
    head->attached(now, below_head);
  }
  void restart_home(std::size_t home) {
    homes[home] = std::make_unique<ValueHome>(home_options(), days_watched(home), ValueAccount{});
    homes[home]->seen(now, statuses[home]);
    plans.erase(home);
  }

  void deliver() {
    for (bool busy = true; busy;) {
      busy = false;
      ValueGroup::Effects from_head = head->take_effects();
      for (const auto& [to, signal] : from_head.down) {
        busy = true;
        if (signals.empty() || signals.back().round != signal.round) signals.push_back(signal);
        if (!lose(kHead, to)) groups[to.low]->heard(now, signal);
      }
      for (std::size_t g = 0; g < groups.size(); ++g) busy = deliver_group(g) || busy;
    }
  }
  bool deliver_group(std::size_t g) {
    ValueGroup::Effects effects = groups[g]->take_effects();
    for (const auto& [to, signal] : effects.down) {
      const std::size_t home = to.low;
      if (lose(group_id(g), to)) continue;
      ++home_sees[home];
      const mesh::PlannedLoad load = homes[home]->answer(now, signal);
      take_plan(home);
      if (!lose(to, group_id(g))) groups[g]->answered(now, to, load, 1);
    }
    if (effects.up && !lose(group_id(g), kHead)) {
      to_head.push_back(*effects.up);
      head->answered(now, group_id(g), *effects.up, static_cast<std::uint32_t>(per_group));
    }
    return !effects.down.empty() || effects.up;
  }
  void take_plan(std::size_t home) {
    if (auto plan = homes[home]->take_plan()) plans[home] = *std::move(plan);
  }

  /// In steps of a second, as much market time at `speed`.
  void pass(Duration span, bool readings = false) {
    for (const Instant end = now.protocol + span; now.protocol < end;) {
      now.protocol += 1s;
      now.market += 1s * now.speed;
      head->advance(now);
      for (auto& group : groups) group->advance(now);
      for (std::size_t i = 0; i < homes.size(); ++i) {
        if (readings) homes[i]->seen(now, statuses[i]);
        homes[i]->advance(now);
        take_plan(i);
      }
      deliver();
    }
  }
  [[nodiscard]] ValueGroupStatus at_head() const { return *head->status(); }
};

Watts peak(const std::vector<Watts>& load) {
  return load.empty() ? Watts{0} : std::ranges::max(load);
}

/// The home as a value core is to see it, made without one.
device::Home home_of(std::size_t home, MarketTime from) {
  const ValueHomeOptions options = home_options();
  const device::LoadProfile forecast{days_watched(home)};
  device::Home out;
  out.limits = options.limits;
  out.capacity = to_joules({8'000});
  out.stored = status_of(home, {}).battery->stored;
  out.stored_value = options.tariff.stored_value;
  out.from = from;
  out.slot = 1h;
  for (int t = 0; t < 24; ++t) {
    const auto prices = device::prices_over(options.tariff, from + t * 1h, 1h);
    out.slots.push_back({*forecast.mean(from + t * 1h, 1h), prices.buy, prices.sell});
  }
  return out;
}

}  // namespace

TEST_CASE("rounds through the tree give the very signals of the homes asked directly",
          "[node][values]") {
  constexpr Watts kTarget{19'000};
  Plant plant{3, 3, kTarget};
  plant.pass(6min);

  const MarketTime from = kStart - 5min;
  aggregation::ValueCoordinator direct{
      {.price_max = kPerKwh, .per_kw = {kPerKwh.count / 4}, .holds = 2h}};
  std::vector<device::ValueFollower> followers(9);
  device::ValueSignal signal = direct.begin(from, 1h, std::vector<Watts>(24, kTarget), kStart);
  aggregation::PlannedLoad sum;
  REQUIRE(plant.signals.size() > 4);
  for (const mesh::ValueSignal& seen : plant.signals) {
    REQUIRE(seen.values == signal.values);
    sum = {};
    for (std::size_t i = 0; i < 9; ++i) {
      sum += aggregation::planned_load(followers[i].answer(home_of(i, from), signal, kStart));
    }
    signal = direct.step(sum, kStart);
  }
  CHECK(plant.at_head().net_load == sum.net_load);
  CHECK(plant.at_head().homes == 9);
  // And they are worth it: alone, the homes draw far more.
  aggregation::PlannedLoad alone;
  for (std::size_t i = 0; i < 9; ++i) {
    alone += aggregation::planned_load(device::plan_home(home_of(i, from)));
  }
  CAPTURE(peak(alone.net_load).count, peak(sum.net_load).count);
  CHECK(peak(sum.net_load) < Watts{kTarget.count * 11 / 10});
  CHECK(peak(alone.net_load) > Watts{kTarget.count * 12 / 10});
}

TEST_CASE("once settled a head is silent until the next slot, which begins warm",
          "[node][values]") {
  Plant plant{2, 3, Watts{13'000}};
  plant.pass(10min);
  CAPTURE(plant.signals.size(), peak(plant.at_head().net_load).count);
  CHECK(plant.at_head().settled);
  const std::size_t cold = plant.signals.size();
  CHECK(cold <= ValueHead::kRoundsMost);
  plant.pass(40min);
  CHECK(plant.signals.size() == cold);
  const std::vector<Price> before = plant.at_head().prices;
  plant.pass(10min);
  REQUIRE(plant.signals.size() > cold);
  const mesh::ValueSignal& next = plant.signals[cold];
  CHECK(next.from == kStart + 55min);
  CHECK(next.until == next.from + 2h);
  CHECK(std::ranges::equal(std::span{next.values}.first(23), std::span{before}.last(23)));
  CHECK(next.values[23] == before[0]);  // of the same time, a day before: kept for the new slot
  CHECK(plant.signals.size() - cold <= cold);
}

TEST_CASE("a round is small, and as long for a million homes as for one", "[node][values]") {
  Plant plant{1, 1, Watts{1'000}};
  plant.pass(1min);
  mesh::ValueSignal signal = plant.signals.back();
  for (Price& value : signal.values) value = {123'456'789};
  mesh::PlannedLoad load = plant.to_head.back();
  load.homes = 1'000'000;
  for (Watts& watts : load.net_load) watts = {2'345'678'901};
  load.paid = {1'234'567'890'123};
  const auto down = mesh::encode(signal);
  const auto up = mesh::encode(load);
  REQUIRE((down && up));
  CAPTURE(down->size(), up->size());
  CHECK(down->size() < 220);
  CHECK(up->size() < 220);
}

TEST_CASE("rounds go on although messages are lost, with the last answers of the same horizon",
          "[node][values]") {
  constexpr Watts kTarget{19'000};
  Plant sure{3, 3, kTarget};
  sure.pass(10min);
  Plant plant{3, 3, kTarget};
  Rng rng{5};
  plant.lose = [&](NodeId, NodeId) { return rng.below(5) == 0; };
  plant.pass(10min);
  plant.lose = [](NodeId, NodeId) { return false; };
  plant.pass(5min);
  CHECK(plant.at_head().homes == 9);
  // Never unsafe: what a home plans it can carry out, whatever it missed.
  CHECK(peak(plant.at_head().net_load) < Watts{peak(sure.at_head().net_load).count * 12 / 10});
}

TEST_CASE("who does not answer is not waited for, and counts as it last answered",
          "[node][values]") {
  Plant plant{2, 2, Watts{4'000}};
  plant.pass(3s);
  REQUIRE(plant.at_head().homes == 4);
  const std::size_t rounds = plant.signals.size();
  plant.lose = [](NodeId from, NodeId) { return from == home_id(1); };
  plant.pass(30s);
  CHECK(plant.signals.size() > rounds + 1);
  CHECK(plant.at_head().homes == 4);
  plant.pass(56min);  // another horizon: of home 1 nothing is known in it
  CHECK(plant.at_head().homes == 3);
}

TEST_CASE("a child that leaves is out of the sum, and one that comes is told and counted",
          "[node][values]") {
  Plant plant{2, 2, Watts{4'000}};
  plant.pass(10min);
  REQUIRE(plant.at_head().homes == 4);
  plant.groups[0]->attached(plant.now, {{home_id(0), 1}});
  plant.pass(3s);
  CHECK(plant.at_head().homes == 3);
  const std::size_t sees = plant.home_sees[1];
  plant.groups[1]->attached(plant.now, {{home_id(1), 2}, {home_id(2), 1}, {home_id(3), 1}});
  plant.per_group = 3;
  plant.pass(3s);
  CHECK(plant.home_sees[1] == sees + 1);
  CHECK(plant.at_head().homes == 4);
  plant.below_head.erase(group_id(1));
  plant.head->attached(plant.now, plant.below_head);
  plant.pass(3s);
  CHECK(plant.at_head().homes == 1);
}

TEST_CASE("a head that restarts is followed at once, and prices rise to where they were",
          "[node][values]") {
  constexpr Watts kTarget{6'000};
  Plant plant{2, 3, kTarget};
  plant.pass(10min);
  const std::vector<Watts> before = plant.at_head().net_load;
  const std::uint64_t round = plant.signals.back().round;
  const std::size_t rounds = plant.signals.size();
  plant.start_head(kTarget);
  plant.pass(2s);
  REQUIRE(plant.signals.size() == rounds + 1);
  CHECK(plant.signals.back().round > round);
  CHECK(plant.homes[0]->status(plant.now)->round == plant.signals.back().round);
  plant.pass(10min);
  CHECK(peak(plant.at_head().net_load) < Watts{peak(before).count * 105 / 100});
}

TEST_CASE("a home under another head begins anew with it", "[node][values]") {
  Plant plant{1, 2, Watts{1'000}};
  plant.pass(10min);
  mesh::ValueSignal other = plant.signals.back();
  other.head = {1, 2};
  other.round = 5;  // that head's clock is far behind
  std::ranges::fill(other.values, Price{0});
  other.per_kw = {0};
  const mesh::PlannedLoad load = plant.homes[0]->answer(plant.now, other);
  CHECK(load.head == other.head);
  CHECK(load.round == 5);
  CHECK(load.net_load == device::plan_home(home_of(0, other.from)).net_load);
  // The former head's next round would be another head's to this home: it has one parent only.
  CHECK(plant.homes[0]->status(plant.now)->head == other.head);
}

TEST_CASE("a home that is cut off follows its last signal, planning anew, until that ends",
          "[node][values]") {
  Plant plant{1, 1, Watts{500}};
  plant.pass(10min);
  const device::SitePlan first = plant.plans.at(0);
  const MarketTime until = plant.homes[0]->status(plant.now)->until;
  plant.lose = [](NodeId, NodeId) { return true; };
  while (plant.now.market < kStart + 56min) plant.pass(1min, true);
  const device::SitePlan second = plant.plans.at(0);
  CHECK(second.from == first.from + 1h);
  CHECK(second.until == until);
  CHECK(second.at(plant.now.market));
  while (plant.now.market < until) plant.pass(1min, true);
  CHECK(plant.plans.at(0).net_load.empty());
  CHECK_FALSE(plant.homes[0]->status(plant.now)->head);
}

TEST_CASE("a home that restarts holds nothing until the next signal", "[node][values]") {
  Plant plant{1, 2, Watts{1'000}};
  plant.pass(10min);
  plant.restart_home(0);
  plant.pass(1min);
  CHECK_FALSE(plant.plans.contains(0));
  plant.groups[0]->attached(plant.now, {{home_id(0), 2}, {home_id(1), 1}});  // it attaches again
  plant.pass(2s);
  CHECK(plant.plans.contains(0));
}

TEST_CASE("who takes no part is absent, says why, and is asked once in a horizon",
          "[node][values]") {
  Plant plant{1, 5, Watts{2'000}};
  plant.homes[0] =
      std::make_unique<ValueHome>(std::nullopt, device::LoadProfile::Slots{}, ValueAccount{});
  plant.homes[1] =
      std::make_unique<ValueHome>(home_options(), device::LoadProfile::Slots{}, ValueAccount{});
  plant.homes[1]->seen(plant.now, plant.statuses[1]);
  plant.statuses[2].net.reset();
  plant.homes[2]->seen(plant.now, plant.statuses[2]);
  plant.statuses[3].order = OrderId{4};
  plant.homes[3]->seen(plant.now, plant.statuses[3]);
  plant.pass(2min);
  CHECK(plant.at_head().homes == 1);
  CHECK_FALSE(plant.homes[0]->status(plant.now));
  CHECK_THAT(plant.homes[1]->status(plant.now)->why_not, Catch::Contains("0 of 96 quarters"));
  CHECK_THAT(plant.homes[2]->status(plant.now)->why_not, Catch::Contains("meter"));
  CHECK_THAT(plant.homes[3]->status(plant.now)->why_not, Catch::Contains("order"));
  CHECK(plant.home_sees[0] == 1);
  CHECK(plant.home_sees[4] > 2);
  plant.statuses[2].net = Watts{-400};
  plant.homes[2]->seen(plant.now, plant.statuses[2]);
  plant.pass(56min);
  CHECK(plant.at_head().homes == 2);
  CHECK(plant.home_sees[0] == 2);
}

TEST_CASE("a home learns its load whatever is known of its charge", "[node][values]") {
  Now now{Instant{1'000s}, kStart - 5min, 60};
  ValueHome home{home_options(), device::LoadProfile::Slots{}, ValueAccount{}};
  device::SiteStatus blind = status_of(0, Watts{700});
  blind.battery.reset();
  for (int minute = 0; minute <= 24 * 60; ++minute) {
    home.seen(now, blind);
    now.protocol += 1s;
    now.market += 1min;
  }
  CHECK(home.status(now)->quarters_known == 96);
  const auto learned = home.take_learned(now.protocol);
  REQUIRE(learned);
  CHECK(learned->at(40).mean == Watts{700});
}

TEST_CASE("values beyond what the owner believes count as that", "[node][values]") {
  Plant plant{1, 1, Watts{500}};
  plant.pass(2s);
  mesh::ValueSignal wild = plant.signals.back();
  ++wild.round;
  std::ranges::fill(wild.values, limits::kPriceMax * 2);
  wild.values[20] = limits::kPriceMax * -2;
  (void)plant.homes[0]->answer(plant.now, wild);
  const auto status = *plant.homes[0]->status(plant.now);
  CHECK(status.values[0] == home_options().most);
  CHECK(status.values[20] == -home_options().most);
}

TEST_CASE("a head below another keeps its homes and tells their plan as it is", "[node][values]") {
  Plant plant{1, 3, Watts{2'500}};
  plant.pass(10min);
  const std::vector<Watts> own = plant.at_head().net_load;
  mesh::ValueSignal outer = plant.signals.back();
  outer.head = {9, 9};
  std::ranges::fill(outer.values, kPerKwh);
  plant.head->heard(plant.now, outer);
  const auto answer = plant.head->take_effects().up;
  REQUIRE(answer);
  CHECK(answer->head == outer.head);
  CHECK(answer->homes == 0);
  CHECK(answer->fixed == 3);
  CHECK(answer->net_load == own);
  plant.pass(1min);
  CHECK(plant.at_head().net_load == own);  // the outer signal reaches nobody here

  outer.slot = 15min;
  plant.head->heard(plant.now, outer);
  const auto other = plant.head->take_effects().up;
  REQUIRE(other);
  CHECK(other->fixed == 0);
  CHECK(other->net_load.empty());
}

TEST_CASE("answers that no such child can give are refused, late ones ignored, sums bounded",
          "[node][values]") {
  const Now now{Instant{1'000s}, kStart, 1};
  ValueGather gather;
  gather.attached(now, {{home_id(0), 1}, {group_id(0), 1}});
  const mesh::ValueSignal signal{.head = kHead,
                                 .round = 10,
                                 .from = kStart,
                                 .slot = 1h,
                                 .until = kStart + 2h,
                                 .values = std::vector<Price>(2)};
  gather.ask(now, signal, 3s);
  mesh::PlannedLoad load{.head = kHead, .round = 10, .homes = 1, .net_load = {Watts{1}, Watts{2}}};
  CHECK_FALSE(gather.answered(now, group_id(0), load, 0));
  load.homes = 2;
  CHECK_FALSE(gather.answered(now, home_id(0), load, 1));
  load.homes = 1;
  load.net_load.resize(1);
  CHECK_FALSE(gather.answered(now, home_id(0), load, 1));
  load.net_load.resize(2);
  load.round = 11;  // of a round that is not yet
  CHECK(gather.answered(now, home_id(0), load, 1));
  load.round = 9;  // or of a horizon before
  CHECK(gather.answered(now, home_id(0), load, 1));
  load.round = 10;
  load.head = {1, 7};
  CHECK(gather.answered(now, home_id(0), load, 1));
  CHECK(gather.answered(now, {3, 77}, load, 1));
  CHECK(gather.sum().homes == 0);

  mesh::PlannedLoad most{.head = kHead, .round = 10, .homes = UINT32_MAX};
  most.net_load.assign(2, limits::kGroupPowerMax);
  most.paid = limits::kAmountMax;
  mesh::PlannedLoad twice = most;
  add(twice, most);
  add(twice, most);
  CHECK(twice == most);
}

TEST_CASE("a home is settled slot by slot against the home it would be alone", "[node][values]") {
  constexpr Duration kEvening = 17h;
  Plant plant{1, 1, Watts{500}};
  plant.now.speed = 60;
  plant.now.market = kStart + kEvening - 10min;
  auto& site = plant.statuses[0];
  // Its device does as it is told, to the watt.
  const auto live = [&](Duration span) {
    for (const MarketTime end = plant.now.market + span; plant.now.market < end;) {
      const Watts load = *device::LoadProfile{days_watched(0)}.mean(
          MarketTime{plant.now.market.time_since_epoch() / 1h * 1h}, 1h);
      Watts drawn = load;
      if (const auto plan = plant.plans.find(0); plan != plant.plans.end()) {
        drawn = plan->second.at(plant.now.market).value_or(load);
      }
      site.measured = load - drawn;
      site.net = -drawn;
      const std::int64_t watts = site.measured->count;
      site.battery->stored -= Joules{60 * (watts > 0 ? watts * 1000 / 950 : watts * 950 / 1000)};
      plant.pass(1s, true);
    }
  };
  live(3h + 20min);
  const ValueAccount account = plant.homes[0]->status(plant.now)->account;
  CAPTURE(account.alone.count, account.bill.count, account.by_value.count, account.top_up().count);
  CHECK(account.slots == 3);
  CHECK(account.by_value != Amount{0});
  CHECK(account.paid() >= account.bill - account.alone);  // never worse than alone
  CHECK(plant.at_head().paid == plant.homes[0]->status(plant.now)->account.paid());
  CHECK(plant.homes[0]->take_account() == account);

  site.order = OrderId{3};  // an order in this slot: that is paid for elsewhere
  live(10min);
  site.order = kNoOrder;
  live(1h);
  CHECK(plant.homes[0]->status(plant.now)->account.slots <= 4);
}

}  // namespace vpp::node
