#include "tools/vppctl/backtest_fleet.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <utility>

#include "aggregation/duration_curve.h"
#include "aggregation/split.h"
#include "tools/vppctl/csv.h"
#include "tools/vppctl/plan_fleet.h"
#include "tools/vppctl/plan_number.h"

namespace vpp::ctl {
namespace {

using bidding::Battery;
using bidding::Earnings;
using bidding::PricePoint;
using device::Capability;

constexpr std::chrono::hours kOneHour{1};
constexpr std::int64_t kPermilleOfOne = 1000;
constexpr std::size_t kAllSegments = 1000;  ///< a back-test is no market: none are joined

std::vector<Capability> full_sites(const BacktestFleet& fleet) {
  std::vector<Capability> out;
  for (const auto& [battery, count] : fleet) {
    out.insert(out.end(), static_cast<std::size_t>(count),
               {battery.power, to_joules(battery.energy)});
  }
  return out;
}

/// An hour of `power`, divided anew every five minutes; what was delivered.
Joules deliver(Watts power, std::vector<Capability>& sites) {
  constexpr std::chrono::seconds kStep = aggregation::kEqualisationStep;
  Joules delivered{0};
  for (auto left = std::chrono::seconds{kOneHour}; left.count() > 0; left -= kStep) {
    const auto split = aggregation::split_by_sites(power, sites);
    for (std::size_t i = 0; i < sites.size(); ++i) {
      const Joules out = std::min(Joules{split.shares[i].count * kStep.count()}, sites[i].energy);
      sites[i].energy -= out;
      delivered += out;
    }
  }
  return delivered;
}

}  // namespace

Battery total(const BacktestFleet& fleet) {
  Battery out = fleet.front().battery;
  out.power = {};
  out.energy = {};
  for (const auto& [battery, count] : fleet) {
    out.power += battery.power * count;
    out.energy += battery.energy * count;
  }
  return out;
}

std::expected<BacktestFleet, std::vector<std::string>> read_backtest_fleet(const std::string& file,
                                                                           const Battery& kind) {
  CsvErrors errors{file};
  std::vector<std::string> misuse;
  PlanInput input;
  MilliFleet milli;
  if (const auto text = read_file(file, errors)) {
    read_fleet(*text, {}, input, milli, errors, misuse);
  }
  std::vector<std::string> lines = errors.lines();
  lines.insert(lines.end(), misuse.begin(), misuse.end());
  if (!lines.empty()) return std::unexpected{std::move(lines)};
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> kinds;
  for (std::size_t i = 0; i < milli.discharge.powers.size(); ++i) {
    std::int64_t power = milli.discharge.powers[i];
    std::int64_t energy = milli.discharge.energies[i];
    if (milli.charges) {
      power = std::min(power, milli.charge.powers[i]);
      energy += milli.charge.energies[i] / kPermilleOfOne * kind.round_trip_permille;
    }
    if (power / kMilli > 0 && energy / kMilli > 0) ++kinds[{power / kMilli, energy / kMilli}];
  }
  BacktestFleet out;
  for (const auto& [site, count] : kinds) {
    Battery battery = kind;
    battery.power = {site.first};
    battery.energy = {site.second};
    out.push_back({battery, count});
  }
  if (out.empty()) lines.push_back(file + ": no site has power and energy");
  if (!lines.empty()) return std::unexpected{std::move(lines)};
  return out;
}

Earnings schedule_day(const BacktestFleet& fleet, std::chrono::seconds slot,
                      std::span<const Price> expected, std::span<const Price> real) {
  Earnings out;
  for (const auto& [battery, count] : fleet) {
    const Earnings one = bidding::day_ahead(battery, slot, expected, real);
    out += {one.revenue * count, one.discharged * count, 0};
  }
  out.slots = real.size();
  return out;
}

Earnings sell_day(const BacktestFleet& fleet, BidStrategy strategy, std::span<const Price> expected,
                  std::span<const Price> real) {
  const Price cost = fleet.front().battery.wear;
  std::vector<Capability> sites = full_sites(fleet);
  std::vector<PricePoint> slots;
  const auto at = [](std::size_t hour) { return MarketTime{kOneHour * static_cast<int>(hour)}; };
  for (std::size_t t = 0; t < expected.size(); ++t) {
    slots.push_back({at(t), at(t + 1), expected[t]});
  }
  std::vector<Watts> sold;
  Joules delivered{0};
  for (std::size_t t = 0; t < real.size(); ++t) {
    const bidding::FirmCurve curve{aggregation::DurationCurve::of_sites(sites), kPermilleOfOne};
    const auto ahead = std::span{slots}.subspan(t);
    const bidding::Profile nothing{at(t)};
    Watts power{0};
    if (strategy == BidStrategy::kCurve) {
      for (const auto& segment : price_curve(ahead, cost, nothing, curve, kAllSegments)) {
        if (segment.price <= real[t]) power += segment.power;
      }
    } else if (real[t] >= cost) {
      power = allocate(ahead, cost, nothing, curve).front();
    }
    const Joules out = deliver(power, sites);
    delivered += out;
    sold.push_back({out.count / std::chrono::seconds{kOneHour}.count()});
  }
  return bidding::earned(kOneHour, sold, real);
}

}  // namespace vpp::ctl
