#include "tools/vppctl/plan_input.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <string_view>
#include <system_error>

#include "config/limits.h"
#include "tools/vppctl/csv.h"

namespace vpp::ctl {
namespace {

constexpr std::int64_t kMilli = 1'000;
constexpr std::array<std::string_view, 3> kFleetColumns{"id", "power_w", "energy_wh"};
constexpr std::array<std::string_view, 1> kFleetOptional{"parent"};
constexpr std::array<std::string_view, 1> kRequestColumns{"power_w"};

/// A site may be as large as any group; its energy lasts for a week of that, and the numbers below
/// stay whole in 63 bits.
constexpr std::int64_t kPowerMaxW = limits::kGroupPowerMax.count;
constexpr std::int64_t kEnergyMaxWh = kPowerMaxW * 24 * 7;

constexpr double kReadableMax = 1e15;  ///< thousandths of it still fit into 63 bits

/// Thousandths, digits beyond cut off; beyond +-kReadableMax counts as that. Nothing: no number.
std::optional<std::int64_t> parse_milli(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end || !std::isfinite(value)) return std::nullopt;
  if (std::abs(value) > kReadableMax) {
    return static_cast<std::int64_t>(std::copysign(kReadableMax, value)) * kMilli;
  }
  const auto exponent = text.find_first_of("eE");
  if (exponent != std::string_view::npos) {
    return static_cast<std::int64_t>(std::llround(value * static_cast<double>(kMilli)));
  }
  // Digit by digit: 0.29 has no exact double.
  const bool negative = text.starts_with('-');
  std::int64_t milli = 0;
  int decimals = -1;
  for (const char c : text.substr(negative ? 1 : 0)) {
    if (c == '.') {
      decimals = 0;
    } else if (decimals < 3) {
      milli = milli * 10 + (c - '0');
      if (decimals >= 0) ++decimals;
    }
  }
  for (int d = std::max(decimals, 0); d < 3; ++d) milli *= 10;
  return negative ? -milli : milli;
}

/// A number from 0 to `max`, in thousandths; otherwise an error at the cell.
std::optional<std::int64_t> take_amount(const CsvRow& row, std::size_t place, std::string_view name,
                                        std::int64_t max, const std::string& negative_hint,
                                        CsvErrors& errors) {
  const auto& cell = row.cells[place];
  const std::string what = std::string{name} + " '" + cell.text + "'";
  const auto refuse = [&](const std::string& cause, const std::string& hint) {
    errors.add(row.line, cell.column, cause, hint);
    return std::nullopt;
  };
  if (cell.text.empty()) return refuse(std::string{name} + " is missing", "write 0 for none");
  const auto milli = parse_milli(cell.text);
  if (!milli) return refuse(what + " is not a number", "digits, with a point for decimals");
  if (*milli < 0) return refuse(what + " is negative", negative_hint);
  if (*milli > max * kMilli) {
    return refuse(what + " is beyond any fleet", "the unit is in the column's name");
  }
  return milli;
}

struct MilliInput {
  std::vector<std::int64_t> powers;    ///< milliwatts
  std::vector<std::int64_t> energies;  ///< milliwatt-hours
  std::vector<std::int64_t> request;   ///< milliwatts
};

void read_fleet(const std::string& text, PlanInput& input, MilliInput& milli, CsvErrors& errors) {
  const CsvTable table = parse_csv(text, {kFleetColumns, kFleetOptional}, errors);
  for (const auto& name : table.ignored)
    input.warnings.push_back("column '" + name + "' of the fleet is ignored");
  for (std::size_t i = 0; i < kFleetColumns.size(); ++i) {
    if (table.places.empty() || table.places[i] == CsvTable::npos) return;
  }
  std::map<std::string, std::size_t> lines;
  const std::string hint = "it is what the site can discharge, never below 0";
  for (const auto& row : table.rows) {
    const auto& id = row.cells[table.places[0]];
    if (id.text.empty()) errors.add(row.line, id.column, "id is missing");
    const auto [known, is_new] = lines.try_emplace(id.text, row.line);
    if (!is_new && !id.text.empty()) {
      errors.add(row.line, id.column, "id '" + id.text + "' is there twice",
                 "first in line " + std::to_string(known->second));
    }
    const auto power = take_amount(row, table.places[1], "power_w", kPowerMaxW, hint, errors);
    const auto energy = take_amount(row, table.places[2], "energy_wh", kEnergyMaxWh, hint, errors);
    if (!power || !energy) continue;
    input.ids.push_back(id.text);
    if (table.places[3] != CsvTable::npos) {
      input.parents.push_back(row.cells[table.places[3]].text);
    }
    milli.powers.push_back(*power);
    milli.energies.push_back(*energy);
  }
  if (table.rows.empty() && errors.empty()) errors.add("no site in the file");
}

void read_request(const std::string& text, PlanInput& input, MilliInput& milli, CsvErrors& errors) {
  const CsvTable table = parse_csv(text, {kRequestColumns, {}}, errors);
  for (const auto& name : table.ignored)
    input.warnings.push_back("column '" + name + "' of the request is ignored");
  if (table.places.empty() || table.places[0] == CsvTable::npos) return;
  const std::string hint =
      "plan discharges only: the fleet file does not say how much room there is to charge";
  for (const auto& row : table.rows) {
    const auto power = take_amount(row, table.places[0], "power_w", kPowerMaxW, hint, errors);
    if (power) milli.request.push_back(*power);
  }
  if (table.rows.empty() && errors.empty()) errors.add("no step in the file");
}

bool is_whole(const std::vector<std::int64_t>& millis) {
  for (const std::int64_t milli : millis) {
    if (milli % kMilli != 0) return false;
  }
  return true;
}

void to_parts(const MilliInput& milli, PlanInput& input) {
  input.parts = is_whole(milli.powers) && is_whole(milli.request) ? 1 : kMilli;
  const std::int64_t divisor = kMilli / input.parts;
  for (std::size_t i = 0; i < milli.powers.size(); ++i) {
    // 1 mWh is 3.6 J; in two steps, since mWh * 3600 may not fit.
    const std::int64_t wh = milli.energies[i] / kMilli;
    const std::int64_t rest = milli.energies[i] % kMilli;
    const std::int64_t joules = wh * kJoulesPerWattHour + rest * kJoulesPerWattHour / kMilli;
    input.sites.push_back({Watts{milli.powers[i] / divisor}, Joules{joules * input.parts}});
  }
  for (const std::int64_t power : milli.request) input.request.push_back({power / divisor});
}

}  // namespace

std::expected<PlanInput, std::vector<std::string>> read_plan_input(
    const std::string& fleet_file, const std::string& request_file) {
  PlanInput input;
  MilliInput milli;
  CsvErrors fleet_errors{fleet_file};
  CsvErrors request_errors{request_file};
  if (const auto text = read_file(fleet_file, fleet_errors)) {
    read_fleet(*text, input, milli, fleet_errors);
  }
  if (const auto text = read_file(request_file, request_errors)) {
    read_request(*text, input, milli, request_errors);
  }
  if (!fleet_errors.empty() || !request_errors.empty()) {
    auto lines = fleet_errors.lines();
    const auto more = request_errors.lines();
    lines.insert(lines.end(), more.begin(), more.end());
    return std::unexpected{std::move(lines)};
  }
  to_parts(milli, input);
  return input;
}

}  // namespace vpp::ctl
