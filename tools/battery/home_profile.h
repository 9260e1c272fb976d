// Load and PV of homes over a year, hour by hour: read from files, or synthetic from a seed.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <string>
#include <vector>

#include "config/rng.h"
#include "config/time.h"
#include "tools/battery/battery_model.h"

namespace vpp::battery {

inline constexpr std::int64_t kHoursPerYear = 8760;
/// What hour 0 of a profile is: the homes we know were recorded from 1 August 2016 on.
inline constexpr MarketTime kProfileStart{std::chrono::seconds{1'470'009'600}};

/// Watts of every hour; both as long.
struct HomeProfile {
  std::vector<std::int32_t> load_w;
  std::vector<std::int32_t> pv_w;
};

/// Load less PV as somebody tells it now; below 0 it is PV. The last stands for all further homes.
using ToldLoads = std::vector<std::int32_t>;

/// One home: a profile, which several homes may share, and how much of it.
struct Household {
  std::shared_ptr<const HomeProfile> profile;
  std::int32_t load_permille = 1000;
  std::int32_t pv_permille = 1000;
  std::shared_ptr<const ToldLoads> told = {};  ///< instead of the profile, unless empty
  std::size_t number = 0;                      ///< of this home there

  /// Constant within an hour; the year repeats.
  [[nodiscard]] Home at(MarketTime market) const;
};

/// Until the next value: at most an hour, at least a millisecond.
[[nodiscard]] Duration until_next_hour(MarketTime market);

/// From a directory with load_kwh.csv, pv_w_per_kw.csv (a column per building, a row per hour) and
/// buildings.csv (building, pv_kw).
[[nodiscard]] std::expected<std::vector<HomeProfile>, std::string> read_homes(
    const std::string& directory);

/// Made up: an evening peak, a bell of sunshine. No weather.
[[nodiscard]] HomeProfile synthetic_home(Rng& rng);

/// Ratings from a file: id,state,system_max_p,system_min_p,system_capacity (kW, kWh; charge > 0).
/// Rows without a usable rating are left out.
[[nodiscard]] std::expected<std::vector<BatteryRating>, std::string> read_fleet(
    const std::string& file);

/// Made up, of the sizes that are sold.
[[nodiscard]] BatteryRating synthetic_rating(Rng& rng);

}  // namespace vpp::battery
