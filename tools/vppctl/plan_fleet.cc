#include "tools/vppctl/plan_fleet.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "aggregation/moments.h"
#include "config/suggest.h"
#include "tools/vppctl/plan_number.h"

namespace vpp::ctl {
namespace {

using aggregation::PerMillion;
using aggregation::ResponseRate;

constexpr std::array<std::string_view, 3> kRequired{"id", "power_w", "energy_wh"};
constexpr std::array<std::string_view, 5> kOptional{"parent", "charge_power_w", "charge_energy_wh",
                                                    "response_pct", "availability_pct"};
/// Places in CsvTable::places.
enum Column : std::uint8_t {
  kId,
  kPower,
  kEnergy,
  kParent,
  kChargePower,
  kChargeEnergy,
  kResponse,
  kAvailability
};

constexpr std::string_view kNeverNegative = "it is what the site can discharge, never below 0";
constexpr std::string_view kNeverNegativeRoom = "it is what the site can charge, never below 0";
constexpr std::string_view kBeyond = "is beyond any fleet";

constexpr CellRange amount(std::string_view name, std::int64_t most, std::string_view negative) {
  return {name, 0, most, "write 0 for none", negative, kBeyond};
}
constexpr CellRange percent(std::string_view name) {
  return {name, 0, 100, "", "it is a percentage, 0 to 100", "is more than 100 percent"};
}

std::string in_quotes(std::string_view word) {
  return "'" + std::string{word} + "'";
}

/// "; did you mean 'x'?" of the known words, or nothing.
std::string meant(std::string_view word, std::span<const std::string_view> known) {
  const auto near = nearest_word(word, known);
  return near.empty() ? "" : "; hint: did you mean " + in_quotes(near) + "?";
}

/// `region=north`.
struct Membership {
  std::string text;
  std::string key;
  std::string value;
};

/// The text columns that somebody asked for, site by site.
class Labels {
 public:
  Labels(const CsvTable& table, std::vector<std::string>& misuse)
      : table_{table}, misuse_{misuse} {}

  /// Whether the file has such a column; else one line of what is wrong.
  bool want(const std::string& option, const std::string& key) {
    if (places_.contains(key)) return true;
    const auto known = names();
    if (std::ranges::find(known, key) == known.end()) {
      misuse_.push_back("vppctl plan: " + option + ": the fleet has no column " + in_quotes(key) +
                        " to group by" + meant(key, known));
      return false;
    }
    if (std::ranges::count(table_.header, key) > 1) {
      misuse_.push_back("vppctl plan: " + option + ": the fleet has two columns " + in_quotes(key));
      return false;
    }
    const auto at = std::ranges::find(table_.header, key) - table_.header.begin();
    places_[key] = static_cast<std::size_t>(at);
    return true;
  }

  void add(const CsvRow& row) {
    for (const auto& [key, place] : places_) of_[key].push_back(row.cells[place].text);
  }

  [[nodiscard]] const std::vector<std::string>& of(const std::string& key) { return of_[key]; }
  [[nodiscard]] bool wanted(const std::string& key) const { return places_.contains(key); }

  /// Whether some site has that value; else one line of what is wrong.
  bool check_value(const std::string& option, const Membership& group) {
    const auto& values = of_[group.key];
    if (std::ranges::find(values, group.value) != values.end()) return true;
    const std::set<std::string_view> known{values.begin(), values.end()};
    const std::vector<std::string_view> words{known.begin(), known.end()};
    misuse_.push_back("vppctl plan: " + option + " " + group.text + ": no site has " +
                      in_quotes(group.value) + " in column " + in_quotes(group.key) +
                      meant(group.value, words));
    return false;
  }

 private:
  /// All columns but those that hold numbers.
  [[nodiscard]] std::vector<std::string_view> names() const {
    std::vector<std::string_view> out;
    for (const auto& name : table_.header) {
      const bool number = name != "id" && name != "parent" &&
                          (std::ranges::find(kRequired, name) != kRequired.end() ||
                           std::ranges::find(kOptional, name) != kOptional.end());
      if (!number && !name.empty()) out.push_back(name);
    }
    return out;
  }

  const CsvTable& table_;
  std::vector<std::string>& misuse_;
  std::map<std::string, std::size_t> places_;
  std::map<std::string, std::vector<std::string>> of_;
};

std::vector<Membership> memberships(const std::string& option,
                                    const std::vector<std::string>& texts, Labels& labels,
                                    std::vector<std::string>& misuse) {
  std::vector<Membership> out;
  for (const auto& text : texts) {
    const auto at = text.find('=');
    if (at == std::string::npos || at == 0 || at + 1 == text.size()) {
      misuse.push_back("vppctl plan: " + option + " " + text +
                       ": no column and value; hint: write e.g. region=north");
      continue;
    }
    Membership group{text, text.substr(0, at), text.substr(at + 1)};
    if (labels.want(option + " " + text, group.key)) out.push_back(std::move(group));
  }
  return out;
}

/// One reading of the file. Sites are kept in full first, and picked when all of it is known.
class FleetReader {
 public:
  FleetReader(const CsvTable& table, const PlanSelection& select, CsvErrors& errors,
              std::vector<std::string>& misuse)
      : table_{table}, select_{select}, errors_{errors}, misuse_{misuse}, labels_{table, misuse} {}

  void read(PlanInput& input, MilliFleet& milli) {
    milli.charges = has(kChargePower) && has(kChargeEnergy);
    if (!has(kId) || !has(kPower) || !has(kEnergy) || !charge_columns_are_both()) return;
    const auto groups = memberships("--group", select_.groups, labels_, misuse_);
    const auto without = memberships("--without", select_.without, labels_, misuse_);
    choose_uplink();
    for (const auto& row : table_.rows) add(row, milli);
    if (table_.rows.empty() && errors_.empty()) errors_.add("no site in the file");
    warn_of_ignored(input);
    if (!errors_.empty() || !misuse_.empty()) return;
    pick(groups, without, input, milli);
  }

 private:
  [[nodiscard]] bool has(Column column) const {
    return !table_.places.empty() && table_.places[column] != CsvTable::npos;
  }
  [[nodiscard]] const CsvCell& cell(const CsvRow& row, Column column) const {
    return row.cells[table_.places[column]];
  }

  bool charge_columns_are_both() {
    if (has(kChargePower) == has(kChargeEnergy)) return true;
    const auto missing = kOptional[(has(kChargePower) ? kChargeEnergy : kChargePower) - kParent];
    errors_.add("no column " + in_quotes(missing),
                "charge_power_w and charge_energy_wh only make sense together");
    return false;
  }

  void choose_uplink() {
    if (!select_.uplink.empty()) {
      if (labels_.want("--uplink", select_.uplink)) uplink_ = select_.uplink;
      return;
    }
    if (!select_.reliability) return;
    for (const char* usual : {"region", "parent"}) {
      if (std::ranges::find(table_.header, usual) == table_.header.end()) continue;
      if (labels_.want("--uplink", usual)) uplink_ = usual;
      return;
    }
    if (has(kAvailability)) {
      misuse_.emplace_back(
          "vppctl plan: availability_pct: of which uplinks? hint: --uplink COLUMN says whose");
    }
  }

  void add(const CsvRow& row, MilliFleet& milli) {
    const auto& id = cell(row, kId);
    if (id.text.empty()) errors_.add(row.line, id.column, "id is missing");
    const auto [known, is_new] = lines_.try_emplace(id.text, row.line);
    if (!is_new && !id.text.empty()) {
      errors_.add(row.line, id.column, "id '" + id.text + "' is there twice",
                  "first in line " + std::to_string(known->second));
    }
    const auto power = number(row, kPower, amount("power_w", kPowerMaxW, kNeverNegative));
    const auto energy = number(row, kEnergy, amount("energy_wh", kEnergyMaxWh, kNeverNegative));
    std::optional<std::int64_t> charge_power = 0;
    std::optional<std::int64_t> charge_energy = 0;
    if (milli.charges) {
      charge_power =
          number(row, kChargePower, amount("charge_power_w", kPowerMaxW, kNeverNegativeRoom));
      charge_energy =
          number(row, kChargeEnergy, amount("charge_energy_wh", kEnergyMaxWh, kNeverNegativeRoom));
    }
    const auto response = rate(row, kResponse, "response_pct");
    const auto up = rate(row, kAvailability, "availability_pct");
    if (!power || !energy || !charge_power || !charge_energy) return;
    rows_.push_back(&row);
    milli.discharge.powers.push_back(*power);
    milli.discharge.energies.push_back(*energy);
    milli.charge.powers.push_back(*charge_power);
    milli.charge.energies.push_back(*charge_energy);
    response_.push_back(response ? static_cast<std::int32_t>(*response / 100)
                                 : ResponseRate{ResponseRate::kSite}.permille());
    labels_.add(row);
    if (uplink_) add_uplink(row, up);
  }

  std::optional<std::int64_t> number(const CsvRow& row, Column column, const CellRange& range) {
    return take_number(row, table_.places[column], range, errors_);
  }
  /// In thousandths of a percent; nothing: unknown, or an error.
  std::optional<std::int64_t> rate(const CsvRow& row, Column column, std::string_view name) {
    if (!has(column) || cell(row, column).text.empty()) return std::nullopt;
    return number(row, column, percent(name));
  }

  /// One uplink has one availability, in whichever of its lines it stands.
  void add_uplink(const CsvRow& row, std::optional<std::int64_t> milli_percent) {
    const std::string& name = labels_.of(*uplink_).back();
    if (!milli_percent || name.empty()) return;
    const auto [known, is_new] = availability_.try_emplace(name, *milli_percent, row.line);
    if (!is_new && known->second.first != *milli_percent) {
      errors_.add(row.line, cell(row, kAvailability).column,
                  "availability_pct of " + *uplink_ + " '" + name + "' is another one",
                  "first in line " + std::to_string(known->second.second));
    }
  }

  void warn_of_ignored(PlanInput& input) const {
    const std::vector<std::string_view> known{kOptional.begin(), kOptional.end()};
    for (const auto& name : table_.ignored) {
      if (labels_.wanted(name)) continue;
      input.warnings.push_back("column '" + name + "' of the fleet is ignored" +
                               meant(name, known));
    }
  }

  [[nodiscard]] bool is_in(std::size_t site, const std::vector<Membership>& groups) {
    return std::ranges::all_of(groups, [&](const Membership& of_key) {
      return std::ranges::any_of(groups, [&](const Membership& group) {
        return group.key == of_key.key && labels_.of(group.key)[site] == group.value;
      });
    });
  }

  void pick(const std::vector<Membership>& groups, const std::vector<Membership>& without,
            PlanInput& input, MilliFleet& milli) {
    bool known = true;
    for (const auto& group : groups) known = labels_.check_value("--group", group) && known;
    for (const auto& group : without) known = labels_.check_value("--without", group) && known;
    if (!known) return;
    MilliFleet picked{.charges = milli.charges};
    input.without.resize(without.size());
    for (std::size_t i = 0; i < rows_.size(); ++i) {
      if (!is_in(i, groups)) continue;
      input.ids.push_back(cell(*rows_[i], kId).text);
      if (has(kParent)) input.parents.push_back(cell(*rows_[i], kParent).text);
      input.response_permille.push_back(response_[i]);
      input.uplinks.of_site.push_back(uplink_ ? labels_.of(*uplink_)[i] : std::string{});
      for (std::size_t w = 0; w < without.size(); ++w) {
        input.without[w].push_back(labels_.of(without[w].key)[i] == without[w].value);
      }
      for (const auto side : {&MilliFleet::discharge, &MilliFleet::charge}) {
        (picked.*side).powers.push_back((milli.*side).powers[i]);
        (picked.*side).energies.push_back((milli.*side).energies[i]);
      }
    }
    if (input.ids.empty()) misuse_.emplace_back("vppctl plan: --group: no site is in all of them");
    milli = std::move(picked);
    for (const auto& name : input.uplinks.of_site) {
      const auto found = availability_.find(name);
      input.uplinks.availability[name] = found == availability_.end()
                                             ? ResponseRate{ResponseRate::kUplink}.per_million()
                                             : PerMillion{found->second.first * 10};
    }
  }

  const CsvTable& table_;
  const PlanSelection& select_;
  CsvErrors& errors_;
  std::vector<std::string>& misuse_;
  Labels labels_;
  std::optional<std::string> uplink_;
  std::map<std::string, std::size_t> lines_;  ///< of each id
  std::vector<const CsvRow*> rows_;           ///< the sites without errors
  std::vector<std::int32_t> response_;
  /// Thousandths of a percent, and the line that says so.
  std::map<std::string, std::pair<std::int64_t, std::size_t>> availability_;
};

}  // namespace

void read_fleet(const std::string& text, const PlanSelection& select, PlanInput& input,
                MilliFleet& milli, CsvErrors& errors, std::vector<std::string>& misuse) {
  const CsvTable table = parse_csv(text, {kRequired, kOptional}, errors);
  FleetReader{table, select, errors, misuse}.read(input, milli);
}

}  // namespace vpp::ctl
