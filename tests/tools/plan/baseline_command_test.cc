#include "tools/vppctl/baseline_command.h"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <utility>

#include "bidding/baseline.h"
#include "tests/tools/plan/plan_files.h"
#include "tools/vppctl/baseline_input.h"

namespace vpp::ctl {
namespace {

using namespace std::chrono_literals;
using Json = nlohmann::ordered_json;

constexpr std::chrono::local_days kEventDay{2017y / 7 / 12};  // a Wednesday

std::string meter_row(std::chrono::local_days day, std::chrono::minutes at,
                      const std::string& load) {
  const std::chrono::year_month_day date{day};
  char text[32];
  (void)std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d,", static_cast<int>(date.year()),
                      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                      static_cast<int>(at.count() / 60), static_cast<int>(at.count() % 60));
  return text + load + "\n";
}

/// Flat at 1000 Wh an hour, in quarters.
std::string quarters(std::chrono::local_days last, int count) {
  std::string out = "time_local,load_wh\n";
  for (int back = count; back >= 0; --back) {
    for (std::chrono::minutes at{0}; at < 24h; at += 15min) {
      const bool in_event = back == 0 && at >= 18h && at < 19h;
      const bool before = back == 0 && at >= 14h && at < 17h;
      out += meter_row(last - std::chrono::days{back}, at,
                       in_event ? "50"
                       : before ? "275"
                                : "250");
    }
  }
  return out;
}

/// One call on files of that content; an empty one is not given.
testing::Result run_on(const std::string& meter, BaselineArguments arguments,
                       const std::string& events = "", const std::string& holidays = "") {
  const testing::Files files;
  std::ostringstream out;
  std::ostringstream err;
  arguments.meter = files.write("meter.csv", meter);
  if (!events.empty()) arguments.events = files.write("events.csv", events);
  if (!holidays.empty()) arguments.holidays = files.write("holidays.csv", holidays);
  const int code = run_baseline(arguments, out, err);
  std::string text = err.str();
  const std::string prefix = files.directory.string() + "/";
  for (auto at = text.find(prefix); at != std::string::npos; at = text.find(prefix)) {
    text.erase(at, prefix.size());
  }
  return {code, out.str(), text};
}

BaselineArguments at_six(bool json = true) {
  BaselineArguments arguments;
  arguments.event = "2017-07-12 18:00";
  arguments.json = json;
  return arguments;
}

bidding::Meter meter_of(const std::string& text, std::string* warnings = nullptr) {
  const testing::Files files;
  const auto input = read_meter(files.write("meter.csv", text));
  REQUIRE(input.has_value());
  for (const auto& warning : input->warnings) {
    if (warnings != nullptr) *warnings += warning + "\n";
  }
  return input->meter;
}

}  // namespace

TEST_CASE("vppctl baseline tells per interval what was expected, metered and delivered") {
  const testing::Result done =
      run_on(quarters(kEventDay, 20), at_six(), "day\n2017-07-12\n2017-07-06\n",
             "day,name\n2017-07-04,Independence Day\n");
  CHECK(done.err.empty());
  REQUIRE(done.code == 0);
  const Json document = Json::parse(done.out);
  CHECK(document["event"] == "2017-07-12 18:00");
  CHECK(document["day_type"] == "workday");
  CHECK(document["interval_min"] == 15);
  CHECK(document["days_used"] == 10);
  CHECK(document["ratio"] == Approx(1.1));
  CHECK(document["ratio_unknown"].is_null());
  CHECK(document["drawn_wh"] == 3300);
  CHECK(document["expected_wh"] == 3000);
  CHECK(document["delivered_wh"] == 900);
  REQUIRE(document["intervals"].size() == 4);
  CHECK(document["intervals"][3] == Json{{"time", "18:45"},
                                         {"baseline_wh", 250.0},
                                         {"adjusted_wh", 275.0},
                                         {"metered_wh", 50.0},
                                         {"delivered_wh", 225.0}});
  REQUIRE(document["days"].size() == 45);
  CHECK(document["days"][4] == Json{{"day", "2017-07-07"}, {"verdict", "used"}});
  CHECK(document["days"][5] == Json{{"day", "2017-07-06"}, {"verdict", "event"}});
  CHECK(document["days"][7] == Json{{"day", "2017-07-04"}, {"verdict", "other_type"}});
  CHECK(document["days"][44]["verdict"] == "other_type");
  CHECK(document["days"][43]["verdict"] == "not_needed");
}

TEST_CASE("the table of vppctl baseline says the same for people") {
  const testing::Result done = run_on(quarters(kEventDay, 20), at_six(false), "day\n2017-07-06\n");
  REQUIRE(done.code == 0);
  CHECK(
      done.out.starts_with("EVENT      2017-07-12 18:00, 1 h, on a workday\n"
                           "DAYS USED  10\n"
                           "RATIO      1.1000 (3300.0 Wh drawn, 3000.0 Wh expected)\n"
                           "DELIVERED  900.0 Wh\n\n"
                           "TIME   BASELINE_WH  ADJUSTED_WH   METERED_WH  DELIVERED_WH\n"
                           "18:00        250.0        275.0         50.0         225.0\n"));
  CHECK(done.out.find("\nDAY\n2017-07-11  used\n") != std::string::npos);
  CHECK(done.out.find("\n2017-07-06  had an event\n") != std::string::npos);
  CHECK(done.out.find("2017-07-09") == std::string::npos);  // a Sunday

  BaselineArguments unadjusted = at_six(false);
  unadjusted.unadjusted = true;
  const testing::Result plain = run_on(quarters(kEventDay, 20), unadjusted);
  CHECK(plain.out.find("RATIO      1: not adjusted\nDELIVERED  800.0 Wh\n") != std::string::npos);
}

TEST_CASE("what is not known to be delivered is null, with the reason, and the exit code says so") {
  const testing::Result few = run_on(quarters(kEventDay, 3), at_six());
  CHECK(few.code == 1);
  const Json document = Json::parse(few.out);
  CHECK(document["days_used"] == 2);
  CHECK(document["ratio"].is_null());
  CHECK(document["ratio_unknown"] == "no_baseline");
  CHECK(document["delivered_wh"].is_null());
  CHECK(document["intervals"][0]["baseline_wh"].is_null());
  CHECK(document["intervals"][0]["metered_wh"] == 50);
  const testing::Result table = run_on(quarters(kEventDay, 3), at_six(false));
  CHECK(table.out.find("RATIO      unknown: there is no baseline: too few days count\n"
                       "DELIVERED  - Wh\n") != std::string::npos);
}

TEST_CASE("CAISO's number of rest days can be asked for") {
  BaselineArguments arguments = at_six();
  arguments.event = "2017-07-09 18:00";
  const std::string meter = quarters(std::chrono::local_days{2017y / 7 / 9}, 45);
  CHECK(Json::parse(run_on(meter, arguments).out)["days_used"] == 10);
  arguments.rest_days = 4;
  const Json four = Json::parse(run_on(meter, arguments).out);
  CHECK(four["day_type"] == "rest_day");
  CHECK(four["days_used"] == 4);
}

TEST_CASE("gaps of a meter are unknown and told, never zero") {
  std::string text = quarters(kEventDay, 20);
  const std::string gone = meter_row(kEventDay - std::chrono::days{1}, 3h, "250");
  text.erase(text.find(gone), gone.size());
  const auto set = [&](const std::string& from, const std::string& to) {
    text.replace(text.find(from), from.size(), to);
  };
  set(meter_row(kEventDay - std::chrono::days{2}, 4h, "250"),
      meter_row(kEventDay - std::chrono::days{2}, 4h, ""));
  set(meter_row(kEventDay - std::chrono::days{5}, 4h, "250"),
      meter_row(kEventDay - std::chrono::days{5}, 4h, "nan"));
  const std::string once = meter_row(kEventDay - std::chrono::days{6}, 4h, "250");
  set(once, once + meter_row(kEventDay - std::chrono::days{6}, 4h, "251"));
  const std::string same = meter_row(kEventDay - std::chrono::days{7}, 4h, "250");
  set(same, same + same);
  const testing::Result done = run_on(text, at_six());
  CHECK(done.code == 0);
  const Json days_json = Json::parse(done.out)["days"];
  for (const int back : {1, 2, 5, 6}) {
    CHECK(days_json[static_cast<std::size_t>(back - 1)]["verdict"] == "gap");
  }
  CHECK(days_json[6]["verdict"] == "used");
  for (const auto* told : {"times are missing on this day: unknown", "load_wh is missing: unknown",
                           "load_wh is not finite or beyond", "with other values: unknown",
                           "with the same value: counted once"}) {
    CHECK(done.err.find(told) != std::string::npos);
  }
}

TEST_CASE("a meter's days of a clock change have 23 and 25 hours, and lack nothing") {
  const auto day_of = [](std::chrono::local_days day, int hours_left_out, int hours_twice) {
    std::string out = "time_local,load_wh\n";
    for (std::chrono::minutes at{0}; at < 24h; at += 15min) {
      if (at >= 2h && at < 2h + std::chrono::hours{hours_left_out}) continue;
      out += meter_row(day, at, "1");
      if (at != 3h - 15min) continue;
      for (std::chrono::minutes again{120}; hours_twice > 0 && again < 3h; again += 15min) {
        out += meter_row(day, again, "2");
      }
    }
    return out;
  };
  const std::chrono::local_days spring{2017y / 3 / 26};
  std::string warnings;
  auto day = meter_of(day_of(spring, 1, 0), &warnings).days[spring];
  CHECK(warnings.empty());
  REQUIRE(day.size() == 92);
  CHECK(day[7].at == 1h + 45min);
  CHECK(day[8].at == 3h);
  const std::chrono::local_days autumn{2017y / 10 / 29};
  day = meter_of(day_of(autumn, 0, 1), &warnings).days[autumn];
  CHECK(warnings.empty());
  REQUIRE(day.size() == 100);
  CHECK(day[11].at == 2h + 45min);
  CHECK(day[11].load == Joules{3600});
  CHECK(day[12].at == 2h);
  CHECK(day[12].load == Joules{7200});
  CHECK(day[16].at == 3h);
  // The same on any other day is a gap, or a contradiction.
  day = meter_of(day_of(kEventDay, 1, 0), &warnings).days[kEventDay];
  REQUIRE(day.size() == 96);
  CHECK_FALSE(day[8].load.has_value());
  day = meter_of(day_of(kEventDay, 0, 1), &warnings).days[kEventDay];
  REQUIRE(day.size() == 96);
  CHECK_FALSE(day[8].load.has_value());
  CHECK(day[12].load == Joules{3600});
}

TEST_CASE("unusable files and arguments of vppctl baseline are told with place, cause and hint") {
  const auto refusal = [](const std::string& meter, BaselineArguments arguments = at_six(),
                          const std::string& events = "") {
    const testing::Result done = run_on(meter, std::move(arguments), events);
    CHECK(done.code == 2);
    CHECK(done.out.empty());
    return done.err;
  };
  const std::string head = "time_local,load_wh\n";
  CHECK(refusal("").starts_with("meter.csv:1:1: the file is empty"));
  CHECK(refusal(head).find("no reading in the file") != std::string::npos);
  CHECK(refusal("time_local,load_w\n").find("is 'load_w' meant to be 'load_wh'?") !=
        std::string::npos);
  CHECK(refusal(head + "2017-07-12 00:00,much\n") ==
        "meter.csv:2:18: load_wh 'much' is not a number; hint: digits, with a point for decimals; "
        "leave unknown values empty\n");
  CHECK(refusal(head + "12.7.2017 00:00,1\n").find(":2:1: time '12.7.2017 00:00' is not of the") !=
        std::string::npos);
  CHECK(refusal(head + "2017-07-12 00:00:30,1\n").find("is not a full minute") !=
        std::string::npos);
  CHECK(refusal(head + "2017-07-12 00:00,1\n2017-07-11 00:00,1\n")
            .find(":3:1: time goes back to an earlier day; hint: sort") != std::string::npos);
  CHECK(refusal(head + "2017-07-12 00:00,1\n2017-07-12 00:10,1\n")
            .find("readings every 10 minutes; hint: an interval is of 5, 15, 30 or 60") !=
        std::string::npos);
  CHECK(refusal(head + meter_row(kEventDay, 0h, "1") + meter_row(kEventDay, 15min, "1") +
                meter_row(kEventDay, 30min, "1") + meter_row(kEventDay, 37min, "1"))
            .find(":5:1: no interval of 15 minutes begins then") != std::string::npos);
  CHECK(refusal(quarters(kEventDay, 1), at_six(), "day\n2017-02-30\n")
            .starts_with("events.csv:2:1: day '2017-02-30' is not on the calendar"));

  BaselineArguments arguments = at_six();
  arguments.event = "6 p.m.";
  arguments.event_hours = 0;
  arguments.rest_days = 0;
  const std::string all = refusal(quarters(kEventDay, 1), arguments);
  CHECK(all.find("--event: time '6 p.m.' is not of the form") != std::string::npos);
  CHECK(all.find("--event-hours 0: 1 to 24") != std::string::npos);
  CHECK(all.find("--rest-days 0: 1 to 45") != std::string::npos);
  arguments = at_six();
  arguments.event_hours = 7;
  CHECK(
      refusal(quarters(kEventDay, 1), arguments).find("does not end on its day; hint: one call") !=
      std::string::npos);
  arguments.event = "2017-07-12 18:10";
  CHECK(refusal(quarters(kEventDay, 1), arguments).find("no interval of the meter begins then") !=
        std::string::npos);
  arguments.event = "2017-08-12 18:00";
  CHECK(refusal(quarters(kEventDay, 1), arguments).find("meter.csv has no reading of that day") !=
        std::string::npos);
}

}  // namespace vpp::ctl
