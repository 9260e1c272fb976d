// An aggregator that keeps the net load of its homes under a target.
#include "daemon/node/peak.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <vector>

#include "aggregation/peak_shaving.h"
#include "daemon/node/curves.h"
#include "daemon/node/role_node.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;

namespace {

const Scope kPeak{"peak", ""};
const MarketTime kMidnight{std::chrono::days{20'000}};

/// A group of homes as one battery, in its own report; a second is ten of the market. What is
/// asked is done in the next second; without an order the homes discharge `by_themselves`.
struct Street {
  Now now{Instant{1'000s}, kMidnight, 10};
  Peak peak;
  Watts power{5'000};
  Joules stored{to_joules(WattHours{10'000})};
  Watts load;
  Watts by_themselves{0};
  Watts for_others{0};  ///< of an order of the plant
  std::uint32_t unknown = 0;
  bool subscribed = true;
  std::optional<Watts> asked;
  std::vector<mesh::Dispatch> told;

  explicit Street(Watts target, const device::LoadProfile::Slots& learned = {})
      : peak{{"peak", target}, learned} {}

  [[nodiscard]] Watts battery() const { return asked.value_or(by_themselves) + for_others; }
  [[nodiscard]] Watts drawn() const { return load - battery(); }
  [[nodiscard]] aggregation::DurationCurve curve() const {
    return aggregation::DurationCurve::of_site({power, stored});
  }
  [[nodiscard]] mesh::GroupSummary sum() const {
    mesh::GroupSummary out;
    const aggregation::DurationCurve none;
    out.grid_id = aggregation::kGridId;
    out.discharge = out.charge = {none.points().begin(), none.points().end()};
    out.coverage = {.enrolled = 10, .online = 10 - unknown, .stale = 0, .offline = 0};
    out.net_unknown = unknown;
    out.net = unknown < 10 ? -drawn() : Watts{0};
    out.load = unknown < 10 ? load : Watts{0};
    out.measured = for_others;
    if (subscribed) {
      const auto able = curve();
      out.scopes.push_back({.scope = kPeak,
                            .discharge = {able.points().begin(), able.points().end()},
                            .charge = {},
                            .online = 10,
                            .measured = asked.value_or(Watts{0}),
                            .asked = {},
                            .shortfall = {},
                            .reserved = {}});
    }
    return out;
  }
  std::optional<mesh::Dispatch> tick() {
    stored -= Joules{std::max(battery(), Watts{0}).count * 10};
    now.protocol += 1s;
    now.market += 10s;
    const auto out = peak.tick(now, sum());
    if (!out) return out;
    told.push_back(*out);
    asked = out->share;
    if (asked) asked = std::min(*asked, std::min(power, Watts{stored.count / 10}));
    return out;
  }
};

}  // namespace

TEST_CASE("a peak is what the meters show above the target", "[node][peak]") {
  Street street{Watts{3'000}};
  street.load = Watts{2'900};
  CHECK_FALSE(street.tick());
  street.load = Watts{4'000};
  street.by_themselves = Watts{1'500};  // homes that serve themselves: the meters show 2,500 W
  CHECK_FALSE(street.tick());
  street.by_themselves = Watts{500};
  const auto begun = street.tick();
  REQUIRE(begun);
  CHECK(begun->share == Watts{1'000});
  CHECK(begun->scope == kPeak);
  CHECK(is_local(begun->order));
  CHECK(street.drawn() == Watts{3'000});
  street.load = Watts{4'600};
  CHECK(street.tick()->share == Watts{1'600});
  CHECK(street.peak.status().level == Watts{3'000});
  CHECK(street.peak.status().over == Watts{0});
}

TEST_CASE("a peak is over when the homes stay below the target by themselves", "[node][peak]") {
  Street street{Watts{3'000}};
  street.load = Watts{4'000};
  REQUIRE(street.tick());
  const OrderId order = street.told.back().order;
  street.load = Watts{2'000};
  for (int second = 1; second < 30; ++second) {
    REQUIRE(street.tick());
    CHECK(street.told.back().share == Watts{0});
    CHECK(street.told.back().order == order);
  }
  const auto over = street.tick();
  REQUIRE(over);
  CHECK_FALSE(over->share);
  CHECK_FALSE(street.tick());
  street.peak.not_released();  // somebody has not answered
  REQUIRE(street.tick());
  CHECK_FALSE(street.told.back().share);
}

TEST_CASE("ticks and windows of a peak's order rise, over restarts as well", "[node][peak]") {
  Street street{Watts{1'000}};
  street.load = Watts{2'000};
  for (int second = 0; second < 40; ++second) REQUIRE(street.tick());
  Street again{Watts{1'000}};
  again.now = street.now;
  again.load = street.load;
  REQUIRE(again.tick());
  street.told.push_back(again.told.back());
  OrderFence fence{std::nullopt};
  for (const auto& told : street.told) {
    CHECK(fence.accept(told) != OrderFence::Verdict::kRefused);
    CHECK(told.until > told.from);
  }
  CHECK(street.told.front().from == street.told[39].from);
  CHECK(street.told[38].until - street.now.market <= 30min);
  CHECK(street.told.back().until - street.now.market >= 15min);
}

TEST_CASE("orders of an aggregator and of the plant do not touch each other's fences",
          "[node][peak]") {
  Street street{Watts{1'000}};
  street.load = Watts{2'000};
  REQUIRE(street.tick());
  OrderFences fences{Fence{3, 9}};
  mesh::Dispatch plants;
  plants.order = OrderId{10};
  plants.term = 3;
  plants.sequence = 10;
  plants.tick = 1;
  CHECK(fences.accept(street.told.back()) == OrderFence::Verdict::kAccepted);
  CHECK(fences.accept(street.told.back()) == OrderFence::Verdict::kRefused);  // again
  CHECK_FALSE(fences.take_risen());
  CHECK(fences.accept(plants) == OrderFence::Verdict::kAcceptedAndNew);
  CHECK(fences.take_risen() == Fence{3, 10});
  REQUIRE(street.tick());
  CHECK(fences.accept(street.told.back()) == OrderFence::Verdict::kAccepted);
}

TEST_CASE("what sites do for the plant's orders counts, whatever its sign", "[node][peak]") {
  Street street{Watts{3'000}};
  street.load = Watts{5'000};
  street.for_others = Watts{1'200};
  CHECK(street.tick()->share == Watts{800});
  CHECK(street.drawn() == Watts{3'000});
  street.for_others = Watts{-1'000};
  CHECK(street.tick()->share == Watts{3'000});
  CHECK(street.drawn() == Watts{3'000});
}

TEST_CASE("without a meter, or a home that is subscribed, nothing is asked", "[node][peak]") {
  Street street{Watts{1'000}};
  street.load = Watts{5'000};
  street.unknown = 10;
  CHECK_FALSE(street.tick());
  CHECK_FALSE(street.peak.status().load);
  street.unknown = 2;
  street.subscribed = false;
  CHECK_FALSE(street.tick());
  CHECK(street.peak.status().load == Watts{5'000});
  CHECK_FALSE(street.peak.status().level);
  street.subscribed = true;
  REQUIRE(street.tick());
  street.unknown = 10;  // in mid-peak: given back
  CHECK_FALSE(street.tick()->share);
}

namespace {

Watts load_at(MarketTime at) {
  const auto hour = std::chrono::floor<std::chrono::hours>(at) - kMidnight;
  const auto of_day = hour % std::chrono::hours{24};
  if (of_day == 7h) return Watts{1'600};
  return of_day >= 17h && of_day < 22h ? Watts{4'000} : Watts{500};
}

/// The highest mean of a quarter of an hour that the meters saw in one day.
Watts highest_of_day(Street& street) {
  Watts highest{0};
  Watts sum{0};
  constexpr int kTicks = 15min / 10s;
  for (int tick = 1; tick <= 96 * kTicks; ++tick) {
    street.load = load_at(street.now.market);
    (void)street.tick();
    sum += street.drawn();
    if (tick % kTicks != 0) continue;
    highest = std::max(highest, Watts{sum.count / kTicks});
    sum = Watts{0};
  }
  return highest;
}

}  // namespace

TEST_CASE("a day that is known is kept as low as its energy allows", "[node][peak]") {
  Street street{Watts{1'000}};
  const Watts unprepared = highest_of_day(street);
  CHECK(unprepared.count > 3'990);  // empty before the evening is over
  street.stored = to_joules(WattHours{10'000});
  street.now.market = kMidnight + 24h;
  std::vector<aggregation::NetLoadStep> day;
  for (int hour = 0; hour < 24; ++hour) {
    day.push_back({load_at(kMidnight + std::chrono::hours{hour}), 1h});
  }
  const Watts least = aggregation::peak_threshold(day, street.curve());
  const Watts prepared = highest_of_day(street);
  CHECK(least == Watts{2'000});
  CHECK(prepared >= least);
  CHECK(prepared.count < 2'300);  // the last minutes are taken for five
  REQUIRE(street.peak.take_learned());
  CHECK_FALSE(street.peak.take_learned());
}
