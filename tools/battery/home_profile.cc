#include "tools/battery/home_profile.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>
#include <string_view>

#include "device/whole_math.h"

namespace vpp::battery {
namespace {

/// A comma-separated file with a header line. No quotes: ours have none.
struct Table {
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;
};

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream{line};
  for (std::string field; std::getline(stream, field, ',');) {
    while (!field.empty() && (field.back() == '\r' || field.back() == ' ')) field.pop_back();
    fields.push_back(field);
  }
  return fields;
}

std::expected<Table, std::string> read_table(const std::string& path) {
  std::ifstream file{path};
  if (!file) return std::unexpected{path + ": cannot be read"};
  Table table;
  std::string line;
  if (std::getline(file, line)) table.columns = fields_of(line);
  while (std::getline(file, line)) {
    if (!line.empty()) table.rows.push_back(fields_of(line));
  }
  if (table.rows.empty()) return std::unexpected{path + ": holds no rows"};
  return table;
}

std::expected<std::size_t, std::string> column(const Table& table, std::string_view name,
                                               const std::string& path) {
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    if (table.columns[i] == name) return i;
  }
  return std::unexpected{path + ": has no column " + std::string{name}};
}

/// "1.234" times 1000, rounded; nothing when it is not a number of sensible size.
std::optional<std::int64_t> thousandths(const std::vector<std::string>& row, std::size_t index) {
  if (index >= row.size()) return std::nullopt;
  const std::string& text = row[index];
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (!(std::fabs(value) < 1e9)) return std::nullopt;
  return std::llround(value * 1000);
}

/// Within what the connection of a site can be.
std::int32_t site_watts(device::Int128 watts) {
  const device::Int128 most = limits::kSitePowerMax.count;
  return static_cast<std::int32_t>(std::clamp<device::Int128>(watts, 0, most));
}

std::int64_t hour_of(MarketTime market) {
  return std::chrono::floor<std::chrono::hours>(market - kProfileStart).count();
}

std::int32_t scaled_down(std::int32_t watts, std::int32_t permille) {
  return static_cast<std::int32_t>(std::int64_t{watts} * permille / 1000);
}

}  // namespace

Home Household::at(MarketTime market) const {
  if (told && !told->empty()) {
    const std::int32_t net_w = (*told)[std::min(number, told->size() - 1)];
    return {Watts{std::max(net_w, 0)}, Watts{std::max(-net_w, 0)}};
  }
  const auto hours = static_cast<std::int64_t>(profile->load_w.size());
  const auto index = static_cast<std::size_t>(((hour_of(market) % hours) + hours) % hours);
  return {Watts{scaled_down(profile->load_w[index], load_permille)},
          Watts{scaled_down(profile->pv_w[index], pv_permille)}};
}

Duration until_next_hour(MarketTime market) {
  return kProfileStart + std::chrono::hours{hour_of(market) + 1} - market;
}

std::expected<std::vector<HomeProfile>, std::string> read_homes(const std::string& directory) {
  const std::string load_path = directory + "/load_kwh.csv";
  const std::string pv_path = directory + "/pv_w_per_kw.csv";
  const std::string buildings_path = directory + "/buildings.csv";
  const auto load = read_table(load_path);
  if (!load) return std::unexpected{load.error()};
  const auto pv = read_table(pv_path);
  if (!pv) return std::unexpected{pv.error()};
  const auto buildings = read_table(buildings_path);
  if (!buildings) return std::unexpected{buildings.error()};
  const auto pv_kw = column(*buildings, "pv_kw", buildings_path);
  if (!pv_kw) return std::unexpected{pv_kw.error()};
  if (load->rows.size() != pv->rows.size()) {
    return std::unexpected{pv_path + ": as many hours as in load_kwh.csv are needed"};
  }
  std::vector<HomeProfile> homes;
  for (const auto& building : buildings->rows) {
    const auto load_column = column(*load, building.at(0), load_path);
    const auto pv_column = column(*pv, building.at(0), pv_path);
    const auto size = thousandths(building, *pv_kw);
    if (!load_column || !pv_column || !size) continue;
    HomeProfile home;
    for (std::size_t hour = 0; hour < load->rows.size(); ++hour) {
      const auto wh = thousandths(load->rows[hour], *load_column);
      const auto mw_per_kw = thousandths(pv->rows[hour], *pv_column);
      home.load_w.push_back(site_watts(wh.value_or(0)));
      home.pv_w.push_back(
          site_watts(static_cast<device::Int128>(mw_per_kw.value_or(0)) * *size / 1'000'000));
    }
    homes.push_back(std::move(home));
  }
  if (homes.empty()) return std::unexpected{buildings_path + ": no building has load and PV"};
  return homes;
}

HomeProfile synthetic_home(Rng& rng) {
  // Per mille of the day's largest hour.
  constexpr std::array<int, 24> kLoad{250, 220, 200, 200, 210, 260, 420, 560,  480, 400, 380, 400,
                                      450, 420, 400, 430, 560, 780, 960, 1000, 920, 740, 520, 340};
  constexpr std::array<int, 24> kSun{0,    0,   0,   0,   0,   30,  130, 300, 500, 700, 860, 960,
                                     1000, 960, 860, 700, 500, 300, 130, 30,  0,   0,   0,   0};
  const auto peak_w = static_cast<std::int64_t>(900 + rng.below(2600));
  const auto pv_w = rng.below(4) == 0 ? 0 : static_cast<std::int64_t>(2000 + rng.below(5000));
  HomeProfile home;
  for (std::int64_t hour = 0; hour < kHoursPerYear; ++hour) {
    const auto of_day = static_cast<std::size_t>(hour % 24);
    const auto mood = static_cast<std::int64_t>(700 + rng.below(600));
    home.load_w.push_back(static_cast<std::int32_t>(peak_w * kLoad[of_day] * mood / 1'000'000));
    home.pv_w.push_back(static_cast<std::int32_t>(pv_w * kSun[of_day] * 8 / 10'000));
  }
  return home;
}

std::expected<std::vector<BatteryRating>, std::string> read_fleet(const std::string& file) {
  const auto table = read_table(file);
  if (!table) return std::unexpected{table.error()};
  const auto charge = column(*table, "system_max_p", file);
  if (!charge) return std::unexpected{charge.error()};
  const auto discharge = column(*table, "system_min_p", file);
  if (!discharge) return std::unexpected{discharge.error()};
  const auto capacity = column(*table, "system_capacity", file);
  if (!capacity) return std::unexpected{capacity.error()};
  std::vector<BatteryRating> fleet;
  for (const auto& row : table->rows) {
    const auto in = thousandths(row, *charge);
    const auto out = thousandths(row, *discharge);
    const auto wh = thousandths(row, *capacity);
    if (!in || !out || !wh || *in == 0 || *out == 0 || *wh <= 0) continue;
    BatteryRating rating;
    rating.charge_max = Watts{std::abs(*in)};
    rating.discharge_max = Watts{std::abs(*out)};
    rating.capacity = WattHours{*wh};
    const bool sane = rating.charge_max <= limits::kSitePowerMax &&
                      rating.discharge_max <= limits::kSitePowerMax &&
                      rating.capacity <= limits::kSiteEnergyMax;
    if (sane) fleet.push_back(rating);
  }
  if (fleet.empty()) return std::unexpected{file + ": no row has a usable rating"};
  return fleet;
}

BatteryRating synthetic_rating(Rng& rng) {
  struct Size {
    std::int64_t wh;
    std::int64_t watts;
  };
  constexpr std::array<Size, 6> kSizes{{{5'000, 2'500},
                                        {6'400, 5'000},
                                        {9'800, 4'600},
                                        {10'200, 5'000},
                                        {13'500, 5'000},
                                        {20'000, 10'000}}};
  const Size size = kSizes[rng.below(kSizes.size())];
  BatteryRating rating;
  rating.capacity = WattHours{size.wh};
  rating.discharge_max = Watts{size.watts};
  rating.charge_max = Watts{size.watts};
  rating.charge_efficiency_permille = static_cast<std::int32_t>(950 + rng.below(21));
  rating.discharge_efficiency_permille = static_cast<std::int32_t>(950 + rng.below(21));
  rating.standby = Watts{static_cast<std::int64_t>(8 + rng.below(15))};
  return rating;
}

}  // namespace vpp::battery
