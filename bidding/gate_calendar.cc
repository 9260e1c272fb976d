#include "bidding/gate_calendar.h"

#include <algorithm>
#include <utility>

#include "config/check.h"

namespace vpp::bidding {
namespace {

using std::chrono::days;
using std::chrono::local_days;

[[nodiscard]] MarketTime closing_of(const Zone& zone, const Closing& closing, local_days day,
                                    MarketTime from) {
  if (const auto* before = std::get_if<ClosesBefore>(&closing)) return from - before->lead;
  return zone.first_at(LocalTime{day} - days{1} + std::get<ClosesDayBefore>(closing).at);
}

}  // namespace

Zone::Zone(std::chrono::seconds first, std::vector<OffsetChange> changes)
    : first_{first}, changes_{std::move(changes)} {
  VPP_CHECK(std::ranges::is_sorted(changes_, std::ranges::less{}, &OffsetChange::at));
}

LocalTime Zone::local(MarketTime at) const {
  const auto next = std::ranges::upper_bound(changes_, at, {}, &OffsetChange::at);
  const auto offset = next == changes_.begin() ? first_ : std::prev(next)->offset;
  return LocalTime{at.time_since_epoch() + offset};
}

MarketTime Zone::first_at(LocalTime local) const {
  // Span by span of equal offset: where the clock jumps over `local`, the span after it begins
  // with a later time.
  MarketTime begin = MarketTime::min();
  std::chrono::seconds offset = first_;
  for (const OffsetChange& change : changes_) {
    const MarketTime at{local.time_since_epoch() - offset};
    if (at < change.at) return std::max(at, begin);
    begin = change.at;
    offset = change.offset;
  }
  return std::max(MarketTime{local.time_since_epoch() - offset}, begin);
}

local_days day_of(const Zone& zone, Duration day_begins, MarketTime at) {
  // Where clocks go back at the begin of a day, they show the day before once more: ask by times.
  local_days day = std::chrono::floor<days>(zone.local(at) - day_begins);
  while (zone.first_at(LocalTime{day + days{1}} + day_begins) <= at) day += days{1};
  return day;
}

std::vector<Gate> gates_of_day(const Zone& zone, const SessionRules& rules, local_days day) {
  VPP_CHECK(rules.interval > Duration{0});
  const MarketTime begin = zone.first_at(LocalTime{day} + rules.day_begins);
  const MarketTime end = zone.first_at(LocalTime{day + days{1}} + rules.day_begins);
  std::vector<Gate> gates;
  for (MarketTime from = begin; from < end; from += rules.interval) {
    gates.push_back({.from = from,
                     .until = std::min(from + rules.interval, end),
                     .closes = closing_of(zone, rules.closing, day, from),
                     .session = rules.session});
  }
  return gates;
}

std::vector<Gate> gates_between(const Zone& zone, const SessionRules& rules, MarketTime from,
                                MarketTime until) {
  std::vector<Gate> gates;
  for (local_days day = day_of(zone, rules.day_begins, from);
       zone.first_at(LocalTime{day} + rules.day_begins) < until; day += days{1}) {
    std::ranges::copy_if(gates_of_day(zone, rules, day), std::back_inserter(gates),
                         [&](const Gate& gate) { return gate.from >= from && gate.from < until; });
  }
  return gates;
}

}  // namespace vpp::bidding
