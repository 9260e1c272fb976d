#include "tools/vppctl/plan_command.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <span>
#include <utility>
#include <vector>

#include "aggregation/plan.h"
#include "tools/vppctl/plan_input.h"

namespace vpp::ctl {
namespace {

using aggregation::Plan;
using aggregation::PlanStep;

constexpr int kUsage = 2;
constexpr std::size_t kSitesInTable = 6;  ///< more do not fit into a line

/// `numerator / denominator` as JSON: whole where it is whole, else the shortest decimals.
void append_number(std::string& out, std::int64_t numerator, std::int64_t denominator) {
  std::array<char, 32> text;
  char* const begin = text.data();
  char* const end = begin + text.size();
  const bool whole = numerator % denominator == 0;
  const auto done =
      whole ? std::to_chars(begin, end, numerator / denominator)
            : std::to_chars(begin, end,
                            static_cast<double>(numerator) / static_cast<double>(denominator));
  out.append(begin, done.ptr);
}

std::string number(std::int64_t numerator, std::int64_t denominator) {
  std::string out;
  append_number(out, numerator, denominator);
  return out;
}

std::string shortest(double value) {
  std::array<char, 32> text;
  const auto done = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), done.ptr};
}

/// Where each site's watts are summed for its parent.
struct Groups {
  std::vector<std::string> names;    ///< in the order of the alphabet
  std::vector<std::size_t> of_site;  ///< index into names
  std::vector<std::int64_t> energy;  ///< joules of the present step, scaled as the plan's

  explicit Groups(const std::vector<std::string>& parents) {
    std::map<std::string_view, std::size_t> places;
    for (const auto& parent : parents) places.emplace(parent, 0);
    for (auto& [name, place] : places) {
      place = names.size();
      names.emplace_back(name);
    }
    for (const auto& parent : parents) of_site.push_back(places.at(parent));
  }

  void sum(const PlanStep& step) {
    energy.assign(names.size(), 0);
    for (std::size_t i = 0; i < of_site.size(); ++i) energy[of_site[i]] += step.by_site[i].count;
  }
};

/// `"name":` for each, escaped once.
std::vector<std::string> json_keys(const std::vector<std::string>& names) {
  std::vector<std::string> keys;
  keys.reserve(names.size());
  for (const auto& name : names) {
    keys.push_back(
        nlohmann::json(name).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + ":");
  }
  return keys;
}

template <class Amount>
void append_object(std::string& out, const std::vector<std::string>& keys, std::size_t count,
                   std::int64_t joules_per_watt, Amount amount) {
  out += '{';
  for (std::size_t i = 0; i < count; ++i) {
    if (i > 0) out += ',';
    out += keys[i];
    append_number(out, amount(i), joules_per_watt);
  }
  out += '}';
}

struct Units {
  std::int64_t step_s;
  std::int64_t per_watt;       ///< the plan's joules per watt over a slot
  std::int64_t per_watt_hour;  ///< the plan's joules per watt-hour
};

/// Step by step: a hundred thousand sites over a day are half a gigabyte of set points.
void print_json(const PlanInput& input, const Units& units, Plan& plan, std::ostream& out) {
  const auto& summary = plan.summary();
  const auto site_keys = json_keys(input.ids);
  Groups groups{input.parents};
  const auto group_keys = json_keys(groups.names);
  std::string text = "{\"schema\":\"vppctl/v1\",\"feasible\":";
  text += summary.feasible ? "true" : "false";
  text += ",\"scale_max\":" + (summary.scale_max ? shortest(*summary.scale_max) : "null");
  text += ",\"unserved_wh\":" + number(summary.unserved.count, units.per_watt_hour);
  text += ",\"step_s\":" + std::to_string(units.step_s);
  text += ",\"sites\":" + std::to_string(input.ids.size()) + ",\"steps\":[";
  for (std::size_t index = 0; index < plan.steps(); ++index) {
    const PlanStep& step = plan.next();
    text += index == 0 ? "\n" : ",\n";
    text += "{\"index\":" + std::to_string(index);
    text += ",\"t_s\":" + std::to_string(static_cast<std::int64_t>(index) * units.step_s);
    text += ",\"request_w\":" + number(step.asked.count, units.per_watt);
    text += ",\"served_w\":" + number(step.served.count, units.per_watt);
    text += ",\"set_points\":";
    append_object(text, site_keys, site_keys.size(), units.per_watt,
                  [&](std::size_t i) { return step.by_site[i].count; });
    if (!groups.names.empty()) {
      groups.sum(step);
      text += ",\"groups\":";
      append_object(text, group_keys, group_keys.size(), units.per_watt,
                    [&](std::size_t i) { return groups.energy[i]; });
    }
    text += '}';
    out << text;
    text.clear();
  }
  out << text << "\n]}\n";
}

using Row = std::vector<std::string>;

void print_rows(const std::vector<Row>& rows, std::ostream& out) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += std::string(widths[i] - row[i].size() + (i == 0 ? 0 : 2), ' ') + row[i];
    }
    out << line << '\n';
  }
}

void print_table(const PlanInput& input, const Units& units, Plan& plan, std::ostream& out) {
  const auto& summary = plan.summary();
  out << "FEASIBLE   " << (summary.feasible ? "yes" : "no") << '\n'
      << "SCALE MAX  " << (summary.scale_max ? shortest(*summary.scale_max) : "-") << '\n'
      << "UNSERVED   " << number(summary.unserved.count, units.per_watt_hour) << " Wh\n"
      << "SITES      " << input.ids.size() << "\n\n";
  const bool each_site = input.ids.size() <= kSitesInTable;
  std::vector<Row> rows{{"STEP", "T_S", "REQUEST_W", "SERVED_W"}};
  if (each_site) {
    rows[0].insert(rows[0].end(), input.ids.begin(), input.ids.end());
  } else {
    rows[0].insert(rows[0].end(), {"SITES_SERVING", "LARGEST_W"});
  }
  for (std::size_t index = 0; index < plan.steps(); ++index) {
    const PlanStep& step = plan.next();
    Row row{std::to_string(index), std::to_string(static_cast<std::int64_t>(index) * units.step_s),
            number(step.asked.count, units.per_watt), number(step.served.count, units.per_watt)};
    if (each_site) {
      for (const Joules energy : step.by_site) row.push_back(number(energy.count, units.per_watt));
    } else {
      const auto serving =
          std::ranges::count_if(step.by_site, [](Joules energy) { return energy > Joules{0}; });
      const Joules largest = *std::ranges::max_element(step.by_site);
      row.push_back(std::to_string(serving));
      row.push_back(number(largest.count, units.per_watt));
    }
    rows.push_back(std::move(row));
  }
  print_rows(rows, out);
}

}  // namespace

std::expected<std::chrono::seconds, std::string> parse_step(std::string_view text) {
  constexpr std::int64_t kStepMax = 24 * 3600;
  const std::string bad =
      "step '" + std::string{text} + "' is no duration from 1s to 24h; hint: write 30s, 5m or 1h";
  std::int64_t count = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit{parsed.ptr, text.data() + text.size()};
  const std::int64_t factor = unit == "s" ? 1 : (unit == "m" ? 60 : (unit == "h" ? 3600 : 0));
  if (parsed.ec != std::errc{} || factor == 0 || count < 1 || count > kStepMax / factor) {
    return std::unexpected{bad};
  }
  return std::chrono::seconds{count * factor};
}

int run_plan(const PlanArguments& arguments, std::ostream& out, std::ostream& err) {
  const auto step = parse_step(arguments.step);
  if (!step) err << "vppctl plan: --step: " << step.error() << '\n';
  auto input = read_plan_input(arguments.fleet, arguments.request);
  if (!input) {
    for (const auto& line : input.error()) err << line << '\n';
  }
  if (!step || !input) return kUsage;
  for (const auto& warning : input->warnings) err << "vppctl plan: " << warning << '\n';

  auto plan = Plan::make(input->sites, input->request, *step);
  if (!plan) {
    err << "vppctl plan: the fleet is too large for exact sums over this many steps; hint: plan "
           "its parts, or fewer or shorter steps\n";
    return kUsage;
  }
  const Units units{step->count(), step->count() * input->parts, kJoulesPerWattHour * input->parts};
  if (arguments.json) {
    print_json(*input, units, *plan, out);
  } else {
    print_table(*input, units, *plan, out);
  }
  out.flush();
  return out ? 0 : 1;
}

}  // namespace vpp::ctl
