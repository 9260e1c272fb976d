#include "mesh/children.h"

#include <catch2/catch.hpp>

#include "children_fixture.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

namespace {

std::optional<NakReason> reason_of(const ChildrenEffects& effects) {
  const auto naks = sent<HelloNak>(effects);
  return naks.size() == 1 ? std::optional{naks[0].second.reason} : std::nullopt;
}

}  // namespace

TEST_CASE("a probe is answered by anyone who asks, attached or not", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  const auto answers = sent<ProbeAck>(bench.step(FromChild{2, std::nullopt, Probe{42}}));
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].second.nonce == 42);
  CHECK(answers[0].second.term == 3);
  CHECK(answers[0].second.path == Path{kSelf});
  CHECK(answers[0].second.children == 1);
  CHECK(answers[0].second.free_slots == 49);
  CHECK(answers[0].second.region == "north");
}

TEST_CASE("a child that joins is told its lease, the path and the time", "[mesh][children]") {
  ChildrenBench bench;
  const auto acks = sent<HelloAck>(bench.hello(1, leaf(1), 7));
  REQUIRE(acks.size() == 1);
  CHECK(acks[0].second.session == 7);
  CHECK(acks[0].second.lease == limits::kLease);
  CHECK(acks[0].second.path == Path{kSelf});
  CHECK(acks[0].second.stamp == bench.stamp());
  CHECK(bench.attached(leaf(1)));
  CHECK_FALSE(bench.counted(leaf(1)));  // nothing is known of it yet
  bench.report(1, leaf(1), 7);
  CHECK(bench.counted(leaf(1)));
}

TEST_CASE("a Hello that was answered but not heard is answered again", "[mesh][children]") {
  ChildrenBench bench;
  bench.hello(1, leaf(1), 7);
  bench.report(1, leaf(1), 7);
  CHECK(sent<HelloAck>(bench.hello(1, leaf(1), 7)).size() == 1);
  CHECK(bench.counted(leaf(1)));
}

TEST_CASE("every reason not to take a child is told", "[mesh][children][admission]") {
  SECTION("no root") {
    ChildrenBench bench{Role::kAggregator, {}};
    CHECK(reason_of(bench.hello(1, leaf(1), 1)) == NakReason::kNoRoot);
  }
  SECTION("a loop") {
    ChildrenBench bench{Role::kAggregator, {kSelf, group(1), kRoot}};
    CHECK(reason_of(bench.hello(1, group(1), 1)) == NakReason::kLoop);
  }
  SECTION("too deep") {
    Path path{kSelf};
    while (path.size() < limits::kDepthMax - 1) path.push_back({7, path.size()});
    ChildrenBench bench{Role::kAggregator, path};
    CHECK(reason_of(bench.hello(1, group(1), 1)) == NakReason::kFull);
    CHECK_FALSE(reason_of(bench.hello(2, leaf(1), 1)));
  }
  SECTION("no slot") {
    ChildrenBench bench;
    for (ConnectionId i = 1; i <= 50; ++i) bench.join(i, leaf(i));
    CHECK(reason_of(bench.hello(99, leaf(99), 1)) == NakReason::kFull);
    CHECK_FALSE(reason_of(bench.hello(99, leaf(7), 2)));  // it had one already
  }
  SECTION("an older session") {
    ChildrenBench bench;
    bench.join(1, leaf(1), 5);
    CHECK(reason_of(bench.hello(2, leaf(1), 4)) == NakReason::kOldSession);
    CHECK(reason_of(bench.hello(2, leaf(1), 5)) == NakReason::kOldSession);
    CHECK(bench.children.counters().stale_session == 2);
    CHECK(bench.counted(leaf(1)));
  }
  SECTION("an older session of one that left") {
    ChildrenBench bench;
    bench.join(1, leaf(1), 5);
    bench.step(ChildUnreachable{1});
    CHECK(reason_of(bench.hello(2, leaf(1), 5)) == NakReason::kOldSession);
    CHECK_FALSE(reason_of(bench.hello(3, leaf(1), 6)));
  }
  SECTION("an older session of one that moved elsewhere, whose Hello was long on its way") {
    ChildrenBench bench;
    bench.join(1, leaf(1), 1);
    bench.join(2, group(2));
    bench.report(2, group(2), 1, {{leaf(1), 2}});
    const auto naks = sent<HelloNak>(bench.hello(3, leaf(1), 1));
    REQUIRE(naks.size() == 1);
    CHECK(naks[0].second.newest == 2);
    CHECK_FALSE(bench.counted(leaf(1)));
  }
  SECTION("not proven") {
    ChildrenBench bench;
    const ChildrenEffects effects = bench.step(FromChild{1, std::nullopt, Hello{}});
    CHECK(reason_of(effects) == NakReason::kNotAuthorised);
    CHECK(effects.drop == std::vector<ConnectionId>{1});
    CHECK(bench.children.counters().unproven == 1);
  }
  SECTION("a role that its certificate does not give") {
    ChildrenBench bench;
    Hello hello;
    hello.role = Role::kAggregator;
    CHECK(reason_of(bench.from(1, leaf(1), hello)) == NakReason::kNotAuthorised);
  }
}

TEST_CASE("a storm of joins is spread by refusals that say when to come back",
          "[mesh][children][admission]") {
  ChildrenOptions options = ChildrenBench::options_of(Role::kRoot);
  options.children_max = 10'000;
  Children children{options, Rng{1}};
  Now now{Instant{1000s}, MarketTime{}, 1};
  children.set_upstream(now, {kSelf}, 1, {});
  std::size_t taken = 0;
  std::set<Duration> retries;
  for (std::uint64_t i = 1; i <= 3'000; ++i) {
    Hello hello;
    hello.session = 1;
    children.step(now, FromChild{i, ChildrenBench::peer_of(leaf(i)), hello});
    const ChildrenEffects effects = children.take_effects();
    taken += sent<HelloAck>(effects).size();
    for (const auto& [to, nak] : sent<HelloNak>(effects)) {
      CHECK(nak.reason == NakReason::kBusy);
      retries.insert(nak.retry_after);
    }
  }
  CHECK(std::cmp_equal(taken, limits::kStandbySiblingsMax));
  CHECK(retries.size() > 50);
}

TEST_CASE(
    "orphans that keep to the spread they were told are let in, even by a parent that is late",
    "[mesh][children][admission]") {
  ChildrenOptions options = ChildrenBench::options_of(Role::kRoot);
  options.children_max = 10'000;
  constexpr std::int64_t kOrphans = 5'000;
  Rng rng{GENERATE(1U, 2U, 3U, 4U, 5U, 6U, 7U, 8U)};
  Children children{options, rng.fork()};
  Now now{Instant{1000s}, MarketTime{}, 1};
  children.set_upstream(now, {kSelf}, 1, {});
  std::multiset<Instant> arrivals;
  constexpr Duration kLate = 400ms;  // between two looks at what has arrived
  for (std::int64_t i = 0; i < kOrphans; ++i) {
    const Duration after = rng.up_to(Duration{kOrphans * 1000 / limits::kRejoinsPerSecond});
    arrivals.insert(now.protocol + (after / kLate + 1) * kLate);
  }
  std::uint64_t next = 1;
  for (const Instant at : arrivals) {
    now.protocol = at;
    Hello hello;
    hello.session = 1;
    children.step(now, FromChild{next, ChildrenBench::peer_of(leaf(next)), hello});
    CHECK(sent<HelloAck>(children.take_effects()).size() == 1);
    ++next;
  }
}

TEST_CASE("every attached child hears a beacon each interval", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  bench.join(2, group(1));
  CHECK(bench.children.next_deadline() <= bench.now.protocol + limits::kBeaconInterval);
  const auto beacons = sent<Beacon>(bench.advance(limits::kBeaconInterval));
  REQUIRE(beacons.size() == 2);
  CHECK(beacons[0].second.stamp == bench.stamp());
  CHECK(beacons[0].second.term == 3);
  CHECK(bench.children.next_deadline() > bench.now.protocol);
}

TEST_CASE("a line that is slow or paid for has few beacons and a long lease",
          "[mesh][children][lease]") {
  ChildrenBench bench;
  const auto join = [&](ConnectionId connection, NodeId id, LinkKind link) {
    Hello hello;
    hello.role = id == group(1) ? Role::kAggregator : Role::kLeaf;
    hello.session = 1;
    hello.link = link;
    return sent<HelloAck>(bench.from(connection, id, hello));
  };
  bench.children.set_upstream(bench.now, {kSelf, {9, 9}}, 3, {}, 12s);
  const auto cellular = join(1, leaf(1), LinkKind::kCellular);
  REQUIRE(cellular.size() == 1);
  CHECK(cellular[0].second.lease == profile_of(LinkKind::kCellular).leaf_lease);
  CHECK(cellular[0].second.beacon_interval == 10s);
  CHECK(cellular[0].second.above == 12s);
  CHECK(join(2, leaf(2), LinkKind::kLan)[0].second.lease == limits::kLease);
  // An aggregator reports with every beacon: whoever is below it need not wait longer.
  CHECK(join(3, group(1), LinkKind::kWan)[0].second.lease == kGroupLeaseMax);
  CHECK(bench.children.longest_lease() == profile_of(LinkKind::kCellular).leaf_lease);

  std::map<ConnectionId, int> heard;
  const Report slow = bench.report_of(leaf(1), 1, 10);
  bench.from(1, leaf(1), slow);
  for (int second = 1; second <= 60; ++second) {
    for (const auto& [connection, beacon] : sent<Beacon>(bench.advance(1s))) {
      ++heard[connection];
      CHECK(beacon.above == 12s);
    }
    bench.report(2, leaf(2), 1);
    bench.from(3, group(1), bench.report_of(group(1), 1, static_cast<std::uint64_t>(second)));
  }
  CHECK(heard[2] == 60);
  CHECK(heard[3] == 30);
  CHECK(heard[1] == 6);
  CHECK(bench.counted(leaf(1)));  // by a report of a minute ago
  bench.now.protocol += 91s;
  CHECK_FALSE(bench.counted(leaf(1)));
}

TEST_CASE("what is counted above for longer is reported anew", "[mesh][children]") {
  ChildrenBench bench;
  bench.children.set_upstream(bench.now, {kSelf, {9, 9}}, 3, {}, 5s);
  bench.join(1, leaf(1));
  REQUIRE(bench.counted(leaf(1)));
  bench.now.protocol += 10ms;
  bench.children.set_upstream(bench.now, {kSelf, {9, 9}}, 3, {}, 10s);
  CHECK_FALSE(bench.counted(leaf(1)));  // it may not know yet for how long
  const auto news = sent<Beacon>(bench.take());
  REQUIRE(news.size() == 1);
  CHECK(news[0].second.above == 10s);
  bench.report(1, leaf(1), 1);
  CHECK(bench.counted(leaf(1)));
}

TEST_CASE("children hear of siblings and of the parent's alternates", "[mesh][children]") {
  ChildrenBench bench;
  const Endpoint above{"tcp://above:7000", {}};
  const Endpoint sibling{"tcp://sibling:7000", {}};
  bench.children.set_upstream(bench.now, {kSelf}, 3, {above});
  Hello hello;
  hello.role = Role::kAggregator;
  hello.session = 1;
  hello.serves = sibling;
  bench.from(1, group(1), hello);
  const auto acks = sent<HelloAck>(bench.hello(2, leaf(1), 1));
  REQUIRE(acks.size() == 1);
  CHECK(acks[0].second.alternates == std::vector{above, sibling});
}

TEST_CASE("a lease runs from the beacon that was echoed, not from the report's arrival",
          "[mesh][children][lease]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  Report report = bench.report_of(leaf(1), 1, 10);  // echoes this moment
  const Instant echoed = bench.now.protocol;
  bench.now.protocol += 4s;  // and is late
  bench.from(1, leaf(1), report);
  bench.now.protocol = echoed + limits::kLease - 1ms;
  CHECK(bench.counted(leaf(1)));
  bench.now.protocol = echoed + limits::kLease;
  CHECK_FALSE(bench.counted(leaf(1)));
  CHECK_FALSE(bench.attached(leaf(1)));

  const ChildrenEffects effects = bench.advance(0ms);
  CHECK(effects.membership_changed);
  CHECK(effects.drop == std::vector<ConnectionId>{1});
  CHECK(bench.children.counters().leases_lost == 1);
  CHECK_FALSE(bench.children.any_attached());
  CHECK(bench.view(leaf(1)).summary);  // still known: enrolled, offline
}

TEST_CASE("a child whose lease was lost is told, and must join anew", "[mesh][children][lease]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  const auto beacons = sent<Beacon>(bench.advance(limits::kLease));
  REQUIRE(beacons.size() == 1);
  CHECK(beacons[0].second.path.empty());
  bench.report(1, leaf(1), 1);
  CHECK_FALSE(bench.attached(leaf(1)));
  CHECK(bench.children.counters().refused == 1);
}

TEST_CASE("replayed, misdated and mismatched reports are dropped and counted", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1), 2);  // sequence 1
  bench.now.protocol += 1s;
  bench.children.advance(bench.now);
  const auto lease = bench.view(leaf(1)).lease_until;
  Report report = bench.report_of(leaf(1), 2, 9);

  SECTION("a sequence that does not rise") {
    report.sequence = 1;
    bench.from(1, leaf(1), report);
    CHECK(bench.children.counters().replayed == 1);
  }
  SECTION("another session") {
    report.session = 1;
    bench.from(1, leaf(1), report);
    CHECK(bench.children.counters().stale_session == 1);
  }
  SECTION("a beacon that was never sent") {
    report.beacon = bench.stamp() + 1;
    bench.from(1, leaf(1), report);
    CHECK(bench.children.counters().bad_stamp == 1);
  }
  SECTION("a beacon older than the one already echoed") {
    report.beacon = bench.stamp() - 2'000;
    bench.from(1, leaf(1), report);
    CHECK(bench.children.counters().replayed == 1);
  }
  SECTION("a leaf that speaks as a group") {
    report.summary = GroupSummary{};
    bench.from(1, leaf(1), report);
    CHECK(bench.children.counters().refused == 1);
  }
  SECTION("a connection of somebody else") {
    bench.from(1, leaf(2), report);
    CHECK(bench.children.counters().refused == 1);
  }
  SECTION("nobody known") {
    bench.step(FromChild{1, std::nullopt, report});
    CHECK(bench.children.counters().unproven == 1);
  }
  CHECK(bench.view(leaf(1)).lease_until == lease);
}

TEST_CASE("a site is not believed beyond its certificate", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  SiteSummary boast;
  boast.discharge = {Watts{7'000}, Joules{99'000'000'000}, 1000};
  boast.charge = {Watts{4'000}, Joules{1'000}, 1000};
  boast.measured = Watts{-9'000};
  boast.stored = Joules{50'000'000};
  boast.offers = {{"emergency", boast.discharge, boast.charge}};
  boast.armed = Watts{8'000};
  Report report = bench.report_of(leaf(1), 1, 10);
  report.summary = boast;
  CHECK(bench.from(1, leaf(1), report).clamped == std::vector{leaf(1)});
  const auto site = std::get<SiteSummary>(*bench.view(leaf(1)).summary);
  CHECK(site.discharge == SiteDirection{kRated, kContent, 1000});
  CHECK(site.charge == boast.charge);
  CHECK(site.measured == Watts{-6'250});  // inverters overshoot: a quarter is believed
  CHECK(site.stored == kContent);
  CHECK(site.offers.at(0).discharge == site.discharge);
  CHECK(site.armed == kRated);
  CHECK(bench.children.counters().clamped == 1);
  report.sequence = 11;
  CHECK(bench.from(1, leaf(1), report).clamped.empty());  // it is told once
  CHECK(bench.children.counters().clamped == 2);
}

TEST_CASE("a group is not believed beyond its certificate", "[mesh][children]") {
  static constexpr std::array<std::chrono::seconds, 3> kGrid{300s, 600s, 36'000s};
  ChildrenOptions options = ChildrenBench::options_of(Role::kAggregator);
  options.grid = kGrid;
  ChildrenBench bench{options};
  const NodeId group{2, 7};  // kRated, kContent
  bench.join(1, group);
  GroupSummary boast;
  const std::vector<Joules> told{{9'000'000}, {10'000'000}, {999'000'000'000}};
  const std::vector<Joules> believed{{1'500'000}, {3'000'000}, kContent};
  boast.discharge = told;
  boast.charge = {{1'000}, {1'500}, {1'600}};
  boast.discharge_expected = {told, {{1}, {2}, {3}}};
  boast.scopes = {{.scope = {"emergency", ""},
                   .discharge = told,
                   .charge = {},
                   .online = 1,
                   .measured = Watts{90'000},
                   .asked = {},
                   .shortfall = {},
                   .reserved = {}}};
  boast.stored = Joules{50'000'000'000};
  Report report = bench.report_of(group, 1, 10);
  report.summary = boast;
  CHECK(bench.from(1, group, report).clamped == std::vector{group});
  const auto seen = std::get<GroupSummary>(*bench.view(group).summary);
  CHECK(seen.discharge == believed);
  CHECK(seen.charge == boast.charge);
  CHECK(seen.discharge_expected.mean == believed);
  CHECK(seen.discharge_expected.deviation == boast.discharge_expected.deviation);
  CHECK(seen.scopes.at(0).discharge == believed);
  CHECK(seen.scopes.at(0).measured == Watts{6'250});
  CHECK(seen.stored == kContent);
  report.sequence = 11;
  report.summary = seen;
  CHECK(bench.from(1, group, report).clamped.empty());
  CHECK(bench.children.counters().clamped == 1);
}

TEST_CASE("a child that may still be counted elsewhere is counted when its hold is over",
          "[mesh][children][hold]") {
  ChildrenBench bench;
  bench.join(7, group(7));
  bench.report(7, group(7), 1, {{leaf(1), 3, true}});  // and does not answer
  bench.join(1, leaf(1), 4, 3s);
  CHECK(bench.attached(leaf(1)));
  CHECK_FALSE(bench.counted(leaf(1)));
  bench.advance(2999ms);
  bench.report(1, leaf(1), 4);
  CHECK_FALSE(bench.counted(leaf(1)));
  CHECK(bench.children.next_deadline() <= bench.now.protocol + 1ms);
  const ChildrenEffects effects = bench.advance(1ms);
  CHECK(bench.counted(leaf(1)));
  CHECK(effects.membership_changed);
}

TEST_CASE("when a child's hold is over its ancestors have only to hear of it",
          "[mesh][children][hold]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, leaf(1), 4, 3s);
  CHECK(bench.children.attached_below() == std::vector<Attachment>{{leaf(1), 4, false}});
  bench.advance(2999ms);
  bench.report(1, leaf(1), 4);
  CHECK(bench.advance(1ms).membership_changed);
  CHECK(bench.children.report_due());
  CHECK(bench.children.attached_below() == std::vector<Attachment>{{leaf(1), 4, true}});
  CHECK_FALSE(bench.counted(leaf(1)));
  bench.children.cleared(bench.now, {{leaf(1), 4}});
  CHECK(bench.counted(leaf(1)));
}

// It could go on to another branch before its ancestors have heard that it was here: they would
// count it there, and then, with the next report, here as well.
TEST_CASE("a newcomer that nobody else counts waits until its ancestors know it",
          "[mesh][children][hold]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, leaf(1), 1);
  CHECK_FALSE(bench.counted(leaf(1)));
  CHECK(bench.view(leaf(1)).in_transit);
  bench.children.cleared(bench.now, {{leaf(1), 1}});
  CHECK(bench.counted(leaf(1)));
}

TEST_CASE("a child is counted at once when it is cleared from above", "[mesh][children][hold]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, leaf(1), 4, 10s);
  bench.children.cleared(bench.now, {{leaf(1), 3}});  // an older attach
  CHECK_FALSE(bench.counted(leaf(1)));
  bench.children.cleared(bench.now, {{leaf(1), 4}});
  CHECK(bench.counted(leaf(1)));
}

TEST_CASE("the newest session replaces an older one and starts afresh", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1), 4);
  const ChildrenEffects effects = bench.hello(2, leaf(1), 5);
  CHECK(sent<HelloAck>(effects).size() == 1);
  CHECK(effects.drop == std::vector<ConnectionId>{1});
  CHECK_FALSE(bench.counted(leaf(1)));
  bench.report(2, leaf(1), 5);
  CHECK(bench.counted(leaf(1)));
  CHECK(bench.view(leaf(1)).session == 5);
}

TEST_CASE("a child that cannot be reached, or says Bye, is lost at once", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1), 4);
  SECTION("unreachable") {
    CHECK(bench.step(ChildUnreachable{1}).membership_changed);
  }
  SECTION("bye") {
    CHECK(bench.from(1, leaf(1), Bye{4}).membership_changed);
  }
  SECTION("the Bye of an older session is none") {
    CHECK_FALSE(bench.from(1, leaf(1), Bye{3}).membership_changed);
    CHECK(bench.counted(leaf(1)));
    return;
  }
  CHECK_FALSE(bench.counted(leaf(1)));
  CHECK_FALSE(bench.children.any_attached());
  CHECK(bench.children.next_deadline() == kNever);
  CHECK(bench.children.view(bench.now).size() == 1);
}

TEST_CASE("an aggregator without a root tells that it goes on alone, a root that does not lead not",
          "[mesh][children]") {
  const auto role = GENERATE(Role::kAggregator, Role::kRoot);
  ChildrenBench bench{role, {kSelf}};
  bench.join(1, leaf(1));
  bench.children.set_upstream(bench.now, {}, 4, {});
  const auto told = sent<Beacon>(bench.take());
  REQUIRE(told.size() == 1);
  CHECK(told[0].second.path.empty());
  CHECK(told[0].second.alone == (role == Role::kAggregator));
}

TEST_CASE("a dispatch goes to an attached child only", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  bench.children.dispatch(bench.now, leaf(1), Dispatch{});
  bench.children.dispatch(bench.now, leaf(2), Dispatch{});
  CHECK(sent<Dispatch>(bench.take()).size() == 1);
  bench.step(ChildUnreachable{1});
  bench.children.dispatch(bench.now, leaf(1), Dispatch{});
  CHECK(sent<Dispatch>(bench.take()).empty());
}

TEST_CASE("an acknowledgement is passed on with the child it came from", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  const ChildrenEffects effects = bench.from(1, leaf(1), DispatchAck{OrderId{7}, 3, true});
  REQUIRE(effects.acks.size() == 1);
  CHECK(effects.acks[0] == DispatchAck{OrderId{7}, 3, true});
  CHECK(effects.ack_from == std::vector{leaf(1)});
}

TEST_CASE("a new path uncounts everybody until they echo it", "[mesh][children][path]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, group(8), kRoot}};
  bench.join_cleared(1, leaf(1));
  bench.join_cleared(2, group(1));
  REQUIRE(bench.counted(leaf(1)));
  bench.now.protocol += 200ms;
  const Report before = bench.report_of(leaf(1), 1, 100);  // under way: echoes the old path

  bench.now.protocol += 1ms;
  bench.children.set_upstream(bench.now, {kSelf, kRoot}, 3, {});
  const auto beacons = sent<Beacon>(bench.take());
  REQUIRE(beacons.size() == 2);
  CHECK(beacons[0].second.path == Path{kSelf, kRoot});
  CHECK_FALSE(bench.counted(leaf(1)));
  CHECK_FALSE(bench.counted(group(1)));
  CHECK(bench.attached(leaf(1)));

  bench.from(1, leaf(1), before);
  CHECK_FALSE(bench.counted(leaf(1)));
  Report after = bench.report_of(leaf(1), 1, 101);
  after.beacon = beacons[0].second.stamp;
  bench.from(1, leaf(1), after);
  CHECK(bench.counted(leaf(1)));
}

TEST_CASE("two paths in the same millisecond are told apart", "[mesh][children][path]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, group(8), kRoot}};
  bench.join(1, leaf(1));
  const Stamp old = bench.stamp();
  bench.children.set_upstream(bench.now, {kSelf, kRoot}, 3, {});
  const auto beacons = sent<Beacon>(bench.take());
  REQUIRE(beacons.size() == 1);
  CHECK(beacons[0].second.stamp > old);
}

TEST_CASE("losing the root poisons all below, and aggregators must join anew",
          "[mesh][children][path]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, leaf(1));
  bench.join(2, group(1));
  bench.children.set_upstream(bench.now, {}, 3, {});
  const ChildrenEffects effects = bench.take();
  const auto beacons = sent<Beacon>(effects);
  REQUIRE(beacons.size() == 2);
  for (const auto& [to, beacon] : beacons) CHECK(beacon.path.empty());
  CHECK(bench.attached(leaf(1)));
  CHECK_FALSE(bench.attached(group(1)));
  CHECK(effects.drop == std::vector<ConnectionId>{2});
}

TEST_CASE("whatever peers send, a counted child holds a lease and timers move on",
          "[mesh][children][property]") {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Rng rng{seed};
    ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
    const auto any_node = [&] {
      return rng.below(2) == 0 ? leaf(rng.below(4)) : group(rng.below(4));
    };
    const auto any_list = [&] {
      std::vector<Attachment> list;
      while (rng.below(3) != 0) list.push_back({any_node(), rng.below(5), rng.below(2) == 0});
      return list;
    };
    for (int i = 0; i < 500; ++i) {
      const NodeId id = any_node();
      const ConnectionId connection = rng.below(12);
      switch (rng.below(9)) {
        case 0:
        case 1:
          bench.hello(connection, id, rng.below(8), rng.up_to(2s));
          break;
        case 2:
        case 3: {
          Report report = bench.report_of(id, rng.below(8), ++bench.sequence);
          report.attached = any_list();
          report.evicted = any_list();
          report.beacon += static_cast<Stamp>(rng.below(3)) - 1;
          bench.from(connection, id, report);
          break;
        }
        case 4:
          bench.step(ChildUnreachable{connection});
          break;
        case 5:
          bench.from(connection, id, Bye{rng.below(8)});
          break;
        case 6:
          bench.children.evict(bench.now, any_list());
          bench.children.cleared(bench.now, any_list());
          break;
        case 7:
          bench.children.set_upstream(bench.now,
                                      rng.below(4) == 0 ? Path{} : Path{kSelf, any_node()}, 3, {});
          if (rng.below(2) == 0) bench.children.announce_all(bench.now);
          break;
        default:
          bench.advance(rng.up_to(1500ms));
          CHECK(bench.children.next_deadline() > bench.now.protocol);
      }
      bench.take();
      for (const ChildView& child : bench.children.view(bench.now)) {
        if (!child.counted) continue;
        CHECK(child.attached);
        CHECK(child.summary);
        CHECK(child.sequence > 0);
        CHECK(bench.now.protocol < child.lease_until);
      }
      CHECK(bench.children.attached_below().size() <= limits::kAttachmentsMax);
    }
  }
}

TEST_CASE("a parent that empties itself takes nobody and asks everybody to go, again and again",
          "[mesh][children][drain]") {
  ChildrenBench bench;
  for (ConnectionId n = 1; n <= 3; ++n) bench.join(n, leaf(n));
  bench.children.drain(bench.now, true);
  CHECK(sent<Redirect>(bench.take()).size() == 3);

  const auto probed = sent<ProbeAck>(bench.from(9, leaf(9), Probe{4}));
  REQUIRE(probed.size() == 1);
  CHECK(probed[0].second.free_slots == 0);
  const auto refused = sent<HelloNak>(bench.hello(9, leaf(9), 1));
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].second.reason == NakReason::kDraining);

  bench.from(1, leaf(1), Bye{1});
  CHECK(sent<Redirect>(bench.advance(limits::kBeaconInterval)).size() == 2);
  CHECK(bench.counted(leaf(2)));  // until it is gone

  bench.children.drain(bench.now, false);
  CHECK(sent<Redirect>(bench.advance(limits::kBeaconInterval)).empty());
  CHECK(sent<HelloAck>(bench.hello(9, leaf(9), 1)).size() == 1);
}

TEST_CASE("a parent with many children asks some of them at a time, each in its turn",
          "[mesh][children][drain]") {
  ChildrenOptions options = ChildrenBench::options_of(Role::kRoot);
  options.children_max = 1'000;
  ChildrenBench bench;
  bench.children = Children{options, Rng{1}};
  bench.children.set_upstream(bench.now, {kSelf}, 3, {});
  for (ConnectionId n = 1; n <= 600; ++n) {
    if (n % 100 == 0) bench.advance(100ms);  // the token bucket
    REQUIRE(sent<HelloAck>(bench.hello(n, leaf(n), 1)).size() == 1);
  }
  bench.children.drain(bench.now, true);
  std::set<ConnectionId> asked;
  std::size_t rounds = 0;
  const auto note = [&](const ChildrenEffects& effects) {
    const auto some = sent<Redirect>(effects);
    CHECK(some.size() <= 250);
    for (const auto& [to, redirect] : some) asked.insert(to);
    if (!some.empty()) ++rounds;
  };
  note(bench.take());
  while (asked.size() < 600 && rounds < 5) note(bench.advance(limits::kBeaconInterval));
  CHECK(rounds == 3);
}

TEST_CASE("a late Hello of an older session is not let in, though its node is not attached",
          "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1), 5);
  bench.step(ChildUnreachable{1});
  REQUIRE_FALSE(bench.attached(leaf(1)));
  const auto refused = sent<HelloNak>(bench.hello(2, leaf(1), 4));
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].second.reason == NakReason::kOldSession);
  CHECK(refused[0].second.newest == 5);
  CHECK_FALSE(bench.attached(leaf(1)));
  CHECK(sent<HelloAck>(bench.hello(3, leaf(1), 6)).size() == 1);
}

TEST_CASE("a parent that is late tells those it cannot take to wait for as long again",
          "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  bench.advance(limits::kBeaconInterval + 2s);  // a second is what it bears
  const auto refused = sent<HelloNak>(bench.hello(2, leaf(2), 1));
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].second.reason == NakReason::kBusy);
  CHECK(refused[0].second.retry_after >= 1800ms);
}

TEST_CASE("a parent that was late and lost all its children meanwhile takes them in again",
          "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  bench.advance(20s);
  REQUIRE(bench.children.next_deadline() == kNever);  // nothing will tell that it is in time
  CHECK(sent<HelloNak>(bench.hello(2, leaf(1), 2)).size() == 1);
  bench.now.protocol += 2s;
  CHECK(sent<HelloAck>(bench.hello(3, leaf(1), 3)).size() == 1);
}

TEST_CASE("asked to unload, a parent sends that many of its counted leaves to where it was told",
          "[mesh][children][balance]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  for (ConnectionId n = 1; n <= 5; ++n) bench.join_cleared(n, leaf(n));
  bench.join_cleared(6, group(6));
  bench.hello(7, leaf(7), 1, 20s);  // still counted elsewhere, perhaps
  const Endpoint to{"tcp://sibling:7000", {}};
  std::set<ConnectionId> asked;
  for (int i = 0; i < 2; ++i) {
    bench.children.unload(bench.now, {3, {to}});
    const auto redirects = sent<Redirect>(bench.take());
    CHECK(redirects.size() == 3);
    for (const auto& [connection, redirect] : redirects) {
      CHECK(connection <= 5);
      CHECK(redirect == Redirect{RedirectReason::kBalance, {to}});
      asked.insert(connection);
    }
  }
  CHECK(asked.size() == 5);  // each in its turn
  bench.children.unload(bench.now, {100, {to}});
  CHECK(sent<Redirect>(bench.take()).size() == 5);
}

TEST_CASE("a child handed over is not counted before it is cleared, and not released meanwhile",
          "[mesh][children][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.from(1, leaf(1),
             Hello{.certificate = {},
                   .role = Role::kLeaf,
                   .name = "child",
                   .region = {},
                   .session = 4,
                   .last_parent = group(1),
                   .hold = 15s,
                   .serves = {},
                   .handover = true});
  bench.report(1, leaf(1), 4);
  CHECK_FALSE(bench.counted(leaf(1)));
  CHECK(bench.view(leaf(1)).in_transit);
  SECTION("until it is cleared") {
    bench.children.cleared(bench.now, {{leaf(1), 4}});
    CHECK(bench.counted(leaf(1)));
    CHECK_FALSE(bench.view(leaf(1)).in_transit);
  }
  SECTION("until its former parent's lease must have ended") {
    for (int i = 0; i < 5; ++i) {
      bench.advance(1s);
      bench.report(1, leaf(1), 4);
    }
    CHECK_FALSE(bench.counted(leaf(1)));
    CHECK_FALSE(bench.view(leaf(1)).in_transit);
  }
}

TEST_CASE("an old session is told the newest, so that a node without its store comes back",
          "[mesh][children][identity]") {
  ChildrenBench bench;
  bench.join(1, leaf(1), 41);
  const auto naks = sent<HelloNak>(bench.hello(2, leaf(1), 1));
  REQUIRE(naks.size() == 1);
  CHECK(naks[0].second.reason == NakReason::kOldSession);
  CHECK(naks[0].second.newest == 41);
}

TEST_CASE("two nodes with one identity are found out, and one of them stays",
          "[mesh][children][identity]") {
  ChildrenBench bench;
  bench.join(1, leaf(1), 1);
  const bool quiet = GENERATE(true, false);
  ConnectionId connection = 1;
  bool refused = false;
  for (Session session = 2; session < 12 && !refused; ++session) {
    bench.advance(quiet ? 3s : 1s);  // one that comes anew has been silent for three beacons
    const ChildrenEffects effects = bench.hello(++connection, leaf(1), session);
    refused = reason_of(effects) == NakReason::kOldSession;
    if (refused) break;
    bench.report(connection, leaf(1), session);
  }
  CHECK(refused == !quiet);
  CHECK(bench.view(leaf(1)).duplicated == !quiet);
  CHECK(bench.counted(leaf(1)));
  if (quiet) return;
  CHECK(connection == 5);
  for (int i = 0; i < 61; ++i) {  // the other one is gone
    bench.advance(1s);
    bench.report(connection - 1, leaf(1), connection - 1);
  }
  CHECK_FALSE(bench.view(leaf(1)).duplicated);
}

TEST_CASE("a parent that runs late takes nobody until it has caught up", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  bench.advance(3s);
  CHECK(reason_of(bench.hello(2, leaf(2), 1)) == NakReason::kBusy);
  bench.advance(1s);
  CHECK(sent<HelloAck>(bench.hello(2, leaf(2), 1)).size() == 1);
}

// Seed 20006166: a root that was frozen for a minute sent a node away for another one.
TEST_CASE("a parent that was frozen for long sends nobody away for as long", "[mesh][children]") {
  ChildrenBench bench;
  bench.join(1, leaf(1));
  bench.advance(60s);
  const auto naks = sent<HelloNak>(bench.hello(2, leaf(2), 1));
  REQUIRE(naks.size() == 1);
  CHECK(naks[0].second.reason == NakReason::kBusy);
  CHECK(naks[0].second.retry_after >= 3s);
  CHECK(naks[0].second.retry_after <= 5s);
}

TEST_CASE("a parent that runs late with a question to put is late all the same",
          "[mesh][children]") {
  // Found by the fuzzer: what is due at once was taken to be due only when the parent ran.
  ChildrenBench bench;
  bench.join(1, group(1));
  bench.report(1, group(1), 1, {{leaf(1), 1, true}});
  Hello moved;
  moved.session = 2;
  moved.hold = 5s;
  bench.children.step(bench.now, FromChild{2, ChildrenBench::peer_of(leaf(1)), moved});
  REQUIRE(bench.children.next_deadline() == bench.now.protocol);  // group 1 is to be asked
  bench.advance(3s);
  CHECK(reason_of(bench.hello(3, leaf(2), 1)) == NakReason::kBusy);
}
