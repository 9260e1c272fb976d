// The documents are the driver's own: a field that it renames breaks these tests.
#include "tools/vppctl/why.h"

#include <catch2/catch.hpp>
#include <string>

#include "daemon/driver/documents.h"
#include "tests/daemon/snapshots.h"

namespace vpp::ctl {
namespace {

using namespace std::chrono_literals;
using Catch::Contains;

Document of_itself(const driver::Snapshot& snapshot) {
  return why_self(Document::parse(driver::status_document(snapshot)),
                  Document::parse(driver::tree_document(snapshot)));
}

Document of_child(const driver::Snapshot& parent, const std::string& name) {
  const auto node = driver::node_document(parent, name);
  REQUIRE(node.has_value());
  return why_child(Document::parse(*node)["node"],
                   Document::parse(driver::status_document(parent)));
}

driver::Snapshot dispatched_leaf() {
  auto leaf = test::leaf_snapshot();
  auto& site = *leaf.status.site;
  site.mode = device::Mode::kDispatched;
  site.order = OrderId{7};
  site.set_point = Watts{3'000};
  site.measured = Watts{2'900};
  leaf.status.told.order = device::SiteOrder{.order = OrderId{7},
                                             .power = Watts{3'000},
                                             .from = MarketTime{999'000s},
                                             .until = MarketTime{1'003'600s},
                                             .expires = Instant{104s}};
  leaf.vitals.reserve_permille = 200;
  return leaf;
}

TEST_CASE("a leaf tells its order, when that ends, and what is the owner's", "[why]") {
  const Document why = of_itself(dispatched_leaf());
  CHECK(why["kind"] == "why");
  CHECK(why["cause"] == "following");
  CHECK(why["told"]["expires_in_ms"] == 4'000);
  CHECK(why["program"].is_null());  // no order, no program
  CHECK_THAT(why_text(why), Contains("home-9 (leaf), by itself: following"));
  CHECK_THAT(why_text(why), Contains("asks +3.0 kW of it for order 7"));
  CHECK_THAT(why_text(why), Contains("not renewed, that ends in 4.0 s"));
  CHECK_THAT(why_text(why), Contains("lets all of it through"));
  CHECK_THAT(why_text(why), Contains("discharge 5.0 kW for 1 h 36 min (8.0 kWh)"));
  CHECK_THAT(why_text(why), Contains("20% of its battery is kept for the owner"));
}

TEST_CASE("a leaf that follows its plan tells by whose signal, and what it was paid", "[why]") {
  auto leaf = test::leaf_snapshot();
  leaf.status.site->mode = device::Mode::kPlanned;
  leaf.status.site->set_point = Watts{-900};
  node::ValueHomeStatus& home = leaf.status.follows.emplace();
  home.head = NodeId{1, 1};
  home.until = MarketTime{1'003'600s};
  home.account = {.alone = {4'100'000}, .bill = {4'400'000}, .by_value = {500'000}, .slots = 7};
  CHECK(of_itself(leaf)["cause"] == "planned");
  CHECK_THAT(why_text(of_itself(leaf)), Contains("follows its own plan under the value signal of"));
  CHECK_THAT(why_text(of_itself(leaf)), Contains("was paid 0.5 so far: its bill is 4.4"));

  leaf.status.site->mode = device::Mode::kLocalDefault;
  home.head.reset();
  home.why_not = "its meter is unknown";
  CHECK_THAT(why_text(of_itself(leaf)), Contains("takes no part in value signals: its meter is"));
}

TEST_CASE("a leaf tells what its guard made of the share, and by which clamp", "[why]") {
  auto leaf = dispatched_leaf();
  leaf.status.site->set_point = Watts{1'200};
  leaf.status.site->limited_by = "connection limit";
  const Document why = of_itself(leaf);
  CHECK(why["cause"] == "clamped");
  CHECK(why["limited_by"] == "connection limit");
  CHECK_THAT(why_text(why),
             Contains("The guard makes +1.2 kW of it: its connection takes no more"));
}

TEST_CASE("a leaf on its local default tells why", "[why]") {
  auto leaf = test::leaf_snapshot();
  leaf.status.opt_outs.clear();
  CHECK(of_itself(leaf)["cause"] == "no_order");
  leaf.status.beacon_age = 121s;
  CHECK(of_itself(leaf)["cause"] == "plant_not_heard");
  CHECK_THAT(why_text(of_itself(leaf)), Contains("Its parent was not heard for"));
  leaf.status.path.clear();
  CHECK_THAT(why_text(of_itself(leaf)), Contains("reaches no root"));
  leaf.status.parent.reset();
  leaf.status.uplink_state = "orphan";
  CHECK_THAT(why_text(of_itself(leaf)), Contains("It has no parent"));
  leaf.status.site->stale = true;
  leaf.status.site->limited_by = "battery power unknown";
  CHECK(of_itself(leaf)["cause"] == "stale");
  CHECK_THAT(why_text(of_itself(leaf)), Contains("battery power unknown"));
  leaf.status.site->mode = device::Mode::kUncontrollable;
  leaf.status.site->limited_by = "control lost: the device denies our set point";
  CHECK(of_itself(leaf)["cause"] == "uncontrollable");
  CHECK_THAT(why_text(of_itself(leaf)), Contains("control lost: the device denies our set point"));
  leaf.status.site.reset();
  CHECK(of_itself(leaf)["cause"] == "no_device");
}

TEST_CASE("a leaf tells of its owner's opt-out, and of an order that only arms it", "[why]") {
  auto leaf = test::leaf_snapshot();
  leaf.status.opt_outs = {{.program = "energy", .until = MarketTime{1'000'900s}}};
  CHECK(of_itself(leaf)["cause"] == "opted_out");
  CHECK_THAT(why_text(of_itself(leaf)), Contains("no orders of the program energy until"));
  auto armed = dispatched_leaf();
  armed.status.site->frequency.armed = true;
  armed.status.site->frequency.measured_mhz = 49'950;
  CHECK(of_itself(armed)["cause"] == "armed");
  CHECK_THAT(why_text(of_itself(armed)), Contains("the grid's frequency is 49.950 Hz"));
}

TEST_CASE("a leaf that has an order and does not follow it tells why", "[why]") {
  auto leaf = dispatched_leaf();
  leaf.status.site->mode = device::Mode::kLocalDefault;
  leaf.status.site->order = kNoOrder;
  CHECK(of_itself(leaf)["cause"] == "about_to_begin");
  leaf.status.told.order->expires = Instant{99s};
  CHECK(of_itself(leaf)["cause"] == "order_not_renewed");
  leaf.status.told.order->until = MarketTime{999'999s};
  CHECK(of_itself(leaf)["cause"] == "order_over");
  leaf.status.told.order->from = MarketTime{1'000'001s};
  leaf.status.told.order->until = MarketTime{1'000'900s};
  CHECK(of_itself(leaf)["cause"] == "order_to_come");
  leaf.status.site->mode = device::Mode::kRampingHome;
  CHECK(of_itself(leaf)["cause"] == "ramping_home");
}

TEST_CASE("a parent tells of a child its share, the level and how long it lasts", "[why]") {
  auto root = test::root_snapshot();
  root.status.level = 2'700s;
  std::get<mesh::SiteSummary>(*root.status.children[1].summary).order = kNoOrder;
  const Document why = of_child(root, "node-3");
  CHECK(why["cause"] == "serving");
  CHECK(why["told_by"] == "root-1");
  CHECK(why["level_s"] == 2'700);
  CHECK(why["time_to_go_s"] == 7'200);
  CHECK_THAT(why_text(why), Contains("node-3 (leaf), by its parent root-1: serving"));
  CHECK_THAT(why_text(why), Contains("It is asked +2.5 kW for order 7."));
  CHECK_THAT(why_text(why), Contains("who lasts longer than 45 min at full power"));
  CHECK_THAT(why_text(why), Contains("It lasts 2 h 0 min."));
  CHECK_THAT(why_text(why), Contains("By its last report it follows no order."));
  root.status.asked[1] = Watts{0};
  CHECK(of_child(root, "node-3")["cause"] == "not_needed");
  root.status.target.reset();
  root.status.in_force.clear();
  CHECK(of_child(root, "node-3")["cause"] == "no_order");
  CHECK(of_child(root, "node-3")["level_s"].is_null());
}

TEST_CASE("a parent tells whom it doubts, why and since when", "[why]") {
  auto root = test::root_snapshot();
  root.status.standing.resize(2);
  root.status.standing[1] = {.doubt = aggregation::UndeliveredReason::kMeasuredLess,
                             .held_to = Watts{1'000},
                             .since = Instant{58s},
                             .on_trial = true};
  const Document why = of_child(root, "node-3");
  CHECK(why["cause"] == "doubted");
  CHECK(why["doubt"]["reason"] == "measured_less");
  CHECK_THAT(why_text(why), Contains("noticed 42.0 s ago"));
  CHECK_THAT(why_text(why),
             Contains("held to the +1.0 kW that was measured, and asked a little more"));
  const Document own = of_itself(root);
  CHECK(own["cause"] == "holding");
  CHECK(own["held"].size() == 1);
  CHECK(own["held"][0]["name"] == "node-3");
  CHECK_THAT(why_text(own), Contains("node-3: it did not do what it was asked"));
  root.status.standing[1].doubt = aggregation::UndeliveredReason::kUnseen;
  CHECK_THAT(why_text(of_child(root, "node-3")), Contains("no new measurement"));
  root.status.standing[1].doubt = aggregation::UndeliveredReason::kTold;
  CHECK_THAT(why_text(of_child(root, "node-3")), Contains("it said itself"));
}

TEST_CASE("a parent tells why a child is no part of the plant now", "[why]") {
  auto root = test::root_snapshot();
  auto& leaf = root.status.children[1];
  std::get<mesh::SiteSummary>(*leaf.summary).stale = true;
  CHECK(of_child(root, "node-3")["cause"] == "stale");
  leaf.counted = false;
  CHECK(of_child(root, "node-3")["cause"] == "not_counted");
  leaf.attached = false;
  CHECK(of_child(root, "node-3")["cause"] == "lost");
  leaf.left = true;
  CHECK(of_child(root, "node-3")["cause"] == "left");
}

TEST_CASE("a node with children tells what it was asked, asks, and cannot place", "[why]") {
  auto root = test::root_snapshot();
  const Document well = of_itself(root);
  CHECK(well["cause"] == "dispatching");
  CHECK_THAT(why_text(well),
             Contains("It was asked +6.0 kW for order 7, and asks +6.0 kW of its children"));
  root.status.group.shortfall = Watts{500};
  root.status.group.reserved = Watts{300};
  const Document why = of_itself(root);
  CHECK(why["cause"] == "short");
  CHECK(why["order"]["shortfall_w"] == 500);
  CHECK_THAT(why_text(why), Contains("+0.5 kW of it cannot be placed"));
  CHECK_THAT(why_text(why), Contains("+0.3 kW may still come from sites out of contact"));
  root.status.target.reset();
  CHECK(of_itself(root)["cause"] == "no_order");
}

}  // namespace
}  // namespace vpp::ctl
