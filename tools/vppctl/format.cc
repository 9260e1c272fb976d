#include "tools/vppctl/format.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <chrono>
#include <cmath>
#include <ctime>
#include <utility>

namespace vpp::ctl {
namespace {

using Json = nlohmann::ordered_json;

struct Unit {
  std::string_view name;
  double factor;
};

/// A number and the unit behind it; the unit is empty when there is none.
std::expected<std::pair<double, std::string>, std::string> split_unit(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || !std::isfinite(value)) {
    return std::unexpected{fmt::format("'{}' does not begin with a number", text)};
  }
  std::string unit{end, text.data() + text.size()};
  std::erase_if(unit, [](unsigned char c) { return std::isspace(c) != 0; });
  std::ranges::transform(unit, unit.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::pair{value, unit};
}

bool numeric(const std::string& cell) {
  return cell == "-" ||
         (!cell.empty() && (std::isdigit(static_cast<unsigned char>(cell[0])) != 0 ||
                            ((cell[0] == '+' || cell[0] == '-') && cell.size() > 1 &&
                             std::isdigit(static_cast<unsigned char>(cell[1])) != 0)));
}

}  // namespace

const Json& member(const Json& object, std::string_view key) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto it = object.find(std::string{key});
  return it == object.end() ? kNull : *it;
}

std::string kilowatts(const Json& watts, bool with_sign) {
  if (!watts.is_number()) return "-";
  const double kw = std::round(watts.get<double>() / 100.0) / 10.0 + 0.0;  // no "-0.0"
  return with_sign ? fmt::format("{:+.1f} kW", kw) : fmt::format("{:.1f} kW", kw);
}

std::string kilowatt_hours(const Json& watt_hours) {
  return watt_hours.is_number() ? fmt::format("{:.1f} kWh", watt_hours.get<double>() / 1000.0)
                                : "-";
}

std::string age(const Json& milliseconds) {
  if (!milliseconds.is_number()) return "-";
  const double seconds = milliseconds.get<double>() / 1000.0;
  if (seconds < 120) return fmt::format("{:.1f} s", seconds);
  return seconds < 7200 ? fmt::format("{:.0f} min", seconds / 60)
                        : fmt::format("{:.1f} h", seconds / 3600);
}

std::string utc(const Json& milliseconds) {
  if (!milliseconds.is_number()) return "-";
  const std::chrono::system_clock::time_point at{
      std::chrono::milliseconds{milliseconds.get<std::int64_t>()}};
  return fmt::format("{:%Y-%m-%d %H:%M}", fmt::gmtime(at));
}

std::int64_t utc_ms_now() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string plain(const Json& value) {
  if (value.is_null()) return "-";
  return value.is_string() ? value.get<std::string>() : value.dump();
}

std::expected<std::int64_t, std::string> parse_power(std::string_view text) {
  const auto parts = split_unit(text);
  if (!parts) return std::unexpected{parts.error()};
  for (const auto& [name, factor] :
       {Unit{"", 1}, Unit{"w", 1}, Unit{"kw", 1e3}, Unit{"mw", 1e6}, Unit{"gw", 1e9}}) {
    if (parts->second != name) continue;
    const double watts = std::round(parts->first * factor);
    if (std::abs(watts) > 1e12) return std::unexpected{"that is more than any fleet has"};
    return static_cast<std::int64_t>(watts);
  }
  return std::unexpected{fmt::format("'{}' is no unit of power; use W, kW, MW", parts->second)};
}

std::expected<std::chrono::milliseconds, std::string> parse_duration(std::string_view text) {
  const auto parts = split_unit(text);
  if (!parts) return std::unexpected{parts.error()};
  for (const auto& [name, factor] :
       {Unit{"ms", 1}, Unit{"s", 1e3}, Unit{"m", 60e3}, Unit{"min", 60e3}, Unit{"h", 3600e3}}) {
    if (parts->second != name) continue;
    const double value = std::round(parts->first * factor);
    if (value < 0 || value > 1e12) return std::unexpected{"a duration is between 0 and 30 years"};
    return std::chrono::milliseconds{static_cast<std::int64_t>(value)};
  }
  return std::unexpected{fmt::format("'{}' needs a unit: ms, s, m or h", text)};
}

std::expected<std::int64_t, std::string> parse_utc(std::string_view text) {
  const std::string whole{text.ends_with('Z') ? text.substr(0, text.size() - 1) : text};
  for (const char* form :
       {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"}) {
    std::tm parts{};
    const char* end = ::strptime(whole.c_str(), form, &parts);
    if (end == nullptr || *end != '\0') continue;
    const std::chrono::year_month_day day{
        std::chrono::year{parts.tm_year + 1900},
        std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)),
        std::chrono::day(static_cast<unsigned>(parts.tm_mday))};
    if (!day.ok()) break;  // strptime takes the 31st of any month
    const auto at = std::chrono::sys_days{day} + std::chrono::hours{parts.tm_hour} +
                    std::chrono::minutes{parts.tm_min} + std::chrono::seconds{parts.tm_sec};
    return std::chrono::milliseconds{at.time_since_epoch()}.count();
  }
  return std::unexpected{fmt::format("'{}' is no time in UTC", text)};
}

Table::Table(std::vector<std::string> head) {
  rows_.push_back(std::move(head));
}

void Table::row(std::vector<std::string> cells) {
  cells.resize(rows_.front().size());
  rows_.push_back(std::move(cells));
}

void Table::print(std::ostream& out) const {
  const std::size_t columns = rows_.front().size();
  std::vector<std::size_t> width(columns, 0);
  std::vector<bool> right(columns, rows_.size() > 1);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      width[c] = std::max(width[c], rows_[r][c].size());
      if (r > 0 && !numeric(rows_[r][c])) right[c] = false;
    }
  }
  for (const auto& cells : rows_) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
      line += right[c] ? fmt::format("{:>{}}", cells[c], width[c])
                       : fmt::format("{:<{}}", cells[c], width[c]);
      if (c + 1 < columns) line += "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << '\n';
  }
}

}  // namespace vpp::ctl
