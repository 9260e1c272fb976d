#include "bench/regulation_data.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <fstream>
#include <optional>
#include <string_view>

#include "config/units.h"

namespace vpp::bench {
namespace {

using Cells = std::vector<std::string_view>;

Cells split(std::string_view line) {
  Cells out;
  if (line.ends_with('\r')) line.remove_suffix(1);
  while (true) {
    const auto comma = line.find(',');
    out.push_back(line.substr(0, comma));
    if (comma == std::string_view::npos) return out;
    line.remove_prefix(comma + 1);
  }
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool whole = parsed.ec == std::errc{} && parsed.ptr == text.data() + text.size();
  if (!whole || !std::isfinite(value)) return std::nullopt;
  return value;
}

std::string at(const std::string& file, std::size_t line, std::string_view cause) {
  return file + ":" + std::to_string(line) + ": " + std::string{cause};
}

}  // namespace

std::expected<std::vector<SignalDay>, std::string> read_signal(const std::string& file) {
  std::ifstream in{file};
  std::string line;
  if (!std::getline(in, line)) return std::unexpected{at(file, 1, "cannot be read")};
  std::vector<SignalDay> days;
  for (const auto name : split(line)) days.push_back({std::string{name}, {}});
  std::size_t lines = 1;
  while (std::getline(in, line)) {
    ++lines;
    const Cells cells = split(line);
    if (cells.size() != days.size()) return std::unexpected{at(file, lines, "cells are missing")};
    for (std::size_t i = 1; i < cells.size(); ++i) {
      const auto percent = number(cells[i]);
      if (!percent) return std::unexpected{at(file, lines, "not a number")};
      days[i].permille.push_back(*percent * 10);
    }
  }
  days.erase(days.begin());  // the seconds: every 4
  return days;
}

std::expected<std::vector<sim::RegulationHome>, std::string> read_ratings(const std::string& file) {
  std::ifstream in{file};
  std::string line;
  if (!std::getline(in, line)) return std::unexpected{at(file, 1, "cannot be read")};
  const std::string head = line;
  const Cells names = split(head);
  const auto place = [&](std::string_view name) {
    return static_cast<std::size_t>(std::ranges::find(names, name) - names.begin());
  };
  const std::size_t max = place("system_max_p");
  const std::size_t min = place("system_min_p");
  const std::size_t capacity = place("system_capacity");
  if (std::max({max, min, capacity}) >= names.size()) {
    return std::unexpected{at(file, 1, "not the columns of ratings")};
  }
  std::vector<sim::RegulationHome> out;
  while (std::getline(in, line)) {
    const Cells cells = split(line);
    if (cells.size() != names.size()) continue;
    const double one_way_kw = std::abs(number(cells[max]).value_or(0));
    const double other_way_kw = std::abs(number(cells[min]).value_or(0));
    const double kwh = number(cells[capacity]).value_or(0);
    const Watts power{std::llround(1000 * std::min(one_way_kw, other_way_kw))};
    const WattHours energy{std::llround(1000 * kwh)};
    if (power > Watts{0} && energy > WattHours{0}) out.push_back({power, to_joules(energy)});
  }
  if (out.empty()) return std::unexpected{at(file, 2, "no system with ratings")};
  return out;
}

}  // namespace vpp::bench
