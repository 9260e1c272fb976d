#include "tools/vppctl/backtest_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>
#include <utility>

#include "tools/vppctl/csv.h"

namespace vpp::ctl {
namespace {

using bidding::kDayHours;
using bidding::kUnknown;
using bidding::MarketDay;
using std::chrono::local_days;

constexpr std::array<std::string_view, 2> kColumns{"time_local_market", "price_per_mwh"};
constexpr double kPriceMax = 1e5;    ///< per MWh: five times the highest cap we know
constexpr double kSeriesMax = 1e12;  ///< a continent's load in watts
constexpr int kGapMaxDays = 400;     ///< more is a mistyped year
constexpr std::size_t kSeriesCountMax = 20;

/// What is unknown, by cause: how often, and the first line.
class Notes {
 public:
  void add(const std::string& cause, std::size_t line) {
    const auto [it, is_new] = notes_.try_emplace(cause, 0, line);
    ++it->second.first;
  }
  [[nodiscard]] std::vector<std::string> lines(const std::string& file) const {
    std::vector<std::string> out;
    for (const auto& [cause, note] : notes_) {
      out.push_back(fmt::format("{}:{}: {}{}", file, note.second, cause,
                                note.first > 1 ? fmt::format(" ({} such)", note.first) : ""));
    }
    return out;
  }

 private:
  std::map<std::string, std::pair<std::size_t, std::size_t>> notes_;
};

struct Stamp {
  local_days day;
  std::size_t hour = 0;
  friend auto operator<=>(const Stamp&, const Stamp&) = default;
};

struct HourRow {
  Stamp at;
  std::size_t line = 0;
  std::vector<double> values;  ///< the price, then the series
};

/// Digits of a fixed place; nothing: others stand there.
std::optional<int> digits(std::string_view text, std::size_t from, std::size_t count) {
  int out = 0;
  if (text.size() < from + count) return std::nullopt;
  for (const char c : text.substr(from, count)) {
    if (c < '0' || c > '9') return std::nullopt;
    out = out * 10 + (c - '0');
  }
  return out;
}

std::optional<Stamp> take_time(const CsvRow& row, std::size_t place, CsvErrors& errors) {
  const auto& cell = row.cells[place];
  const std::string_view text = cell.text;
  const auto refuse = [&](const std::string& cause, const std::string& hint) {
    errors.add(row.line, cell.column, cause, hint);
    return std::nullopt;
  };
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto day = digits(text, 8, 2);
  const auto hour = digits(text, 11, 2);
  const auto minute = digits(text, 14, 2);
  const bool has_seconds = text.size() == 19 && text[16] == ':';
  const auto second = has_seconds ? digits(text, 17, 2) : std::optional{0};
  const bool is_form = (text.size() == 16 || has_seconds) && text[4] == '-' && text[7] == '-' &&
                       (text[10] == ' ' || text[10] == 'T') && text[13] == ':';
  if (!is_form || !year || !month || !day || !hour || !minute || !second) {
    return refuse(fmt::format("time '{}' is not of the form 2016-12-27 00:00:00", text),
                  "the market's local time, without an offset");
  }
  const std::chrono::year_month_day date{std::chrono::year{*year},
                                         std::chrono::month{static_cast<unsigned>(*month)},
                                         std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 59 || *year < 1970 || *year > 2099) {
    return refuse(fmt::format("time '{}' is not on the calendar", text), "1970 to 2099");
  }
  if (*minute != 0 || *second != 0) {
    return refuse(fmt::format("time '{}' is not a full hour", text),
                  "the forecast is of hourly prices: take means over each hour");
  }
  return Stamp{local_days{date}, static_cast<std::size_t>(*hour)};
}

/// Unknown if empty, not finite or absurd; nothing, with an error, if it is no number.
std::optional<double> take_value(const CsvRow& row, std::size_t place, const std::string& name,
                                 double max, Notes& notes, CsvErrors& errors) {
  const auto& cell = row.cells[place];
  std::string_view text = cell.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  std::string lower{text};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (lower.empty() || lower == "na" || lower == "n/a" || lower == "null") {
    notes.add(name + " is missing: unknown", row.line);
    return kUnknown;
  }
  double number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ptr != end || parsed.ec == std::errc::invalid_argument) {
    errors.add(row.line, cell.column, fmt::format("{} '{}' is not a number", name, cell.text),
               "digits, with a point for decimals; leave unknown values empty");
    return std::nullopt;
  }
  if (!std::isfinite(number) || parsed.ec != std::errc{} || std::abs(number) > max) {
    notes.add(fmt::format("{} is not finite or beyond {:g}: unknown", name, max), row.line);
    return kUnknown;
  }
  return number;
}

std::vector<HourRow> read_rows(const CsvTable& table, const std::vector<std::size_t>& places,
                               Notes& notes, CsvErrors& errors) {
  std::vector<HourRow> out;
  for (const auto& row : table.rows) {
    const auto at = take_time(row, table.places[0], errors);
    HourRow hour{at.value_or(Stamp{}), row.line, {}};
    for (const std::size_t place : places) {
      const bool is_price = place == table.places[1];
      const auto value = take_value(row, place, table.header[place],
                                    is_price ? kPriceMax : kSeriesMax, notes, errors);
      hour.values.push_back(value.value_or(kUnknown));
    }
    if (!at) continue;
    const std::size_t column = row.cells[table.places[0]].column;
    if (!out.empty() && *at < out.back().at) {
      errors.add(row.line, column, "time goes back", "sort the lines by time");
    } else if (!out.empty() && (at->day - out.back().at.day).count() > kGapMaxDays) {
      errors.add(row.line, column, fmt::format("more than {} days are missing", kGapMaxDays),
                 "is the year right?");
    } else {
      out.push_back(std::move(hour));
    }
  }
  return out;
}

/// The night of a Sunday in spring or autumn: an hour from 1 to 3.
bool may_change_clocks(const Stamp& at) {
  const std::chrono::year_month_day date{at.day};
  const auto month = static_cast<unsigned>(date.month());
  const bool season = (month >= 3 && month <= 4) || (month >= 9 && month <= 11);
  return season && std::chrono::weekday{at.day} == std::chrono::Sunday && at.hour >= 1 &&
         at.hour <= 3;
}

double& value_of(MarketDay& day, std::size_t series, std::size_t hour) {
  return series == 0 ? day.price[hour] : day.exogenous[series - 1][hour];
}

/// Rows of one day, of one or more for each hour.
class DayFiller {
 public:
  DayFiller(BacktestInput& input, Notes& notes) : input_{input}, notes_{notes} {}

  void fill(std::size_t index, std::span<const HourRow> rows) {
    MarketDay& day = input_.market.days[index];
    std::array<std::size_t, kDayHours> count{};
    for (const auto& row : rows) ++count[row.at.hour];
    for (const auto& row : rows) {
      const std::size_t hour = row.at.hour;
      const bool again = &row != rows.data() && (&row - 1)->at.hour == hour;
      if (!again) {
        for (std::size_t i = 0; i < row.values.size(); ++i) value_of(day, i, hour) = row.values[i];
        input_.hours.push_back({index, hour, row.values[0]});
      } else if (rows.size() == kDayHours + 1 && may_change_clocks(row.at)) {
        for (std::size_t i = 0; i < row.values.size(); ++i) {
          value_of(day, i, hour) = (value_of(day, i, hour) + row.values[i]) / 2;
        }
        input_.hours.push_back({index, hour, row.values[0]});
      } else {
        repeat(day, row);
      }
    }
    const auto missing = std::ranges::find(count, std::size_t{0});
    if (missing == count.end()) return;
    const auto hour = static_cast<std::size_t>(missing - count.begin());
    if (rows.size() + 1 == kDayHours && may_change_clocks({rows.front().at.day, hour})) {
      for (std::size_t i = 0; i < rows.front().values.size(); ++i) {
        value_of(day, i, hour) = (value_of(day, i, hour - 1) + value_of(day, i, hour + 1)) / 2;
      }
    } else {
      notes_.add("hours are missing on this day: unknown", rows.front().line);
    }
  }

 private:
  /// Twice the same is known; twice something else is not.
  void repeat(MarketDay& day, const HourRow& row) {
    bool differs = false;
    for (std::size_t i = 0; i < row.values.size(); ++i) {
      double& known = value_of(day, i, row.at.hour);
      if (known == row.values[i]) continue;
      differs = true;
      known = kUnknown;
      if (i == 0) input_.hours.back().price = kUnknown;
    }
    notes_.add(differs ? "hour is there twice, with other values: unknown"
                       : "hour is there twice, with the same values: counted once",
               row.line);
  }

  BacktestInput& input_;
  Notes& notes_;
};

void fill_days(const std::vector<HourRow>& rows, std::size_t series, BacktestInput& input,
               Notes& notes) {
  input.market.first = rows.front().at.day;
  MarketDay blank;
  blank.exogenous.assign(series, bidding::unknown_day());
  const auto count = (rows.back().at.day - rows.front().at.day).count() + 1;
  input.market.days.assign(static_cast<std::size_t>(count), blank);
  DayFiller filler{input, notes};
  for (std::size_t begin = 0; begin < rows.size();) {
    std::size_t end = begin;
    while (end < rows.size() && rows[end].at.day == rows[begin].at.day) ++end;
    const auto index = (rows[begin].at.day - input.market.first).count();
    filler.fill(static_cast<std::size_t>(index), std::span{rows}.subspan(begin, end - begin));
    if (end < rows.size() && (rows[end].at.day - rows[begin].at.day).count() > 1) {
      notes.add("days are missing before this line: unknown", rows[end].line);
    }
    begin = end;
  }
}

}  // namespace

std::expected<BacktestInput, std::vector<std::string>> read_backtest_input(
    const std::string& file) {
  CsvErrors errors{file};
  Notes notes;
  BacktestInput out;
  const auto text = read_file(file, errors);
  const CsvTable table = text ? parse_csv(*text, {kColumns, {}}, errors) : CsvTable{};
  const bool is_usable = table.places.size() == kColumns.size() &&
                         std::ranges::find(table.places, CsvTable::npos) == table.places.end();
  if (!is_usable) return std::unexpected{errors.lines()};
  std::vector<std::size_t> places{table.places[1]};
  for (std::size_t i = 0; i < table.header.size(); ++i) {
    if (std::ranges::find(table.places, i) == table.places.end()) places.push_back(i);
  }
  if (places.size() > kSeriesCountMax + 1) {
    errors.add(fmt::format("more than {} series beside the price", kSeriesCountMax),
               "leave the least telling ones out");
    return std::unexpected{errors.lines()};
  }
  const auto rows = read_rows(table, places, notes, errors);
  if (rows.empty() && errors.empty()) errors.add("no hour in the file");
  if (!errors.empty()) return std::unexpected{errors.lines()};
  fill_days(rows, places.size() - 1, out, notes);
  out.warnings = notes.lines(file);
  return out;
}

}  // namespace vpp::ctl
