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

TEST_CASE("a storm of nodes that moved is one question to the branch they left, not one a node",
          "[mesh][moves]") {
  Moves bench;
  constexpr std::uint64_t kMoved = 40;
  Nodes before;
  for (std::uint64_t i = 0; i < kMoved; ++i) before.push_back({leaf(100 + i), 1, true});
  bench.report(1, group(1), 1, before);
  for (std::uint64_t i = 0; i < kMoved; ++i) {
    Hello hello;
    hello.session = 2;
    hello.hold = 10s;
    bench.children.step(bench.now, FromChild{10 + i, ChildrenBench::peer_of(leaf(100 + i)), hello});
  }
  CHECK(bench.children.next_deadline() <= bench.now.protocol);
  bench.children.advance(bench.now);
  const auto questions = sent<Evict>(bench.take());
  REQUIRE(questions.size() == 1);
  CHECK(questions[0].first == 1);
  CHECK(questions[0].second.nodes.size() == kMoved);
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
  bench.join_cleared(1, leaf(7), 1);
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
  bench.report(1, group(1), 1, {{group(3), 1, true}});
  bench.join(3, group(3), 2, 20s);
  bench.report(3, group(3), 2, {{group(3), 2, true}});
  CHECK_FALSE(bench.counted(group(3)));
  bench.report(1, group(1), 1, {}, {{group(3), 2}});
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
  CHECK(told<Evict>(joined, 2).empty());  // it was never there
  bench.report(3, leaf(7), 4);
  CHECK_FALSE(bench.counted(leaf(7)));
  bench.report(1, group(1), 1, {}, {{leaf(7), 4}});
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
  bench.join_cleared(1, leaf(7), 4);
  bench.children.evict(bench.now, {{leaf(7), 4}});
  CHECK(bench.counted(leaf(7)));
  CHECK(bench.children.take_evicted() == Nodes{{leaf(7), 4}});
}

TEST_CASE("an aggregator answers only when all that may count the node have", "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, group(1));
  bench.join(2, group(2));
  bench.join(3, group(3));
  bench.report(1, group(1), 1, {{leaf(7), 2, true}});
  CHECK(told<Evict>(bench.report(2, group(2), 1, {{leaf(7), 3}}), 1) == Nodes{{leaf(7), 3}});
  bench.children.evict(bench.now, {{leaf(7), 4}});
  const ChildrenEffects effects = bench.take();
  CHECK(told<Evict>(effects, 1).empty());  // what it was asked covers that
  CHECK(told<Evict>(effects, 2) == Nodes{{leaf(7), 4}});
  CHECK(told<Evict>(effects, 3).empty());
  bench.report(2, group(2), 1, {}, {{leaf(7), 4}});
  CHECK(bench.children.take_evicted().empty());
  bench.report(1, group(1), 1, {}, {{leaf(7), 3}});
  CHECK(bench.children.take_evicted() == Nodes{{leaf(7), 4}});
}

TEST_CASE("whoever knows nobody of that name has left it out", "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, group(1));
  bench.children.evict(bench.now, {{leaf(7), 4}});
  CHECK(told<Evict>(bench.take(), 1).empty());
  CHECK(bench.children.take_evicted() == Nodes{{leaf(7), 4}});
}

TEST_CASE("everybody below is announced until the parent acknowledges", "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, group(1));
  bench.report(1, group(1), 1, {{leaf(8), 4}});
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

TEST_CASE("of many branches only the one that a node left is asked", "[mesh][moves]") {
  ChildrenBench bench;
  for (std::uint64_t n = 1; n <= 40; ++n) bench.join(n, group(n));
  bench.report(17, group(17), 1, {{leaf(7), 3, true}});
  bench.advance(100ms);
  const auto questions = sent<Evict>(bench.report(30, group(30), 1, {{leaf(7), 4}}));
  REQUIRE(questions.size() == 1);
  CHECK(questions[0].first == 17);
}

// Between its Hello and the answer the node is known at neither: the question stays open, and the
// next move waits for it as well.
TEST_CASE("a node that moves on before the branch it left has answered waits for both",
          "[mesh][moves]") {
  Moves bench;
  bench.join(3, group(3));
  bench.report(2, group(2), 1, {{leaf(7), 4}});
  const ChildrenEffects on = bench.report(3, group(3), 1, {{leaf(7), 5}});
  CHECK(told<Evict>(on, 1).empty());
  CHECK(told<Evict>(on, 2) == Nodes{{leaf(7), 5}});
  CHECK(told<Cleared>(bench.report(2, group(2), 1, {}, {{leaf(7), 5}}), 3).empty());
  CHECK(told<Cleared>(bench.report(1, group(1), 1, {}, {{leaf(7), 4}}), 3) == Nodes{{leaf(7), 5}});
}

TEST_CASE("a node taken along to another branch is looked for where it was, too", "[mesh][moves]") {
  Moves bench;
  bench.join(3, group(3));
  bench.report(1, group(1), 1, {{group(4), 1, true}});
  // Group 4 goes from group 1 to group 2, with leaf 7; what group 1 counts still includes it.
  CHECK(told<Evict>(bench.report(2, group(2), 1, {{group(4), 2}, {leaf(7), 3, true}}), 1) ==
        Nodes{{group(4), 2}});
  const ChildrenEffects on = bench.report(3, group(3), 1, {{leaf(7), 4}});
  CHECK(told<Evict>(on, 1) == Nodes{{leaf(7), 4}});
  CHECK(told<Evict>(on, 2) == Nodes{{leaf(7), 4}});
  CHECK(told<Cleared>(bench.report(2, group(2), 1, {}, {{leaf(7), 4}}), 3).empty());
  CHECK(told<Cleared>(bench.report(1, group(1), 1, {}, {{leaf(7), 4}}), 3) == Nodes{{leaf(7), 4}});
}

TEST_CASE("where two branches name a node, the one that stays is known when the other is lost",
          "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join(1, group(1));
  bench.join(2, group(2));
  bench.report(1, group(1), 1, {{leaf(7), 3, true}});
  bench.report(2, group(2), 1, {{leaf(7), 3, true}});
  bench.step(ChildUnreachable{2});
  CHECK(bench.children.located()[0] == Located{leaf(7), group(1), 3});
  const Nodes named = bench.children.attached_below();
  CHECK(std::ranges::count(named, leaf(7), &Attachment::node) == 1);
  bench.children.evict(bench.now, {{leaf(7), 4}});
  CHECK(told<Evict>(bench.take(), 1) == Nodes{{leaf(7), 4}});
}

TEST_CASE("a branch is counted once it has named everybody and all of them are known above",
          "[mesh][moves][branch]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  REQUIRE(sent<HelloAck>(bench.hello(1, group(1), 1)).size() == 1);
  bench.report(1, group(1), 1, {{leaf(7), 3, true}}, {}, true);
  bench.children.cleared(bench.now, {{group(1), 1}, {leaf(7), 3}});
  CHECK_FALSE(bench.counted(group(1)));  // there are more
  CHECK(bench.view(group(1)).in_transit);
  bench.report(1, group(1), 1, {{leaf(8), 2, true}, {leaf(9), 5}});
  CHECK_FALSE(bench.counted(group(1)));
  bench.children.cleared(bench.now, {{leaf(8), 2}});
  CHECK(bench.counted(group(1)));  // leaf 9 is counted by nobody yet
  bench.report(1, group(1), 1, {{leaf(10), 1, true}}, {}, true);
  CHECK(bench.counted(group(1)));  // nor is, before this node says so, who comes later
}

// Group 1 attaches here with leaf 7, who has gone on to group 2, and that was heard of first.
TEST_CASE("a branch that counts a node known elsewhere is not counted before it leaves it out",
          "[mesh][moves][branch]") {
  ChildrenBench bench;
  bench.join(2, group(2));
  bench.report(2, group(2), 1, {{leaf(7), 4}});
  REQUIRE(sent<HelloAck>(bench.hello(1, group(1), 1)).size() == 1);
  const ChildrenEffects named = bench.report(1, group(1), 1, {{leaf(7), 3, true}});
  CHECK(told<Evict>(named, 1) == Nodes{{leaf(7), 4}});
  CHECK_FALSE(bench.counted(group(1)));
  bench.report(1, group(1), 1, {}, {{leaf(7), 4}});
  CHECK(bench.counted(group(1)));
}

TEST_CASE("a branch of whose nodes some find no room in the table is not counted",
          "[mesh][moves][branch][limits]") {
  ChildrenOptions options = ChildrenBench::options_of(Role::kRoot);
  options.locations_max = 3;
  ChildrenBench bench;
  bench.children = Children{options, Rng{1}};
  bench.children.set_upstream(bench.now, {kSelf}, 1, {});
  bench.join(1, group(1));
  bench.report(1, group(1), 1, {{leaf(1), 1, true}});
  CHECK(bench.counted(group(1)));
  REQUIRE(sent<HelloAck>(bench.hello(2, group(2), 1)).size() == 1);
  bench.report(2, group(2), 1, {{leaf(2), 1, true}});
  CHECK_FALSE(bench.counted(group(2)));
  bench.children.evict(bench.now, {{leaf(1), 2}});
  bench.report(2, group(2), 1, {{leaf(2), 1, true}});
  CHECK(bench.counted(group(2)));
}

TEST_CASE("what does not fit into a report is said to follow", "[mesh][moves][limits]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join_cleared(1, group(1));
  Nodes some;
  for (std::uint64_t i = 1; i <= limits::kAttachmentsMax; ++i) some.push_back({leaf(i), 1, true});
  bench.report(1, group(1), 1, some);
  CHECK(bench.children.attached_below().size() == limits::kAttachmentsMax);
  CHECK_FALSE(bench.children.more_below());
  bench.report(1, group(1), 1, {{leaf(9'999), 1}});  // waits to be counted: it goes first
  CHECK(bench.children.attached_below().size() == limits::kAttachmentsMax);
  CHECK(bench.children.more_below());
  CHECK_FALSE(bench.children.report_due());  // one at a time, as the parent answers
  bench.children.cleared(bench.now, {{leaf(1), 1}});
  CHECK(bench.children.report_due());
  CHECK(bench.children.attached_below().size() == limits::kAttachmentsMax);
  CHECK_FALSE(bench.children.more_below());
}

// Its new session may be long in waiting, and says nothing of the older one.
TEST_CASE("who is counted here and moves within the branch before the parent knows it holds it up",
          "[mesh][moves][branch]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join_cleared(1, group(1));
  bench.join_cleared(2, group(2));
  bench.report(1, group(1), 1, {{leaf(7), 3, true}});
  const bool known = GENERATE(false, true);
  if (known) bench.children.cleared(bench.now, {{leaf(7), 3}});
  bench.report(2, group(2), 1, {{leaf(7), 4}});
  CHECK(bench.children.attached_below() == Nodes{{leaf(7), 4}});
  CHECK(bench.children.more_below() == !known);
  bench.report(1, group(1), 1, {}, {{leaf(7), 4}});
  bench.children.cleared(bench.now, {{leaf(7), 4}});
  CHECK(bench.children.attached_below().empty());
  CHECK_FALSE(bench.children.more_below());
}

TEST_CASE("a node that is named again after a while is named again above, and not forgotten",
          "[mesh][moves]") {
  ChildrenBench bench{Role::kAggregator, {kSelf, kRoot}};
  bench.join_cleared(1, group(1));
  bench.report(1, group(1), 1, {{leaf(7), 3, true}});
  bench.children.cleared(bench.now, {{leaf(7), 3}});
  CHECK(bench.children.attached_below().empty());
  bench.take();
  const auto pass = [&](Duration span, bool more) {
    for (Duration passed{0}; passed < span; passed += 1s) {
      bench.advance(1s);
      bench.report(1, group(1), 1, {}, {}, more);
    }
  };
  CHECK(told<Cleared>(bench.report(1, group(1), 1, {{leaf(7), 3, true}}), 1).size() == 1);
  pass(20min, false);
  CHECK_FALSE(std::ranges::count(bench.children.attached_below(), leaf(7), &Attachment::node));
  CHECK(told<Cleared>(bench.report(1, group(1), 1, {{leaf(7), 3, true}}), 1).empty());
  CHECK(std::ranges::count(bench.children.attached_below(), leaf(7), &Attachment::node) == 1);
  SECTION("a branch that has more to name may still count it") {
    pass(40min, true);
    CHECK(bench.children.located().size() == 2);
  }
  SECTION("one that has named all does not") {
    pass(40min, false);
    CHECK(bench.children.located() == std::vector<Located>{{group(1), group(1), 1}});
  }
}
