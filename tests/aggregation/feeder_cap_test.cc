#include "aggregation/feeder_cap.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <vector>

#include "tests/aggregation/fleets.h"

namespace vpp::aggregation {
namespace {

using namespace std::chrono_literals;
using testing::between;

/// Homes that hang on one feeder. What they are told acts late, what their meters say is late.
struct Feeder {
  FeederCap cap;
  Instant now{1s};
  std::int64_t homes = 0;    ///< load and PV, export > 0
  std::int64_t battery = 0;  ///< follows the order
  std::int64_t own_use = 0;  ///< what batteries do while there is no order
  std::size_t acts_after = 1;
  std::size_t seen_after = 1;
  std::size_t unknown = 0;
  std::int64_t battery_max = 1'000'000;
  std::deque<std::int64_t> told;
  std::deque<FeederReadings> seen;

  explicit Feeder(const FeederLimits& limits) : cap{limits} {}

  [[nodiscard]] std::int64_t net() const { return homes + battery; }

  Watts tick(Watts target) {
    seen.push_back({Watts{net()}, unknown, Watts{battery == own_use ? 0 : battery}});
    if (seen.size() > seen_after + 1) seen.pop_front();
    const Watts asked = cap.allow(now, target, seen.front());
    told.push_back(asked.count);
    if (told.size() > acts_after + 1) told.pop_front();
    const std::int64_t follows = told.front() == 0 ? own_use : told.front();
    battery = std::clamp(follows, -battery_max, battery_max);
    now += 1s;
    return asked;
  }
  void settle(Watts target) {
    for (int i = 0; i < 120; ++i) (void)tick(target);
  }
};

TEST_CASE("without a limit ahead the target is asked at once", "[aggregation][feeder]") {
  Feeder none{{}};
  CHECK(none.tick(Watts{80'000}) == Watts{80'000});
  Feeder imports{{.export_max = std::nullopt, .import_max = Watts{10'000}}};
  CHECK(imports.tick(Watts{80'000}) == Watts{80'000});
  CHECK(imports.tick(Watts{-80'000}) > Watts{-10'000});
}

TEST_CASE("a target well below the limit is reached within seconds, one beyond it never",
          "[aggregation][feeder]") {
  for (const std::int64_t sign : {1, -1}) {
    Feeder feeder{{.export_max = Watts{100'000}, .import_max = Watts{100'000}}};
    feeder.homes = sign * -20'000;
    for (int i = 0; i < 5; ++i) (void)feeder.tick(Watts{sign * 50'000});
    CHECK(feeder.tick(Watts{sign * 50'000}) == Watts{sign * 50'000});
    feeder.settle(Watts{sign * 300'000});
    CHECK(feeder.net() * sign <= 100'000);
    CHECK(feeder.net() * sign >= 95'000);  // and what is allowed is used
  }
}

TEST_CASE("what the limit leaves is reached to the watt", "[aggregation][feeder]") {
  Feeder feeder{{.export_max = Watts{20'000}, .import_max = {}, .site_max = Watts{2'000}}};
  feeder.unknown = 6;
  feeder.settle(Watts{300'000});
  CHECK(feeder.tick(Watts{300'000}) == Watts{20'000 - 400 - 12'000});
}

TEST_CASE("homes whose meters are unknown count with all that their connections carry",
          "[aggregation][feeder]") {
  Feeder feeder{{.export_max = Watts{100'000}, .import_max = {}, .site_max = Watts{10'000}}};
  feeder.unknown = 4;
  feeder.settle(Watts{300'000});
  CHECK(feeder.net() <= 60'000);
  CHECK(feeder.net() >= 55'000);
  feeder.unknown = 11;
  feeder.settle(Watts{300'000});
  CHECK(feeder.net() == 0);
}

TEST_CASE("beyond the limit an order that adds to it stops, and one that relieves it does more",
          "[aggregation][feeder]") {
  Feeder feeder{{.export_max = Watts{50'000}, .import_max = Watts{50'000}}};
  feeder.homes = 70'000;  // PV alone
  CHECK(feeder.tick(Watts{30'000}) == Watts{0});
  feeder.settle(Watts{30'000});
  CHECK(feeder.battery == 0);
  feeder.settle(Watts{-5'000});
  CHECK(feeder.net() <= 50'000);
  CHECK(feeder.net() >= 45'000);  // no more than that takes
  feeder.homes = 0;               // all at once, which is remembered for a while
  for (int i = 0; i < 5; ++i) feeder.settle(Watts{-5'000});
  CHECK(feeder.battery == -5'000);
  feeder.homes = 70'000;
  CHECK(feeder.tick(Watts{0}) == Watts{0});  // no order, no sign
}

TEST_CASE("what another order asks of homes on the same feeder leaves less for this one",
          "[aggregation][feeder]") {
  FeederCap cap{{.export_max = Watts{100'000}, .import_max = Watts{100'000}}};
  Watts asked{0};
  for (int s = 0; s < 200; ++s) {
    const FeederReadings readings{Watts{30'000} + asked, 0, Watts{30'000} + asked, Watts{30'000}};
    asked = cap.allow(Instant{std::chrono::seconds{s}}, Watts{200'000}, readings);
    REQUIRE(asked <= Watts{70'000});
  }
  CHECK(asked >= Watts{65'000});
}

TEST_CASE("what is asked has the target's sign, and never makes an exceeded limit worse",
          "[aggregation][feeder]") {
  Rng rng{41};
  for (int round = 0; round < 2'000; ++round) {
    const FeederLimits limits{.export_max = Watts{between(rng, 0, 100'000)},
                              .import_max = Watts{between(rng, 0, 100'000)},
                              .site_max = Watts{between(rng, 0, 20'000)}};
    FeederCap cap{limits};
    Instant now{1s};
    for (int tick = 0; tick < 10; ++tick) {
      const FeederReadings readings{Watts{between(rng, -200'000, 200'000)}, rng.below(3),
                                    Watts{between(rng, -50'000, 50'000)}};
      const Watts target{between(rng, -100'000, 100'000)};
      const Watts asked = cap.allow(now, target, readings);
      const std::int64_t sign = target < Watts{0} ? -1 : 1;
      REQUIRE(asked.count * sign >= 0);
      const Watts limit = sign > 0 ? *limits.export_max : *limits.import_max;
      const std::int64_t homes = (readings.net - readings.batteries).count;
      if (homes * sign >= limit.count) REQUIRE(asked == Watts{0});
      if (asked != Watts{0}) REQUIRE((homes + asked.count) * sign <= limit.count);
      now += 1s;
    }
  }
}

TEST_CASE("homes that change as they did before never make the feeder exceed its limit",
          "[aggregation][feeder]") {
  Rng rng{42};
  for (int round = 0; round < 60; ++round) {
    Feeder feeder{{.export_max = Watts{200'000}, .import_max = Watts{200'000}}};
    feeder.acts_after = rng.below(4);
    feeder.seen_after = rng.below(4);
    // Batteries that shave their homes' own peaks or fill from PV stop that for an order.
    feeder.own_use = between(rng, -15'000, 15'000);
    std::int64_t cloud = 0;
    std::int64_t pace = 0;
    Watts target{0};
    std::int64_t best = 0;
    for (int tick = 0; tick < 900; ++tick) {
      if (tick % 60 == 0) pace = between(rng, -1'500, 1'500);  // clouds come and go, W/s
      cloud = std::clamp<std::int64_t>(cloud + pace, -120'000, 120'000);
      feeder.homes = cloud + between(rng, -2'000, 2'000);  // kettles
      // A minute without an order shows how homes change.
      if (tick >= 90 && tick % 45 == 0) target = Watts{between(rng, -400'000, 400'000)};
      (void)feeder.tick(target);
      REQUIRE(std::abs(feeder.net()) <= 200'000);
      best = std::max(best, std::abs(feeder.net()));
    }
    CHECK(best >= 140'000);
  }
}

}  // namespace
}  // namespace vpp::aggregation
