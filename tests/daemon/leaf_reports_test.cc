#include <catch2/catch.hpp>
#include <chrono>
#include <utility>
#include <variant>
#include <vector>

#include "config/limits.h"
#include "daemon/node/node.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;

namespace {

const NodeId kParent{2, 1};

/// A leaf under a parent that told it how far its children spread:
/// beacons come each second, the device says what it was told.
struct LeafReportsBench {
  Now now{Instant{1'000s}, MarketTime{456'000h}, 1};
  Node leaf;
  mesh::LinkId link = 0;
  std::vector<Instant> reports;
  std::vector<Instant> acknowledged;
  OrderId order = kNoOrder;
  std::uint64_t sequence = 0;

  LinkKind kind;
  std::vector<mesh::Stamp> echoed = {};  ///< by its reports

  explicit LeafReportsBench(Duration spread, LinkKind line = LinkKind::kLan)
      : leaf{options(line), Rng{7}, now, was_here()}, kind{line} {
    leaf.advance(now);
    link = leaf.take_effects().open.at(0).link;
    leaf.step(now, mesh::LinkOpened{link});
    const auto probe = std::get<mesh::Probe>(leaf.take_effects().up.at(0).message);
    hear(mesh::ProbeAck{.nonce = probe.nonce,
                        .term = 1,
                        .path = {kParent},
                        .children = 1,
                        .free_slots = 9,
                        .region = {}});
    hear(mesh::HelloAck{.session = 1,
                        .certificate = {},
                        .lease = lease_of(kind, Role::kLeaf),
                        .beacon_interval = profile_of(kind).beacon_interval,
                        .spread = spread,
                        .term = 1,
                        .path = {kParent},
                        .stamp = stamp(),
                        .market_time = now.market,
                        .market_speed = 1,
                        .alternates = {},
                        .evict = {}});
    device();
  }

  /// Its next session is 1.
  static Recovered was_here() {
    Recovered recovered;
    recovered.uplink = mesh::UplinkRecord{};
    return recovered;
  }
  static NodeOptions options(LinkKind line) {
    NodeOptions out;
    out.link = line;
    out.self = NodeId{1, 2};
    out.seeds = {Endpoint{"tcp://parent:1", {}}};
    return out;
  }
  [[nodiscard]] mesh::Stamp stamp() const { return now.protocol.time_since_epoch().count(); }

  void look() {
    for (const auto& sent : leaf.take_effects().up) {
      if (const auto* report = std::get_if<mesh::Report>(&sent.message)) {
        reports.push_back(now.protocol);
        echoed.push_back(report->beacon);
      }
      if (std::holds_alternative<mesh::DispatchAck>(sent.message)) {
        acknowledged.push_back(now.protocol);
      }
    }
  }
  void hear(const mesh::Message& message) {
    leaf.step(now, mesh::FromParent{link, kParent, message});
    look();
  }
  void device(Watts measured = Watts{0}) {
    device::SiteStatus status;
    status.order = order;
    status.measured = measured;
    leaf.step(now, SiteReported{status});
    look();
  }
  void run(Duration span) {
    for (const Instant end = now.protocol + span; now.protocol < end; look()) {
      now.protocol += 10ms;
      now.market += 10ms;
      if (now.protocol.time_since_epoch() % profile_of(kind).beacon_interval == 0ms) hear(beacon());
      leaf.advance(now);
    }
  }
  [[nodiscard]] mesh::Beacon beacon() const {
    return {.stamp = stamp(),
            .term = 1,
            .path = {kParent},
            .market_time = now.market,
            .market_speed = 1,
            .alternates = {}};
  }
  /// A new order, which the device takes up a little later.
  void dispatch() {
    order = OrderId{++sequence};
    hear(mesh::Dispatch{.order = order,
                        .term = 1,
                        .sequence = sequence,
                        .tick = sequence,
                        .share = Watts{500},
                        .from = now.market,
                        .until = now.market + 1h,
                        .expires = stamp() + 30'000,
                        .repeat = 0,
                        .ahead = {}});
    run(60ms);
    device();
  }
};

}  // namespace

TEST_CASE("a new order is acknowledged at once, and reported soon where siblings are few",
          "[node][leaf]") {
  LeafReportsBench bench{80ms};  // of 100 siblings
  bench.run(3s);
  const Instant told = bench.now.protocol;
  bench.reports.clear();
  bench.dispatch();
  bench.run(1s);
  REQUIRE(bench.acknowledged == std::vector{told});
  REQUIRE_FALSE(bench.reports.empty());
  CHECK(bench.reports.front() - told <= 200ms);
}

TEST_CASE("a leaf's status says what it was told last", "[node][leaf]") {
  LeafReportsBench bench{80ms};
  bench.run(3s);
  CHECK_FALSE(bench.leaf.status(bench.now).told.order.has_value());
  bench.dispatch();
  const auto told = bench.leaf.status(bench.now).told;
  REQUIRE(told.order.has_value());
  CHECK(told.order->order == bench.order);
  CHECK(told.order->power == Watts{500});
  bench.leaf.step(bench.now, StopAsked{});
  CHECK_FALSE(bench.leaf.status(bench.now).told.order.has_value());
}

TEST_CASE("thousands of siblings let their parent hear what all acknowledge before they report",
          "[node][leaf]") {
  LeafReportsBench bench{4s};  // of 5,000 siblings
  bench.run(3s);
  for (int phase = 0; phase < 10; ++phase) {  // whenever the regular report would be due
    bench.run(110ms);
    const Instant told = bench.now.protocol;
    bench.reports.clear();
    bench.acknowledged.clear();
    bench.dispatch();
    bench.run(3s);
    REQUIRE(bench.acknowledged == std::vector{told});
    REQUIRE_FALSE(bench.reports.empty());
    CHECK(bench.reports.front() - told >= 500ms);
    CHECK(bench.reports.front() - told <= 1'500ms);
  }
}

TEST_CASE("however fast orders follow one another, a leaf reports well within its lease",
          "[node][leaf]") {
  LeafReportsBench bench{8s};  // of 10,000 siblings
  bench.run(3s);
  bench.reports.clear();
  for (int i = 0; i < 100; ++i) {
    bench.dispatch();
    bench.run(50ms);
  }
  REQUIRE(bench.reports.size() >= 4);
  for (std::size_t i = 1; i < bench.reports.size(); ++i) {
    CHECK(bench.reports[i] - bench.reports[i - 1] <= limits::kLease / 2);
  }
}

TEST_CASE("where data is paid for, a leaf with nothing to say answers every fifth beacon",
          "[node][leaf][lines]") {
  LeafReportsBench bench{80ms, LinkKind::kCellular};
  bench.run(10s);
  bench.reports.clear();
  bench.echoed.clear();
  const Instant since = bench.now.protocol;
  bench.run(10min);
  CHECK(bench.reports.size() == 12);
  Instant last = since;
  for (std::size_t i = 0; i < bench.reports.size(); ++i) {
    CHECK(bench.reports[i] - last <= 50s);
    CHECK(bench.echoed[i] == bench.reports[i].time_since_epoch().count());  // the newest there is
    last = bench.reports[i];
  }
}

TEST_CASE("where data is paid for, power that changes is told seldom, and an order at once",
          "[node][leaf][lines]") {
  LeafReportsBench bench{80ms, LinkKind::kCellular};
  bench.run(10s);
  bench.reports.clear();
  for (int i = 0; i < 100; ++i) {
    bench.device(Watts{1'000 * (i % 2)});
    bench.run(200ms);
  }
  CHECK(bench.reports.size() <= 4 + 1);
  CHECK(bench.reports.size() >= 3);
  bench.reports.clear();
  const Instant asked = bench.now.protocol;
  bench.dispatch();
  bench.run(1s);
  REQUIRE_FALSE(bench.reports.empty());
  CHECK(bench.reports.front() - asked <= 500ms);
  bench.run(10s);
  bench.reports.clear();
  bench.run(60s);
  CHECK(bench.reports.size() == 6);  // while it is delivered, with every beacon
}
