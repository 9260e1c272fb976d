// Orders are divided by what children could do at the last mark of market time.
#include "aggregation/held.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <vector>

#include "aggregation/dispatcher.h"
#include "aggregation/split.h"
#include "tests/aggregation/dispatch_tree.h"
#include "tests/aggregation/fleets.h"

namespace vpp::aggregation {
namespace {

using namespace std::chrono_literals;
using namespace testing;

/// A request in slots of `slot` that is tight for every number of slots at once, in random order.
std::vector<Watts> boundary_of(Rng& rng, const std::vector<device::Capability>& sites,
                               std::size_t slots, std::chrono::seconds slot) {
  std::vector<Watts> request;
  std::int64_t before = 0;
  for (std::size_t k = 1; k <= slots; ++k) {
    std::int64_t energy = 0;
    for (const auto& site : sites) {
      const std::int64_t most = site.power.count * slot.count() * static_cast<std::int64_t>(k);
      energy += std::min(site.energy.count, most);
    }
    request.push_back({(energy - before) / slot.count()});
    before = energy;
  }
  for (std::size_t i = slots; i > 1; --i) std::swap(request[i - 1], request[rng.below(i)]);
  return request;
}

// Divided anew each tick, 2 to 3 % of such a request were left.
TEST_CASE("a request at the exact boundary is served through a tree of dispatchers",
          "[aggregation][held]") {
  Rng rng{7};
  for (int levels = 1; levels <= 3; ++levels) {
    double asked = 0;
    double left = 0;
    for (int round = 0; round < 4; ++round) {
      std::vector<device::Capability> sites;
      for (int i = 0; i < 40; ++i) {
        const std::int64_t power = between(rng, 1'000, 10'000);
        sites.push_back({Watts{power}, Joules{power * between(rng, 0, 7'200) / 900 * 900}});
      }
      DispatchTree tree{rng, sites, levels};
      Now now{};
      for (const Watts request : boundary_of(rng, sites, 8, 900s)) {
        for (auto t = 0s; t < 900s; t += 20s) {
          const Joules wanted{request.count * 20};
          asked += static_cast<double>(wanted.count);
          left += static_cast<double>((wanted - tree.serve(now, request, 20s)).count);
          now.protocol += 20s;
          now.market += 20s;
        }
      }
    }
    CHECK(left <= asked * 1e-4);
    if (levels == 1) CHECK(left == 0);
  }
}

struct Loop {
  Dispatcher dispatcher;
  Now now{Instant{1s}, MarketTime{30s}, 1};
  std::vector<ChildState> children;

  std::vector<Watts> tick(Watts target) {
    for (auto& child : children) child.measured_since = now.protocol;
    const DispatchPlan plan = dispatcher.tick(now, target, children);
    std::vector<Watts> out;
    for (std::size_t i = 0; i < children.size(); ++i) {
      out.push_back(plan.shares[i].power);
      children[i].measured = out.back();
    }
    now.protocol += 1s;
    now.market += 1s;
    return out;
  }
  void add_site(device::Capability can) {
    children.push_back({{1, children.size()}, SiteFlexibility{can, can}, Watts{0}, {}});
  }
  void add_group(const DurationCurve& curve) {
    children.push_back({{1, children.size()}, GroupFlexibility{curve, curve}, Watts{0}, {}});
  }
  void site_says(std::size_t i, device::Capability can) {
    children[i].flexibility = SiteFlexibility{can, can};
  }
};

TEST_CASE("shares hold until the mark while energies fall, and are solved anew there",
          "[aggregation][held]") {
  Loop loop;
  loop.add_site({Watts{5'000}, Joules{5'000 * 3'600}});
  loop.add_site({Watts{5'000}, Joules{5'000 * 3'700}});
  const auto first = loop.tick(Watts{6'000});
  REQUIRE(first[1] > first[0]);
  loop.site_says(0, {Watts{5'000}, Joules{5'000 * 3'590}});
  loop.site_says(1, {Watts{5'000}, Joules{5'000 * 3'590}});
  while (loop.now.market < MarketTime{5min}) CHECK(loop.tick(Watts{6'000}) == first);
  CHECK(loop.tick(Watts{6'000}) == std::vector{Watts{3'000}, Watts{3'000}});
}

TEST_CASE("a target that comes back between marks finds the same shares", "[aggregation][held]") {
  Loop loop;
  for (int i = 0; i < 4; ++i) loop.add_site({Watts{5'000}, Joules{5'000 * (3'000 + 50 * i)}});
  const auto first = loop.tick(Watts{11'000});
  CHECK(sum_of(loop.tick(Watts{13'000})) == Watts{13'000});
  CHECK(loop.tick(Watts{11'000}) == first);
}

TEST_CASE("a new order and one that turned are divided by what is there now",
          "[aggregation][held]") {
  for (const bool idle : {true, false}) {
    Loop loop;
    loop.add_site({Watts{5'000}, Joules{5'000 * 3'600}});
    loop.add_site({Watts{5'000}, Joules{5'000 * 7'200}});
    CHECK(loop.tick(Watts{5'000}) == std::vector{Watts{0}, Watts{5'000}});
    loop.site_says(1, {Watts{5'000}, Joules{5'000 * 3'600}});
    if (idle) loop.dispatcher.idle();
    const Watts target{idle ? 5'000 : -5'000};
    CHECK(loop.tick(target) == std::vector{Watts{target.count / 2}, Watts{target.count / 2}});
  }
}

TEST_CASE("between marks a site counts with the power it says, and not at all once it is empty",
          "[aggregation][held]") {
  Loop loop;
  for (int i = 0; i < 2; ++i) loop.add_site({Watts{5'000}, Joules{5'000 * 3'600}});
  CHECK(loop.tick(Watts{8'000}) == std::vector{Watts{4'000}, Watts{4'000}});
  loop.site_says(0, {Watts{3'000}, Joules{5'000 * 3'600}});
  const auto limited = loop.tick(Watts{8'000});
  CHECK(limited[0] <= Watts{3'000});
  CHECK(sum_of(limited) == Watts{8'000});
  loop.site_says(0, {});
  CHECK(loop.tick(Watts{5'000}) == std::vector{Watts{0}, Watts{5'000}});
  loop.site_says(0, {Watts{5'000}, Joules{5'000 * 3'600}});
  CHECK(loop.tick(Watts{8'000}) == std::vector{Watts{4'000}, Watts{4'000}});
}

TEST_CASE("a group that loses a part of its sites is divided by what it has left, at once",
          "[aggregation][held]") {
  const DurationCurve whole = DurationCurve::of_site({Watts{10'000}, Joules{10'000 * 7'200}});
  const DurationCurve half = DurationCurve::of_site({Watts{5'000}, Joules{5'000 * 7'200}});
  Loop loop;
  loop.add_group(whole);
  loop.add_group(whole);
  CHECK(loop.tick(Watts{16'000}) == std::vector{Watts{8'000}, Watts{8'000}});
  const auto g = [](const DurationCurve& curve) { return GroupFlexibility{curve, curve}; };
  loop.children[0].flexibility = g(half);
  CHECK(loop.tick(Watts{12'000}) == std::vector{Watts{4'000}, Watts{8'000}});
  loop.children[0].flexibility = g(whole);  // and they came back
  CHECK(loop.tick(Watts{16'000}) == std::vector{Watts{8'000}, Watts{8'000}});
}

TEST_CASE("a group that gives what it was asked is not taken for one that lost sites",
          "[aggregation][held]") {
  // It lasts five minutes: a fresh curve cannot tell that it can go on at full power.
  device::Capability site{Watts{10'000}, Joules{10'000 * 300}};
  Held held{GroupFlexibility{DurationCurve::of_site(site), {}}, Direction::kDischarge};
  for (int s = 0; s < 300; ++s) {
    const Flexibility now = GroupFlexibility{DurationCurve::of_site(site), {}};
    const auto& counts = std::get<GroupFlexibility>(held.update(now)).discharge;
    REQUIRE(counts.at(kEqualisationStep) == Joules{10'000 * 300});
    held.asked(Watts{10'000}, 1s);
    site.energy -= Joules{10'000};
  }
}

}  // namespace
}  // namespace vpp::aggregation
