#include "tools/vppctl/baseline_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <expected>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>
#include <vector>

#include "bidding/baseline.h"
#include "config/check.h"
#include "tools/vppctl/baseline_input.h"
#include "tools/vppctl/csv_series.h"

namespace vpp::ctl {
namespace {

using bidding::Baseline;
using bidding::BaselineCalendar;
using bidding::BaselineEvent;
using bidding::DayVerdict;
using bidding::EventUnfit;
using bidding::RatioUnknown;
using bidding::SameDayRatio;
using std::chrono::local_days;
using std::chrono::minutes;
using Json = nlohmann::ordered_json;

constexpr int kPartlyUnknown = 1;
constexpr int kBaselineMisused = 2;
constexpr int kHoursMax = 24;
constexpr int kRestDaysMax = 45;  ///< the look-back

/// A word for programs, a reason for people.
struct Wording {
  std::string_view word;
  std::string_view reason;
};

Wording wording_of(DayVerdict verdict) {
  switch (verdict) {
    case DayVerdict::kUsed:
      return {"used", "used"};
    case DayVerdict::kUsedWithEvent:
      return {"used_with_event", "used though it had an event: too few had none"};
    case DayVerdict::kOtherType:
      return {"other_type", "of the other type"};
    case DayVerdict::kEvent:
      return {"event", "had an event"};
    case DayVerdict::kGap:
      return {"gap", "its meter has a gap"};
    case DayVerdict::kNoTime:
      return {"no_time", "its clock left out a time that is needed"};
    case DayVerdict::kTooMany:
      return {"not_needed", "the newer ones are enough"};
  }
  VPP_CHECK(false);
}

Wording wording_of(RatioUnknown why) {
  switch (why) {
    case RatioUnknown::kNoBaseline:
      return {"no_baseline", "there is no baseline: too few days count"};
    case RatioUnknown::kBeforeMidnight:
      return {"before_midnight", "the hours that it rests on begin on the day before"};
    case RatioUnknown::kGap:
      return {"gap", "the meter has a gap in the hours that it rests on"};
    case RatioUnknown::kNotPositive:
      return {"not_positive", "the baseline of the hours that it rests on is not positive"};
    case RatioUnknown::kChangesSign:
      return {"changes_sign", "in the hours that it rests on load was given instead of taken"};
  }
  VPP_CHECK(false);
}

std::string refusal_of(EventUnfit why, const BaselineArguments& arguments) {
  switch (why) {
    case EventUnfit::kNotMetered:
      return fmt::format("--event '{}': {} has no reading of that day", arguments.event,
                         arguments.meter);
    case EventUnfit::kNoSuchTime:
      return fmt::format("--event '{}': no interval of the meter begins then", arguments.event);
    case EventUnfit::kPastMidnight:
      return fmt::format(
          "--event-hours {}: the event does not end on its day; hint: one call for each day",
          arguments.event_hours);
  }
  VPP_CHECK(false);
}

std::string day_text(local_days day) {
  const std::chrono::year_month_day date{day};
  return fmt::format("{:04}-{:02}-{:02}", static_cast<int>(date.year()),
                     static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()));
}

std::string time_text(minutes at) {
  return fmt::format("{:02}:{:02}", at.count() / 60, at.count() % 60);
}

/// At most 3 decimals, as everywhere in documents.
double watt_hours(Joules energy) {
  return std::round(static_cast<double>(energy.count) / 3.6) / 1000;
}

Json watt_hours_json(const std::optional<Joules>& energy) {
  return energy ? Json(watt_hours(*energy)) : Json(nullptr);
}

std::string watt_hours_text(const std::optional<Joules>& energy) {
  return energy ? fmt::format("{:.1f}", watt_hours(*energy)) : "-";
}

double value_of(const SameDayRatio& ratio) {
  return static_cast<double>(ratio.numerator) / static_cast<double>(ratio.denominator);
}

/// Nothing if that of any interval is unknown.
std::optional<Joules> delivered_in_all(const Baseline& baseline) {
  Joules sum;
  for (const auto& interval : baseline.intervals) {
    if (!interval.delivered) return std::nullopt;
    sum += *interval.delivered;
  }
  return sum;
}

/// What is looked at, beside what came of it.
struct Looked {
  BaselineEvent event;
  bool is_rest_day = false;
  minutes interval{60};
};

void print_baseline_json(const Looked& looked, const Baseline& baseline, std::ostream& out) {
  Json document{{"schema", "vppctl/v1"},
                {"event", day_text(looked.event.day) + " " + time_text(looked.event.from)},
                {"event_hours", looked.event.length / std::chrono::hours{1}},
                {"day_type", looked.is_rest_day ? "rest_day" : "workday"},
                {"interval_min", looked.interval.count()},
                {"days_used", baseline.used}};
  const auto& ratio = baseline.ratio;
  document["ratio"] = ratio ? Json(value_of(*ratio)) : Json(nullptr);
  document["ratio_unknown"] = ratio ? Json(nullptr) : Json(wording_of(ratio.error()).word);
  document["ratio_held"] = ratio && ratio->is_held;
  document["drawn_wh"] = ratio ? watt_hours_json(ratio->drawn) : Json(nullptr);
  document["expected_wh"] = ratio ? watt_hours_json(ratio->expected) : Json(nullptr);
  document["delivered_wh"] = watt_hours_json(delivered_in_all(baseline));
  document["intervals"] = Json::array();
  for (const auto& interval : baseline.intervals) {
    document["intervals"].push_back({{"time", time_text(interval.at)},
                                     {"baseline_wh", watt_hours_json(interval.baseline)},
                                     {"adjusted_wh", watt_hours_json(interval.adjusted)},
                                     {"metered_wh", watt_hours_json(interval.metered)},
                                     {"delivered_wh", watt_hours_json(interval.delivered)}});
  }
  document["days"] = Json::array();
  for (const auto& [day, verdict] : baseline.days) {
    document["days"].push_back({{"day", day_text(day)}, {"verdict", wording_of(verdict).word}});
  }
  out << document.dump() << '\n';
}

std::string ratio_text(const std::expected<SameDayRatio, RatioUnknown>& ratio) {
  if (!ratio) return fmt::format("unknown: {}", wording_of(ratio.error()).reason);
  if (!ratio->drawn) return "1: not adjusted";
  const double drawn = watt_hours(*ratio->drawn);
  const double expected = watt_hours(*ratio->expected);
  return fmt::format("{:.4f}{} ({:.1f} Wh drawn, {:.1f} Wh expected)", value_of(*ratio),
                     ratio->is_held ? fmt::format(", held: {:.4f} before", drawn / expected) : "",
                     drawn, expected);
}

void print_baseline_table(const Looked& looked, const Baseline& baseline, std::ostream& out) {
  out << fmt::format("EVENT      {} {}, {} h, on a {}\n", day_text(looked.event.day),
                     time_text(looked.event.from), looked.event.length / std::chrono::hours{1},
                     looked.is_rest_day ? "rest day" : "workday")
      << fmt::format("DAYS USED  {}\n", baseline.used)
      << fmt::format("RATIO      {}\n", ratio_text(baseline.ratio))
      << fmt::format("DELIVERED  {} Wh\n\n", watt_hours_text(delivered_in_all(baseline)))
      << "TIME   BASELINE_WH  ADJUSTED_WH   METERED_WH  DELIVERED_WH\n";
  for (const auto& interval : baseline.intervals) {
    out << fmt::format("{}  {:>11}  {:>11}  {:>11}  {:>12}\n", time_text(interval.at),
                       watt_hours_text(interval.baseline), watt_hours_text(interval.adjusted),
                       watt_hours_text(interval.metered), watt_hours_text(interval.delivered));
  }
  out << "\nDAY\n";
  for (const auto& [day, verdict] : baseline.days) {
    // Nobody expects those; JSON has them.
    if (verdict == DayVerdict::kOtherType || verdict == DayVerdict::kTooMany) continue;
    out << fmt::format("{}  {}\n", day_text(day), wording_of(verdict).reason);
  }
}

std::optional<BaselineEvent> take_event(const BaselineArguments& arguments, std::ostream& err) {
  const auto time = parse_local_time(arguments.event);
  if (!time) {
    err << fmt::format("vppctl baseline: --event: {}; hint: {}\n", time.error().cause,
                       time.error().hint);
  }
  const bool has_hours = arguments.event_hours >= 1 && arguments.event_hours <= kHoursMax;
  if (!has_hours) {
    err << fmt::format("vppctl baseline: --event-hours {}: 1 to {}\n", arguments.event_hours,
                       kHoursMax);
  }
  const bool has_rest_days = arguments.rest_days >= 1 && arguments.rest_days <= kRestDaysMax;
  if (!has_rest_days) {
    err << fmt::format("vppctl baseline: --rest-days {}: 1 to {}\n", arguments.rest_days,
                       kRestDaysMax);
  }
  if (!time || !has_hours || !has_rest_days) return std::nullopt;
  const auto from = std::chrono::floor<minutes>(time->at);
  if (from != time->at) {
    err << fmt::format("vppctl baseline: --event '{}': no interval begins then\n", arguments.event);
    return std::nullopt;
  }
  return BaselineEvent{time->day, from, std::chrono::hours{arguments.event_hours}};
}

bidding::BaselineRules rules_of(const BaselineArguments& arguments) {
  bidding::BaselineRules rules;
  rules.rest_days.target = arguments.rest_days;
  rules.rest_days.least = std::min(rules.rest_days.least, arguments.rest_days);
  rules.adjusts = !arguments.unadjusted;
  return rules;
}

template <class Input>
bool tell_errors(const std::expected<Input, std::vector<std::string>>& input, std::ostream& err) {
  if (input) return false;
  for (const auto& line : input.error()) err << line << '\n';
  return true;
}

}  // namespace

int run_baseline(const BaselineArguments& arguments, std::ostream& out, std::ostream& err) {
  const auto event = take_event(arguments, err);
  const auto input = read_meter(arguments.meter);
  auto events = read_days(arguments.events);
  auto holidays = read_days(arguments.holidays);
  bool is_bad = tell_errors(input, err);
  is_bad = tell_errors(events, err) || is_bad;
  is_bad = tell_errors(holidays, err) || is_bad;
  if (is_bad || !event) return kBaselineMisused;
  for (const auto& warning : input->warnings) err << "vppctl baseline: " << warning << '\n';

  const BaselineCalendar calendar{*std::move(holidays), *std::move(events)};
  const auto baseline = bidding::baseline(input->meter, *event, calendar, rules_of(arguments));
  if (!baseline) {
    err << "vppctl baseline: " << refusal_of(baseline.error(), arguments) << '\n';
    return kBaselineMisused;
  }
  const Looked looked{*event, bidding::is_rest_day(event->day, calendar), input->meter.interval};
  if (arguments.json) {
    print_baseline_json(looked, *baseline, out);
  } else {
    print_baseline_table(looked, *baseline, out);
  }
  return delivered_in_all(*baseline) ? 0 : kPartlyUnknown;
}

}  // namespace vpp::ctl
