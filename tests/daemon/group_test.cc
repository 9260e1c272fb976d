// The children of an aggregator as one group, and what each of them is told.
#include "daemon/node/group.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>

#include "tests/mesh/children_fixture.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;

namespace {

using mesh::testing::kRoot;
using mesh::testing::kSelf;
using mesh::testing::leaf;

const OrderId kOrder{7};

/// An aggregator's group of two leaves, `n` on connection `n`: each follows what it was told.
struct GroupBench {
  Now now{Instant{1'000s}, MarketTime{456'000h}, 1};
  Group group;
  std::map<mesh::ConnectionId, std::optional<Watts>> told;  ///< in the newest tick
  std::map<mesh::ConnectionId, Watts> does;
  mesh::Stamp heard = 0;
  std::uint64_t sequence = 0;
  Watts home{0};       ///< what each home does by itself, export > 0
  bool meters = true;  ///< and its meter is known

  explicit GroupBench(const aggregation::FeederLimits& feeder = {})
      : group{mesh::testing::ChildrenBench::options_of(Role::kAggregator), {}, Rng{1}, feeder} {
    stand({kSelf, kRoot});
    for (const std::uint64_t n : {1U, 2U}) join(n);
  }

  void take() {
    const mesh::ChildrenEffects effects = group.children().take_effects();
    for (const auto& [to, beacon] : mesh::testing::sent<mesh::Beacon>(effects)) {
      heard = beacon.stamp;
    }
    for (const auto& [to, ack] : mesh::testing::sent<mesh::HelloAck>(effects)) heard = ack.stamp;
    for (const auto& [to, dispatch] : mesh::testing::sent<mesh::Dispatch>(effects)) {
      told[to] = dispatch.share;
      does[to] = dispatch.share.value_or(Watts{0});
    }
  }
  /// Where the aggregator stands; an empty path: it is cut off.
  void stand(const mesh::Path& path) {
    now.protocol += 1ms;
    group.children().set_upstream(now, path, 1, {});
    take();
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
  void report(std::uint64_t n) {
    mesh::SiteSummary site;
    site.discharge = {mesh::testing::kRated, mesh::testing::kContent};
    site.measured = site.set_point = does[n];
    site.order = does[n] == Watts{0} ? kNoOrder : kOrder;
    site.stale = false;
    if (meters) site.net = home + does[n];
    from(n, mesh::Report{.session = 1,
                         .sequence = ++sequence,
                         .beacon = heard,
                         .summary = site,
                         .attached = {},
                         .evicted = {}});
  }
  /// All above know of them.
  void cleared(std::initializer_list<std::uint64_t> some) {
    for (const std::uint64_t n : some) group.children().cleared(now, {{leaf(n), 1, true}});
  }
  /// What both meters say now.
  [[nodiscard]] Watts metered() { return home * 2 + does[1] + does[2]; }
  [[nodiscard]] NodeStatus status() const {
    NodeStatus out;
    group.fill(out, now);
    return out;
  }
  /// What the two were told in the newest tick.
  [[nodiscard]] std::string words() const {
    std::string out;
    for (const auto& [to, share] : told) {
      out += (out.empty() ? "" : " ") + (share ? std::to_string(share->count) : "release");
    }
    return out;
  }
  /// A second later, everybody having reported, the group is asked for so much, or released.
  void tick(std::optional<Watts> asked) {
    now.protocol += 1s;
    now.market += 1s;
    group.children().advance(now);
    take();
    for (const std::uint64_t n : {1U, 2U}) report(n);
    told.clear();
    mesh::Dispatch dispatch;
    dispatch.order = kOrder;
    dispatch.share = asked;
    dispatch.until = MarketTime{457'000h};
    dispatch.expires = (now.protocol + 60s).time_since_epoch().count();
    (void)group.dispatch(now, dispatch);
    take();
  }
};

}  // namespace

TEST_CASE("a group that is cut off releases the site that its new parent does not know to be there",
          "[node][group]") {
  GroupBench bench;
  bench.cleared({1, 2});
  bench.group.children().announce_all(bench.now);  // to a new parent
  bench.cleared({1});                              // of the other no word yet
  bench.tick(Watts{4'000});
  CHECK(bench.words() == "2000 2000");
  bench.stand({});
  bench.tick(Watts{4'000});
  // Once the first is seen elsewhere, nothing is reserved above for what is done here.
  CHECK(bench.words() == "2000 release");
  bench.tick(Watts{4'000});  // the second has said that it follows nothing
  CHECK(bench.words() == "4000 release");
  bench.stand({kSelf, kRoot});
  bench.tick(Watts{4'000});
  CHECK(bench.words() == "2000 2000");
}

TEST_CASE("what a group expects of its sites goes up beside what they could do", "[node][group]") {
  GroupBench bench;
  bench.cleared({1, 2});
  const auto mean_of_nominal = [&] {
    const mesh::GroupSummary sum = bench.group.summary(bench.now);
    REQUIRE(sum.discharge_expected.mean.size() == aggregation::kGridPoints);
    REQUIRE(sum.discharge_expected.deviation[0] > Joules{0});
    return static_cast<double>(sum.discharge_expected.mean[0].count) /
           static_cast<double>(sum.discharge[0].count);
  };
  bench.tick(std::nullopt);
  CHECK(mean_of_nominal() == Approx(0.9));
  for (int second = 0; second < 60; ++second) bench.tick(Watts{4'000});
  bench.tick(std::nullopt);
  CHECK(mean_of_nominal() == Approx(0.909));  // each has followed one order
}

TEST_CASE("a site that does not do what it is asked is expected to do less", "[node][group]") {
  GroupBench bench;
  bench.cleared({1, 2});
  bench.tick(Watts{4'000});
  for (int second = 0; second < 60; ++second) {
    bench.does[2] = Watts{0};
    bench.tick(Watts{4'000});
  }
  bench.tick(std::nullopt);
  const auto rates = bench.group.rates_of(bench.group.children().view(bench.now));
  CHECK(rates[0].response_permille == 909);
  CHECK(rates[1].response_permille < 850);
}

TEST_CASE("a release is said again until whoever hears it has answered", "[node][group]") {
  GroupBench bench;
  bench.cleared({1, 2});
  bench.tick(Watts{4'000});
  CHECK_FALSE(bench.group.keep_up(bench.now, Scope{}));
  bench.tick(std::nullopt);
  CHECK(bench.words() == "release release");
  bench.does[2] = Watts{2'000};  // it was lost on its way to the second
  bench.now.protocol += 1s;
  for (const std::uint64_t n : {1U, 2U}) bench.report(n);
  CHECK(bench.group.keep_up(bench.now, Scope{}));
  // Whoever takes this branch in has to know what is still done there.
  CHECK(bench.group.summary(bench.now).reserved == Watts{2'000});
  bench.tick(std::nullopt);
  bench.now.protocol += 1s;
  bench.report(2);
  CHECK_FALSE(bench.group.keep_up(bench.now, Scope{}));
  CHECK(bench.group.summary(bench.now).reserved == Watts{0});
}

TEST_CASE("what becomes of the watts that a group is asked is written down", "[node][group]") {
  GroupBench bench;
  bench.cleared({1, 2});
  CHECK(bench.status().books.empty());
  bench.tick(Watts{4'000});
  bench.tick(Watts{4'000});
  auto books = bench.status().books;
  REQUIRE(books.size() == 1);
  CHECK(books[0].asked == Watts{4'000});
  CHECK(books[0].asked_for == Watts{4'000});
  CHECK(books[0].measured == Watts{4'000});
  CHECK(books[0].not_placed == Watts{0});
  bench.tick(Watts{13'000});  // of 10,000
  books = bench.status().books;
  REQUIRE(books.size() == 1);
  CHECK(books[0].asked_for == Watts{10'000});
  CHECK(books[0].not_placed == Watts{3'000});
  CHECK(bench.status().undelivered == std::vector<aggregation::Undelivered>(2));
  bench.tick(std::nullopt);
  CHECK(bench.status().books.empty());
}

TEST_CASE("a group asks no more than its feeder carries by the meters, and says what is cut off",
          "[node][group]") {
  GroupBench bench{{.export_max = Watts{10'000}, .import_max = Watts{10'000}}};
  bench.cleared({1, 2});
  const auto settle = [&](Watts asked) {
    for (int tick = 0; tick < 400; ++tick) {
      bench.tick(asked);
      REQUIRE(std::abs(bench.metered().count) <= 10'000);
    }
  };
  bench.home = Watts{-1'000};  // load
  settle(Watts{9'000});
  CHECK(bench.metered().count == 7'000);
  CHECK(bench.status().group.shortfall == Watts{0});

  bench.home = Watts{3'000};  // PV
  bench.does[1] = bench.does[2] = Watts{0};
  settle(Watts{9'000});
  const NodeStatus status = bench.status();
  CHECK(bench.metered().count >= 7'500);  // the jump is still remembered
  CHECK(status.books.at(0).capped == Watts{9'000} - status.books.at(0).asked_for);
  CHECK(status.group.shortfall == status.books.at(0).capped);

  bench.meters = false;
  bench.tick(Watts{9'000});
  CHECK(bench.words() == "0 0");
  CHECK(bench.status().group.shortfall == Watts{9'000});
}
