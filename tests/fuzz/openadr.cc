// Bodies of an OpenADR server, and clients that obey them: any bytes are decoded or refused with a
// cause of one line; whatever is decoded is placed, read and booked without a fault, no interval
// overlaps another, and a report about it is JSON.
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>

#include "bidding/openadr_json.h"
#include "bidding/openadr_time.h"
#include "bidding/openadr_ven.h"
#include "config/check.h"
#include "tests/fuzz/fuzz_input.h"

using namespace vpp;
using namespace vpp::bidding::openadr;
using namespace std::chrono_literals;

namespace {

constexpr MarketTime kToday{std::chrono::hours{490'000}};

bool is_one_line(const std::string& text) {
  return text.find('\n') == std::string::npos && text.size() < 2'000;
}

void check_placing(const Event& event) {
  const auto table = Timetable::make(event, {.seen = kToday, .shift = draw_shift(event, "plant")});
  if (!table) {
    VPP_CHECK(!table.error().empty());
    return;
  }
  const auto placed = table->within(kToday, kToday + 48h, 500);
  MarketTime last{};
  for (const Placed& each : placed) {
    VPP_CHECK(each.from < each.until && each.from >= last && each.until <= table->ends());
    last = each.until;
  }
  for (const ReportDescriptor& descriptor : event.reports) {
    for (std::int64_t n = 0; n < 3; ++n) {
      const auto due = occurrence(*table, descriptor, n);
      if (!due) break;
      const Report report =
          report_of({event, "plant", "AGGREGATED_REPORT", false}, descriptor, *due, History{60s});
      VPP_CHECK(nlohmann::json::accept(encode(Version::k30, report)));
    }
  }
}

void obey(const Events& page) {
  Ven ven{{.ven_name = "plant",
           .credentials = false,
           .rules = {{.payload = "SIMPLE", .levels = {Watts{0}, Watts{1'000}}},
                     {.payload = "DISPATCH_SETPOINT"},
                     {.payload = "CHARGE_STATE_SETPOINT"},
                     {.payload = "PRICE"},
                     {.payload = "IMPORT_CAPACITY_LIMIT"}}},
          Rng{1}};
  Now now{Instant{}, kToday, 1};
  for (int i = 0; i < 40; ++i) {
    ven.advance(now);
    for (const Call& call : ven.take_effects().calls) {
      Answer answer{call, ObjectFound{"x"}};
      if (std::holds_alternative<FetchPrograms>(call)) answer.what = Programs{};
      if (const auto* fetch = std::get_if<FetchEvents>(&call)) {
        answer.what = fetch->skip == 0 ? page : Events{};
      }
      if (std::holds_alternative<FetchReports>(call)) answer.what = ReportNames{};
      if (std::holds_alternative<SendReport>(call)) answer.what = Done{};
      ven.answered(now, answer, {});
    }
    (void)ven.orders(now, {});
    (void)ven.value(now.market, now.market + std::chrono::hours{1});
    (void)ven.view(now);
    now.protocol += 20s;
    now.market += 20s;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::FuzzInput input{data, size};
  const std::size_t kind = input.below(6);
  const std::string body{input.rest()};
  VPP_CHECK(is_one_line(decode_problem(body)));
  if (kind == 0) {
    if (const auto time = parse_date_time(body); time && *time != kStartsNow) {
      VPP_CHECK(parse_date_time(to_date_time(*time)) == time);
    }
    if (const auto lasts = parse_duration(body)) {
      VPP_CHECK(*lasts >= 0s && parse_duration(to_duration(*lasts)) == lasts);
    }
  } else if (kind == 1) {
    (void)decode_grant(body);
    (void)decode_token_url(body);
    (void)decode_id(body);
    (void)decode_id_of(body, "venName", "plant");
    (void)decode_report_names(body);
    (void)decode_programs(body);
  } else if (const auto page = decode_events(body)) {
    VPP_CHECK(page->events.size() + page->unreadable.size() == page->count);
    for (const auto& [id, why] : page->unreadable) VPP_CHECK(is_one_line(why) && !why.empty());
    for (const Event& event : page->events) check_placing(event);
    obey(*page);
  } else {
    VPP_CHECK(is_one_line(page.error()));
  }
  return 0;
}
