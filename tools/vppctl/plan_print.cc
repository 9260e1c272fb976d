#include "tools/vppctl/plan_print.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <ostream>
#include <string_view>
#include <utility>

namespace vpp::ctl {
namespace {

using aggregation::PlanStep;
using aggregation::PlanSummary;
using aggregation::TwoWaySummary;
using Json = nlohmann::ordered_json;

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

std::string scale_text(const PlanSummary& summary, std::string_view none) {
  return summary.scale_max ? shortest(*summary.scale_max) : std::string{none};
}

/// The confidence that goes with a probability of less.
std::string percent_text(aggregation::PerMillion shortfall) {
  constexpr std::int64_t kPerPercent = aggregation::kCertain.count / 100;
  return number((aggregation::kCertain - shortfall).count, kPerPercent);
}

/// Bytes that are no UTF-8 come out as replacement characters: names may be anything.
std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// --- json ----------------------------------------------------------------------------------------

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
  for (const auto& name : names) keys.push_back(dumped(name) + ":");
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

/// The fields of a summary, without braces.
std::string summary_fields(const PlanSummary& summary, std::int64_t per_watt_hour) {
  return std::string{"\"feasible\":"} + (summary.feasible ? "true" : "false") +
         ",\"scale_max\":" + scale_text(summary, "null") +
         ",\"unserved_wh\":" + number(summary.unserved.count, per_watt_hour);
}

std::string direction_fields(const TwoWaySummary& summary, std::int64_t per_watt_hour) {
  return "\"discharge\":{" + summary_fields(summary.discharge, per_watt_hour) + "},\"charge\":{" +
         summary_fields(summary.charge, per_watt_hour) + "}";
}

std::string held_json(const std::vector<HeldPower>& held) {
  Json out = Json::array();
  for (const auto& at : held) {
    out.push_back({{"duration_s", at.duration.count()},
                   {"power_w", at.nominal.count},
                   {"firm_w", at.firm.count}});
  }
  return dumped(out);
}

std::string firm_json(const PlanCase& of, aggregation::PerMillion shortfall) {
  if (!of.firm) return "null";
  const FirmAnswer& firm = *of.firm;
  return "{\"confidence_pct\":" + percent_text(shortfall) + "," +
         summary_fields(firm.summary.both(), kJoulesPerWattHour) + "," +
         direction_fields(firm.summary, kJoulesPerWattHour) +
         ",\"up\":" + held_json(firm.discharge) + ",\"down\":" + held_json(firm.charge) + "}";
}

std::string without_json(const PlanReport& report) {
  std::string out = "[";
  for (std::size_t i = 1; i < report.cases.size(); ++i) {
    const PlanCase& of = report.cases[i];
    out += std::string{i == 1 ? "" : ","} + "\n{\"left_out\":" + dumped(of.without) +
           ",\"sites\":" + std::to_string(of.sites) + "," +
           summary_fields(of.nominal.both(), report.per_watt_hour()) + "," +
           direction_fields(of.nominal, report.per_watt_hour()) +
           ",\"firm\":" + firm_json(of, report.shortfall) + "}";
  }
  return out + "]";
}

std::string json_head(const PlanReport& report) {
  const PlanCase& whole = report.cases.front();
  return "{\"schema\":\"vppctl/v1\"," +
         summary_fields(whole.nominal.both(), report.per_watt_hour()) +
         ",\"step_s\":" + std::to_string(report.step_s) +
         ",\"sites\":" + std::to_string(whole.sites) +
         ",\"group\":" + dumped(report.select.groups) + ",\"charged_energy_counted\":false," +
         direction_fields(whole.nominal, report.per_watt_hour()) +
         ",\"firm\":" + firm_json(whole, report.shortfall) +
         ",\"without\":" + without_json(report) + ",\"steps\":[";
}

}  // namespace

void print_plan_json(PlanReport& report, std::ostream& out) {
  const auto site_keys = json_keys(report.input.ids);
  Groups groups{report.input.parents};
  const auto group_keys = json_keys(groups.names);
  const std::int64_t per_watt = report.per_watt();
  std::string text = json_head(report);
  for (std::size_t index = 0; index < report.plan.steps(); ++index) {
    const PlanStep& step = report.plan.next();
    text += index == 0 ? "\n" : ",\n";
    text += "{\"index\":" + std::to_string(index);
    text += ",\"t_s\":" + std::to_string(static_cast<std::int64_t>(index) * report.step_s);
    text += ",\"request_w\":" + number(step.asked.count, per_watt);
    text += ",\"served_w\":" + number(step.served.count, per_watt);
    text += ",\"set_points\":";
    append_object(text, site_keys, site_keys.size(), per_watt,
                  [&](std::size_t i) { return step.by_site[i].count; });
    if (!groups.names.empty()) {
      groups.sum(step);
      text += ",\"groups\":";
      append_object(text, group_keys, group_keys.size(), per_watt,
                    [&](std::size_t i) { return groups.energy[i]; });
    }
    text += '}';
    out << text;
    text.clear();
  }
  out << text << "\n]}\n";
}

// --- table ---------------------------------------------------------------------------------------

namespace {

using Row = std::vector<std::string>;

/// `named`: the first column is text; everything else is numbers, aligned at the right.
void print_rows(const std::vector<Row>& rows, bool named, std::ostream& out) {
  std::vector<std::size_t> widths(rows.front().size(), 0);
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string blanks(widths[i] - row[i].size(), ' ');
      line += (i == 0 ? "" : "  ") + (named && i == 0 ? row[i] + blanks : blanks + row[i]);
    }
    out << line << '\n';
  }
}

std::string joined(const std::vector<std::string>& texts) {
  std::string out;
  for (const auto& text : texts) out += (out.empty() ? "" : ", ") + text;
  return out;
}

void add_rows(const std::string& name, const TwoWaySummary& summary, bool both_ways,
              std::int64_t per_watt_hour, std::vector<Row>& rows) {
  const auto add = [&](const std::string& label, const PlanSummary& of) {
    rows.push_back({label, of.feasible ? "yes" : "no", scale_text(of, "-"),
                    number(of.unserved.count, per_watt_hour)});
  };
  add(name, summary.both());
  if (!both_ways) return;
  add("  discharge", summary.discharge);
  add("  charge", summary.charge);
}

void print_cases(const PlanReport& report, bool both_ways, std::ostream& out) {
  std::vector<Row> rows{{"CASE", "FEASIBLE", "SCALE_MAX", "UNSERVED_WH"}};
  for (const PlanCase& of : report.cases) {
    const std::string name =
        of.without.empty() ? "nominal" : "without " + joined(of.without) + ", nominal";
    add_rows(name, of.nominal, both_ways, report.per_watt_hour(), rows);
    if (!of.firm) continue;
    const std::string firm = "firm at " + percent_text(report.shortfall) + "%";
    add_rows(of.without.empty() ? firm : "without " + joined(of.without) + ", " + firm,
             of.firm->summary, both_ways, kJoulesPerWattHour, rows);
  }
  out << '\n';
  print_rows(rows, true, out);
}

void print_held(const std::string& title, const std::vector<HeldPower>& held, std::ostream& out) {
  std::vector<Row> rows{{title, "NOMINAL_W", "FIRM_W"}};
  for (const auto& at : held) {
    rows.push_back({std::to_string(at.duration / std::chrono::minutes{1}) + " min",
                    std::to_string(at.nominal.count), std::to_string(at.firm.count)});
  }
  out << '\n';
  print_rows(rows, true, out);
}

bool is_asked(const PlanInput& input, std::int64_t sign) {
  return std::ranges::any_of(input.request, [&](Watts power) { return power.count * sign > 0; });
}

void print_head(const PlanReport& report, std::ostream& out) {
  const auto& whole = report.cases.front();
  const PlanSummary summary = whole.nominal.both();
  const bool charges = is_asked(report.input, -1);
  out << "FEASIBLE   " << (summary.feasible ? "yes" : "no") << '\n'
      << "SCALE MAX  " << scale_text(summary, "-") << '\n'
      << "UNSERVED   " << number(summary.unserved.count, report.per_watt_hour()) << " Wh\n"
      << "SITES      " << whole.sites << '\n';
  if (!report.select.groups.empty()) out << "GROUP      " << joined(report.select.groups) << '\n';
  const bool both_ways = charges && is_asked(report.input, 1);
  if (both_ways) out << "CHARGED    not counted as energy to discharge later\n";
  if (both_ways || whole.firm || report.cases.size() > 1) print_cases(report, both_ways, out);
  if (whole.firm && (!charges || both_ways)) print_held("UP FOR", whole.firm->discharge, out);
  if (whole.firm && charges) print_held("DOWN FOR", whole.firm->charge, out);
  out << '\n';
}

}  // namespace

void print_plan_table(PlanReport& report, std::ostream& out) {
  print_head(report, out);
  const std::int64_t per_watt = report.per_watt();
  const auto& ids = report.input.ids;
  const bool each_site = ids.size() <= kSitesInTable;
  std::vector<Row> rows{{"STEP", "T_S", "REQUEST_W", "SERVED_W"}};
  if (each_site) {
    rows[0].insert(rows[0].end(), ids.begin(), ids.end());
  } else {
    rows[0].insert(rows[0].end(), {"SITES_SERVING", "LARGEST_W"});
  }
  for (std::size_t index = 0; index < report.plan.steps(); ++index) {
    const PlanStep& step = report.plan.next();
    Row row{std::to_string(index), std::to_string(static_cast<std::int64_t>(index) * report.step_s),
            number(step.asked.count, per_watt), number(step.served.count, per_watt)};
    if (each_site) {
      for (const Joules energy : step.by_site) row.push_back(number(energy.count, per_watt));
    } else {
      const auto serving =
          std::ranges::count_if(step.by_site, [](Joules energy) { return energy != Joules{0}; });
      const Joules largest = *std::ranges::max_element(
          step.by_site, {}, [](Joules energy) { return std::abs(energy.count); });
      row.push_back(std::to_string(serving));
      row.push_back(number(largest.count, per_watt));
    }
    rows.push_back(std::move(row));
  }
  print_rows(rows, false, out);
}

}  // namespace vpp::ctl
