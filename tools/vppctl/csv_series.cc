#include "tools/vppctl/csv_series.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <system_error>

namespace vpp::ctl {
namespace {

using std::chrono::local_days;

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

/// Nothing: not of that form. A day that no calendar has is not ok().
std::optional<std::chrono::year_month_day> take_date(std::string_view text) {
  const auto year = digits(text, 0, 4);
  const auto month = digits(text, 5, 2);
  const auto day = digits(text, 8, 2);
  if (!year || !month || !day || text[4] != '-' || text[7] != '-') return std::nullopt;
  return std::chrono::year_month_day{std::chrono::year{*year},
                                     std::chrono::month{static_cast<unsigned>(*month)},
                                     std::chrono::day{static_cast<unsigned>(*day)}};
}

bool is_on_calendar(const std::chrono::year_month_day& date) {
  return date.ok() && date.year() >= std::chrono::year{1970} &&
         date.year() <= std::chrono::year{2099};
}

}  // namespace

std::expected<LocalTime, Refusal> parse_local_time(std::string_view text) {
  const auto date = take_date(text);
  const auto hour = digits(text, 11, 2);
  const auto minute = digits(text, 14, 2);
  const bool has_seconds = text.size() == 19 && text[16] == ':';
  const auto second = has_seconds ? digits(text, 17, 2) : std::optional{0};
  const bool is_form =
      (text.size() == 16 || has_seconds) && (text[10] == ' ' || text[10] == 'T') && text[13] == ':';
  if (!is_form || !date || !hour || !minute || !second) {
    return std::unexpected{
        Refusal{fmt::format("time '{}' is not of the form 2016-12-27 00:00:00", text),
                "local time, without an offset"}};
  }
  if (!is_on_calendar(*date) || *hour > 23 || *minute > 59 || *second > 59) {
    return std::unexpected{
        Refusal{fmt::format("time '{}' is not on the calendar", text), "1970 to 2099"}};
  }
  return LocalTime{local_days{*date}, std::chrono::hours{*hour} + std::chrono::minutes{*minute} +
                                          std::chrono::seconds{*second}};
}

std::expected<local_days, Refusal> parse_local_day(std::string_view text) {
  const auto date = take_date(text);
  if (!date || text.size() != 10) {
    return std::unexpected{
        Refusal{fmt::format("day '{}' is not of the form 2016-12-27", text), {}}};
  }
  if (!is_on_calendar(*date)) {
    return std::unexpected{
        Refusal{fmt::format("day '{}' is not on the calendar", text), "1970 to 2099"}};
  }
  return local_days{*date};
}

std::optional<LocalTime> take_local_time(const CsvRow& row, std::size_t place, CsvErrors& errors) {
  const auto& cell = row.cells[place];
  const auto time = parse_local_time(cell.text);
  if (time) return *time;
  errors.add(row.line, cell.column, time.error().cause, time.error().hint);
  return std::nullopt;
}

bool may_change_clocks(local_days day, std::chrono::hours hour) {
  const std::chrono::year_month_day date{day};
  const auto month = static_cast<unsigned>(date.month());
  const bool season = (month >= 3 && month <= 4) || (month >= 9 && month <= 11);
  return season && std::chrono::weekday{day} == std::chrono::Sunday && hour.count() >= 1 &&
         hour.count() <= 3;
}

void SeriesNotes::add(const std::string& cause, std::size_t line) {
  const auto [it, is_new] = notes_.try_emplace(cause, 0, line);
  ++it->second.first;
}

std::vector<std::string> SeriesNotes::lines(const std::string& file) const {
  std::vector<std::string> out;
  for (const auto& [cause, note] : notes_) {
    out.push_back(fmt::format("{}:{}: {}{}", file, note.second, cause,
                              note.first > 1 ? fmt::format(" ({} such)", note.first) : ""));
  }
  return out;
}

std::optional<double> take_value(const CsvRow& row, std::size_t place, const std::string& name,
                                 double max, SeriesNotes& notes, CsvErrors& errors) {
  const auto& cell = row.cells[place];
  std::string_view text = cell.text;
  if (text.starts_with('+')) text.remove_prefix(1);
  std::string lower{text};
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (lower.empty() || lower == "na" || lower == "n/a" || lower == "null") {
    notes.add(name + " is missing: unknown", row.line);
    return kUnknownValue;
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
    return kUnknownValue;
  }
  return number;
}

}  // namespace vpp::ctl
