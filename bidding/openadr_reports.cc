#include "bidding/openadr_reports.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "aggregation/wide.h"
#include "bidding/openadr_time.h"

namespace vpp::bidding::openadr {
namespace {

using aggregation::Int128;

constexpr std::int64_t kGoodPermille = 950;
constexpr std::int64_t kWh = kJoulesPerWattHour;

/// Of a number of watts or watt-hours: kilo, unless the descriptor asks otherwise.
Value scaled(std::int64_t count, std::string_view units) {
  if (units == "W" || units == "WH") return count * kMillion;
  if (units == "MW" || units == "MWH") return count;
  return count * (kMillion / 1'000);
}

std::string unit_of(const ReportDescriptor& descriptor) {
  if (!descriptor.units.empty()) return descriptor.units;
  const std::string& type = descriptor.type;
  if (type == "STORAGE_CHARGE_LEVEL") return "PERCENT";
  if (type == "USAGE" || type == "BASELINE" || type == "STORAGE_USABLE_CAPACITY") return "KWH";
  return type == "OPERATING_STATE" || type == "DATA_QUALITY" ? "" : "KW";
}

std::string state_of(Watts asked) {
  if (asked == Watts{0}) return "RUNNING_NORMAL";
  return asked > Watts{0} ? "RUNNING_CURTAILED" : "RUNNING_HEIGHTENED";
}

/// Nothing: not known, or the plant has no such value.
std::optional<Value> value_of(std::string_view type, std::string_view units,
                              const History::Mean& mean, Duration lasts) {
  const bool measured = mean.measured_permille > 0;
  if (type == "SETPOINT" && mean.last) return scaled(-mean.asked_w, units);
  if (type == "OPERATING_STATE" && mean.last) return state_of(Watts{mean.asked_w});
  if (type == "DEMAND" && measured) return scaled(-mean.measured_w, units);
  if (type == "USAGE" && measured) {
    const Int128 wh = Int128{-mean.measured_w} * lasts.count() / (kWh * 1'000);
    return scaled(static_cast<std::int64_t>(wh), units);
  }
  if (!mean.last) return std::nullopt;
  const Sample& last = *mean.last;
  if (type == "READING" && last.measured) return scaled(-last.measured->count, units);
  const std::int64_t now_w = last.measured.value_or(Watts{0}).count;
  if (type == "UP_REGULATION_AVAILABLE") {
    return scaled(std::max<std::int64_t>(0, last.discharge_most.count - now_w), units);
  }
  if (type == "DOWN_REGULATION_AVAILABLE") {
    return scaled(std::max<std::int64_t>(0, last.charge_most.count + now_w), units);
  }
  if (type == "STORAGE_MAX_DISCHARGE_POWER") return scaled(last.discharge_most.count, units);
  if (type == "STORAGE_MAX_CHARGE_POWER") return scaled(last.charge_most.count, units);
  const std::int64_t all = last.discharge.count + last.charge.count;
  if (type == "STORAGE_USABLE_CAPACITY") return scaled(all / kWh, units);
  if (type == "STORAGE_CHARGE_LEVEL" && all > 0) {
    return static_cast<std::int64_t>(Int128{last.discharge.count} * 100 * kMillion / all);
  }
  return std::nullopt;
}

/// What a report says of an interval.
struct Reported {
  std::optional<Value> value;
  bool known = false;
  bool estimated = false;
  std::int64_t sure_permille = 0;
};

Reported measured_in(const History::Mean& mean, std::string_view type, std::string_view units,
                     Duration lasts) {
  Reported out{.value = value_of(type, units, mean, lasts),
               .known = false,
               .estimated = mean.known_permille < kGoodPermille,
               .sure_permille = mean.known_permille};
  out.known = type == "DATA_QUALITY" ? mean.last.has_value() : out.value.has_value();
  return out;
}

Reported baseline_in(const std::vector<BaselinePart>& parts, const Placed& placed,
                     std::string_view units) {
  Reported out{.value = {}, .known = false, .estimated = false, .sure_permille = 1'000};
  Int128 millijoules = 0;
  Duration covered{0};
  for (const BaselinePart& part : parts) {
    const Duration shared = std::min(placed.until, part.until) - std::max(placed.from, part.from);
    if (shared <= Duration{0}) continue;
    covered += shared;
    millijoules +=
        Int128{part.energy.count} * 1'000 * shared.count() / (part.until - part.from).count();
    out.sure_permille = std::min<std::int64_t>(out.sure_permille, part.sure_permille);
    out.estimated = out.estimated || part.estimated || part.sure_permille < kGoodPermille;
  }
  if (placed.until == kEndOfTime || covered != placed.until - placed.from) return {};
  const bool power = units == "W" || units == "KW" || units == "MW";
  const Int128 count = power ? millijoules / covered.count() : millijoules / (1'000 * kWh);
  out.value = scaled(static_cast<std::int64_t>(count), units);
  out.known = true;
  return out;
}

std::vector<BaselinePart> baseline_of(const ReportContext& context,
                                      const ReportDescriptor& descriptor,
                                      const Occurrence& occurrence) {
  if (descriptor.type != "BASELINE" || !context.baseline) return {};
  return context.baseline({.begins = context.begins,
                           .ends = context.ends,
                           .from = occurrence.intervals.front().from,
                           .until = occurrence.intervals.back().until});
}

}  // namespace

void History::add(const Sample& sample) {
  if (!samples_.empty() && sample.at <= samples_.back().at) return;
  samples_.push_back(sample);
  if (samples_.size() <= kSamplesMost) return;
  std::deque<Sample> thinner;  // every other one of the older half
  for (std::size_t i = 0; i < samples_.size(); ++i) {
    if (i * 2 > samples_.size() || i % 2 == 0) thinner.push_back(samples_[i]);
  }
  samples_ = std::move(thinner);
}

History::Mean History::over(MarketTime from, MarketTime until) const {
  Mean out;
  Int128 measured = 0;
  Int128 asked = 0;
  Int128 known = 0;
  std::int64_t measured_ms = 0;
  std::int64_t ms = 0;
  auto it = std::ranges::upper_bound(samples_, from, {}, &Sample::at);
  if (it != samples_.begin()) --it;
  for (; it != samples_.end() && it->at < until; ++it) {
    const auto next = it + 1;
    MarketTime end = std::min(until, it->at + holds_);
    if (next != samples_.end()) end = std::min(end, next->at);
    const std::int64_t span = (end - std::max(from, it->at)).count();
    if (span <= 0) continue;
    ms += span;
    asked += Int128{it->asked.count} * span;
    known += Int128{it->known_permille} * span;
    out.last = *it;
    if (!it->measured) continue;
    measured_ms += span;
    measured += Int128{it->measured->count} * span;
  }
  const std::int64_t all = until == kEndOfTime ? ms : (until - from).count();
  if (ms == 0 || all <= 0) return out;
  out.asked_w = static_cast<std::int64_t>(asked / ms);
  out.known_permille = static_cast<std::int64_t>(known / all);
  out.measured_permille = static_cast<std::int64_t>(Int128{measured_ms} * 1'000 / all);
  if (measured_ms > 0) out.measured_w = static_cast<std::int64_t>(measured / measured_ms);
  return out;
}

std::optional<Occurrence> occurrence(const Timetable& table, const ReportDescriptor& descriptor,
                                     std::int64_t number) {
  const std::int64_t all = table.in_all();
  if (all == 0 || number < 0) return std::nullopt;
  if (descriptor.repeat >= 0 && number >= descriptor.repeat) return std::nullopt;
  std::int64_t first = descriptor.start_interval;
  if (first < 0) first = descriptor.historical ? all - 1 : 0;
  if (first < 0) return std::nullopt;  // the end of what has none
  const std::int64_t most = all > 0 ? all : first + 1;
  const std::int64_t count = descriptor.intervals > 0 ? std::min(descriptor.intervals, most) : most;
  const std::int64_t step = descriptor.frequency > 0 ? descriptor.frequency : count;
  constexpr std::int64_t kNumberMost = 1'000'000'000;
  if (first > kNumberMost || step > kNumberMost || number > kNumberMost) return std::nullopt;
  const std::int64_t at = first + step * number;
  if (all > 0 && at >= all) return std::nullopt;
  const auto kept = std::min<std::int64_t>(count, kReportIntervalsMost);
  const std::int64_t from = descriptor.historical ? std::max<std::int64_t>(0, at - kept + 1) : at;
  const std::int64_t last = descriptor.historical ? at : at + kept - 1;
  Occurrence out;
  out.number = number;
  out.intervals = table.from_number(from, static_cast<std::size_t>(last - from + 1));
  if (out.intervals.empty()) return std::nullopt;
  out.due = descriptor.historical ? out.intervals.back().until : out.intervals.front().from;
  if (out.due == kEndOfTime) return std::nullopt;
  return out;
}

std::string report_name(const ReportContext& context, const ReportDescriptor& descriptor,
                        std::int64_t number) {
  return context.event.id + "/" +
         std::to_string(context.event.modified.time_since_epoch().count()) + "/" + descriptor.type +
         "/" + std::to_string(number);
}

Report report_of(const ReportContext& context, const ReportDescriptor& descriptor,
                 const Occurrence& occurrence, const History& history) {
  Report out{.name = report_name(context, descriptor, occurrence.number),
             .event = context.event.id,
             .program = context.event.program,
             .client = context.client,
             .resource = context.resource,
             .type = descriptor.type,
             .reading = descriptor.reading.empty() ? "DIRECT_READ" : descriptor.reading,
             .units = unit_of(descriptor),
             .confidence_pct = 100,
             .intervals = {}};
  const std::vector<BaselinePart> baseline = baseline_of(context, descriptor, occurrence);
  for (const Placed& placed : occurrence.intervals) {
    const Duration lasts = placed.until == kEndOfTime ? kForever : placed.until - placed.from;
    const Reported reported = descriptor.type == "BASELINE"
                                  ? baseline_in(baseline, placed, out.units)
                                  : measured_in(history.over(placed.from, placed.until),
                                                descriptor.type, out.units, lasts);
    std::string quality = reported.estimated ? "ESTIMATED" : "OK";
    if (!reported.known) quality = "MISSING";
    if (context.refused) quality = "BAD";
    ReportInterval interval{.id = context.event.intervals[placed.interval].id,
                            .from = placed.from,
                            .lasts = lasts,
                            .payloads = {}};
    if (reported.value) interval.payloads.push_back({descriptor.type, {*reported.value}});
    interval.payloads.push_back({"DATA_QUALITY", {std::move(quality)}});
    out.intervals.push_back(std::move(interval));
    const std::int64_t sure =
        reported.known ? std::clamp<std::int64_t>(reported.sure_permille / 10, 0, 100) : 0;
    out.confidence_pct = std::min(out.confidence_pct, sure);
  }
  return out;
}

}  // namespace vpp::bidding::openadr
