#include "tools/vppctl/baseline_input.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "config/units.h"
#include "tools/vppctl/csv.h"
#include "tools/vppctl/csv_series.h"

namespace vpp::ctl {
namespace {

using bidding::MeterDay;
using std::chrono::hours;
using std::chrono::local_days;
using std::chrono::minutes;

constexpr std::array<std::string_view, 2> kMeterColumns{"time_local", "load_wh"};
constexpr std::array<std::string_view, 1> kDayColumns{"day"};
constexpr auto kLoadMaxWh = static_cast<double>(to_watt_hours(bidding::kMeterMax).count);

struct MeterRow {
  local_days day;
  minutes at{0};
  std::size_t line = 0;
  std::size_t column = 1;  ///< of the time
  std::optional<Joules> load;
};

using Load = std::optional<Joules>;
/// The loads of each time of a day, in the order of the file.
using LoadsByTime = std::map<minutes, std::vector<Load>>;

std::vector<MeterRow> read_meter_rows(const CsvTable& table, SeriesNotes& notes,
                                      CsvErrors& errors) {
  std::vector<MeterRow> out;
  for (const auto& row : table.rows) {
    const auto time = take_local_time(row, table.places[0], errors);
    const auto value =
        take_value(row, table.places[1], std::string{kMeterColumns[1]}, kLoadMaxWh, notes, errors);
    if (!time || !value) continue;
    const std::size_t column = row.cells[table.places[0]].column;
    if (time->at % minutes{1} != std::chrono::seconds{0}) {
      errors.add(row.line, column,
                 fmt::format("time '{}' is not a full minute", row.cells[table.places[0]].text),
                 "it is the begin of the interval");
    } else if (!out.empty() && time->day < out.back().day) {
      errors.add(row.line, column, "time goes back to an earlier day", "sort the lines by time");
    } else {
      Load load;
      if (std::isfinite(*value)) load = Joules{std::llround(*value * kJoulesPerWattHour)};
      out.push_back({time->day, std::chrono::floor<minutes>(time->at), row.line, column, load});
    }
  }
  if (table.rows.empty() && errors.empty()) errors.add("no reading in the file");
  return out;
}

/// The most frequent distance of two lines of a day. A file of few lines may have none.
std::optional<minutes> interval_of_rows(const std::vector<MeterRow>& rows, CsvErrors& errors) {
  std::map<minutes, std::size_t> counts;
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const bool goes_on = rows[i].day == rows[i - 1].day && rows[i].at > rows[i - 1].at;
    if (goes_on) ++counts[rows[i].at - rows[i - 1].at];
  }
  const auto most =
      std::ranges::max_element(counts, {}, [](const auto& distance) { return distance.second; });
  if (most == counts.end()) {
    errors.add("no two lines of a day from which an interval would show");
    return std::nullopt;
  }
  constexpr std::array kKnown{minutes{5}, minutes{15}, minutes{30}, minutes{60}};
  if (std::ranges::find(kKnown, most->first) == kKnown.end()) {
    errors.add(fmt::format("readings every {} minutes", most->first.count()),
               "an interval is of 5, 15, 30 or 60 minutes");
    return std::nullopt;
  }
  return most->first;
}

/// That hour of a day that its clock left out or showed twice: all its times are there so often,
/// all others are there otherwise.
std::optional<hours> changed_hour(local_days day, const LoadsByTime& loads, minutes interval,
                                  std::size_t times) {
  const auto count_at = [&](minutes at) {
    const auto it = loads.find(at);
    return it == loads.end() ? std::size_t{0} : it->second.size();
  };
  for (hours hour{0}; hour < hours{24}; ++hour) {
    if (!may_change_clocks(day, hour)) continue;
    bool is_so = true;
    for (minutes at{0}; at < hours{24}; at += interval) {
      const bool is_in_hour = std::chrono::floor<hours>(at) == hour;
      is_so = is_so && (is_in_hour ? count_at(at) == times : count_at(at) == 1);
    }
    if (is_so) return hour;
  }
  return std::nullopt;
}

/// Of lines of one time: twice the same is known, twice something else is not.
Load agreed(std::span<const MeterRow> rows, minutes at, const std::vector<Load>& loads,
            SeriesNotes& notes) {
  if (loads.size() == 1) return loads.front();
  std::size_t line = 0;
  for (const auto& row : rows) line = row.at == at ? row.line : line;
  const bool differ = std::ranges::adjacent_find(loads, std::ranges::not_equal_to{}) != loads.end();
  notes.add(differ ? "time is there twice, with other values: unknown"
                   : "time is there twice, with the same value: counted once",
            line);
  return differ ? Load{} : loads.front();
}

MeterDay meter_day(std::span<const MeterRow> rows, minutes interval, SeriesNotes& notes) {
  LoadsByTime loads;
  for (const auto& row : rows) loads[row.at].push_back(row.load);
  const local_days day = rows.front().day;
  const auto left_out = changed_hour(day, loads, interval, 0);
  const auto doubled = changed_hour(day, loads, interval, 2);
  MeterDay out;
  std::vector<bidding::MeterReading> again;
  bool has_gap = false;
  for (minutes at{0}; at < hours{24}; at += interval) {
    const hours hour = std::chrono::floor<hours>(at);
    if (left_out == hour) continue;
    const auto it = loads.find(at);
    if (it == loads.end()) {
      out.push_back({at, {}});
      has_gap = true;
    } else if (doubled == hour) {
      out.push_back({at, it->second[0]});
      again.push_back({at, it->second[1]});
    } else {
      out.push_back({at, agreed(rows, at, it->second, notes)});
    }
    const bool ends_hour = std::chrono::floor<hours>(at + interval) != hour;
    if (ends_hour) out.insert(out.end(), again.begin(), again.end());
    if (ends_hour) again.clear();
  }
  if (has_gap) notes.add("times are missing on this day: unknown", rows.front().line);
  return out;
}

/// Nothing if the file has not these columns; errors say why.
std::optional<CsvTable> read_table(const std::string& file,
                                   std::span<const std::string_view> columns, CsvErrors& errors) {
  const auto text = read_file(file, errors);
  if (!text) return std::nullopt;
  CsvTable table = parse_csv(*text, {columns, {}}, errors);
  const bool is_usable = table.places.size() == columns.size() &&
                         std::ranges::find(table.places, CsvTable::npos) == table.places.end();
  return is_usable ? std::optional{std::move(table)} : std::nullopt;
}

}  // namespace

std::expected<MeterInput, std::vector<std::string>> read_meter(const std::string& file) {
  CsvErrors errors{file};
  SeriesNotes notes;
  MeterInput out;
  const auto table = read_table(file, kMeterColumns, errors);
  if (!table) return std::unexpected{errors.lines()};
  for (const auto& name : table->ignored) {
    out.warnings.push_back(fmt::format("column '{}' of {} is ignored", name, file));
  }
  const auto rows = read_meter_rows(*table, notes, errors);
  const auto interval = errors.empty() ? interval_of_rows(rows, errors) : std::nullopt;
  if (!interval) return std::unexpected{errors.lines()};
  for (const auto& row : rows) {
    if (row.at % *interval == minutes{0}) continue;
    errors.add(row.line, row.column,
               fmt::format("no interval of {} minutes begins then", interval->count()),
               "the others of the file are so long");
  }
  if (!errors.empty()) return std::unexpected{errors.lines()};
  out.meter.interval = *interval;
  for (std::size_t begin = 0; begin < rows.size();) {
    std::size_t end = begin;
    while (end < rows.size() && rows[end].day == rows[begin].day) ++end;
    out.meter.days[rows[begin].day] =
        meter_day(std::span{rows}.subspan(begin, end - begin), *interval, notes);
    begin = end;
  }
  const auto notes_lines = notes.lines(file);
  out.warnings.insert(out.warnings.end(), notes_lines.begin(), notes_lines.end());
  return out;
}

std::expected<std::set<local_days>, std::vector<std::string>> read_days(const std::string& file) {
  std::set<local_days> out;
  if (file.empty()) return out;
  CsvErrors errors{file};
  const auto table = read_table(file, kDayColumns, errors);
  if (!table) return std::unexpected{errors.lines()};
  for (const auto& row : table->rows) {
    const auto& cell = row.cells[table->places[0]];
    const auto day = parse_local_day(cell.text);
    if (day) out.insert(*day);
    if (!day) errors.add(row.line, cell.column, day.error().cause, day.error().hint);
  }
  if (!errors.empty()) return std::unexpected{errors.lines()};
  return out;
}

}  // namespace vpp::ctl
