#include <catch2/catch.hpp>
#include <chrono>
#include <optional>

#include "daemon/node/node.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;

namespace {

/// A leaf without a parent, and its device thread's reports.
struct LeafAccountsBench {
  Now now{Instant{1000s}, MarketTime{456'000h}, 1};
  Node leaf;
  std::optional<SiteAccounts> durable;
  int writes = 0;

  explicit LeafAccountsBench(const Recovered& recovered = {})
      : leaf{options(), Rng{7}, now, recovered} {}

  static NodeOptions options() {
    NodeOptions out;
    out.self = NodeId{1, 2};
    out.seeds = {Endpoint{"tcp://parent:1", {}}};
    return out;
  }

  void report(OrderId order, std::vector<device::OrderAccount> accounts) {
    device::SiteStatus status;
    status.order = order;
    status.accounts = std::move(accounts);
    leaf.step(now, SiteReported{status});
    for (const auto& record : leaf.take_effects().persist) {
      const auto* kept = std::get_if<SiteAccounts>(&record);
      if (kept == nullptr) continue;
      durable = *kept;
      ++writes;
    }
  }
  [[nodiscard]] std::int64_t kept_j() const { return durable->accounts.back().delivered.count; }
};

}  // namespace

TEST_CASE("a leaf keeps its accounts once a minute while an order runs", "[node][accounts]") {
  LeafAccountsBench bench;
  for (int second = 0; second < 600; ++second) {
    bench.report(OrderId{3}, {{OrderId{3}, Joules{1'000 * second}}});
    bench.now.protocol += 1s;
    REQUIRE(bench.durable.has_value());
    REQUIRE(1'000 * second - bench.kept_j() <= 60'000);  // what a crash may forget
  }
  CHECK(bench.writes == 10);
}

TEST_CASE("a leaf keeps its accounts when an order ends, with its last joules",
          "[node][accounts]") {
  LeafAccountsBench bench;
  bench.report(OrderId{3}, {{OrderId{3}, Joules{0}}});
  bench.now.protocol += 10s;
  bench.report(OrderId{3}, {{OrderId{3}, Joules{10'000}}});
  bench.now.protocol += 1s;
  bench.report(kNoOrder, {{OrderId{3}, Joules{11'000}}});
  bench.now.protocol += 4s;
  bench.report(kNoOrder, {{OrderId{3}, Joules{11'200}}});
  CHECK(bench.kept_j() == 11'200);
  const int writes = bench.writes;
  bench.now.protocol += 1h;
  bench.report(kNoOrder, {{OrderId{3}, Joules{11'200}}});
  CHECK(bench.writes == writes);  // nothing new, nothing written
}

TEST_CASE("an account that was recovered is not written again", "[node][accounts]") {
  Recovered recovered;
  recovered.site.accounts = {{OrderId{3}, Joules{5'000}}};
  LeafAccountsBench bench{recovered};
  bench.report(kNoOrder, recovered.site.accounts);
  CHECK(bench.writes == 0);
  bench.report(OrderId{4}, {{OrderId{3}, Joules{5'000}}, {OrderId{4}, Joules{0}}});
  CHECK(bench.writes == 1);
}
