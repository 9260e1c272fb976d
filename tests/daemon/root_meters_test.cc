// A root that keeps what homes draw at their meters, over days, through node::Node.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bidding/meter_book.h"
#include "daemon/node/node.h"

using namespace vpp;
using namespace vpp::node;
using namespace std::chrono_literals;
namespace openadr = vpp::bidding::openadr;

namespace {

constexpr std::int64_t kMeterSpeed = 240;
constexpr mesh::ConnectionId kFromHome = 6;
const MarketTime kSunday{std::chrono::days{20'604}};  // 2026-05-31

/// What the home's people draw; nobody draws the same in two hours of a day.
Watts people_draw(MarketTime at) {
  return Watts{500 + (at.time_since_epoch() % 24h) / 1h * 100};
}

openadr::Event event_with_baseline(MarketTime from, Duration lasts) {
  openadr::Event out;
  out.id = "e";
  out.program = "p";
  out.modified = kSunday;
  out.period = openadr::Period{.start = from, .duration = lasts};
  out.reports = {{.type = "BASELINE"}, {.type = "BASELINE", .units = "KW"}};
  for (std::int64_t i = 0; i < 2; ++i) {
    out.intervals.push_back(
        {i, {}, {{"CONTROL_SETPOINT", {openadr::Value{-2 * openadr::kMillion}}}}});
  }
  return out;
}

/// The only root and one home with a meter, at four minutes of market time a second.
class MeteredHome {
 public:
  MeteredHome() { start(); }

  [[nodiscard]] Now now() const { return {at_, market_, kMeterSpeed}; }

  /// Killed, and started from what was durable.
  void restart() { start(); }

  void pass(MarketTime until) {
    while (market_ < until) {
      at_ += 1s;
      market_ += 1s * kMeterSpeed;
      node_->advance(now());
      take();
      report();
    }
  }
  [[nodiscard]] std::vector<bidding::HomesMetered> quarters() const {
    std::vector<bidding::HomesMetered> out;
    for (const bidding::Fact& fact : durable.facts) {
      if (const auto* quarter = bidding::as<bidding::HomesMetered>(fact)) out.push_back(*quarter);
    }
    return out;
  }
  [[nodiscard]] NodeStatus status() const { return node_->status(now()); }

  Recovered durable;
  std::vector<openadr::Event> events;
  std::vector<openadr::Report> reports;

 private:
  void start() {
    NodeOptions options;
    options.self = NodeId{0, 1};
    options.role = Role::kRoot;
    options.bidding.enabled = false;
    options.openadr = openadr::VenOptions{
        .ven_name = "plant",
        .credentials = false,
        .rules = {{.payload = "CONTROL_SETPOINT", .positive = openadr::Positive::kImport}},
        .compare_clock = false};
    node_.emplace(options, Rng{1}, now(), durable);
    take();
    mesh::Hello hello;
    hello.session = ++session_;
    from_home(hello);
  }
  void from_home(const mesh::Message& message) {
    const mesh::Peer peer{
        {0, 9}, Role::kLeaf, limits::kGroupPowerMax, limits::kGroupPowerMax, Joules{1'000'000'000}};
    node_->step(now(), mesh::FromChild{kFromHome, peer, message});
    take();
  }
  void report() {
    const Watts battery = told_ && told_->share ? *told_->share : Watts{0};
    mesh::SiteSummary site;
    site.discharge = {Watts{5'000}, Joules{36'000'000}};
    site.charge = {Watts{5'000}, Joules{36'000'000}};
    site.measured = battery;
    site.net = battery - people_draw(market_);
    site.stale = false;
    from_home(mesh::Report{.session = session_,
                           .sequence = ++sequence_,
                           .beacon = heard_,
                           .summary = site,
                           .attached = {},
                           .evicted = {}});
  }
  void take() {
    Effects effects = node_->take_effects();
    for (const Record& record : effects.persist) {
      if (const auto* fact = std::get_if<bidding::Fact>(&record)) durable.facts.push_back(*fact);
      if (const auto* order = std::get_if<aggregation::Order>(&record)) keep(*order);
      if (const auto* head = std::get_if<JournalHead>(&record)) durable.journal = *head;
      if (const auto* term = std::get_if<TermRecord>(&record)) durable.term = *term;
    }
    for (const auto& [connection, message] : effects.down) {
      if (const auto* e = std::get_if<mesh::HelloAck>(&message)) heard_ = e->stamp;
      if (const auto* e = std::get_if<mesh::Beacon>(&message)) heard_ = e->stamp;
      if (const auto* e = std::get_if<mesh::Dispatch>(&message)) told_ = *e;
    }
    for (const openadr::Call& call : effects.openadr) {
      node_->step(now(), OpenAdrAnswered{{call, answer(call), {}, {}}});
      take();
    }
  }
  void keep(const aggregation::Order& order) {
    std::erase_if(durable.orders, [&](const auto& each) { return each.id == order.id; });
    durable.orders.push_back(order);
  }
  decltype(openadr::Answer::what) answer(const openadr::Call& call) {
    if (std::holds_alternative<openadr::RegisterVen>(call)) return openadr::ObjectFound{"v"};
    if (std::holds_alternative<openadr::RegisterResource>(call)) return openadr::ObjectFound{"r"};
    if (std::holds_alternative<openadr::FetchPrograms>(call)) {
      return openadr::Programs{{{"p", "p", {}}}, 1, {}};
    }
    if (std::holds_alternative<openadr::FetchEvents>(call)) {
      return openadr::Events{events, events.size(), {}};
    }
    if (std::holds_alternative<openadr::FetchReports>(call)) return openadr::ReportNames{};
    if (const auto* sent = std::get_if<openadr::SendReport>(&call)) reports.push_back(sent->report);
    return openadr::Done{};
  }

  Instant at_{10s};
  MarketTime market_ = kSunday + 23h + 30min;
  std::optional<Node> node_;
  mesh::Session session_ = 0;
  std::uint64_t sequence_ = 0;
  mesh::Stamp heard_ = 0;
  std::optional<mesh::Dispatch> told_;
};

/// An award of 2 kW, and an order for it: what a journal has before it is delivered.
std::vector<bidding::Fact> awarded(const bidding::Gate& gate) {
  bidding::BidDecided decided;
  decided.bid.key = "bid-1";
  decided.bid.gate = gate;
  decided.bid.segments = {{Watts{2'000}, Price{1}}};
  const MarketTime at = gate.from - 1h;
  return {{decided, at},
          {bidding::BidAcknowledged{"bid-1", true, ""}, at},
          {bidding::AwardKnown{{"bid-1", gate, Watts{2'000}, Price{1}}}, at},
          {bidding::OrderScheduled{"bid-1", OrderId{1}}, at}};
}

}  // namespace

TEST_CASE("a root reports and settles by what homes drew on the days before, over a restart",
          "[node][root][meters]") {
  MeteredHome home;
  const MarketTime monday = kSunday + std::chrono::days{8};
  const MarketTime begins = monday + 18h;
  home.pass(monday + 3h + 5min);
  const auto before = home.quarters();
  REQUIRE(before.size() > 7 * 96);
  CHECK(std::ranges::count_if(before, bidding::is_known) >= 7 * 96 + 11);

  const bidding::Gate gate{.from = begins, .until = begins + 30min, .closes = begins - 1h};
  for (const bidding::Fact& fact : awarded(gate)) home.durable.facts.push_back(fact);
  if (home.durable.journal) home.durable.journal->length = home.durable.facts.size();
  home.restart();
  home.events = {event_with_baseline(begins, 30min)};
  home.pass(begins + 2h);

  const auto quarters = home.quarters();
  const auto find_quarter = [&](MarketTime from) {
    return std::ranges::find(quarters, from, &bidding::HomesMetered::from);
  };
  // The one in which it was killed is not known, and never a zero.
  const auto killed = find_quarter(monday + 3h);
  if (killed != quarters.end()) CHECK_FALSE(bidding::is_known(*killed));
  CHECK(find_quarter(begins + 15min)->ordered);
  CHECK_FALSE(find_quarter(begins - 15min)->ordered);

  // All days before it were alike.
  const auto usual_at = [&](MarketTime from) { return find_quarter(from - 72h)->drawn; };
  const auto usual_in = [&](MarketTime from) { return usual_at(from) + usual_at(from + 15min); };
  REQUIRE(home.reports.size() == 2);
  for (const openadr::Report& report : home.reports) {
    CHECK(report.confidence_pct == 100);
    REQUIRE(report.intervals.size() == 2);
    for (const openadr::ReportInterval& interval : report.intervals) {
      const std::int64_t joules = usual_in(interval.from).count;
      const std::int64_t unit = report.units == "KW" ? 1'800 : 3'600;
      REQUIRE(interval.payloads.size() == 2);
      CHECK(interval.payloads[0].type == "BASELINE");
      CHECK(interval.payloads[0].values.at(0) == openadr::Value{joules / unit * 1'000});
      CHECK(interval.payloads[1].values.at(0) == openadr::Value{std::string{"OK"}});
    }
  }

  const auto bids = home.status().bids;
  REQUIRE(bids.size() == 1);
  REQUIRE(bids[0].metered);
  const bidding::BaselineKnown& known = *bids[0].metered;
  CHECK(known.why.empty());
  CHECK(known.adjusted);
  CHECK(known.days == 5);
  CHECK(known.usual == usual_in(begins));
  CHECK(known.metered == find_quarter(begins)->drawn + find_quarter(begins + 15min)->drawn);
  REQUIRE(known.delivered);
  CHECK(known.delivered == *known.usual - *known.metered);
  CHECK(known.delivered->count > 2'000 * 1'800 * 7 / 10);  // the meters see it some minutes late
}
