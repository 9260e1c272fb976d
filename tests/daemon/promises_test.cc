#include "daemon/node/promises.h"

#include <catch2/catch.hpp>
#include <chrono>

#include "config/limits.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;

namespace {

constexpr MarketTime kMarket{Duration{1'000'000'000}};
constexpr Instant kBegin{100s};

/// One child of a parent that tells it something every second.
struct PromisesBench {
  Promises promises;
  mesh::ChildView child;
  Instant now = kBegin;

  PromisesBench() {
    child.id = NodeId{1, 1};
    child.attached = child.counted = true;
  }

  void tell(std::optional<Watts> share, std::vector<mesh::Step> ahead = {}) {
    mesh::Dispatch form;
    form.order = OrderId{1};
    form.share = share;
    form.until = kMarket + 1h;
    form.expires = (now + 30s).time_since_epoch().count();
    form.ahead = std::move(ahead);
    promises.told(now, child.id, form, limits::kLease);
  }
  void lose() {
    child.attached = child.counted = false;
    see();
  }
  void see(Promises::Lives lives = Promises::Lives::kHere) { promises.seen(now, child, lives); }
  [[nodiscard]] std::int64_t reserved(Watts request, MarketTime at = kMarket) const {
    return promises.reserved(now, at, request).count;
  }
};

}  // namespace

TEST_CASE("a child in contact reserves nothing, one out of contact what it was asked",
          "[node][promises]") {
  PromisesBench bench;
  bench.tell(Watts{3'000});
  bench.see();
  CHECK(bench.reserved(Watts{10'000}) == 0);
  bench.lose();
  CHECK(bench.reserved(Watts{10'000}) == 3'000);
  CHECK(bench.reserved(Watts{2'000}) == 2'000);             // never more than there is
  CHECK(bench.reserved(Watts{-10'000}) == 0);               // the other sign
  CHECK(bench.reserved(Watts{10'000}, kMarket + 1h) == 0);  // its window is over
}

TEST_CASE("who missed what came later is taken at its own word", "[node][promises]") {
  PromisesBench bench;
  bench.tell(Watts{3'000});
  for (int i = 0; i < 12; ++i) {  // a long time of shares that are lost
    bench.now += 1s;
    bench.tell(Watts{0});
    mesh::SiteSummary site;
    site.order = OrderId{1};
    site.set_point = Watts{3'000};
    bench.child.summary = site;
    bench.child.heard_at = bench.now;
    bench.see();
  }
  bench.lose();
  CHECK(bench.reserved(Watts{10'000}) == 3'000);
  CHECK(bench.reserved(Watts{10'000}, kMarket + 1h) == 0);
}

TEST_CASE("a promise ends when it expires, drift of two clocks allowed for", "[node][promises]") {
  PromisesBench bench;
  bench.tell(Watts{3'000});
  bench.lose();
  bench.now = kBegin + 30s;
  CHECK(bench.reserved(Watts{10'000}) == 3'000);
  bench.now = kBegin + 30s + 61ms;
  CHECK(bench.reserved(Watts{10'000}) == 0);
}

TEST_CASE("a child that lives elsewhere reserves nothing", "[node][promises]") {
  PromisesBench bench;
  bench.tell(Watts{3'000});
  bench.lose();
  bench.see(Promises::Lives::kMoved);
  CHECK(bench.reserved(Watts{10'000}) == 0);
}

TEST_CASE("nobody knows which share came last: the most of the last lease counts",
          "[node][promises]") {
  PromisesBench bench;
  bench.tell(Watts{9'000});
  bench.now += 60s;
  bench.tell(Watts{4'000});
  bench.now += 1s;
  bench.tell(Watts{2'000});
  bench.lose();
  CHECK(bench.reserved(Watts{10'000}) == 4'000);
}

TEST_CASE("a release counts once the child says that it follows nothing", "[node][promises]") {
  PromisesBench bench;
  bench.tell(Watts{3'000});
  bench.now += 1s;
  bench.tell(std::nullopt);
  bench.child.heard_at = bench.now + 1s;
  mesh::SiteSummary site;
  SECTION("it never said so: the release may have been lost") {
    site.order = OrderId{1};
    bench.child.summary = site;
    bench.lose();
    CHECK(bench.reserved(Watts{10'000}) == 3'000);
  }
  SECTION("it said so") {
    bench.child.summary = site;
    bench.see();
    bench.lose();
    CHECK(bench.reserved(Watts{10'000}) == 0);
  }
}

TEST_CASE("steps told ahead are reserved while they would run", "[node][promises]") {
  PromisesBench bench;
  bench.tell(Watts{3'000}, {{OrderId{2}, Watts{-500}, kMarket + 1h, kMarket + 2h}});
  bench.lose();
  CHECK(bench.reserved(Watts{-10'000}, kMarket + 90min) == -500);
  CHECK(bench.reserved(Watts{10'000}, kMarket + 90min) == 0);
  CHECK(bench.reserved(Watts{-10'000}, kMarket) == 0);
}

// Seed 20001898: a site whose order had ended waited for the next; the release that it never heard
// was taken for heard.
TEST_CASE("who waits for a step ahead has not let go of it", "[node][promises]") {
  PromisesBench bench;
  bench.tell(Watts{3'000}, {{OrderId{2}, Watts{-500}, kMarket + 1h, kMarket + 2h}});
  bench.now += 1s;
  bench.tell(std::nullopt);
  bench.child.summary = mesh::SiteSummary{};  // follows nothing: the first order is over
  bench.child.heard_at = bench.now + 1s;
  bench.see();
  bench.lose();
  CHECK(bench.reserved(Watts{10'000}) == 0);
  CHECK(bench.reserved(Watts{-10'000}, kMarket + 90min) == -500);
}

// Seed 6220: a branch lost a site, then moved; its new parent had told it nothing.
TEST_CASE("what a branch reserves for its lost sites is reserved for it where it is not counted",
          "[node][promises]") {
  PromisesBench bench;
  mesh::GroupSummary group;
  group.reserved = Watts{-5'000};
  bench.child.role = Role::kAggregator;
  bench.child.summary = group;
  bench.child.heard_at = bench.now;
  SECTION("not while it is counted: it reserves them itself") {
    bench.see();
    CHECK(bench.reserved(Watts{-10'000}) == 0);
  }
  SECTION("while it is held, and after it fell silent, until its site has let go") {
    bench.child.counted = false;
    bench.see();
    CHECK(bench.reserved(Watts{-10'000}) == -5'000);
    CHECK(bench.reserved(Watts{10'000}) == 0);
    CHECK_FALSE(bench.promises.keeps(bench.child));
    bench.lose();
    bench.now += limits::kCutOffHold;
    CHECK(bench.reserved(Watts{-10'000}) == -5'000);
    bench.now += 1s;
    CHECK(bench.reserved(Watts{-10'000}) == 0);
  }
  SECTION("also when all who are known to be below it moved: the lost one is not among them") {
    bench.tell(Watts{-9'000});
    bench.see();
    bench.lose();
    CHECK(bench.reserved(Watts{-10'000}) == -9'000);
    bench.see(Promises::Lives::kAllBelowMoved);  // seed 20003302
    CHECK(bench.reserved(Watts{-10'000}) == -5'000);
    bench.see(Promises::Lives::kMoved);
    CHECK(bench.promises.empty());
  }
  SECTION("no longer than the branch says so") {
    bench.child.counted = false;
    bench.see();
    group.reserved = Watts{0};
    bench.child.summary = group;
    bench.child.heard_at = bench.now + 1s;
    bench.see();
    CHECK(bench.reserved(Watts{-10'000}) == 0);
  }
  SECTION("more than it was asked, when that was less than what the site goes on with") {
    bench.tell(Watts{-1'000});
    bench.see();
    bench.lose();
    CHECK(bench.reserved(Watts{-10'000}) == -5'000);
  }
}

TEST_CASE("a parent is told what lost children may deliver from now on", "[node][promises]") {
  PromisesBench bench;
  bench.tell(Watts{3'000}, {{OrderId{2}, Watts{-4'000}, kMarket + 1h, kMarket + 2h}});
  const auto outstanding = [&](Watts asked) {
    return bench.promises.outstanding(bench.now, kMarket, asked).count;
  };
  bench.see();
  CHECK(outstanding(Watts{0}) == 0);
  bench.lose();
  CHECK(outstanding(Watts{100}) == 3'000);
  CHECK(outstanding(Watts{-100}) == -4'000);
  CHECK(outstanding(Watts{0}) == -4'000);
}
