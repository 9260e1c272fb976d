#include "bidding/meter_book.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "bidding/baseline.h"

namespace vpp::bidding {
namespace {

using std::chrono::local_days;
using std::chrono::minutes;

constexpr Duration kDayEnds = std::chrono::days{1};

MarketTime quarter_of(MarketTime at) {
  return at - at.time_since_epoch() % kMeterQuarter;
}

MarketTime quarter_after(MarketTime at) {
  const MarketTime begin = quarter_of(at);
  return begin == at ? begin : begin + kMeterQuarter;
}

/// To the nearest; sums of a quarter stay far below 2^63.
std::int64_t rounded_mean(std::int64_t sum, std::int64_t parts) {
  return (sum < 0 ? sum - parts / 2 : sum + parts / 2) / parts;
}

struct LocalDay {
  local_days day;
  MarketTime begin{};
  MarketTime end{};
};

LocalDay local_day(const Zone& zone, local_days day) {
  return {day, zone.first_at(LocalTime{day.time_since_epoch()}),
          zone.first_at(LocalTime{day.time_since_epoch()} + kDayEnds)};
}

/// Days before an event and its own, as baseline.h takes them; nothing: by this zone's clock no
/// quarter begins when a local one does.
std::optional<Meter> meter_of(const MeterBook& book, const Zone& zone, local_days event,
                              const HomesMetered& like) {
  Meter out{.interval = std::chrono::duration_cast<minutes>(kMeterQuarter), .days = {}};
  for (std::chrono::days back{0}; back <= BaselineRules{}.lookback; ++back) {
    const LocalDay day = local_day(zone, event - back);
    MeterDay readings;
    for (MarketTime at = day.begin; at < day.end; at += kMeterQuarter) {
      const LocalTime local = zone.local(at);
      const Duration since = local - std::chrono::floor<std::chrono::days>(local);
      if (at != quarter_of(at) || since % kMeterQuarter != Duration{0}) return std::nullopt;
      MeterReading reading{std::chrono::duration_cast<minutes>(since), {}};
      const auto found = book.quarters().find(at);
      if (found != book.quarters().end() && is_comparable(found->second, like)) {
        reading.load = found->second.drawn;
      }
      readings.push_back(reading);
    }
    out.days.emplace(day.day, std::move(readings));
  }
  return out;
}

BaselineCalendar calendar_of(const MeterBook& book, const Zone& zone) {
  BaselineCalendar out;
  for (const auto& [from, quarter] : book.quarters()) {
    if (quarter.ordered) out.events.insert(day_of(zone, Duration{0}, from));
  }
  return out;
}

/// The newest quarter that is known at the end of an event, and not older than a day before it.
const HomesMetered* newest_before(const MeterBook& book, const TimeSpan& event) {
  auto it = book.quarters().lower_bound(event.until);
  while (it != book.quarters().begin()) {
    --it;
    if (it->first + kDayEnds < event.from) break;
    if (is_known(it->second)) return &it->second;
  }
  return nullptr;
}

/// The part of an event in one local day.
void add_day(HomesBaseline& out, const MeterBook& book, const Zone& zone, const LocalDay& day,
             const TimeSpan& event) {
  const HomesMetered* like = newest_before(book, event);
  const auto meter = like == nullptr ? std::nullopt : meter_of(book, zone, day.day, *like);
  std::optional<Baseline> found;
  MarketTime first{};
  if (meter) {
    const LocalTime local = zone.local(event.from);
    const BaselineEvent asked{
        day.day, std::chrono::duration_cast<minutes>(local - LocalTime{day.day.time_since_epoch()}),
        std::chrono::duration_cast<minutes>(event.until - event.from)};
    auto made = baseline(*meter, asked, calendar_of(book, zone));
    if (made) found = *std::move(made);
    const MeterDay& readings = meter->days.at(day.day);
    const auto begins = std::ranges::find(readings, asked.from, &MeterReading::at);
    first = day.begin + kMeterQuarter * std::distance(readings.begin(), begins);
    const auto permille = std::int64_t{like->metered} * 1'000 / std::max(like->enrolled, 1U);
    out.metered_permille = static_cast<std::int32_t>(std::min<std::int64_t>(permille, 1'000));
  }
  const std::int32_t used = found && found->used > 0 ? found->used : 0;
  out.days = out.quarters.empty() ? used : std::min(out.days, used);
  for (MarketTime at = event.from; at < event.until; at += kMeterQuarter) {
    BaselineQuarter quarter{.from = at, .usual = {}, .adjusted = false, .metered = {}};
    const auto i = static_cast<std::size_t>((at - first) / kMeterQuarter);
    if (found && at >= first && i < found->intervals.size()) {
      const BaselineInterval& interval = found->intervals[i];
      quarter.adjusted = interval.adjusted.has_value();
      quarter.usual = quarter.adjusted ? interval.adjusted : interval.baseline;
      quarter.metered = interval.metered;
    }
    out.quarters.push_back(quarter);
  }
}

}  // namespace

bool is_known(const HomesMetered& quarter) {
  return quarter.known == kMeterQuarter && quarter.metered > 0;
}

bool is_comparable(const HomesMetered& quarter, const HomesMetered& with) {
  const std::int64_t more = std::int64_t{quarter.metered} - std::int64_t{with.metered};
  return is_known(quarter) && std::max(more, -more) * 10 <= std::int64_t{with.metered};
}

MeterBook::MeterBook(const std::vector<Fact>& facts) {
  for (const Fact& fact : facts) {
    if (const auto* quarter = as<HomesMetered>(fact)) keep(*quarter);
  }
}

/// The first that is durable counts.
void MeterBook::keep(const HomesMetered& quarter) {
  quarters_.try_emplace(quarter.from, quarter);
  const MarketTime newest = quarters_.rbegin()->first;
  while (quarters_.begin()->first + kMeterKept < newest) quarters_.erase(quarters_.begin());
}

std::optional<HomesMetered> MeterBook::add(const MeterSample& sample) {
  if (last_ && sample.at <= last_->at) return std::nullopt;
  const auto before = std::exchange(last_, sample);
  const MarketTime now = quarter_of(sample.at);
  if (!before) {
    open_ = {.from = now};
    return std::nullopt;
  }
  open_.ordered = open_.ordered || before->ordered;
  const bool holds = sample.at - before->at <= kReadingHolds;
  if (holds) credit(*before, before->at, std::min(sample.at, open_.from + kMeterQuarter));
  if (now == open_.from) return std::nullopt;
  auto out = close();
  open_ = {.from = now, .ordered = before->ordered};
  if (holds) credit(*before, now, sample.at);
  return out;
}

void MeterBook::credit(const MeterSample& sample, MarketTime from, MarketTime until) {
  if (!sample.drawn || sample.metered == 0 || from >= until) return;
  const std::int64_t ms = (until - from).count();
  open_.known_ms += ms;
  open_.drawn += sample.drawn->count * ms;
  open_.metered += std::int64_t{sample.metered} * ms;
  open_.enrolled += std::int64_t{sample.enrolled} * ms;
}

std::optional<HomesMetered> MeterBook::close() {
  if (open_.known_ms == 0) return std::nullopt;
  const HomesMetered out{
      .from = open_.from,
      .drawn = Joules{rounded_mean(open_.drawn, 1'000)},
      .known = Duration{open_.known_ms},
      .metered = static_cast<std::uint32_t>(rounded_mean(open_.metered, open_.known_ms)),
      .enrolled = static_cast<std::uint32_t>(rounded_mean(open_.enrolled, open_.known_ms)),
      .ordered = open_.ordered};
  keep(out);
  return out;
}

HomesBaseline homes_baseline(const MeterBook& book, const Zone& zone, const TimeSpan& event,
                             const TimeSpan& wanted) {
  HomesBaseline out;
  const MarketTime from = std::max(event.from, wanted.from);
  const MarketTime until = std::min({event.until, wanted.until, from + kWantedMost});
  if (from >= until) return out;
  const MarketTime last = quarter_after(until);
  for (MarketTime at = quarter_of(from); at < last;) {
    const LocalDay day = local_day(zone, day_of(zone, Duration{0}, at));
    // The same-day ratio is of the hours before the event, wherever in it the wanted part is.
    const TimeSpan of_day{std::max(quarter_of(event.from), quarter_after(day.begin)),
                          std::min(quarter_after(std::min(event.until, day.end)), day.end)};
    if (of_day.from >= of_day.until) break;
    add_day(out, book, zone, day, of_day);
    at = of_day.until;
  }
  std::erase_if(out.quarters, [&](const BaselineQuarter& each) {
    return each.from + kMeterQuarter <= from || until <= each.from;
  });
  return out;
}

BaselineKnown baseline_known(const std::string& key, const MeterBook& book, const Zone& zone,
                             const TimeSpan& order) {
  BaselineKnown out{.key = key,
                    .days = 0,
                    .adjusted = true,
                    .metered_permille = 0,
                    .usual = {},
                    .metered = {},
                    .delivered = {},
                    .why = {}};
  if (order.from != quarter_of(order.from) || order.until != quarter_of(order.until)) {
    out.why = "its time is no whole quarters of an hour: the meters are kept by those";
    return out;
  }
  const HomesBaseline found = homes_baseline(book, zone, order, order);
  out.days = found.days;
  out.metered_permille = found.metered_permille;
  Joules usual;
  Joules metered;
  Joules delivered;
  for (const BaselineQuarter& quarter : found.quarters) {
    out.adjusted = out.adjusted && quarter.adjusted;
    if (!quarter.metered) {
      out.why = "the homes' meters were not known all the time";
    } else if (!quarter.usual && out.why.empty()) {
      out.why = "too few days before it are known";
    }
    if (!quarter.metered || !quarter.usual) continue;
    usual += *quarter.usual;
    metered += *quarter.metered;
    delivered += std::max(Joules{0}, *quarter.usual - *quarter.metered);
  }
  if (found.quarters.empty()) out.why = "the homes' meters were not known all the time";
  if (!out.why.empty()) {
    out.adjusted = false;
    return out;
  }
  out.usual = usual;
  out.metered = metered;
  out.delivered = delivered;
  return out;
}

}  // namespace vpp::bidding
