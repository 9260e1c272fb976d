#include "tools/vppctl/backtest_real_time.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <span>
#include <string_view>
#include <system_error>

#include "bidding/forecast.h"
#include "bidding/market_days.h"
#include "tools/vppctl/csv.h"

namespace vpp::ctl {
namespace {

using bidding::Earnings;
using bidding::MarketSlot;
using std::chrono::minutes;

constexpr std::array<std::string_view, 5> kRealTimeColumns{
    "time_local_market", "period_end_nem_time", "price_per_mwh", "rrp_aud_per_mwh", "demand_mw"};
constexpr double kPriceMost = static_cast<double>(bidding::kPriceMax.count) / 1e6;
constexpr double kDemandMost = 1e7;
constexpr std::size_t kWeekDays = 7;
constexpr minutes kSpanMost = std::chrono::days{3660};

struct TimedRow {
  minutes at;  ///< since 1970, of the market's clock
  MarketSlot values;
};

std::optional<int> whole(std::string_view text, std::size_t from, std::size_t count) {
  if (text.size() < from + count) return std::nullopt;
  int out = 0;
  for (const char c : text.substr(from, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    out = 10 * out + (c - '0');
  }
  return out;
}

/// Of "2008-01-01T00:30:00+10:00" or with a blank; `offset`: what follows the seconds.
std::optional<minutes> parse_time(std::string_view text, std::string_view& offset) {
  const auto year = whole(text, 0, 4);
  const auto month = whole(text, 5, 2);
  const auto day = whole(text, 8, 2);
  const auto hour = whole(text, 11, 2);
  const auto minute = whole(text, 14, 2);
  if (!year || !month || !day || !hour || !minute) return std::nullopt;
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok() || *hour > 23 || *minute > 59 || *year < 1970 || *year > 2099) {
    return std::nullopt;
  }
  const bool has_seconds = text.size() >= 19 && text[16] == ':';
  if (has_seconds && whole(text, 17, 2) != 0) return std::nullopt;
  offset = text.substr(has_seconds ? 19 : 16);
  return std::chrono::local_days{date}.time_since_epoch() + std::chrono::hours{*hour} +
         minutes{*minute};
}

/// Unknown if empty, not finite or absurd; an error if no number.
double take_real(const CsvRow& row, std::size_t place, double most, CsvErrors& errors) {
  if (place == CsvTable::npos) return bidding::kUnknown;
  const std::string_view text = row.cells[place].text;
  if (text.empty()) return bidding::kUnknown;
  double number = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
  if (parsed.ptr != text.data() + text.size() || parsed.ec == std::errc::invalid_argument) {
    errors.add(row.line, row.cells[place].column, fmt::format("'{}' is not a number", text),
               "digits, with a point for decimals; leave unknown values empty");
    return bidding::kUnknown;
  }
  const bool is_sane = parsed.ec == std::errc{} && std::abs(number) <= most;
  return is_sane ? number : bidding::kUnknown;
}

std::vector<TimedRow> timed_rows(const CsvTable& table, std::size_t time, std::size_t price,
                                 CsvErrors& errors) {
  std::vector<TimedRow> out;
  std::string_view first_offset;
  for (const CsvRow& row : table.rows) {
    const CsvCell& cell = row.cells[time];
    std::string_view offset;
    const auto at = parse_time(cell.text, offset);
    const MarketSlot values{take_real(row, price, kPriceMost, errors),
                            take_real(row, table.places[4], kDemandMost, errors)};
    if (!at) {
      errors.add(row.line, cell.column,
                 fmt::format("time '{}' is not of the form 2008-01-01T00:30:00", cell.text),
                 "1970 to 2099");
      continue;
    }
    if (out.empty()) first_offset = offset;
    if (offset != first_offset) {
      errors.add(row.line, cell.column, "another offset from UTC than in the first line",
                 "the market's clock, without summer time");
    } else if (!out.empty() && *at <= out.back().at) {
      errors.add(row.line, cell.column, "time does not rise", "sort the lines by time");
    } else {
      out.push_back({*at, values});
    }
  }
  return out;
}

/// Rows on a grid of whole days; what is not there is unknown.
void fill_slots(const std::vector<TimedRow>& rows, minutes slot, bool are_ends,
                RealTimeInput& out) {
  const auto day = minutes{std::chrono::days{1}};
  const auto begin_of = [&](const TimedRow& row) { return are_ends ? row.at - slot : row.at; };
  const minutes first = (begin_of(rows.front()) + day - minutes{1}) / day * day;
  const minutes last = (begin_of(rows.back()) + slot) / day * day;
  out.slot = slot;
  if (last <= first) return;
  out.slots.assign(static_cast<std::size_t>((last - first) / slot),
                   {bidding::kUnknown, bidding::kUnknown});
  for (const TimedRow& row : rows) {
    const minutes begin = begin_of(row);
    if (begin < first || begin >= last) continue;
    out.slots[static_cast<std::size_t>((begin - first) / slot)] = row.values;
  }
  const auto unknown = std::ranges::count_if(
      out.slots, [](const MarketSlot& at) { return !std::isfinite(at.price); });
  if (unknown > 0) out.warnings.push_back(fmt::format("{} intervals have no price", unknown));
}

Price price_of(double value) {
  return {std::llround(value * 1e6)};
}

/// The mean of a slot's known prices over the week before; nothing: some slot has none.
std::optional<std::vector<Price>> mean_of_week(std::span<const MarketSlot> past,
                                               std::size_t slots_a_day) {
  std::vector<Price> out;
  for (std::size_t t = 0; t < slots_a_day; ++t) {
    double sum = 0;
    double known = 0;
    for (std::size_t back = 1; back <= kWeekDays; ++back) {
      const double price = past[past.size() - back * slots_a_day + t].price;
      if (!std::isfinite(price)) continue;
      sum += price;
      known += 1;
    }
    if (known == 0) return std::nullopt;
    out.push_back(price_of(sum / known));
  }
  return out;
}

/// Powers at known prices; of an unknown one nothing is told.
Earnings earned_where_known(std::chrono::seconds slot, std::span<const Watts> power,
                            std::span<const MarketSlot> real) {
  std::vector<Watts> done;
  std::vector<Price> paid;
  for (std::size_t t = 0; t < real.size(); ++t) {
    if (!std::isfinite(real[t].price)) continue;
    done.push_back(power[t]);
    paid.push_back(price_of(real[t].price));
  }
  return bidding::earned(slot, done, paid);
}

/// Two courses: of bids, and of a battery that is told each price when its slot begins.
class PolicyCourses {
 public:
  PolicyCourses(const bidding::Battery& battery, const RealTimeInput& input)
      : battery_{battery}, input_{input} {}

  void day(std::size_t begin, std::size_t count, RealTimeScore& score) {
    const std::span slots{input_.slots};
    const bidding::PricePolicy policy{battery_, input_.slot, slots.first(begin)};
    std::vector<Watts> bid(count);
    std::vector<Watts> told(count);
    for (std::size_t t = 0; t < count; ++t) {
      const double price = slots[begin + t].price;
      if (!std::isfinite(price)) continue;
      const bidding::MarketSlot& before = slots[begin + t - 1];
      // After an unknown price nothing is bid.
      if (std::isfinite(before.price)) bid[t] = cleared(policy.bid(t, before, bid_), price);
      told[t] = policy.power(t, {price, before.demand}, told_);
      bid_ = stored_after(battery_, input_.slot, bid_, bid[t]);
      told_ = stored_after(battery_, input_.slot, told_, told[t]);
    }
    const auto real = slots.subspan(begin, count);
    score.bid += earned_where_known(input_.slot, bid, real);
    score.told += earned_where_known(input_.slot, told, real);
  }

 private:
  const bidding::Battery& battery_;
  const RealTimeInput& input_;
  Joules bid_{0};
  Joules told_{0};
};

}  // namespace

std::expected<RealTimeInput, std::vector<std::string>> read_real_time(const std::string& file) {
  CsvErrors errors{file};
  const auto text = read_file(file, errors);
  const CsvTable table = text ? parse_csv(*text, {{}, kRealTimeColumns}, errors) : CsvTable{};
  if (table.places.size() != kRealTimeColumns.size()) return std::unexpected{errors.lines()};
  const bool are_ends = table.places[0] == CsvTable::npos;
  const std::size_t time = are_ends ? table.places[1] : table.places[0];
  const std::size_t price = table.places[2] == CsvTable::npos ? table.places[3] : table.places[2];
  if (time == CsvTable::npos) {
    errors.add("no column with the time", "time_local_market, or period_end_nem_time");
  }
  if (price == CsvTable::npos) {
    errors.add("no column with the price", "price_per_mwh, or rrp_aud_per_mwh");
  }
  if (!errors.empty()) return std::unexpected{errors.lines()};
  const auto rows = timed_rows(table, time, price, errors);
  if (rows.size() < 2 && errors.empty()) errors.add("fewer than two intervals in the file");
  if (!errors.empty()) return std::unexpected{errors.lines()};
  minutes slot = minutes::max();
  for (std::size_t i = 1; i < rows.size(); ++i) slot = std::min(slot, rows[i].at - rows[i - 1].at);
  const bool on_grid =
      minutes{60} % slot == minutes{0} &&
      std::ranges::all_of(rows, [&](const TimedRow& row) { return row.at % slot == minutes{0}; });
  if (!on_grid) {
    errors.add(fmt::format("intervals of {} minutes do not divide an hour", slot.count()),
               "5, 15, 30 or 60 minutes, at full marks");
  } else if (rows.back().at - rows.front().at > kSpanMost) {
    errors.add("more than ten years", "is a year mistyped?");
  }
  if (!errors.empty()) return std::unexpected{errors.lines()};
  RealTimeInput out;
  fill_slots(rows, slot, are_ends, out);
  return out;
}

RealTimeScore score_real_time(const bidding::Battery& battery, const RealTimeInput& input,
                              std::size_t first) {
  const auto a_day = static_cast<std::size_t>(std::chrono::days{1} / input.slot);
  const std::span slots{input.slots};
  RealTimeScore score;
  std::vector<Price> known;
  PolicyCourses courses{battery, input};
  for (std::size_t at = first * a_day; at < slots.size(); at += a_day) {
    const auto past = slots.first(at);
    const auto day = slots.subspan(at, a_day);
    const bool has_past = std::ranges::any_of(past.last(kRealTimeDaysBefore * a_day),
                                              [](auto& s) { return std::isfinite(s.price); });
    if (has_past) {
      courses.day(at, a_day, score);
    }
    if (const auto mean = mean_of_week(past, a_day)) {
      score.week += earned_where_known(
          input.slot, plan_battery(battery, input.slot, *mean, Joules{0}, Price{0}), day);
    }
    for (const MarketSlot& slot : day) {
      if (std::isfinite(slot.price)) known.push_back(price_of(slot.price));
    }
    score.bid_sums.push_back(static_cast<double>(score.bid.revenue.count) / 1e6);
    score.week_sums.push_back(static_cast<double>(score.week.revenue.count) / 1e6);
  }
  score.unknown = slots.size() - first * a_day - known.size();
  score.perfect = perfect_foresight(battery, input.slot, known);
  return score;
}

}  // namespace vpp::ctl
