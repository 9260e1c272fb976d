// A root with a standby and a lease of etcd's, through node::Node, as a driver sees it.
#include <algorithm>
#include <catch2/catch.hpp>

#include "daemon/node/node.h"

using namespace vpp;
using namespace vpp::node;
using namespace std::chrono_literals;

namespace {

const NodeId kMe{0, 1};
const NodeId kOtherRoot{0, 2};
const NodeId kThirdRoot{0, 3};
constexpr mesh::ConnectionId kFromOther = 5;
constexpr mesh::ConnectionId kFromChild = 6;

mesh::Peer peer(NodeId id, Role role) {
  return {id, role, limits::kGroupPowerMax, limits::kGroupPowerMax, Joules{1'000'000'000}};
}

template <class T>
std::vector<T> of_kind(const std::vector<mesh::SendDown>& down, mesh::ConnectionId to) {
  std::vector<T> out;
  for (const mesh::SendDown& send : down) {
    const auto* message = std::get_if<T>(&send.message);
    if (send.connection == to && message != nullptr) out.push_back(*message);
  }
  return out;
}

class RootNodeBench {
 public:
  explicit RootNodeBench(std::vector<Endpoint> others = {{"tcp://other:1", {}}}) {
    NodeOptions options;
    options.self = kMe;
    options.role = Role::kRoot;
    options.name = "root-1";
    options.bidding.enabled = false;
    options.root.lease = LeaseKind::kEtcd;
    options.root.peers = std::move(others);
    options.root.copies = 1;
    options.root.codec.encode = [](const JournalEntry&) { return std::vector<std::uint8_t>{1}; };
    options.root.codec.decode = [](std::span<const std::uint8_t>) {
      return std::optional<JournalEntry>{aggregation::Order{}};
    };
    node.emplace(options, Rng{1}, now(), Recovered{});
    take();
    const std::vector<LeaseAsk> asks = effects.lease;
    pass(1ms);
    REQUIRE_FALSE(effects.open.empty());
    link_to_other = effects.open.front().link;
    link_to_last = effects.open.back().link;
    effects.lease = asks;
  }

  [[nodiscard]] Now now() const {
    return {at, MarketTime{24h * 20'000} + at.time_since_epoch(), 1};
  }
  void step(const Event& event) {
    node->step(now(), event);
    take();
  }
  void pass(Duration span) {
    at += span;
    node->advance(now());
    take();
  }

  /// etcd gives the key to this root.
  void win(std::uint64_t term) {
    REQUIRE_FALSE(effects.lease.empty());
    step(LeaseAnswered{effects.lease.back().id, KeyClaimed{77, term, 3s}});
  }
  /// Keeps the lease; every ask is answered at once.
  void keep() {
    for (const LeaseAsk& ask : std::vector{effects.lease}) {
      if (std::holds_alternative<KeepAlive>(ask.what)) step(LeaseAnswered{ask.id, KeptAlive{3s}});
    }
  }
  /// Our own link to the other root is proven, so that it is known.
  void link() {
    step(mesh::LinkOpened{link_to_other});
    step(mesh::FromParent{link_to_other, kOtherRoot, mesh::HelloAck{}});
  }
  void follows(std::uint64_t promised, mesh::JournalRank held) {
    step(mesh::FromChild{kFromOther, peer(kOtherRoot, Role::kRoot),
                         mesh::Follow{.promised = promised, .held = held}});
  }
  void child_joins() {
    mesh::Hello hello;
    hello.role = Role::kLeaf;
    hello.session = 1;
    step(mesh::FromChild{kFromChild, peer({0, 9}, Role::kLeaf), hello});
  }
  RequestId send(const std::string& key) {
    step(OperatorAsked{++request, SendOrder{key, Watts{1'000}, {}, 1h}});
    return request;
  }
  [[nodiscard]] std::optional<Reply> reply(RequestId to) const {
    const auto found = std::ranges::find(effects.replies, to, &Reply::request);
    return found != effects.replies.end() ? std::optional{*found} : std::nullopt;
  }

  Instant at{10s};
  std::optional<Node> node;
  Effects effects;  ///< of the newest call
  RequestId request = 0;
  mesh::LinkId link_to_other = 0;
  mesh::LinkId link_to_last = 0;

 private:
  void take() { effects = node->take_effects(); }
};

}  // namespace

TEST_CASE("a candidate answers probes without a path and takes no orders", "[node][root]") {
  RootNodeBench bench;
  bench.step(mesh::FromChild{kFromChild, std::nullopt, mesh::Probe{1}});
  const auto answers = of_kind<mesh::ProbeAck>(bench.effects.down, kFromChild);
  REQUIRE(answers.size() == 1);
  CHECK(answers[0].path.empty());
  bench.child_joins();
  const auto naks = of_kind<mesh::HelloNak>(bench.effects.down, kFromChild);
  REQUIRE(naks.size() == 1);
  CHECK(naks[0].alternates == std::vector<Endpoint>{{"tcp://other:1", {}}});
  const RequestId asked = bench.send("a");
  REQUIRE(bench.reply(asked));
  CHECK(bench.reply(asked)->refused.find("does not lead") != std::string::npos);
}

TEST_CASE("an order is answered once the standby holds it, and not dispatched before",
          "[node][root]") {
  RootNodeBench bench;
  bench.win(7);
  CHECK(std::ranges::count(bench.effects.persist, Record{TermRecord{7}}) == 1);
  bench.link();
  bench.child_joins();
  REQUIRE(of_kind<mesh::HelloAck>(bench.effects.down, kFromChild).size() == 1);

  CHECK_FALSE(bench.reply(bench.send("too early"))->refused.empty());
  bench.follows(7, {7, 0});
  const RequestId asked = bench.send("a");
  CHECK_FALSE(bench.reply(asked));
  CHECK_FALSE(of_kind<mesh::JournalPart>(bench.effects.down, kFromOther).empty());
  CHECK(bench.node->status(bench.now()).target == std::nullopt);
  const auto journal = bench.node->status(bench.now()).root->journal;
  bench.follows(7, journal);
  REQUIRE(bench.reply(asked));
  CHECK(bench.reply(asked)->order);
  CHECK(bench.node->status(bench.now()).target == Watts{1'000});

  SECTION("a root that was stopped wakes, poisons its children and moves nothing") {
    bench.step(OperatorAsked{++bench.request, CancelOrder{bench.reply(asked)->order->id}});
    bench.at += 1min;
    bench.follows(7, {7, 5});
    const auto beacons = of_kind<mesh::Beacon>(bench.effects.down, kFromChild);
    REQUIRE_FALSE(beacons.empty());
    for (const mesh::Beacon& beacon : beacons) CHECK(beacon.path.empty());
    CHECK(of_kind<mesh::Dispatch>(bench.effects.down, kFromChild).empty());
    CHECK(bench.effects.market.empty());
    CHECK_FALSE(bench.reply(bench.request)->refused.empty());
    CHECK(bench.node->status(bench.now()).target == std::nullopt);
    bench.pass(10s);
    CHECK(of_kind<mesh::Dispatch>(bench.effects.down, kFromChild).empty());
  }
  SECTION("a newer term, from whomever, ends it at once") {
    bench.follows(8, {7, 1});
    CHECK(std::ranges::count(bench.effects.persist, Record{TermRecord{8}}) == 1);
    CHECK(bench.node->status(bench.now()).root->state == "fenced");
    CHECK(bench.node->status(bench.now()).path.empty());
  }
  SECTION("without its standby the order goes on, and no new one is taken") {
    for (int i = 0; i < 12; ++i) {
      bench.pass(500ms);
      bench.keep();
    }
    CHECK(bench.node->status(bench.now()).target == Watts{1'000});
    CHECK(bench.node->status(bench.now()).root->standbys == 0);
    CHECK_FALSE(bench.reply(bench.send("b"))->refused.empty());
  }
}

TEST_CASE("a root that is not in the config is nobody's standby", "[node][root]") {
  RootNodeBench bench;
  bench.win(7);
  bench.follows(9, {9, 9});
  CHECK(bench.node->status(bench.now()).term == 7);
  CHECK(bench.node->status(bench.now()).root->standbys == 0);
}

// Seed 20006080: the last word of a root that died was that its journal is the longest; the new
// leader waited for that for ever.
TEST_CASE("the journal of a root that cannot be reached is not waited for", "[node][root]") {
  RootNodeBench bench{{{"tcp://other:1", {}}, {"tcp://third:1", {}}}};
  bench.win(7);
  bench.link();
  bench.step(mesh::LinkOpened{bench.link_to_last});
  bench.step(mesh::FromParent{bench.link_to_last, kThirdRoot, mesh::HelloAck{}});
  const auto third_follows = [&] {
    bench.step(
        mesh::FromChild{8, peer(kThirdRoot, Role::kRoot), mesh::Follow{.promised = 7, .held = {}}});
  };
  SECTION("its word came after its link was lost") {
    bench.step(mesh::LinkLost{bench.link_to_other});
    bench.follows(7, {6, 3});
    CHECK_FALSE(bench.node->status(bench.now()).root->serves);  // nobody else was heard
    third_follows();
    CHECK(bench.node->status(bench.now()).root->serves);
  }
  SECTION("while it can be, the longest journal counts") {
    bench.follows(7, {6, 3});
    third_follows();
    CHECK_FALSE(bench.node->status(bench.now()).root->serves);
  }
}

namespace {

/// The only root, and one leaf that answers every beacon.
struct OnlyRootBench {
  Instant at{10s};
  std::optional<Node> node;
  mesh::Stamp heard = 0;
  std::uint64_t sequence = 0;
  std::optional<mesh::Dispatch> told;  ///< the leaf, newest

  OnlyRootBench() {
    NodeOptions options;
    options.self = kMe;
    options.role = Role::kRoot;
    options.bidding.enabled = false;
    node.emplace(options, Rng{1}, now(), Recovered{});
    mesh::Hello hello;
    hello.session = 1;
    from_child(hello);
    pass(3);
  }
  [[nodiscard]] Now now() const {
    return {at, MarketTime{24h * 20'000} + at.time_since_epoch(), 1};
  }
  Effects take() {
    Effects effects = node->take_effects();
    for (const auto& ack : of_kind<mesh::HelloAck>(effects.down, kFromChild)) heard = ack.stamp;
    for (const auto& each : of_kind<mesh::Beacon>(effects.down, kFromChild)) heard = each.stamp;
    for (const auto& each : of_kind<mesh::Dispatch>(effects.down, kFromChild)) told = each;
    return effects;
  }
  void from_child(const mesh::Message& message) {
    node->step(now(), mesh::FromChild{kFromChild, peer({0, 9}, Role::kLeaf), message});
    (void)take();
  }
  void pass(int seconds) {
    for (int i = 0; i < seconds; ++i) {
      at += 1s;
      node->advance(now());
      (void)take();
      mesh::SiteSummary site;
      site.discharge = {Watts{5'000}, Joules{36'000'000}};
      site.measured = Watts{0};
      site.stale = false;
      from_child(mesh::Report{.session = 1,
                              .sequence = ++sequence,
                              .beacon = heard,
                              .summary = site,
                              .attached = {},
                              .evicted = {}});
    }
  }
  Reply ask(const decltype(OperatorAsked::command)& command) {
    node->step(now(), OperatorAsked{7, command});
    return take().replies.at(0);
  }
};

}  // namespace

// Seed 10 with programs: whoever was told an order ahead went on to it after it was cancelled.
TEST_CASE("an order that was told ahead is taken back when it is cancelled", "[node][root]") {
  OnlyRootBench bench;
  const Reply booked = bench.ask(SendOrder{"a", Watts{1'000}, bench.now().market + 10s, 1h});
  REQUIRE(booked.order);
  bench.pass(2);
  REQUIRE(bench.told);
  REQUIRE(bench.told->ahead.size() == 1);
  REQUIRE(bench.ask(CancelOrder{booked.order->id}).order);
  bench.pass(1);
  CHECK_FALSE(bench.told->share);
  CHECK(bench.told->ahead.empty());
}

TEST_CASE("an order for a program or group that nobody serves is refused, and says who is there",
          "[node][root]") {
  OnlyRootBench bench;
  SendOrder order{"a", Watts{1'000}, {}, 1h};
  order.scope = {"emergncy", "region=north"};
  CHECK(bench.ask(order).refused == "no site below serves emergncy in region=north; known: energy");
}

TEST_CASE("an order with a ramp is followed up and down, tick by tick", "[node][root]") {
  NodeOptions options;
  options.self = kMe;
  options.role = Role::kRoot;
  options.bidding.enabled = false;
  Now now{Instant{10s}, MarketTime{24h * 20'000}, 1};
  Node node{options, Rng{1}, now, Recovered{}};
  const MarketTime begin = now.market;
  node.step(now,
            OperatorAsked{1, SendOrder{"a", Watts{6'000}, {}, 10min, {}, Service::kEnergy, 1min}});
  const auto target_at = [&](Duration since) {
    while (now.market < begin + since) {
      now.protocol += 500ms;
      now.market += 500ms;
      node.advance(now);
      (void)node.take_effects();
    }
    return node.status(now).target;
  };
  (void)node.take_effects();
  CHECK(target_at(0s) == Watts{0});
  CHECK(target_at(30s) == Watts{3'000});
  CHECK(target_at(60s) == Watts{6'000});
  CHECK(target_at(9min) == Watts{6'000});
  CHECK(target_at(9min + 45s) == Watts{1'500});
  CHECK(target_at(10min + 1s) == std::nullopt);
  node.step(now, OperatorAsked{2, SendOrder{"b", Watts{1}, {}, 1min, {}, Service::kEnergy, -1s}});
  CHECK_FALSE(node.take_effects().replies.at(0).refused.empty());
}
