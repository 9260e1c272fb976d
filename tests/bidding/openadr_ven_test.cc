#include "bidding/openadr_ven.h"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "bidding/openadr_time.h"
#include "config/rng.h"

using namespace vpp;
using namespace vpp::bidding::openadr;
using namespace std::chrono_literals;

namespace {

constexpr MarketTime kVenStart{std::chrono::hours{400'000}};

/// A server in memory, and whatever may go wrong with one.
struct FakeVtn {
  std::vector<Program> programs{{"p1", "peak-day", {}}, {"p2", "other", {}}};
  std::vector<Event> events{};
  std::map<std::string, int> reports{};  ///< name -> how often it was taken
  std::vector<Report> sent{};
  std::set<std::string> vens{};
  int tokens_given = 0;
  bool token_taken = false;  ///< the newest one is good
  Duration token_lasts{3600s};
  Duration ahead{0};
  long fail_with = 0;  ///< status of every answer; -1: none comes
  std::optional<Duration> retry_after{};
  std::map<std::string, int> asked{};  ///< kind of call -> how often

  Answer answer(const Call& call, MarketTime now) {
    Answer out{call, Done{}, {}, std::nullopt};
    out.date = std::chrono::floor<std::chrono::seconds>(now + ahead);
    ++asked[std::to_string(call.index())];
    if (fail_with != 0) {
      out.what = Refused{std::max(fail_with, 0L), "it is out of order"};
      if (fail_with < 0) out.date.reset();
      out.retry_after = retry_after;
      return out;
    }
    const bool open =
        std::holds_alternative<AskTokenUrl>(call) || std::holds_alternative<AskToken>(call);
    if (!open && !token_taken) {
      out.what = Refused{401, "who are you?"};
      return out;
    }
    std::visit([&](const auto& c) { out.what = take(c); }, call);
    return out;
  }

  using What = decltype(Answer::what);
  What take(const AskTokenUrl&) { return TokenUrl{"https://vtn/token"}; }
  What take(const AskToken&) {
    ++tokens_given;
    token_taken = true;
    return TokenGiven{token_lasts};
  }
  What take(const RegisterVen& c) {
    if (!vens.insert(c.name).second) return Refused{409, "there is one"};
    return ObjectFound{"ven-1"};
  }
  What take(const FindVen& c) { return ObjectFound{vens.contains(c.name) ? "ven-1" : ""}; }
  What take(const RegisterResource& c) {
    if (!vens.insert("r" + c.name).second) return Refused{409, "there is one"};
    return ObjectFound{"resource-1"};
  }
  What take(const FindResource&) { return ObjectFound{"resource-1"}; }
  What take(const FetchPrograms& c) {
    Programs out;
    for (std::size_t i = c.skip; i < programs.size() && out.count < kPageMost; ++i, ++out.count) {
      out.programs.push_back(programs[i]);
    }
    return out;
  }
  What take(const FetchEvents& c) {
    Events out;
    for (std::size_t i = c.skip; i < events.size() && out.count < kPageMost; ++i, ++out.count) {
      out.events.push_back(events[i]);
    }
    return out;
  }
  What take(const FetchReports& c) {
    ReportNames out;
    for (const auto& [name, times] : reports) {
      if (name.starts_with(c.event + "/")) out.names.push_back(name);
    }
    return out;
  }
  What take(const SendReport& c) {
    if (++reports[c.report.name] > 1) return Refused{409, "it is there"};
    sent.push_back(c.report);
    return Done{};
  }
};

struct VenBench {
  explicit VenBench(VenOptions options = {}) : ven{with_rules(std::move(options)), Rng{1}} {}

  static VenOptions with_rules(VenOptions options) {
    options.ven_name = "plant";
    if (options.rules.empty()) options.rules = {{.payload = "CONTROL_SETPOINT"}};
    return options;
  }
  [[nodiscard]] Now clock() const { return {Instant{now.time_since_epoch()}, now, 1}; }

  /// Until nothing is to do before `until`; every call is answered `latency` later.
  void run(MarketTime until, Duration latency = 10ms) {
    while (now < until) {
      ven.advance(clock());
      VenEffects effects = ven.take_effects();
      for (const VenNotice& notice : effects.notices) said.push_back(notice);
      REQUIRE(effects.calls.size() <= 1);
      if (!effects.calls.empty()) {
        ++calls;
        if (std::holds_alternative<FetchEvents>(effects.calls.front())) ++listings;
        const Answer answer = vtn.answer(effects.calls.front(), now);
        now += latency;
        ven.answered(clock(), answer, book);
        continue;
      }
      const MarketTime due{ven.next_deadline(clock()).time_since_epoch()};
      now = std::min(until, std::max(now + 1ms, due));
    }
  }
  void run(Duration time, Duration latency = 10ms) { run(now + time, latency); }
  [[nodiscard]] bool was_said(std::string_view code) const {
    return std::ranges::find(said, code, &VenNotice::code) != said.end();
  }
  [[nodiscard]] std::vector<std::string> ids() const {
    std::vector<std::string> out;
    for (const EventView& each : ven.view(clock()).events) out.push_back(each.id);
    return out;
  }

  MarketTime now = kVenStart;
  FakeVtn vtn{};
  Ven ven;
  Ven::Book book{};
  std::vector<VenNotice> said{};
  std::size_t calls = 0;
  std::size_t listings = 0;
};

Event event_at(std::string id, MarketTime from, Duration lasts, std::string program = "p1") {
  Event out;
  out.id = std::move(id);
  out.program = std::move(program);
  out.modified = kVenStart;
  out.period = Period{.start = from, .duration = lasts};
  out.intervals = {{0, {}, {{"CONTROL_SETPOINT", {Value{kMillion}}}}}};
  return out;
}

}  // namespace

TEST_CASE("a client finds the token, registers itself and lists events again and again",
          "[openadr][ven]") {
  VenBench bench;
  bench.vtn.events = {event_at("e", kVenStart + 1h, 1h)};
  bench.run(10min);
  CHECK(bench.vtn.vens == std::set<std::string>{"plant", "rplant"});
  CHECK(bench.ven.view(bench.clock()).ven_id == "ven-1");
  CHECK(bench.ven.view(bench.clock()).resource_id == "resource-1");
  CHECK(bench.ids() == std::vector<std::string>{"e"});
  CHECK(bench.listings >= 8);
  CHECK(bench.listings <= 11);
  const Changes changes = bench.ven.orders(bench.clock(), {});
  REQUIRE(changes.book.size() == 1);
  CHECK(changes.book.front().wish.power == Watts{-1'000});
}

TEST_CASE("who is registered already is found, and who may not is told and goes on",
          "[openadr][ven]") {
  VenBench bench;
  bench.vtn.vens = {"plant", "rplant"};
  bench.run(1min);
  CHECK(bench.ven.view(bench.clock()).ven_id == "ven-1");
  CHECK(bench.ven.view(bench.clock()).resource_id == "resource-1");
  CHECK_FALSE(bench.was_said("VPP_OPENADR_REFUSED"));
}

TEST_CASE("a token is renewed before it ends, and at once when it is not taken", "[openadr][ven]") {
  VenBench bench;
  bench.vtn.token_lasts = 100s;
  bench.run(400s);
  CHECK(bench.vtn.tokens_given == 5);
  CHECK(bench.ven.view(bench.clock()).failures == 0);
  bench.vtn.token_taken = false;  // the server forgot it
  bench.run(61s);
  CHECK(bench.vtn.token_taken);
  CHECK_FALSE(bench.was_said("VPP_OPENADR_UNREACHABLE"));
}

TEST_CASE("a server that never takes its own tokens is not flooded", "[openadr][ven]") {
  VenBench bench;
  bench.run(10s);
  const std::size_t before = bench.calls;
  for (int i = 0; i < 3'600; ++i) {
    bench.vtn.token_taken = false;
    bench.run(1s);
    bench.vtn.token_taken = false;
  }
  CHECK(bench.calls - before < 400);
}

TEST_CASE("an outage is waited out ever longer, what was known goes on, then all is well again",
          "[openadr][ven]") {
  const long status = GENERATE(-1L, 500L, 503L);
  VenBench bench;
  bench.vtn.events = {event_at("e", kVenStart + 1h, 1h)};
  bench.run(2min);
  bench.vtn.fail_with = status;
  const std::size_t before = bench.calls;
  bench.run(1h);
  CHECK(bench.calls - before < 40);
  CHECK(bench.was_said("VPP_OPENADR_UNREACHABLE"));
  CHECK(bench.ven.view(bench.clock()).state == "unreachable");
  CHECK(bench.ids() == std::vector<std::string>{"e"});
  CHECK(bench.ven.orders(bench.clock(), {}).book.size() == 1);
  bench.vtn.fail_with = 0;
  bench.vtn.vens.clear();  // and it forgot everybody
  bench.run(10min);
  CHECK(bench.was_said("VPP_OPENADR_REACHABLE"));
  CHECK(bench.vtn.vens.contains("plant"));
  CHECK(bench.ven.view(bench.clock()).state == "polling");
}

TEST_CASE("a server that asks to wait is waited for", "[openadr][ven]") {
  VenBench bench;
  bench.run(30s);
  bench.vtn.fail_with = 429;
  bench.vtn.retry_after = 20min;
  bench.run(90s);
  const std::size_t before = bench.calls;
  bench.run(18min);
  CHECK(bench.calls == before);
}

TEST_CASE("a changed event replaces its wish, a deleted one withdraws its order",
          "[openadr][ven]") {
  VenBench bench;
  bench.vtn.events = {event_at("e", kVenStart + 1h, 1h)};
  bench.run(2min);
  aggregation::OrderBook orders;
  const auto carry_out = [&] {
    const Changes changes = bench.ven.orders(bench.clock(), orders.all());
    for (const OrderId id : changes.cancel) orders.cancel(bench.clock(), id);
    for (const Booking& each : changes.book) {
      orders.add(bench.clock(), {.id = kNoOrder,
                                 .key = each.key,
                                 .source = aggregation::OrderSource::kOpenAdr,
                                 .power = each.wish.power,
                                 .from = each.wish.from,
                                 .until = each.wish.until});
    }
    return std::pair{changes.book.size(), changes.cancel.size()};
  };
  CHECK(carry_out() == std::pair<std::size_t, std::size_t>{1, 0});
  bench.vtn.events.front().intervals.front().payloads.front().values = {Value{5 * kMillion}};
  bench.vtn.events.front().modified += 1s;
  bench.run(2min);
  CHECK(carry_out() == std::pair<std::size_t, std::size_t>{1, 1});
  bench.vtn.events.front().period = Period{.start = kStartsNow, .duration = 0s};
  bench.vtn.events.front().modified += 1s;
  bench.run(2min);
  CHECK(carry_out() == std::pair<std::size_t, std::size_t>{0, 1});
  bench.vtn.events = {event_at("f", kVenStart + 1h, 1h)};
  bench.run(2min);
  CHECK(carry_out().first == 1);
  bench.vtn.events.clear();
  bench.run(2min);
  CHECK(carry_out() == std::pair<std::size_t, std::size_t>{0, 1});
  CHECK(bench.was_said("VPP_OPENADR_EVENT_GONE"));
}

TEST_CASE("an event that moves to another page while it is listed is not taken for deleted",
          "[openadr][ven]") {
  Rng rng{11};
  VenBench bench;
  int n = 0;
  for (; n < 180; ++n) {
    bench.vtn.events.push_back(event_at("e" + std::to_string(n), kVenStart + 100h, 1h));
  }
  const std::string stays = "e170";
  for (int i = 0; i < 2'000; ++i) {
    bench.run(std::chrono::milliseconds{rng.below(2'000)}, 100ms);
    if (bench.vtn.events.size() > 120 && rng.below(20) == 0) {
      const std::size_t gone = rng.below(40);
      bench.vtn.events.erase(bench.vtn.events.begin() + static_cast<std::ptrdiff_t>(gone));
    }
    if (!bench.was_said("VPP_OPENADR_EVENT")) continue;
    const auto ids = bench.ids();
    REQUIRE(std::ranges::find(ids, stays) != ids.end());
  }
  bench.run(5min, 100ms);
  CHECK(bench.ids().size() == bench.vtn.events.size());
}

TEST_CASE("only events of the programs in the config count", "[openadr][ven]") {
  VenBench bench{{.programs = {"other"}}};
  bench.vtn.events = {event_at("e", kVenStart + 1h, 1h), event_at("f", kVenStart + 1h, 1h, "p2")};
  bench.run(2min);
  CHECK(bench.ids() == std::vector<std::string>{"f"});
}

TEST_CASE("a clock that is off is told, and events are placed by the server's when it is far off",
          "[openadr][ven]") {
  VenBench bench;
  bench.vtn.ahead = GENERATE(0s, 3s, 10s, 600s, -600s);
  const bool obeyed = std::chrono::abs(bench.vtn.ahead) > Ven::kSkewObeyed;
  bench.vtn.events = {event_at("e", kVenStart + 2h, 1h)};
  bench.run(5min);
  CHECK(bench.was_said("VPP_OPENADR_CLOCK") ==
        (std::chrono::abs(bench.vtn.ahead) > Ven::kSkewSaid));
  const MarketTime from = bench.ven.view(bench.clock()).events.at(0).from;
  const MarketTime expected = kVenStart + 2h - (obeyed ? bench.vtn.ahead : 0s);
  CHECK(std::chrono::abs(from - expected) <= 1s);
}

TEST_CASE("an event that starts now keeps its begin over a restart", "[openadr][ven]") {
  VenBench bench;
  bench.vtn.events = {event_at("e", kStartsNow, 1h)};
  bench.run(2min);
  const MarketTime begun = bench.ven.view(bench.clock()).events.at(0).from;
  const Changes changes = bench.ven.orders(bench.clock(), {});
  REQUIRE(changes.book.size() == 1);
  VenBench later;
  later.now = kVenStart + 20min;
  later.vtn.events = bench.vtn.events;
  later.book[OrderId{1}] = {.id = OrderId{1},
                            .key = changes.book.front().key,
                            .source = aggregation::OrderSource::kOpenAdr,
                            .power = changes.book.front().wish.power,
                            .from = changes.book.front().wish.from,
                            .until = changes.book.front().wish.until};
  later.run(2min);
  CHECK(later.ven.view(later.clock()).events.at(0).from == begun);
  CHECK(later.ven.orders(later.clock(), later.book).book.empty());
}

TEST_CASE("reports come when they are due, once each, with what was measured", "[openadr][ven]") {
  VenBench bench;
  Event event = event_at("e", kVenStart + 10min, 5min);
  for (int i = 1; i < 4; ++i) event.intervals.push_back(event.intervals.front());
  event.reports = {{.type = "DEMAND", .start_interval = 0, .intervals = 1, .repeat = -1},
                   {.type = "USAGE"}};
  bench.vtn.events = {event};
  for (int minute = 0; minute < 40; ++minute) {
    bench.ven.measured({.at = bench.now,
                        .measured = Watts{minute < 20 ? 2'000 : -1'000},
                        .known_permille = 1'000});
    bench.run(1min);
  }
  REQUIRE(bench.vtn.sent.size() == 5);
  for (const auto& [name, times] : bench.vtn.reports) CHECK(times == 1);
  const Report& first = bench.vtn.sent.front();
  CHECK(first.type == "DEMAND");
  REQUIRE(first.intervals.size() == 1);
  CHECK(first.intervals[0].from == kVenStart + 10min);
  CHECK(first.intervals[0].payloads[0].values[0] == Value{-2 * kMillion});
  CHECK(first.intervals[0].payloads[1] == Payload{"DATA_QUALITY", {Value{std::string{"OK"}}}});
  CHECK(first.confidence_pct == 100);
  const auto usage = std::ranges::find(bench.vtn.sent, "USAGE", &Report::type);
  REQUIRE(usage != bench.vtn.sent.end());
  REQUIRE(usage->intervals.size() == 4);
  CHECK(std::abs(std::get<std::int64_t>(usage->intervals[3].payloads[0].values[0]) -
                 kMillion / 12) < 2'000);  // 1 kW drawn for five minutes
}

TEST_CASE("a baseline is told for intervals that its parts cover, with what is estimated",
          "[openadr][ven]") {
  Rng rng{20261129};
  for (int run = 0; run < 40; ++run) {
    VenBench bench;
    const MarketTime begins = kVenStart + 15min;
    Event event = event_at("e", begins, 10min);
    for (int i = 1; i < 6; ++i) event.intervals.push_back(event.intervals.front());
    event.reports = {{.type = "BASELINE", .units = "W"}};
    bench.vtn.events = {event};
    std::vector<BaselinePart> parts;
    for (int i = 0; i < 4; ++i) {
      if (rng.below(5) == 0) continue;  // not known
      const MarketTime from = begins + 15min * i;
      parts.push_back(
          {.from = from,
           .until = from + 15min,
           .energy = Joules{900 * (static_cast<std::int64_t>(rng.below(200)) - 50) * 10},
           .sure_permille = rng.below(3) == 0 ? 900 : 1'000,
           .estimated = rng.below(4) == 0});
    }
    bench.ven.set_baseline([&](const BaselineAsked& asked) {
      CHECK(asked.begins == begins);
      CHECK(asked.ends == begins + 1h);
      return parts;
    });
    bench.run(2h);
    REQUIRE(bench.vtn.sent.size() == 1);
    REQUIRE(bench.vtn.sent[0].intervals.size() == 6);
    for (const ReportInterval& interval : bench.vtn.sent[0].intervals) {
      std::int64_t watt_minutes = 0;
      bool known = true;
      bool good = true;
      for (MarketTime at = interval.from; at < interval.from + 10min; at += 1min) {
        const auto part = std::ranges::find_if(
            parts, [&](const BaselinePart& each) { return each.from <= at && at < each.until; });
        known = known && part != parts.end();
        if (part == parts.end()) continue;
        watt_minutes += part->energy.count / 900;
        good = good && !part->estimated && part->sure_permille == 1'000;
      }
      const std::string quality = !known ? "MISSING" : good ? "OK" : "ESTIMATED";
      REQUIRE(interval.payloads.size() == (known ? 2U : 1U));
      CHECK(interval.payloads.back().values.at(0) == Value{quality});
      if (known) CHECK(interval.payloads[0].values.at(0) == Value{watt_minutes / 10 * kMillion});
    }
  }
}

TEST_CASE("reports that the server has already are not sent again after a restart",
          "[openadr][ven]") {
  VenBench bench;
  Event event = event_at("e", kVenStart + 1min, 1min);
  event.reports = {{.type = "DEMAND"}};
  bench.vtn.events = {event};
  bench.run(5min);
  REQUIRE(bench.vtn.sent.size() == 1);
  CHECK(bench.vtn.sent[0].intervals.at(0).payloads.at(0) ==
        Payload{"DATA_QUALITY", {Value{std::string{"MISSING"}}}});
  CHECK(bench.vtn.sent[0].confidence_pct == 0);
  VenBench later;
  later.now = bench.now;
  later.vtn.events = bench.vtn.events;
  later.vtn.reports = bench.vtn.reports;
  later.run(5min);
  CHECK(later.vtn.sent.empty());
  CHECK(later.vtn.reports == bench.vtn.reports);
}

TEST_CASE("what cannot be obeyed is said and the report says it, too", "[openadr][ven]") {
  VenBench bench;
  Event event = event_at("e", kVenStart + 1min, 1min);
  event.intervals[0].payloads.push_back({"CURVE", {Value{kMillion}}});
  event.reports = {{.type = "DATA_QUALITY"}};
  bench.vtn.events = {event};
  bench.run(5min);
  CHECK(bench.was_said("VPP_OPENADR_NOT_OBEYED"));
  REQUIRE(bench.vtn.sent.size() == 1);
  CHECK(bench.vtn.sent[0].intervals.at(0).payloads.at(0) ==
        Payload{"DATA_QUALITY", {Value{std::string{"BAD"}}}});
}

TEST_CASE("whatever a server does, once it is well the client knows what it has",
          "[openadr][ven]") {
  Rng rng{20261126};
  for (int run = 0; run < 60; ++run) {
    VenBench bench{{.version = run % 2 == 0 ? Version::k31 : Version::k30}};
    for (int step = 0; step < 80; ++step) {
      constexpr std::array<long, 8> kFaults{0, 0, 0, -1, 500, 429, 403, 400};
      bench.vtn.fail_with = kFaults[rng.below(kFaults.size())];
      if (rng.below(6) == 0) bench.vtn.token_taken = false;
      auto& events = bench.vtn.events;
      if (rng.below(2) == 0) {
        events.push_back(event_at("e" + std::to_string(run) + "." + std::to_string(step),
                                  bench.now + std::chrono::minutes{rng.below(90)} - 30min, 20min));
        events.back().reports = {{.type = "DEMAND"}};
      }
      if (rng.below(4) == 0 && !events.empty()) events.erase(events.begin());
      bench.run(std::chrono::seconds{rng.below(200)});
    }
    bench.vtn.fail_with = 0;
    bench.run(20min);
    auto ids = bench.ids();
    std::vector<std::string> there;
    for (const Event& each : bench.vtn.events) there.push_back(each.id);
    std::ranges::sort(ids);
    std::ranges::sort(there);
    REQUIRE(ids == there);
    CHECK(bench.ven.view(bench.clock()).state == "polling");
  }
}
