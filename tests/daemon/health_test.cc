#include "daemon/driver/health.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "snapshots.h"

using namespace vpp;
using namespace vpp::driver;

namespace {

std::vector<std::string> names(const Snapshot& snapshot) {
  std::vector<std::string> out;
  for (const HealthCode& code : health_of(snapshot)) out.push_back(code.code);
  return out;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("a plant that works has no health codes", "[driver][health]") {
  CHECK(names(test::root_snapshot()) == Names{});
  CHECK(names(test::leaf_snapshot()) == Names{});
  CHECK(health_state({}) == "ok");
}

TEST_CASE("each trouble between roots has its code", "[driver][health]") {
  auto root = test::root_snapshot();
  node::RootStatus& roots = root.status.root.emplace();
  roots.state = "leader";
  roots.serves = true;
  roots.copies = roots.standbys = 1;
  CHECK(names(root) == Names{});
  SECTION("no standby follows") {
    roots.standbys = 0;
    CHECK(names(root) == Names{"VPP_JOURNAL_NOT_COPIED"});
  }
  SECTION("too few roots were heard") {
    roots.serves = false;
    roots.roots_to_hear = 1;
    CHECK(names(root) == Names{"VPP_JOURNAL_INCOMPLETE"});
  }
  SECTION("etcd answers nonsense, and the lease still lasts") {
    roots.lease_problem = "the answer is no JSON object";
    CHECK(names(root) == Names{"VPP_ETCD_UNREACHABLE"});
    CHECK(health_state(health_of(root)) == "degraded");
  }
  SECTION("a standby under a leader is well, and needs no children") {
    roots.state = "candidate";
    roots.serves = false;
    roots.holder = "root-2";
    root.status.path.clear();
    root.status.children.clear();
    root.status.target.reset();
    CHECK(names(root) == Names{});
    roots.holder.clear();
    CHECK(names(root) == Names{"VPP_NOT_LEADER"});
    roots.lease_problem = "no answer in time";
    CHECK(names(root) == Names{"VPP_ETCD_UNREACHABLE", "VPP_NOT_LEADER"});
  }
}

TEST_CASE("what is set up wrong between nodes has its code", "[driver][health]") {
  auto root = test::root_snapshot();
  auto leaf = test::leaf_snapshot();
  SECTION("no parent, and the one there is speaks a newer version") {
    leaf.vitals.other_version = {"tcp://agg-1:9402", 2, true, {}};
    CHECK(names(leaf) == Names{"VPP_PROTOCOL_VERSION"});
    CHECK(health_of(leaf).front().severity == node::Severity::kWarning);
    leaf.status.parent.reset();
    CHECK(names(leaf) == Names{"VPP_NO_PARENT", "VPP_PROTOCOL_VERSION"});
    CHECK(health_of(leaf).back().severity == node::Severity::kError);
  }
  SECTION("a child that speaks a newer version") {
    root.vitals.other_version = {"10.0.0.7", 2, false, {}};
    CHECK(names(root) == Names{"VPP_PROTOCOL_VERSION"});
  }
  SECTION("alternates that are garbage") {
    leaf.status.useless_alternates = 3;
    CHECK(names(leaf).empty());
    leaf.status.useless_alternates = 4;
    CHECK(names(leaf) == Names{"VPP_ALTERNATES_USELESS"});
  }
}

TEST_CASE("each fault of the plant has its code", "[driver][health]") {
  auto root = test::root_snapshot();
  auto leaf = test::leaf_snapshot();

  SECTION("no parent") {
    leaf.status.parent.reset();
    CHECK(names(leaf) == Names{"VPP_NO_PARENT"});
  }
  SECTION("no root") {
    leaf.status.path.clear();
    CHECK(names(leaf) == Names{"VPP_NO_ROOT"});
  }
  SECTION("no parent, because nobody who answers has a root") {
    leaf.status.parent.reset();
    leaf.status.trouble = mesh::Trouble::kNoRoot;
    CHECK(names(leaf) == Names{"VPP_NO_PARENT", "VPP_NO_ROOT"});
  }
  SECTION("no parent, because whoever answers lives below") {
    leaf.status.parent.reset();
    leaf.status.trouble = mesh::Trouble::kLoop;
    CHECK(names(leaf) == Names{"VPP_NO_PARENT", "VPP_LOOP"});
  }
  SECTION("two nodes with one identity") {
    root.status.children[1].duplicated = true;
    CHECK(names(root) == Names{"VPP_DUPLICATE_IDENTITY"});
  }
  SECTION("a lost child") {
    root.status.children[1].attached = false;
    CHECK(names(root) == Names{"VPP_CHILD_LOST"});
  }
  SECTION("nobody below") {
    root.status.children.clear();
    CHECK(names(root) == Names{"VPP_NO_CHILDREN"});
  }
  SECTION("silent sites") {
    root.status.group.coverage = {240, 237, 1, 2};
    const auto codes = health_of(root);
    REQUIRE(codes.size() == 1);
    CHECK(codes[0].code == "VPP_STALE_LEAVES");
    CHECK(codes[0].text == "3 of 240 sites are stale or silent");
    CHECK(health_state(codes) == "degraded");
  }
  SECTION("shortfall") {
    root.status.group.shortfall = Watts{500};
    CHECK(names(root) == Names{"VPP_SHORTFALL"});
  }
  SECTION("off target") {
    root.status.group.measured = Watts{5'000};
    CHECK(names(root) == Names{"VPP_OFF_TARGET"});
  }
  SECTION("a small order's noise is not off target") {
    root.status.target = Watts{200};
    root.status.group.measured = Watts{110};
    CHECK(names(root) == Names{});
  }
}

TEST_CASE("each fault of a node's surroundings has its code", "[driver][health]") {
  auto root = test::root_snapshot();
  auto leaf = test::leaf_snapshot();

  SECTION("device gone") {
    leaf.vitals.device = Vitals::Device{false, "connection refused", ""};
    const auto codes = health_of(leaf);
    REQUIRE(codes.size() == 1);
    CHECK(codes[0] ==
          HealthCode{"VPP_DEVICE_UNREACHABLE", node::Severity::kError, "connection refused"});
    CHECK(health_state(codes) == "error");
  }
  SECTION("device out of control") {
    leaf.status.site->mode = device::Mode::kUncontrollable;
    CHECK(names(leaf) == Names{"VPP_DEVICE_UNCONTROLLABLE"});
  }
  SECTION("stale site") {
    leaf.status.site->stale = true;
    CHECK(names(leaf) == Names{"VPP_SITE_STALE"});
  }
  SECTION("meter") {
    leaf.vitals.device->meter_problem = "meter at unit 240: no answer";
    CHECK(health_of(leaf) == std::vector{HealthCode{"VPP_METER_UNKNOWN", node::Severity::kWarning,
                                                    "meter at unit 240: no answer"}});
  }
  SECTION("market") {
    root.vitals.market->problem = "connection refused";
    CHECK(names(root) == Names{"VPP_MARKET_UNREACHABLE"});
  }
  SECTION("store full") {
    root.vitals.store_problem = "no space left";
    CHECK(names(root) == Names{"VPP_STORE_FULL"});
  }
  SECTION("store low") {
    root.vitals.store = {71, 100};
    CHECK(names(root) == Names{"VPP_STORE_LOW"});
  }
  SECTION("queue") {
    root.vitals.queue_full = true;
    CHECK(names(root) == Names{"VPP_QUEUE_FULL"});
  }
  SECTION("descriptors") {
    root.vitals.descriptors = {90, 100};
    CHECK(names(root) == Names{});
    root.vitals.descriptors = {91, 100};
    CHECK(names(root) == Names{"VPP_DESCRIPTORS_LOW"});
    CHECK(health_state(health_of(root)) == "degraded");
    root.vitals.descriptors = {100, 100};
    CHECK(health_state(health_of(root)) == "error");
  }
  SECTION("a stepped clock") {
    root.vitals.clock_step = std::chrono::hours{-1};
    const auto codes = health_of(root);
    REQUIRE(codes.size() == 1);
    CHECK(codes[0].code == "VPP_CLOCK_STEPPED");
    CHECK_THAT(codes[0].text, Catch::Contains("-3600 s"));
  }
  SECTION("certificate") {
    root.vitals.cert_not_after_ms = 90;
    root.vitals.utc_ms = 60;
    CHECK(names(root) == Names{});
    root.vitals.utc_ms = 61;
    CHECK(names(root) == Names{"VPP_CERT_EXPIRING"});
  }
}

TEST_CASE("the worst comes first", "[driver][health]") {
  auto root = test::root_snapshot();
  root.status.group.shortfall = Watts{500};
  root.vitals.store_problem = "no space left";
  CHECK(names(root) == Names{"VPP_STORE_FULL", "VPP_SHORTFALL"});
}
