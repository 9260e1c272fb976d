// A node that moves is left out everywhere else before it is counted where it is.
#include <catch2/catch.hpp>

#include "children_fixture.h"
#include "mesh/children.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::mesh;
using namespace vpp::mesh::testing;

namespace {

using Nodes = std::vector<Attachment>;

/// The root, and two aggregators on connections 1 and 2; leaf 7 is known below the first.
struct Moves : ChildrenBench {
  Moves() {
    join(1, group(1));
    join(2, group(2));
    report(1, group(1), 1, {{leaf(7), 3, true}});
    advance(100ms);
  }
};

}  // namespace

TEST_CASE("a node that turns up elsewhere is cleared once the others have left it out",
          "[mesh][moves]") {
  Moves bench;
  const ChildrenEffects asked = bench.report(2, group(2), 1, {{leaf(7), 4}});
  CHECK(told<Evict>(asked, 1) == Nodes{{leaf(7), 4}});
  CHECK(told<Cleared>(asked, 2).empty());

  SECTION("an answer to something else is none") {
    CHECK(told<Cleared>(bench.report(1, group(1), 1, {}, {{leaf(7), 3}}), 2).empty());
    CHECK(told<Cleared>(bench.report(1, group(1), 1, {}, {{leaf(8), 4}}), 2).empty());
  }
  SECTION("the report that leaves it out") {
    const ChildrenEffects answered = bench.report(1, group(1), 1, {}, {{leaf(7), 4}});
    CHECK(told<Cleared>(answered, 2) == Nodes{{leaf(7), 4}});
  }
  SECTION("the end of the old branch, with all it counted") {
    CHECK(told<Cleared>(bench.step(ChildUnreachable{1}), 2) == Nodes{{leaf(7), 4}});
  }
  SECTION("a new life of the old branch, whose leaves must prove themselves anew") {
    const ChildrenEffects again = bench.hello(3, group(1), 2);
    CHECK(told<Cleared>(again, 2) == Nodes{{leaf(7), 4}});
  }
}

TEST_CASE("a storm of nodes that moved is one question to each other branch, not one a node",
          "[mesh][moves]") {
  Moves bench;
  constexpr std::uint64_t kMoved = 40;
  for (std::uint64_t i = 0; i < kMoved; ++i) {
    Hello hello;
    hello.session = 2;
    hello.hold = 10s;
    bench.children.step(bench.now, FromChild{10 + i, ChildrenBench::peer_of(leaf(100 + i)), hello});
  }
  CHECK(bench.children.next_deadline() <= bench.now.protocol);
  bench.children.advance(bench.now);
  const auto questions = sent<Evict>(bench.take());
  REQUIRE(questions.size() == 2);
  for (const auto& [to, evict] : questions) CHECK(evict.nodes.size() == kMoved);
}

TEST_CASE(
    "a node that lost its store is left out where it begins anew, and goes on from the newest",
    "[mesh][moves]") {
  Moves bench;
  SECTION("below another branch, which has let it in") {
    const ChildrenEffects claimed = bench.report(2, group(2), 1, {{leaf(7), 1, true}});
    CHECK(told<Evict>(claimed, 2) == Nodes{{leaf(7), 3}});
    CHECK(told<Evict>(claimed, 1).empty());
    CHECK(told<Cleared>(claimed, 2).empty());
    // Its own branch may have restarted meanwhile and not know any more either.
    CHECK(told<Evict>(bench.report(1, group(1), 1, {{leaf(7), 2}}), 1) == Nodes{{leaf(7), 3}});
  }
  SECTION("at the ancestor itself") {
    const auto refused = sent<HelloNak>(bench.hello(3, leaf(7), 1));
    REQUIRE(refused.size() == 1);
    CHECK(refused[0].second.reason == NakReason::kOldSession);
    CHECK(refused[0].second.newest == 3);
    CHECK(sent<HelloAck>(bench.hello(3, leaf(7), 4, 40s)).size() == 1);
  }
}

TEST_CASE("where a node was left out, its older sessions are refused with the newest",
          "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, leaf(7), 1);
  REQUIRE(bench.counted(leaf(7)));
  bench.children.evict(bench.now, {{leaf(7), 57}});
  CHECK_FALSE(bench.counted(leaf(7)));
  bench.take();
  const auto refused = sent<HelloNak>(bench.hello(2, leaf(7), 2));
  REQUIRE(refused.size() == 1);
  CHECK(refused[0].second.newest == 57);
  CHECK(sent<HelloAck>(bench.hello(2, leaf(7), 58, 40s)).size() == 1);
  CHECK_FALSE(bench.counted(leaf(7)));  // until it is cleared
}

TEST_CASE("a node cannot clear itself by announcing itself", "[mesh][moves]") {
  Moves bench;
  bench.join(3, group(3), 1, 20s);
  bench.report(3, group(3), 1, {{group(3), 1, true}});
  CHECK_FALSE(bench.counted(group(3)));
  bench.report(1, group(1), 1, {}, {{group(3), 1}});
  bench.report(2, group(2), 1, {}, {{group(3), 1}});
  CHECK(bench.counted(group(3)));
}

TEST_CASE("a question that was lost is asked again, an answer that was lost is given again",
          "[mesh][moves]") {
  Moves bench;
  bench.report(2, group(2), 1, {{leaf(7), 4}});
  CHECK(told<Evict>(bench.advance(limits::kBeaconInterval), 1) == Nodes{{leaf(7), 4}});
  bench.report(1, group(1), 1, {}, {{leaf(7), 4}});
  CHECK(told<Evict>(bench.advance(limits::kBeaconInterval), 1).empty());
  const ChildrenEffects repeated = bench.report(2, group(2), 1, {{leaf(7), 4}});
  CHECK(told<Cleared>(repeated, 2) == Nodes{{leaf(7), 4}});
  CHECK(told<Evict>(repeated, 1).empty());
}

TEST_CASE("a leaf that leaves its parent for an aggregator below needs nobody's answer",
          "[mesh][moves]") {
  ChildrenBench bench;
  bench.join(1, leaf(7), 3);
  bench.join(2, group(2));
  const ChildrenEffects effects = bench.report(2, group(2), 1, {{leaf(7), 4}});
  CHECK_FALSE(bench.attached(leaf(7)));
  CHECK(told<Cleared>(effects, 2) == Nodes{{leaf(7), 4}});
}

TEST_CASE("a leaf that comes from an aggregator below waits until that has left it out",
          "[mesh][moves]") {
  Moves bench;
  const ChildrenEffects joined = bench.hello(3, leaf(7), 4, 10s);
  CHECK(told<Evict>(joined, 1) == Nodes{{leaf(7), 4}});
  CHECK(told<Evict>(joined, 2) == Nodes{{leaf(7), 4}});  // nobody relies on where it was seen
  bench.report(3, leaf(7), 4);
  bench.report(1, group(1), 1, {}, {{leaf(7), 4}});
  CHECK_FALSE(bench.counted(leaf(7)));
  bench.report(2, group(2), 1, {}, {{leaf(7), 4}});
  CHECK(bench.counted(leaf(7)));
}

TEST_CASE("an aggregator that moves takes its settled leaves along without questions",
          "[mesh][moves]") {
  Moves bench;
  const ChildrenEffects effects = bench.report(2, group(2), 1, {{group(1), 9}, {leaf(7), 3, true}});
  CHECK(told<Evict>(effects, 1).empty());  // group 1 is that connection: its session ends
  CHECK_FALSE(bench.attached(group(1)));
  CHECK(told<Cleared>(effects, 2) == Nodes{{group(1), 9}, {leaf(7), 3}});
  CHECK(bench.children.located() == std::vector<Located>{{leaf(7), group(2), 3},
                                                         {group(1), group(2), 9},
                                                         {group(2), group(2), 1}});
}

TEST_CASE("a stale claim moves nobody", "[mesh][moves]") {
  Moves bench;
  bench.report(2, group(2), 1, {{leaf(7), 4}});
  bench.report(1, group(1), 1, {}, {{leaf(7), 4}});
  const ChildrenEffects effects = bench.report(1, group(1), 1, {{leaf(7), 3}});
  CHECK(told<Evict>(effects, 1) == Nodes{{leaf(7), 4}});  // whoever claims it does not know
  CHECK(effects.send.size() == 1);
  CHECK(bench.children.located()[0] == Located{leaf(7), group(2), 4});
}

// Seed 5315: the moves of a leaf that had lost its store were old news to the root, and nobody
// cleared it; it was left out for the whole of its hold, after each of them.
TEST_CASE("a leaf that lost its store goes on from the session that its ancestors know",
          "[mesh][moves]") {
  Moves root;
  const ChildrenEffects asked = root.report(2, group(2), 1, {{leaf(7), 1, true}});
  CHECK(told<Evict>(asked, 2) == Nodes{{leaf(7), 3}});
  CHECK(root.children.located()[0] == Located{leaf(7), group(1), 3});

  ChildrenBench parent{Role::kAggregator, {kSelf, kRoot}};
  parent.join(1, leaf(7), 1);
  parent.children.evict(parent.now, {{leaf(7), 3}});
  CHECK_FALSE(parent.attached(leaf(7)));
  CHECK(parent.children.take_evicted() == Nodes{{leaf(7), 3}});
  for (const Session old : {Session{1}, Session{2}}) {
    const auto naks = sent<HelloNak>(parent.hello(2, leaf(7), old));
    REQUIRE(naks.size() == 1);
    CHECK(naks[0].second.reason == NakReason::kOldSession);
    CHECK(naks[0].second.newest == 3);
  }
  CHECK(sent<HelloAck>(parent.hello(3, leaf(7), 4, 10s)).size() == 1);

  const ChildrenEffects anew = root.report(2, group(2), 1, {{leaf(7), 4}});
  CHECK(told<Evict>(anew, 1) == Nodes{{leaf(7), 4}});
  CHECK(told<Cleared>(root.report(1, group(1), 1, {}, {{leaf(7), 4}}), 2) == Nodes{{leaf(7), 4}});
}

TEST_CASE("a leaf that lost its store and comes to an ancestor of its old parent is told as well",
          "[mesh][moves]") {
  Moves root;
  const auto naks = sent<HelloNak>(root.hello(3, leaf(7), 1));
  REQUIRE(naks.size() == 1);
  CHECK(naks[0].second.newest == 3);
}

TEST_CASE("an aggregator leaves a moved child out before it answers", "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, leaf(7), 3);
  bench.children.evict(bench.now, {{leaf(7), 4}});
  CHECK_FALSE(bench.attached(leaf(7)));
  CHECK(bench.children.report_due());
  CHECK(bench.children.take_evicted() == Nodes{{leaf(7), 4}});
  CHECK(bench.children.take_evicted().empty());
}

TEST_CASE("a question about older sessions does not touch the newest", "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, leaf(7), 4);
  bench.children.evict(bench.now, {{leaf(7), 4}});
  CHECK(bench.counted(leaf(7)));
  CHECK(bench.children.take_evicted() == Nodes{{leaf(7), 4}});
}

TEST_CASE("an aggregator answers only when all aggregators below it have", "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, group(1));
  bench.join(2, group(2));
  bench.children.evict(bench.now, {{leaf(7), 4}});
  const ChildrenEffects effects = bench.take();
  CHECK(told<Evict>(effects, 1) == Nodes{{leaf(7), 4}});
  CHECK(told<Evict>(effects, 2) == Nodes{{leaf(7), 4}});
  bench.report(1, group(1), 1, {}, {{leaf(7), 4}});
  CHECK(bench.children.take_evicted().empty());
  bench.report(2, group(2), 1, {}, {{leaf(7), 4}});
  CHECK(bench.children.take_evicted() == Nodes{{leaf(7), 4}});
}

TEST_CASE("everybody below is announced until the parent acknowledges", "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, group(1));
  bench.join(2, leaf(8), 5, 10s);
  bench.report(1, group(1), 1, {{leaf(7), 3}});
  const Nodes all{{leaf(7), 3}, {leaf(8), 5}, {group(1), 1, true}};  // the waiting first
  CHECK(bench.children.attached_below() == all);
  CHECK(bench.children.attached_below().size() == 3);

  // Group 1 must also have answered for leaf 8 before the acknowledgement counts.
  bench.children.cleared(bench.now, {{leaf(7), 3}, {leaf(8), 5}, {group(1), 1}});
  CHECK(told<Cleared>(bench.take(), 1) == Nodes{{leaf(7), 3}});
  CHECK_FALSE(bench.counted(leaf(8)));
  CHECK(bench.children.attached_below() == Nodes{{leaf(8), 5}});
  bench.report(1, group(1), 1, {}, {{leaf(8), 5}});
  CHECK(bench.counted(leaf(8)));
  CHECK(bench.children.attached_below().empty());

  bench.children.announce_all(bench.now);
  Nodes again = bench.children.attached_below();
  std::ranges::sort(again, {}, &Attachment::node);
  CHECK(again == Nodes{{leaf(7), 3, true}, {leaf(8), 5, true}, {group(1), 1, true}});
}

TEST_CASE("announcements are bounded, and everybody gets a turn", "[mesh][moves][limits]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, group(1));
  constexpr std::uint64_t kMany = 1'300;
  for (std::uint64_t from = 1; from <= kMany; from += 100) {
    Nodes some;
    for (std::uint64_t i = from; i < from + 100; ++i) some.push_back({leaf(i), 1, true});
    bench.report(1, group(1), 1, some);
  }
  std::set<NodeId> told_of;
  for (int report = 0; report < 4; ++report) {
    const Nodes nodes = bench.children.attached_below();
    CHECK(nodes.size() <= limits::kAttachmentsMax);
    for (const Attachment& one : nodes) told_of.insert(one.node);
  }
  CHECK(told_of.size() == kMany + 1);
}

TEST_CASE("who is below a lost child is no longer announced, but still findable", "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, group(1));
  bench.report(1, group(1), 1, {{leaf(7), 3, true}});
  bench.step(ChildUnreachable{1});
  CHECK(bench.children.attached_below().size() <= 1);
  CHECK(bench.children.located()[0] == Located{leaf(7), group(1), 3});
}

// Seen in the demo: "60 of 88 sites" after a failover, the moved ones shown lost where they left.
TEST_CASE("who has moved elsewhere is said to have moved, until it comes back", "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, leaf(7), 3);
  bench.step(FromChild{1, ChildrenBench::peer_of(leaf(7)), Bye{3}});
  CHECK_FALSE(bench.children.view(bench.now).at(0).moved);
  bench.children.evict(bench.now, {{leaf(7), 4}});
  CHECK(bench.children.view(bench.now).at(0).moved);
  bench.join(2, leaf(7), 5);
  CHECK_FALSE(bench.children.view(bench.now).at(0).moved);
}

TEST_CASE("a lost child still answers for those that have not turned up elsewhere",
          "[mesh][moves]") {
  Moves bench;
  bench.report(1, group(1), 2, {{leaf(8), 1, true}});
  bench.step(ChildUnreachable{1});
  CHECK(bench.children.located_via(group(1)) >= 2);
  const std::size_t before = bench.children.located_via(group(1));
  bench.report(2, group(2), 1, {{leaf(7), 4}});
  CHECK(bench.children.located_via(group(1)) == before - 1);
}

TEST_CASE("locations are bounded and forgotten after long silence", "[mesh][moves][limits]") {
  ChildrenOptions options = ChildrenBench::options_of(Role::kRoot);
  options.locations_max = 100;
  ChildrenBench bench;
  bench.children = Children{options, Rng{1}};
  bench.children.set_upstream(bench.now, {kSelf}, 1, {});
  bench.join(1, group(1));
  bench.join(2, leaf(999));
  Nodes many;
  for (std::uint64_t i = 1; i <= 300; ++i) many.push_back({leaf(i), 1, true});
  bench.report(1, group(1), 1, many);
  CHECK(bench.children.located().size() == 100);
  for (int second = 0; second < 31 * 60; ++second) {
    bench.advance(1s);
    bench.report(2, leaf(999), 1);
  }
  CHECK(bench.children.located() == std::vector<Located>{{leaf(999), leaf(999), 1}});
}
