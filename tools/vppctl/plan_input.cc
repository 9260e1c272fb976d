#include "tools/vppctl/plan_input.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "tools/vppctl/csv.h"
#include "tools/vppctl/plan_fleet.h"
#include "tools/vppctl/plan_number.h"

namespace vpp::ctl {
namespace {

constexpr std::array<std::string_view, 1> kRequestColumns{"power_w"};

/// Milliwatts; negative ones only where the fleet says what it can charge.
std::vector<std::int64_t> read_request(const std::string& text, bool charges, PlanInput& input,
                                       CsvErrors& errors) {
  std::vector<std::int64_t> request;
  const CsvTable table = parse_csv(text, {kRequestColumns, {}}, errors);
  for (const auto& name : table.ignored) {
    input.warnings.push_back("column '" + name + "' of the request is ignored");
  }
  if (table.places.empty() || table.places[0] == CsvTable::npos) return request;
  const CellRange range{"power_w",
                        charges ? -kPowerMaxW : 0,
                        kPowerMaxW,
                        "write 0 for none",
                        "the fleet file does not say how much room there is to charge: it needs "
                        "columns charge_power_w and charge_energy_wh",
                        "is beyond any fleet"};
  for (const auto& row : table.rows) {
    if (const auto power = take_number(row, table.places[0], range, errors)) {
      request.push_back(*power);
    }
  }
  if (table.rows.empty() && errors.empty()) errors.add("no step in the file");
  return request;
}

bool is_whole(const std::vector<std::int64_t>& millis) {
  return std::ranges::all_of(millis, [](std::int64_t milli) { return milli % kMilli == 0; });
}

std::vector<device::Capability> to_parts(const MilliSites& milli, std::int64_t parts) {
  std::vector<device::Capability> sites;
  sites.reserve(milli.powers.size());
  for (std::size_t i = 0; i < milli.powers.size(); ++i) {
    // 1 mWh is 3.6 J; in two steps, since mWh * 3600 may not fit.
    const std::int64_t wh = milli.energies[i] / kMilli;
    const std::int64_t rest = milli.energies[i] % kMilli;
    const std::int64_t joules = wh * kJoulesPerWattHour + rest * kJoulesPerWattHour / kMilli;
    sites.push_back({Watts{milli.powers[i] * parts / kMilli}, Joules{joules * parts}});
  }
  return sites;
}

}  // namespace

std::expected<PlanInput, std::vector<std::string>> read_plan_input(const std::string& fleet_file,
                                                                   const std::string& request_file,
                                                                   const PlanSelection& select) {
  PlanInput input;
  MilliFleet fleet;
  std::vector<std::int64_t> request;
  CsvErrors fleet_errors{fleet_file};
  CsvErrors request_errors{request_file};
  std::vector<std::string> lines;
  if (const auto text = read_file(fleet_file, fleet_errors)) {
    read_fleet(*text, select, input, fleet, fleet_errors, lines);
  }
  if (const auto text = read_file(request_file, request_errors)) {
    request = read_request(*text, fleet.charges, input, request_errors);
  }
  for (auto& line : lines) line = one_line(std::move(line));
  for (const auto* errors : {&fleet_errors, &request_errors}) {
    for (auto& line : errors->lines()) lines.push_back(std::move(line));
  }
  if (!lines.empty()) return std::unexpected{std::move(lines)};
  const bool whole =
      is_whole(fleet.discharge.powers) && is_whole(fleet.charge.powers) && is_whole(request);
  input.parts = whole ? 1 : kMilli;
  input.energy = to_parts(fleet.discharge, input.parts);
  input.room = to_parts(fleet.charge, input.parts);
  // Digits are cut off towards zero: powers in thousandths divide exactly, or are whole.
  for (const std::int64_t power : request) input.request.push_back({power * input.parts / kMilli});
  return input;
}

}  // namespace vpp::ctl
