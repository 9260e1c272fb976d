#include "daemon/driver/documents.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "daemon/driver/metrics.h"
#include "snapshots.h"

using namespace vpp;
using namespace vpp::driver;
using nlohmann::json;
using namespace std::chrono_literals;

TEST_CASE("every document carries schema and kind", "[driver][documents]") {
  const auto root = test::root_snapshot();
  const std::vector<std::pair<std::string, std::string>> all{
      {version_document(), "version"},
      {health_document(health_of(root)), "health"},
      {status_document(root), "status"},
      {tree_document(root), "tree"},
      {nodes_document(root), "nodes"},
      {node_document(root, "node-3").value(), "node"},
      {capacity_document(root), "capacity"},
      {programs_document(root), "programs"},
      {values_document(root), "values"},
      {settlement_document(root), "settlement"},
      {replay_document({}, kEndOfTime), "replay"},
      {load_forecast_document(root, {}), "load_forecast"},
      {config_document("f", "t"), "config"},
      {orders_document(root), "orders"},
      {order_document(root, OrderId{7}).value(), "order"},
      {bids_document(root), "bids"},
      {bid_document(root, "bid-1", {}).value(), "bid"},
      {prices_document(root), "prices"},
      {gates_document(root), "gates"},
      {error_document("busy", "t", ""), "error"}};
  for (const auto& [text, kind] : all) {
    const json document = json::parse(text);
    CHECK(document["schema"] == "vppctl/v1");
    CHECK(document["kind"] == kind);
  }
}

TEST_CASE("the root's status says what the plant can and does", "[driver][documents]") {
  const json status = json::parse(status_document(test::root_snapshot()));
  CHECK(status["node"]["role"] == "root");
  CHECK(status["uplink"].is_null());
  CHECK(status["site"].is_null());
  CHECK(status["health"]["state"] == "ok");
  CHECK(status["tree"]["attached"] == 2);
  CHECK(status["capacity"]["up"]["power_w"] == 12'000);
  CHECK(status["capacity"]["up"]["firm_w"] > 0);
  CHECK(status["capacity"]["up"]["firm_w"] < 12'000 * 9 / 10);
  CHECK(status["capacity"]["up"]["energy_wh"] == 20'000);
  CHECK(status["capacity"]["up"]["unknown_w"] == 0);
  CHECK(status["order"]["target_w"] == 6'000);
  CHECK(status["order"]["error_permille"] == 0);
  CHECK(status["order"]["source"] == "operator");
  CHECK(status["market"]["next_gate"]["closes_in_ms"] == 10'000);
  CHECK(status["market"]["last_bid"]["state"] == "submitted");
}

TEST_CASE("a root's status says whether it leads, and who holds its journal",
          "[driver][documents]") {
  auto root = test::root_snapshot();
  CHECK(json::parse(status_document(test::leaf_snapshot()))["root"].is_null());
  root.status.root =
      node::RootStatus{.state = "leader",
                       .lease = node::LeaseKind::kEtcd,
                       .lease_left = 1'500ms,
                       .holder = "",
                       .lease_problem = "",
                       .serves = true,
                       .roots_to_hear = 0,
                       .journal = {41, 17},
                       .acknowledged = 16,
                       .copies = 1,
                       .standbys = 1,
                       .peers = {{.to = {"tcp://a:1", {}},
                                  .id = NodeId{0, 7},
                                  .linked = true,
                                  .held = mesh::JournalRank{41, 16}},
                                 {.to = {"tcp://b:1", {}}, .id = {}, .linked = false, .held = {}}}};
  const json part = json::parse(status_document(root))["root"];
  CHECK(part["state"] == "leader");
  CHECK(part["lease"] == "etcd");
  CHECK(part["lease_left_ms"] == 1'500);
  CHECK(part["journal"]["length"] == 17);
  CHECK(part["journal"]["acknowledged"] == 16);
  CHECK(part["peers"][0]["journal_length"] == 16);
  CHECK(part["peers"][1]["id"].is_null());
  CHECK(part["peers"][1]["journal_length"].is_null());
}

TEST_CASE("what a leaf does for the frequency is told apart from its orders",
          "[driver][documents]") {
  auto leaf = test::leaf_snapshot();
  json part = json::parse(status_document(leaf))["site"]["frequency"];
  CHECK(part["measured_mhz"].is_null());
  CHECK(part["armed"] == false);
  device::FrequencyStatus& frequency = leaf.status.site->frequency;
  frequency.measured_mhz = 49'895;
  frequency.armed = true;
  frequency.asked = Watts{950};
  frequency.able = Watts{1900};
  frequency.accounts = {{OrderId{7}, Joules{7'200}, Joules{3'600}}};
  part = json::parse(status_document(leaf))["site"]["frequency"];
  CHECK(part["measured_mhz"] == 49'895);
  CHECK(part["armed"] == true);
  CHECK(part["asked_w"] == 950);
  CHECK(part["able_w"] == 1900);
  CHECK(part["accounts"][0]["order"] == 7);
  CHECK(part["accounts"][0]["discharged_wh"] == 2);
  CHECK(part["accounts"][0]["charged_wh"] == 1);
  CHECK(json::parse(status_document(leaf))["site"]["accounts"].empty());
}

TEST_CASE("unknown is null, never zero", "[driver][documents]") {
  auto root = test::root_snapshot();
  root.status.children[1].attached = false;
  root.status.children[1].counted = false;
  const json lost = json::parse(tree_document(root))["children"][1];
  CHECK(lost["state"] == "lost");
  for (const char* key : {"measured_w", "stored_wh", "up", "down", "coverage", "lease_left_ms"}) {
    CAPTURE(key);
    CHECK(lost[key].is_null());
  }
  const json capacity = json::parse(status_document(root))["capacity"];
  CHECK(capacity["up"]["unknown_w"] == 5'000);
  CHECK(capacity["down"]["unknown_w"] == 4'000);

  auto silent = test::root_snapshot();
  silent.status.group = {};
  const json status = json::parse(status_document(silent));
  CHECK(status["measured_w"].is_null());
  CHECK(status["stored_wh"].is_null());
  CHECK(status["capacity"]["up"]["power_w"].is_null());
  CHECK(status["order"]["measured_w"].is_null());
  CHECK(status["order"]["error_permille"].is_null());

  auto leaf = test::leaf_snapshot();
  leaf.status.site.reset();
  leaf.status.parent.reset();
  leaf.status.beacon_age.reset();
  const json alone = json::parse(status_document(leaf));
  CHECK(alone["site"].is_null());
  CHECK(alone["measured_w"].is_null());
  CHECK(alone["uplink"]["parent"].is_null());
  CHECK(alone["uplink"]["beacon_age_ms"].is_null());
  CHECK(alone["tree"].is_null());
}

TEST_CASE("net power is told where meters know it, with how many do not", "[driver][documents]") {
  auto leaf = test::leaf_snapshot();
  CHECK(json::parse(status_document(leaf))["site"]["net_w"].is_null());
  leaf.status.site->net = Watts{-1'300};
  const json home = json::parse(status_document(leaf));
  CHECK(home["net_w"] == -1'300);
  CHECK(home["site"]["net_w"] == -1'300);
  CHECK(home["net_unknown"].is_null());

  auto root = test::root_snapshot();
  mesh::GroupSummary& all = root.status.group;
  all.net = Watts{-4'000};
  all.coverage.enrolled = 3;
  all.net_unknown = 1;
  CHECK(json::parse(status_document(root))["net_w"] == -4'000);
  CHECK(json::parse(status_document(root))["net_unknown"] == 1);
  all.net_unknown = 3;
  CHECK(json::parse(status_document(root))["net_w"].is_null());

  auto& site = std::get<mesh::SiteSummary>(*root.status.children[1].summary);
  const auto net_of_home = [&] {
    return json::parse(*node_document(root, "node-3"))["node"]["net_w"];
  };
  CHECK(net_of_home().is_null());
  site.net = Watts{2'100};
  CHECK(net_of_home() == 2'100);
  site.stale = true;
  CHECK(net_of_home().is_null());
}

TEST_CASE("the tree tells who is below each child, over which link, and who said goodbye",
          "[driver][documents]") {
  auto root = test::root_snapshot();
  root.status.children[1].attached = false;
  root.status.children[1].left = true;
  root.status.children[1].link = LinkKind::kCellular;
  root.status.children[0].last_parent = NodeId{0, 77};
  const NodeId below{0, 20};
  root.status.located =
      std::vector<mesh::Located>{{{0, 2}, {0, 2}, 2}, {{0, 3}, {0, 3}, 3}, {below, {0, 2}, 4}};
  const json children = json::parse(tree_document(root))["children"];
  const json listed = json::array({{{"id", to_string(below)}, {"session", 4}}});
  CHECK(children[0]["link"] == "lan");
  CHECK(children[1]["link"] == "cellular");
  CHECK(children[0]["descendants"] == listed);
  CHECK(children[0]["last_parent"] == to_string(NodeId{0, 77}));
  CHECK(children[1]["descendants"] == json::array());
  CHECK(children[1]["state"] == "drained");

  const json deep = json::parse(node_document(root, to_string(below)).value())["node"];
  CHECK(deep["via"] == to_string(NodeId{0, 2}));
  CHECK(deep["name"].is_null());
  CHECK(json::parse(nodes_document(root))["nodes"].size() == 4);

  root.status.located.reset();
  const json too_many = json::parse(tree_document(root))["children"];
  CHECK(too_many[0]["descendants"].is_null());
  CHECK(too_many[1]["descendants"] == json::array());
}

TEST_CASE("a node tells where it came from, and why", "[driver][documents]") {
  auto leaf = test::leaf_snapshot();
  leaf.status.standby = Endpoint{"tcp://127.0.0.1:9403", {}};
  leaf.status.moves = {{.at = Instant{90s},
                        .from = std::nullopt,
                        .to = NodeId{0, 4},
                        .reason = mesh::MoveReason::kStarted,
                        .gap = 5ms},
                       {.at = Instant{97s},
                        .from = NodeId{0, 4},
                        .to = std::nullopt,
                        .reason = mesh::MoveReason::kSilent,
                        .gap = {}}};
  const json uplink = json::parse(node_document(leaf, "home-9").value())["node"]["uplink"];
  CHECK(uplink == json::parse(status_document(leaf))["uplink"]);
  CHECK(uplink["standby"] == "tcp://127.0.0.1:9403");
  REQUIRE(uplink["moves"].size() == 2);
  CHECK(uplink["moves"][0]["reason"] == "parent silent");
  CHECK(uplink["moves"][0]["age_ms"] == 3'000);
  CHECK(uplink["moves"][0]["gap_ms"].is_null());
  CHECK(uplink["moves"][1]["to"] == to_string(NodeId{0, 4}));
  CHECK(uplink["moves"][1]["gap_ms"] == 5);
  CHECK(json::parse(tree_document(leaf))["node"]["last_move"] == uplink["moves"][0]);
}

TEST_CASE("a lost aggregator's sites make the unknown capacity unknown", "[driver][documents]") {
  auto root = test::root_snapshot();
  root.status.children[0].attached = false;
  const json capacity = json::parse(status_document(root))["capacity"];
  CHECK(capacity["up"]["unknown_w"].is_null());
}

TEST_CASE("a node is found by id and by name", "[driver][documents]") {
  const auto root = test::root_snapshot();
  const auto by_name = node_document(root, "node-3");
  REQUIRE(by_name.has_value());
  CHECK(by_name == node_document(root, to_string(NodeId{0, 3})));
  const json leaf = json::parse(*by_name)["node"];
  CHECK(leaf["parent"] == to_string(NodeId{0, 1}));
  CHECK(leaf["certificate"]["energy_max_wh"] == 13'500);
  CHECK(leaf["measured_w"] == 2'500);
  CHECK(leaf["asked_w"] == 2'500);
  CHECK(leaf["undelivered"] == json{{"power_w", 700}, {"reason", "measured_less"}});
  const json self = json::parse(node_document(root, "root-1").value())["node"];
  CHECK(self["self"] == true);
  CHECK(self["dispatch"][0]["asked_for_w"] == 6'000);
  CHECK(self["dispatch"][0]["not_placed_w"] == 500);
  CHECK_FALSE(node_document(root, "nobody").has_value());
}

TEST_CASE("a child's document tells how the closed loop sees it", "[driver][documents]") {
  auto root = test::root_snapshot();
  const auto child = [&](const char* name) {
    return json::parse(node_document(root, name).value())["node"];
  };
  CHECK(child("node-3")["doubt"].is_null());
  CHECK(child("node-3")["level_s"].is_null());
  CHECK(child("node-3")["order_asked"] == 7);
  root.status.level = 1'500ms;
  root.status.standing = {{},
                          {.doubt = aggregation::UndeliveredReason::kTold,
                           .held_to = Watts{-500},
                           .since = Instant{98s},
                           .on_trial = false}};
  CHECK(child("node-3")["level_s"] == 1.5);
  CHECK(child("node-3")["doubt"] ==
        json{{"reason", "told"}, {"held_w", -500}, {"age_ms", 2'000}, {"on_trial", false}});
  CHECK(json::parse(status_document(root))["order"]["level_s"] == 1.5);
  CHECK(json::parse(status_document(root))["order"]["asked_below_w"] == 6'000);
  // What is told of the others stays theirs when a child that moved is hidden.
  root.status.children[0].moved = true;
  hide_moved(root.status);
  CHECK(child("node-3")["doubt"]["reason"] == "told");
}

TEST_CASE("a leaf's status tells what its parent told it, and the owner's reserve",
          "[driver][documents]") {
  auto leaf = test::leaf_snapshot();
  CHECK(json::parse(status_document(leaf))["site"]["told"].is_null());
  leaf.vitals.reserve_permille = 250;
  leaf.status.told.order = device::SiteOrder{.order = OrderId{7},
                                             .power = Watts{-3'000},
                                             .from = MarketTime{1s},
                                             .until = MarketTime{2s},
                                             .expires = Instant{101s}};
  const json site = json::parse(status_document(leaf))["site"];
  CHECK(site["told"] == json{{"order", 7},
                             {"power_w", -3'000},
                             {"from_ms", 1'000},
                             {"until_ms", 2'000},
                             {"expires_in_ms", 1'000}});
  CHECK(site["told_ahead"] == 0);
  CHECK(site["reserve_permille"] == 250);
}

TEST_CASE("capacity holds what the curve holds, never more", "[driver][documents]") {
  const json up = json::parse(capacity_document(test::root_snapshot()))["up"];
  REQUIRE(up["horizons"].size() == 4);
  CHECK(up["horizons"][0]["power_w"] == 12'000);
  CHECK(up["horizons"][3]["duration_s"] == 14'400);
  CHECK(up["horizons"][3]["power_w"] == 5'000);  // 20 kWh over 4 h
  CHECK(up["horizons"][3]["firm_w"] < 5'000 * 9 / 10);
  CHECK(up["curve"].size() == aggregation::kGridPoints);
  CHECK(up["curve"][47]["firm_wh"] <= up["curve"][47]["energy_wh"]);
  const json leaf = json::parse(capacity_document(test::leaf_snapshot()));
  CHECK(leaf["up"]["horizons"][0]["firm_w"].is_null());  // it knows no rates
  CHECK(leaf["shortfall_ppm"].is_null());
}

TEST_CASE("a dry run says what an order would touch", "[driver][documents]") {
  const auto root = test::root_snapshot();
  const auto dry = [&](Watts power, Duration duration) {
    return json::parse(dry_run_document(root, {"k", power, {}, duration}))["would"];
  };
  const json fits = dry(Watts{12'000}, 1h);
  CHECK(fits["feasible"] == true);
  CHECK(fits["unserved_wh"] == 0);
  CHECK(fits["sites"] == 3);
  CHECK(fits["supersedes"] == 7);
  const json too_much = dry(Watts{-12'000}, 2h);  // 24 kWh of 20
  CHECK(too_much["feasible"] == false);
  CHECK(too_much["unserved_wh"] == 4'000);
  CHECK(too_much["held_w"] == -10'000);
}

TEST_CASE("an order shows its receipts, and its shares while it is in force",
          "[driver][documents]") {
  auto root = test::root_snapshot();
  const json order = json::parse(order_document(root, OrderId{7}).value())["order"];
  CHECK(order["delivered_wh"] == 1'500);
  REQUIRE(order["shares"].size() == 2);
  CHECK(order["shares"][0]["asked_w"] == 3'500);
  CHECK(order["shares"][0]["undelivered"].is_null());
  CHECK(order["shares"][1]["undelivered"]["reason"] == "measured_less");
  root.status.target.reset();
  root.status.in_force.clear();
  root.status.group.receipts.clear();
  const json over = json::parse(order_document(root, OrderId{7}).value())["order"];
  CHECK(over["shares"].is_null());
  CHECK(over["delivered_wh"].is_null());
  CHECK_FALSE(order_document(root, OrderId{8}).has_value());
}

TEST_CASE("a bid shows its price and the facts behind it", "[driver][documents]") {
  const auto root = test::root_snapshot();
  const std::vector<bidding::Fact> trace{{bidding::BidAcknowledged{"bid-1", true, ""}}};
  const json bid = json::parse(bid_document(root, "bid-1", trace).value());
  CHECK(bid["bid"]["segments"][0]["price"] == 88.5);
  CHECK(bid["bid"]["award"].is_null());
  CHECK(bid["trace"].size() == 1);
  CHECK_FALSE(bid_document(root, "bid-2", {}).has_value());
}

TEST_CASE("a settlement is told by order, by program and by child, with what is disagreed on",
          "[driver][documents]") {
  auto root = test::root_snapshot();
  auto& bid = root.status.bids.at(0);
  bid.order = {7};
  bid.settlement = bidding::Settlement{
      bid.bid.key, to_joules(WattHours{2'000}), to_joules(WattHours{1'500}), {180'000}, {50'000}};
  bid.credited = bidding::OwnersCredited{
      bid.bid.key, {7}, to_joules(WattHours{1'500}), {80'000'000}, {120'000}};
  bid.disagreements = {{bid.bid.key, "delivered_j", 1, 2}};
  bid.metered = bidding::BaselineKnown{.key = bid.bid.key,
                                       .days = 10,
                                       .adjusted = true,
                                       .metered_permille = 955,
                                       .usual = to_joules(WattHours{9'000}),
                                       .metered = to_joules(WattHours{7'400}),
                                       .delivered = to_joules(WattHours{1'600}),
                                       .why = {}};
  root.status.owner_rates = {{{7}, {80'000'000}}};
  auto& leaf = std::get<mesh::SiteSummary>(*root.status.children[1].summary);
  leaf.receipts = {{{7}, to_joules(WattHours{500})}, {{8}, to_joules(WattHours{900})}};
  const json told = json::parse(settlement_document(root));
  REQUIRE(told["orders"].size() == 1);
  CHECK(told["orders"][0]["shortfall_wh"] == 500);
  CHECK(told["orders"][0]["plant"] == 0.01);
  CHECK(told["orders"][0]["disagreements"][0]["about"] == "delivered_j");
  CHECK(told["orders"][0]["meters"] == json{{"baseline_wh", 9'000},
                                            {"metered_wh", 7'400},
                                            {"delivered_wh", 1'600},
                                            {"days", 10},
                                            {"adjusted", true},
                                            {"metered_pct", 95.5},
                                            {"why", nullptr}});
  bid.metered.reset();
  const json unknown = json::parse(settlement_document(root))["orders"][0]["meters"];
  CHECK(unknown["delivered_wh"].is_null());
  CHECK_FALSE(unknown["why"].get<std::string>().empty());
  REQUIRE(told["programs"].size() == 1);
  CHECK(told["programs"][0]["owners"] == 0.12);
  REQUIRE(told["children"].size() == 1);
  CHECK(told["children"][0]["delivered_wh"] == 500);  // of the order that was settled alone
  CHECK(told["children"][0]["earned"] == 0.04);

  auto site = root;
  site.status.role = Role::kLeaf;
  site.status.owner = {3, to_joules(WattHours{700}), {56'000}, {}};
  const json own = json::parse(settlement_document(site));
  CHECK(own["owner"]["earned"] == 0.056);
  CHECK_FALSE(own.contains("orders"));
}

TEST_CASE("what homes will draw is told by the hours that their meters had, or is unknown",
          "[driver][documents]") {
  auto root = test::root_snapshot();
  const MarketTime now{std::chrono::days{20'605} + 30min};
  root.status.now.market = now;
  std::vector<bidding::Fact> facts;
  const auto load_at = [](MarketTime at) { return 1'000 + at.time_since_epoch() % 24h / 1h * 100; };
  for (MarketTime at = now - 30min - 20 * 24h; at + 15min <= now; at += 15min) {
    // A day on which most homes were out of contact says nothing.
    const bool apart = at >= now - 60h - 30min && at < now - 40h - 30min;
    facts.push_back({bidding::HomesMetered{.from = at,
                                           .drawn = Joules{apart ? 0 : load_at(at) * 900},
                                           .known = 15min,
                                           .metered = apart ? 10U : 90U,
                                           .enrolled = 100,
                                           .ordered = false},
                     at + 15min});
  }
  const json told = json::parse(load_forecast_document(root, facts));
  CHECK(told["metered"] == 90);
  CHECK(told["hours_known"] == 20 * 24 - 20);
  REQUIRE(told["hours"].size() == 24);
  for (const json& hour : told["hours"]) {
    const MarketTime from{Duration{hour["from_ms"].get<std::int64_t>()}};
    CHECK(hour["expected_w"] == load_at(from));
    CHECK(hour["day_before_w"] == load_at(from));
    REQUIRE(hour["quantiles_w"].size() == 19);
    CHECK(hour["quantiles_w"][9] == load_at(from));
  }
  CHECK(told["hours"][0]["from_ms"] == (now - 30min).time_since_epoch().count());
  const json none = json::parse(load_forecast_document(root, {}));
  CHECK(none["hours"].empty());
  const json few = json::parse(
      load_forecast_document(root, {facts.end() - 10, facts.end()}));  // two hours and a half
  CHECK(few["hours"][0]["expected_w"].is_null());
  CHECK(few["hours"][23]["quantiles_w"].empty());
}

TEST_CASE("a name that is no text is still shown", "[driver][documents]") {
  auto root = test::root_snapshot();
  root.status.children[0].name = "caf\xe9";
  CHECK(json::parse(tree_document(root))["children"].size() == 2);
}

TEST_CASE("metrics leave out what is unknown", "[driver][metrics]") {
  auto root = test::root_snapshot();
  const std::string text = metrics_text(root);
  CHECK(text.find("vpp_capacity_watts{direction=\"up\"} 12000") != std::string::npos);
  CHECK(text.find("vpp_children{state=\"alive\"} 2") != std::string::npos);
  CHECK(text.find("vpp_target_watts 6000") != std::string::npos);
  CHECK(text.find("role=\"root\"") != std::string::npos);
  root.status.group = {};
  root.status.target.reset();
  const std::string silent = metrics_text(root);
  CHECK(silent.find("vpp_measured_watts") == std::string::npos);
  CHECK(silent.find("vpp_capacity_watts") == std::string::npos);
  CHECK(silent.find("vpp_target_watts") == std::string::npos);
}

TEST_CASE("metrics count a child that said goodbye", "[driver][metrics]") {
  // The count knew three of the four states, and the request ended without an answer.
  auto root = test::root_snapshot();
  root.status.children[0].attached = false;
  root.status.children[0].left = true;
  const std::string text = metrics_text(root);
  CHECK(text.find("vpp_children{state=\"drained\"} 1") != std::string::npos);
  CHECK(text.find("vpp_children{state=\"alive\"} 1") != std::string::npos);
}

TEST_CASE("what is below is told for each program and group", "[driver][documents]") {
  const json programs = json::parse(programs_document(test::root_snapshot()));
  REQUIRE(programs["below"].size() == 2);
  CHECK(programs["below"][0]["program"] == "energy");
  CHECK(programs["below"][0]["group"].is_null());
  const json& north = programs["below"][1];
  CHECK(north["group"] == "region=north");
  CHECK(north["online"] == 2);
  CHECK(north["measured_w"] == 0);
  CHECK(north["up"]["horizons"][0]["power_w"] == 12'000);  // its curve is the whole group's
  REQUIRE(programs["in_force"].size() == 1);
  CHECK(programs["in_force"][0]["order"] == 7);
  CHECK(programs["in_force"][0]["service"] == "energy");
  CHECK(programs["subscriptions"].is_null());
}

TEST_CASE("a leaf tells what its owner subscribed to and opted out of", "[driver][documents]") {
  const json programs = json::parse(programs_document(test::leaf_snapshot()));
  CHECK(programs["below"].is_null());
  CHECK(programs["groups"] == json::array({"region=north"}));
  CHECK(programs["subscriptions"][0]["opted_out_until_ms"] == 1'003'600'000);
  CHECK(programs["subscriptions"][1]["opted_out_until_ms"].is_null());
  CHECK(programs["subscriptions"][1]["priority"] == 10);
}

TEST_CASE("what is measured is that of the orders in force, whatever they are for",
          "[driver][documents]") {
  auto root = test::root_snapshot();
  mesh::GroupSummary& group = root.status.group;
  group.scopes[0].measured = Watts{-2'000};
  CHECK(measured_of(group) == Watts{4'000});
  // A group that is armed for the frequency counts as doing what it has armed, for its own order.
  group.scopes.push_back({.scope = {"frequency", ""},
                          .discharge = {},
                          .charge = {},
                          .measured = Watts{3'000},
                          .asked = {},
                          .shortfall = {},
                          .reserved = {}});
  group.armed = Watts{3'000};
  CHECK(measured_of(group) == Watts{4'000});
}

TEST_CASE("an order shows the shares of its own program and group", "[driver][documents]") {
  auto root = test::root_snapshot();
  const Scope north{"energy", "region=north"};
  root.status.in_force.push_back({OrderId{8}, north, Service::kEnergy, Watts{1'000}, {}});
  aggregation::Order other = root.status.orders[0];
  other.id = {8};
  other.scope = north;
  root.status.orders.push_back(other);
  auto& below = std::get<mesh::GroupSummary>(*root.status.children[0].summary);
  below.scopes = {{.scope = north,
                   .discharge = {},
                   .charge = {},
                   .measured = Watts{900},
                   .asked = {},
                   .shortfall = {},
                   .reserved = {}}};
  root.status.asked_for[north] = {Watts{1'000}, Watts{0}};
  const json shares = json::parse(order_document(root, OrderId{8}).value())["order"]["shares"];
  const auto order_asked = [&](const char* name) {
    return json::parse(node_document(root, name).value())["node"]["order_asked"];
  };
  root.status.asked_for[root.status.orders[0].scope][0] = Watts{0};
  CHECK(order_asked("node-2") == 8);
  CHECK(order_asked("node-3") == 7);
  REQUIRE(shares.size() == 1);  // the leaf is not in the group
  CHECK(shares[0]["asked_w"] == 1'000);
  CHECK(shares[0]["measured_w"] == 900);
}

TEST_CASE("a dry run for a group asks its sites only", "[driver][documents]") {
  const auto root = test::root_snapshot();
  node::SendOrder order{"k", Watts{6'000}, {}, 1h};
  order.scope = {"energy", "region=north"};
  const json would = json::parse(dry_run_document(root, order))["would"];
  CHECK(would["sites"] == 2);
  CHECK(would["feasible"] == true);
  CHECK(would["supersedes"] == 7);
  order.scope = {"emergency", ""};
  const json nobody = json::parse(dry_run_document(root, order))["would"];
  CHECK(nobody["sites"] == 0);
  CHECK(nobody["feasible"].is_null());
  CHECK(nobody["supersedes"].is_null());
}
