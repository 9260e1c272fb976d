#include "tools/vppctl/backtest_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

#include "tools/vppctl/csv.h"
#include "tools/vppctl/csv_series.h"

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

std::optional<Stamp> take_hour(const CsvRow& row, std::size_t place, CsvErrors& errors) {
  const auto time = take_local_time(row, place, errors);
  if (!time) return std::nullopt;
  if (time->at % std::chrono::hours{1} != std::chrono::seconds{0}) {
    errors.add(row.line, row.cells[place].column,
               fmt::format("time '{}' is not a full hour", row.cells[place].text),
               "the forecast is of hourly prices: take means over each hour");
    return std::nullopt;
  }
  return Stamp{time->day, static_cast<std::size_t>(time->at / std::chrono::hours{1})};
}

std::vector<HourRow> read_rows(const CsvTable& table, const std::vector<std::size_t>& places,
                               SeriesNotes& notes, CsvErrors& errors) {
  std::vector<HourRow> out;
  for (const auto& row : table.rows) {
    const auto at = take_hour(row, table.places[0], errors);
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

bool is_change_hour(const Stamp& at) {
  return may_change_clocks(at.day, std::chrono::hours{at.hour});
}

double& value_of(MarketDay& day, std::size_t series, std::size_t hour) {
  return series == 0 ? day.price[hour] : day.exogenous[series - 1][hour];
}

/// Rows of one day, of one or more for each hour.
class DayFiller {
 public:
  DayFiller(BacktestInput& input, SeriesNotes& notes) : input_{input}, notes_{notes} {}

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
      } else if (rows.size() == kDayHours + 1 && is_change_hour(row.at)) {
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
    if (rows.size() + 1 == kDayHours && is_change_hour({rows.front().at.day, hour})) {
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
  SeriesNotes& notes_;
};

void fill_days(const std::vector<HourRow>& rows, std::size_t series, BacktestInput& input,
               SeriesNotes& notes) {
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
  SeriesNotes notes;
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
