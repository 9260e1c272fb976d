// Programs and groups below one node: what it says of each, and how it divides several orders.
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/rng.h"
#include "daemon/node/curves.h"
#include "daemon/node/group.h"
#include "daemon/node/scoped.h"
#include "daemon/node/summing.h"
#include "tests/mesh/children_fixture.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;

namespace {

using mesh::testing::kContent;
using mesh::testing::kRated;
using mesh::testing::kRoot;
using mesh::testing::kSelf;
using mesh::testing::leaf;

const Scope kEmergency{"emergency", ""};
const Scope kNorth{"energy", "region=north"};
const Scope kSouth{"energy", "region=south"};

/// Four leaves, `n` on connection `n`: odd ones in the north, even ones in the south; 3 and 4 are
/// also subscribed to "emergency". Each does what it was told last, for one order at a time, and
/// offers nothing to other programs meanwhile.
struct ScopesBench {
  Now now{Instant{1'000s}, MarketTime{456'000h}, 1};
  Group group;
  struct Follows {
    Scope scope;
    OrderId order;
    Watts power;
  };
  std::map<std::uint64_t, Follows> follows;
  std::map<std::uint64_t, std::map<Scope, std::optional<Watts>>> told;  ///< in the newest tick
  mesh::Stamp heard = 0;
  std::uint64_t sequence = 0;
  bool priority = false;  ///< of the emergency: it takes sites over

  ScopesBench() : group{mesh::testing::ChildrenBench::options_of(Role::kAggregator), {}, Rng{1}} {
    now.protocol += 1ms;
    group.children().set_upstream(now, {kSelf, kRoot}, 1, {});
    take();
    for (std::uint64_t n = 1; n <= 4; ++n) join(n);
    for (std::uint64_t n = 1; n <= 4; ++n) group.children().cleared(now, {{leaf(n), 1, true}});
  }
  void take() {
    const mesh::ChildrenEffects effects = group.children().take_effects();
    for (const auto& [to, beacon] : mesh::testing::sent<mesh::Beacon>(effects)) {
      heard = beacon.stamp;
    }
    for (const auto& [to, ack] : mesh::testing::sent<mesh::HelloAck>(effects)) heard = ack.stamp;
    for (const auto& [to, dispatch] : mesh::testing::sent<mesh::Dispatch>(effects)) {
      told[to][dispatch.scope] = dispatch.share;
      const auto does = follows.find(to);
      const bool ours = does == follows.end() || does->second.scope == dispatch.scope ||
                        does->second.power == Watts{0} ||
                        (priority && dispatch.scope == kEmergency && dispatch.share != Watts{0});
      if (!ours) continue;
      if (dispatch.share) {
        follows[to] = {dispatch.scope, dispatch.order, *dispatch.share};
      } else {
        follows.erase(to);
      }
    }
  }
  void from(std::uint64_t n, const mesh::Message& message) {
    group.children().step(
        now, mesh::FromChild{n, mesh::testing::ChildrenBench::peer_of(leaf(n)), message});
    take();
  }
  void join(std::uint64_t n) {
    mesh::Hello hello;
    hello.session = 1;
    from(n, hello);
    report(n);
  }
  [[nodiscard]] mesh::SiteSummary summary(std::uint64_t n) const {
    mesh::SiteSummary site;
    const mesh::SiteDirection able{kRated, kContent};
    const auto does = follows.find(n);
    const bool busy = does != follows.end() && does->second.power != Watts{0};
    const auto offer = [&](std::string_view program) {
      const bool taken_over = priority && program == kEmergency.program;
      const bool free = !busy || does->second.scope.program == program || taken_over;
      return free ? able : mesh::SiteDirection{};
    };
    site.discharge = offer(kDefaultProgram);
    if (n > 2) site.offers = {{"emergency", offer("emergency"), {}}};
    site.groups = {n % 2 == 1 ? "region=north" : "region=south"};
    if (does != follows.end()) {
      site.order = does->second.order;
      site.scope = does->second.scope;
      site.measured = site.set_point = does->second.power;
    } else {
      site.measured = Watts{0};
    }
    site.net = Watts{100} * static_cast<std::int64_t>(n);
    site.stale = false;
    return site;
  }
  void report(std::uint64_t n) {
    from(n, mesh::Report{.session = 1,
                         .sequence = ++sequence,
                         .beacon = heard,
                         .summary = summary(n),
                         .attached = {},
                         .evicted = {}});
  }
  void pass() {
    now.protocol += 1s;
    now.market += 1s;
    group.children().advance(now);
    take();
    for (std::uint64_t n = 1; n <= 4; ++n) report(n);
    told.clear();
  }
  /// In the same second as whatever was asked since pass(). Returns what could not be placed.
  Watts ask(OrderId order, const Scope& scope, std::optional<Watts> share) {
    mesh::Dispatch dispatch;
    dispatch.order = order;
    dispatch.scope = scope;
    dispatch.share = share;
    dispatch.until = MarketTime{457'000h};
    dispatch.expires = (now.protocol + 60s).time_since_epoch().count();
    const Watts missing = group.dispatch(now, dispatch);
    take();
    return missing;
  }
  /// "1:2000 3:-": what of this scope was sent to whom.
  [[nodiscard]] std::string words(const Scope& scope) const {
    std::string out;
    for (const auto& [to, words] : told) {
      const auto found = words.find(scope);
      if (found == words.end()) continue;
      out += (out.empty() ? "" : " ") + std::to_string(to) + ":" +
             (found->second ? std::to_string(found->second->count) : "-");
    }
    return out;
  }
  [[nodiscard]] mesh::ScopeSummary sum(const Scope& scope) const {
    for (const auto& each : group.summary(now).scopes) {
      if (each.scope == scope) return each;
    }
    return {};
  }
};

}  // namespace

TEST_CASE("a group tells what each program and group below can do", "[node][scopes]") {
  const ScopesBench bench;
  const mesh::GroupSummary sum = bench.group.summary(bench.now);
  std::vector<Scope> scopes;
  for (const auto& each : sum.scopes) scopes.push_back(each.scope);
  CHECK(scopes == std::vector<Scope>{kEmergency,
                                     {"emergency", "region=north"},
                                     {"emergency", "region=south"},
                                     kNorth,
                                     kSouth});
  CHECK(sum.discharge[0] == Joules{kRated.count * 4 * 300});
  CHECK(bench.sum(kNorth).discharge[0] == Joules{kRated.count * 2 * 300});
  CHECK(bench.sum({"emergency", "region=north"}).discharge[0] == Joules{kRated.count * 300});
  CHECK(bench.sum(kNorth).online == 2);
  CHECK(sum.net == Watts{1'000});
  CHECK(sum.net_unknown == 0);
}

TEST_CASE("an order for a group is divided among its sites only", "[node][scopes]") {
  ScopesBench bench;
  for (int second = 0; second < 3; ++second) {
    bench.pass();
    CHECK(bench.ask(OrderId{7}, kNorth, Watts{3'000}) == Watts{0});
    CHECK(bench.words(kNorth) == "1:1500 3:1500");
  }
  bench.pass();
  CHECK(bench.sum(kNorth).measured == Watts{3'000});
  CHECK(bench.sum(kNorth).asked == Watts{3'000});
  // They follow an order of another scope: the group's own figure is of its own scope.
  CHECK(bench.group.summary(bench.now).measured == Watts{0});
}

TEST_CASE("orders for two groups run side by side", "[node][scopes]") {
  ScopesBench bench;
  for (int second = 0; second < 3; ++second) {
    bench.pass();
    CHECK(bench.ask(OrderId{7}, kNorth, Watts{3'000}) == Watts{0});
    CHECK(bench.ask(OrderId{8}, kSouth, Watts{-2'000}) != Watts{0});  // they offer no charging
    CHECK(bench.words(kNorth) == "1:1500 3:1500");
  }
  bench.ask(OrderId{8}, kSouth, std::nullopt);
  bench.pass();
  CHECK(bench.ask(OrderId{7}, kNorth, Watts{3'000}) == Watts{0});
}

TEST_CASE("what a site does for one program another program does not count on", "[node][scopes]") {
  ScopesBench bench;
  bench.pass();
  // In one round, before any report: the third and fourth are asked for by the first order only.
  CHECK(bench.ask(OrderId{7}, kEmergency, Watts{4'000}) == Watts{0});
  CHECK(bench.words(kEmergency) == "3:2000 4:2000");
  CHECK(bench.ask(OrderId{8}, Scope{}, Watts{12'000}) == Watts{2'000});
  CHECK(bench.words(Scope{}) == "1:5000 2:5000 3:0 4:0");
  for (int second = 0; second < 3; ++second) {
    bench.pass();
    CHECK(bench.ask(OrderId{7}, kEmergency, Watts{4'000}) == Watts{0});
    CHECK(bench.ask(OrderId{8}, Scope{}, Watts{12'000}) == Watts{2'000});
  }
  bench.pass();
  CHECK(bench.ask(OrderId{7}, kEmergency, std::nullopt) == Watts{0});
  bench.pass();
  CHECK(bench.ask(OrderId{8}, Scope{}, Watts{12'000}) == Watts{0});
  CHECK(bench.words(Scope{}) == "1:3000 2:3000 3:3000 4:3000");
}

TEST_CASE("a program of a higher priority is asked of sites that serve another", "[node][scopes]") {
  ScopesBench bench;
  bench.priority = true;
  bench.pass();
  bench.ask(OrderId{7}, Scope{}, Watts{12'000});
  bench.pass();
  bench.ask(OrderId{7}, Scope{}, Watts{12'000});
  CHECK(bench.words(Scope{}) == "1:3000 2:3000 3:3000 4:3000");
  CHECK(bench.ask(OrderId{8}, kEmergency, Watts{8'000}) == Watts{0});
  CHECK(bench.words(kEmergency) == "3:4000 4:4000");
  bench.pass();
  CHECK(bench.ask(OrderId{8}, kEmergency, Watts{8'000}) == Watts{0});
  CHECK(bench.ask(OrderId{7}, Scope{}, Watts{12'000}) == Watts{2'000});
  CHECK(bench.words(Scope{}) == "1:5000 2:5000 3:0 4:0");
}

TEST_CASE("what goes on for a group is over once everybody has answered its release",
          "[node][scopes]") {
  ScopesBench bench;
  bench.pass();
  bench.ask(OrderId{7}, kNorth, Watts{3'000});
  bench.pass();
  bench.ask(OrderId{7}, kNorth, std::nullopt);
  CHECK(bench.words(kNorth) == "1:- 3:-");
  CHECK(bench.group.scopes().size() == 2);
  bench.pass();
  CHECK_FALSE(bench.group.keep_up(bench.now, kNorth));
  bench.group.keep_up(bench.now);
  CHECK(bench.group.scopes() == std::vector<Scope>{Scope{}});
}

TEST_CASE("who is out of contact for one group is reserved for an order that includes it",
          "[node][scopes]") {
  ScopesBench bench;
  bench.pass();
  bench.ask(OrderId{7}, kNorth, Watts{3'000});
  bench.pass();
  bench.ask(OrderId{7}, kNorth, Watts{3'000});
  // Leaf 1 says nothing any more: its lease runs out.
  for (int second = 0; second < 12; ++second) {
    bench.now.protocol += 1s;
    bench.now.market += 1s;
    bench.group.children().advance(bench.now);
    bench.take();
    for (const std::uint64_t n : {2U, 3U, 4U}) bench.report(n);
    bench.told.clear();
    if (second == 11) break;
    bench.ask(OrderId{7}, kNorth, Watts{3'000});
  }
  bench.ask(OrderId{7}, kNorth, std::nullopt);
  bench.ask(OrderId{8}, Scope{}, Watts{6'000});
  CHECK(bench.words(Scope{}) == "2:1500 3:1500 4:1500");  // 1,500 W it may still do
}

TEST_CASE("a site seen through a scope is what it is for that scope", "[node][scopes]") {
  ScopesBench bench;
  bench.pass();
  bench.ask(OrderId{7}, kEmergency, Watts{4'000});
  bench.pass();
  mesh::ChildView view;
  view.summary = bench.summary(3);
  for (const auto& [scope, power, order] :
       {std::tuple{kEmergency, kRated, OrderId{7}}, std::tuple{Scope{}, Watts{0}, kNoOrder},
        std::tuple{kSouth, Watts{0}, kNoOrder}}) {
    mesh::ChildView seen = view;
    see_as(seen, scope);
    const auto& site = std::get<mesh::SiteSummary>(*seen.summary);
    CHECK(site.discharge.power == power);
    CHECK(site.order == order);
  }
  CHECK(is_member(view, kNorth));
  CHECK_FALSE(is_member(view, kSouth));
}

/// Up a tree of any shape, each scope's sum is that of the sites in it, as long as it fits.
TEST_CASE("what a parent says of a scope is what the sites in it say", "[node][scopes]") {
  Rng rng{20261126};
  const mesh::Children nobody{mesh::testing::ChildrenBench::options_of(Role::kAggregator), Rng{1}};
  for (int round = 0; round < 100; ++round) {
    std::map<Scope, Curves> naive;
    std::vector<mesh::ChildView> groups;
    for (std::uint64_t g = 0; g < 1 + rng.below(4); ++g) {
      std::vector<mesh::ChildView> sites;
      for (std::uint64_t n = 0; n < rng.below(5); ++n) {
        mesh::SiteSummary site;
        const auto draw = [&] {
          return mesh::SiteDirection{{static_cast<std::int64_t>(rng.below(9'000))},
                                     {static_cast<std::int64_t>(rng.below(90'000'000))}};
        };
        site.stale = false;
        site.discharge = draw();
        if (rng.below(2) == 0) site.offers.push_back({"emergency", draw(), draw()});
        if (rng.below(2) == 0) site.groups.push_back("a=" + std::to_string(rng.below(3)));
        for (const Scope& scope : scopes_of(site)) {
          const Offer offer = offer_to(site, scope);
          const Curves one = curves_of(offer.discharge, offer.charge);
          naive[scope].discharge += one.discharge;
          naive[scope].charge += one.charge;
        }
        mesh::ChildView child;
        child.id = leaf(100 * g + n);
        child.attached = child.counted = true;
        child.summary = site;
        sites.push_back(child);
      }
      mesh::ChildView child;
      child.id = mesh::testing::group(g);
      child.role = Role::kAggregator;
      child.attached = child.counted = true;
      child.summary = sum_of(sites, nobody, {});
      groups.push_back(child);
    }
    const mesh::GroupSummary sum = sum_of(groups, nobody, {});
    const auto whole = curves_of(sum);
    REQUIRE(whole);
    REQUIRE(sum.scopes.size() == naive.size());
    for (const auto& each : sum.scopes) {
      const auto curves = curves_of(each, sum, *whole);
      REQUIRE(curves);
      REQUIRE(curves->discharge == naive.at(each.scope).discharge);
      REQUIRE(curves->charge == naive.at(each.scope).charge);
    }
  }
}

TEST_CASE("more scopes than a report may have are left out, those in force last",
          "[node][scopes]") {
  mesh::GroupSummary summary;
  for (std::size_t i = 0; i < limits::kScopesMax + 5; ++i) {
    mesh::ScopeSummary each;
    each.scope = {"energy", "feeder=" + std::to_string(100 + i)};
    if (i == limits::kScopesMax + 4) each.asked = Watts{1};
    summary.scopes.push_back(each);
  }
  bound_scopes(summary);
  REQUIRE(summary.scopes.size() == limits::kScopesMax);
  CHECK(summary.scopes_left_out == 5);
  CHECK(summary.scopes.back().asked == Watts{1});
  CHECK(std::ranges::is_sorted(summary.scopes, {}, &mesh::ScopeSummary::scope));
}
