// What a leaf offers to which program, whose orders it takes, and how its owner stops that.
#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "daemon/node/node.h"

using namespace std::chrono_literals;
using namespace vpp;
using namespace vpp::node;

namespace {

const NodeId kAbove{2, 1};
const Scope kAlarm{"emergency", ""};
const Scope kNorthern{"energy", "region=north"};
constexpr device::Capability kAble{Watts{5'000}, Joules{18'000'000}};

/// A leaf of two programs in one region, under a parent.
struct LeafProgramsBench {
  Now now{Instant{1'000s}, MarketTime{456'000h}, 1};
  Node leaf;
  mesh::LinkId link = 0;
  std::uint64_t tick = 0;
  OrderId follows = kNoOrder;
  device::FrequencyStatus frequency;
  std::optional<mesh::SiteSummary> told;      ///< its newest report
  std::optional<SiteInstruction> instructed;  ///< the newest
  std::vector<bool> answers;                  ///< its acknowledgements
  std::optional<mesh::PlannedLoad> planned;   ///< its newest answer to a value signal
  std::optional<device::SitePlan> plan;       ///< the newest for its device
  std::vector<Record> kept;
  std::vector<Reply> replies;

  explicit LeafProgramsBench(std::int64_t priority = 10, const Recovered& recovered = was_here())
      : leaf{options(priority), Rng{7}, now, recovered} {
    leaf.advance(now);
    link = leaf.take_effects().open.at(0).link;
    leaf.step(now, mesh::LinkOpened{link});
    const auto probe = std::get<mesh::Probe>(leaf.take_effects().up.at(0).message);
    hear(mesh::ProbeAck{.nonce = probe.nonce,
                        .term = 1,
                        .path = {kAbove},
                        .children = 1,
                        .free_slots = 9,
                        .region = {}});
    hear(mesh::HelloAck{.session = 1,
                        .certificate = {},
                        .lease = 5s,
                        .beacon_interval = 1s,
                        .spread = 80ms,
                        .term = 1,
                        .path = {kAbove},
                        .stamp = stamp(),
                        .market_time = now.market,
                        .market_speed = 1,
                        .alternates = {},
                        .evict = {}});
    device();
  }
  static Recovered was_here() {
    Recovered recovered;
    recovered.uplink = mesh::UplinkRecord{};
    recovered.load.slots.fill({Watts{600}, 1});
    return recovered;
  }
  static NodeOptions options(std::int64_t priority) {
    NodeOptions out;
    out.self = NodeId{1, 2};
    out.seeds = {Endpoint{"tcp://parent:1", {}}};
    out.subscriptions = {{.program = "energy"}, {.program = "emergency", .priority = priority}};
    out.groups = {"region=north"};
    out.follows = ValueHomeOptions{.tariff = {.buy = {300'000'000},
                                              .sell = {80'000'000},
                                              .periods = {},
                                              .stored_value = {190'000'000}},
                                   .limits = {},
                                   .most = {2'000'000'000}};
    return out;
  }
  [[nodiscard]] mesh::Stamp stamp() const { return now.protocol.time_since_epoch().count(); }

  void look() {
    Effects effects = leaf.take_effects();
    for (const auto& sent : effects.up) {
      if (const auto* report = std::get_if<mesh::Report>(&sent.message)) {
        told = std::get<mesh::SiteSummary>(report->summary);
      }
      if (const auto* ack = std::get_if<mesh::DispatchAck>(&sent.message)) {
        answers.push_back(ack->accepted);
      }
      if (const auto* load = std::get_if<mesh::PlannedLoad>(&sent.message)) planned = *load;
    }
    if (effects.plan) plan = effects.plan;
    if (effects.site) instructed = effects.site;
    for (auto& record : effects.persist) kept.push_back(std::move(record));
    for (auto& reply : effects.replies) replies.push_back(std::move(reply));
  }
  void hear(const mesh::Message& message) {
    leaf.step(now, mesh::FromParent{link, kAbove, message});
    look();
  }
  void device() {
    device::SiteStatus status;
    status.frequency = frequency;
    status.measured = Watts{890};
    status.order = follows;
    status.net = Watts{290};
    status.battery =
        device::BatteryStatus{Joules{18'000'000}, Joules{36'000'000}, Watts{5'000}, Watts{5'000}};
    status.discharge = status.charge = kAble;
    status.stale = false;
    leaf.step(now, SiteReported{status});
    look();
  }
  void pass(Duration span) {
    for (const Instant end = now.protocol + span; now.protocol < end; look()) {
      now.protocol += 100ms;
      now.market += 100ms;
      if (now.protocol.time_since_epoch() % 1s == 0ms) {
        hear(mesh::Beacon{.stamp = stamp(),
                          .term = 1,
                          .path = {kAbove},
                          .market_time = now.market,
                          .market_speed = 1,
                          .alternates = {}});
      }
      leaf.advance(now);
    }
  }
  /// One tick of an order; the device takes up what it is told.
  void ask(OrderId order, const Scope& scope, std::optional<Watts> share,
           Service service = Service::kEnergy) {
    ++tick;
    hear(mesh::Dispatch{.order = order,
                        .term = 1,
                        .sequence = order.value,
                        .tick = tick,
                        .share = share,
                        .from = now.market,
                        .until = MarketTime{456'002h},
                        .expires = stamp() + 30'000,
                        .repeat = 0,
                        .ahead = {},
                        .scope = scope,
                        .service = service});
    const bool driven = instructed && instructed->order;
    follows = driven ? instructed->order->order : kNoOrder;
    device();
    pass(1s);
  }
  [[nodiscard]] std::string offers() const {
    const auto text = [](const mesh::SiteDirection& up) { return std::to_string(up.power.count); };
    return text(told->discharge) + " " + text(told->offers.at(0).discharge);
  }
  std::string opt_out(bool out, const std::string& program, Duration duration) {
    leaf.step(now, OptOutAsked{1, out, program, duration});
    look();
    return replies.back().refused;
  }
};

}  // namespace

TEST_CASE("a leaf tells what it offers to each program, and its groups", "[node][leaf]") {
  LeafProgramsBench bench;
  bench.pass(2s);
  REQUIRE(bench.told);
  CHECK(bench.told->energy);
  CHECK(bench.told->groups == std::vector<std::string>{"region=north"});
  CHECK(bench.told->offers.at(0).program == "emergency");
  CHECK(bench.offers() == "5000 5000");
}

TEST_CASE("what a leaf does for one program it offers to no other", "[node][leaf]") {
  LeafProgramsBench bench{0};
  bench.ask(OrderId{1}, kAlarm, Watts{2'000});
  CHECK(bench.offers() == "0 5000");
  CHECK(bench.told->scope == kAlarm);
  bench.ask(OrderId{2}, Scope{}, Watts{1'000});
  CHECK_FALSE(bench.answers.back());
  CHECK(bench.instructed->order->order == OrderId{1});
  bench.ask(OrderId{2}, Scope{}, Watts{0});  // asks nothing: nothing is refused
  CHECK(bench.answers.back());
  CHECK(bench.instructed->order->order == OrderId{1});
  bench.ask(OrderId{1}, kAlarm, std::nullopt);
  CHECK(bench.offers() == "5000 5000");
  bench.ask(OrderId{2}, Scope{}, Watts{1'000});
  CHECK(bench.instructed->order->order == OrderId{2});
  CHECK(bench.offers() == "5000 0");
}

TEST_CASE("a program of a higher priority takes a leaf over", "[node][leaf]") {
  LeafProgramsBench bench{10};
  bench.ask(OrderId{1}, kNorthern, Watts{1'000});
  CHECK(bench.offers() == "5000 5000");  // what can take it over may count on it
  bench.ask(OrderId{2}, kAlarm, Watts{4'000});
  CHECK(bench.instructed->order->order == OrderId{2});
  CHECK(bench.offers() == "0 5000");
  bench.ask(OrderId{1}, kNorthern, Watts{1'000});
  CHECK_FALSE(bench.answers.back());
  bench.ask(OrderId{1}, kNorthern, std::nullopt);  // its release is not this one's
  CHECK(bench.instructed->order->order == OrderId{2});
}

TEST_CASE("a share of nothing commits a leaf to nothing", "[node][leaf]") {
  LeafProgramsBench bench{0};
  bench.ask(OrderId{1}, Scope{}, Watts{0});
  CHECK(bench.offers() == "5000 5000");
  bench.ask(OrderId{2}, kAlarm, Watts{3'000});
  CHECK(bench.instructed->order->order == OrderId{2});
}

TEST_CASE("a leaf refuses what its owner did not subscribe to", "[node][leaf]") {
  LeafProgramsBench bench;
  for (const Scope& scope : {Scope{"frequency", ""}, Scope{"energy", "region=south"}}) {
    bench.ask(OrderId{3}, scope, Watts{1'000});
    CHECK_FALSE(bench.answers.back());
    CHECK((!bench.instructed || !bench.instructed->order));
  }
}

TEST_CASE("an owner who opts out in mid-event stops at once, and for that event only",
          "[node][leaf]") {
  LeafProgramsBench bench;
  bench.ask(OrderId{1}, Scope{}, Watts{1'000});
  bench.told.reset();
  CHECK(bench.opt_out(true, "", Duration{0}).empty());
  CHECK_FALSE(bench.instructed->order);
  REQUIRE(bench.told);  // in the same step
  CHECK(bench.offers() == "0 5000");
  CHECK(std::holds_alternative<OptOuts>(bench.kept.back()));
  bench.ask(OrderId{1}, Scope{}, Watts{1'000});
  CHECK_FALSE(bench.answers.back());

  SECTION("over a restart too") {
    Recovered recovered = LeafProgramsBench::was_here();
    recovered.opt_outs = std::get<OptOuts>(bench.kept.back());
    LeafProgramsBench again{10, recovered};
    again.pass(2s);
    CHECK(again.offers() == "0 5000");
  }
  SECTION("until it opts in") {
    CHECK(bench.opt_out(false, "", Duration{0}).empty());
    CHECK(bench.offers() == "5000 5000");
  }
  SECTION("until the event is over") {
    bench.now.market = MarketTime{456'002h};
    bench.pass(60s);
    CHECK(bench.offers() == "5000 5000");
  }
}

TEST_CASE("an opt-out that means nothing is refused, and says why", "[node][leaf]") {
  LeafProgramsBench bench;
  CHECK(bench.opt_out(true, "", Duration{0}).starts_with("no order is in force"));
  CHECK(bench.opt_out(true, "frequency", 1h) == "the site is not subscribed to frequency");
  CHECK(bench.opt_out(true, "energy", Duration{0}).starts_with("no order of energy"));
  CHECK(bench.opt_out(false, "energy", Duration{0}) == "nothing was opted out of");
  CHECK(bench.opt_out(true, "energy", 1h).empty());
}

TEST_CASE(
    "a leaf tells what it has armed for the frequency, and nothing while it cannot measure it",
    "[leaf][programs]") {
  LeafProgramsBench bench;
  bench.frequency.measured_mhz = 49'900;
  bench.frequency.armed = true;
  bench.frequency.able = Watts{1'500};
  bench.ask(OrderId{5}, kAlarm, Watts{2'000}, Service::kFrequency);
  REQUIRE(bench.instructed);
  REQUIRE(bench.instructed->order);
  CHECK(bench.instructed->order->service == Service::kFrequency);
  CHECK(bench.instructed->order->power == Watts{2'000});
  CHECK(bench.told->armed == Watts{1'500});
  CHECK(bench.told->droop == Watts{890});
  CHECK(bench.offers() == "0 1500");
  bench.frequency.measured_mhz.reset();
  bench.ask(OrderId{5}, kAlarm, Watts{2'000}, Service::kFrequency);
  CHECK(bench.told->armed == Watts{0});
}

TEST_CASE("a leaf answers a value signal, hands its device the plan, and goes without when it ends",
          "[node][leaf][values]") {
  LeafProgramsBench bench;
  mesh::ValueSignal signal{.head = NodeId{5, 5},
                           .round = 7,
                           .from = bench.now.market,
                           .slot = 1h,
                           .until = bench.now.market + 1min,
                           .wait = 2s,
                           .per_kw = {100'000'000},
                           .values = std::vector<Price>(4)};
  signal.values[0] = {900'000'000};
  bench.hear(signal);
  REQUIRE(bench.planned);
  CHECK(bench.planned->head == signal.head);
  CHECK(bench.planned->round == 7);
  CHECK(bench.planned->homes == 1);
  REQUIRE(bench.plan);
  CHECK(bench.plan->net_load == bench.planned->net_load);
  CHECK(bench.plan->net_load[0] < Watts{0});  // worth more than what is stored
  CHECK(bench.leaf.status(bench.now).follows->round == 7);

  // An order comes and goes beside the plan; while it is in force the home is in no sum.
  bench.ask(OrderId{1}, Scope{}, Watts{1'000});
  CHECK(bench.instructed->order->power == Watts{1'000});
  ++signal.round;
  bench.hear(signal);
  CHECK(bench.planned->homes == 0);
  CHECK(bench.planned->net_load.empty());
  bench.ask(OrderId{1}, Scope{}, std::nullopt);
  ++signal.round;
  bench.hear(signal);
  CHECK(bench.planned->homes == 1);

  bench.pass(58s);
  CHECK(bench.plan->net_load.empty());
  signal.round += 1;
  bench.hear(signal);  // late: it has ended
  CHECK(bench.planned->homes == 0);
}

TEST_CASE("a leaf that stops takes its plan along", "[node][leaf][values]") {
  LeafProgramsBench bench;
  bench.hear(mesh::ValueSignal{.head = NodeId{5, 5},
                               .round = 7,
                               .from = bench.now.market,
                               .slot = 1h,
                               .until = bench.now.market + 1h,
                               .wait = 2s,
                               .per_kw = {},
                               .values = std::vector<Price>(4)});
  REQUIRE_FALSE(bench.plan->net_load.empty());
  bench.leaf.step(bench.now, StopAsked{});
  bench.look();
  CHECK(bench.plan->net_load.empty());
}
